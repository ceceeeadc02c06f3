// The client against a real Druid, whose router ETLPIPE_DRUID names (see scripts/druid_for_tests.sh). Without it these
// cases check nothing.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <etl/druid/ingest.hpp>

#include "support/catch.hpp"

namespace druid = etl::druid;
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using druid::TaskOutcome;

namespace {

std::optional<druid::Client> real() {
  const char* const url = std::getenv("ETLPIPE_DRUID");
  if (url == nullptr || *url == '\0') return std::nullopt;
  return etl::value(druid::Client::make({.url = url, .proxy = ""}));
}

/// Different in each run, because Druid remembers ids of tasks.
std::string fresh(const std::string& name) {
  static const unsigned number = std::random_device{}();
  return "t" + std::to_string(number) + "_" + name;
}

druid::Spec spec(const std::string& name, std::string rows, druid::Mode mode) {
  return {
      .data_source = fresh(name),
      .mode = std::move(mode),
      .timestamp = {.column = "t"},
      .dimensions = druid::Dimensions::of({{.name = "product"}, {.name = "qty", .type = druid::DimensionType::Long}}),
      .input = druid::InlineInput{"t,product,qty\n" + std::move(rows)},
      .format = druid::CsvFormat{},
      .tuning = {.max_parse_exceptions = 10},
      .columns = {"t", "product", "qty"}};
}

druid::IngestOptions sent(std::uint64_t rows, std::string content) {
  return {.content = std::move(content), .watch = {.rows_sent = rows, .deadline = 120s, .first_poll = 100ms}};
}

/// The sum of the quantities. Brokers may lag by a moment, so it is asked until it is `expected`, for a while.
std::string sum(const druid::Client& client, const std::string& source, const std::string& expected) {
  const etl::Waiter waiter({}, {}, etl::Clock::now() + 30s);
  std::string last;
  do {
    const auto table = client.sql({.sql = "SELECT COUNT(*), SUM(qty) FROM \"" + source + "\""});
    if (!table)
      last = table.error().message();
    else
      last = table->rows.at(0).at(0).value_or("null") + " " + table->rows.at(0).at(1).value_or("null");
  } while (last != expected && waiter.wait_for(200ms));
  return last;
}

}  // namespace

TEST_CASE("druid real: replace and append, queried back") {
  const auto client = real();
  if (!client) return;
  CHECK_FALSE(client->version().value().empty());
  const druid::Replace january{.intervals = {"2024-01-01/2024-02-01"}};
  auto first = spec("modes", "2024-01-01T00:00:00Z,apple,3\n2024-01-02T00:00:00Z,pear,4\n", january);
  CHECK_FALSE(client->has_data_source(first.data_source).value());
  auto result = druid::ingest(*client, first, sent(2, "one"));
  REQUIRE(result);
  INFO(result->reason);
  CHECK(result->outcome == TaskOutcome::Complete);
  CHECK(result->report->segments_published == 2U);
  CHECK(client->has_data_source(first.data_source).value());
  CHECK(client->load_status(first.data_source, "2024-01-01/2024-02-01").value() == 100.0);
  CHECK_FALSE(client->load_status(first.data_source, "2030-01-01/2030-02-01").value());
  CHECK(sum(*client, first.data_source, "2 7") == "2 7");

  CHECK(druid::ingest(*client, first, sent(2, "one"))->outcome == TaskOutcome::Complete);
  CHECK(sum(*client, first.data_source, "2 7") == "2 7");

  const auto more = spec("modes", "2024-01-01T05:00:00Z,fig,5\n", druid::Append{});
  CHECK(druid::ingest(*client, more, sent(1, "two"))->outcome == TaskOutcome::Complete);
  const auto again = druid::ingest(*client, more, sent(1, "two"));
  REQUIRE(again);
  CHECK(again->adopted);
  CHECK(again->outcome == TaskOutcome::Complete);
  CHECK(sum(*client, first.data_source, "3 12") == "3 12");

  const auto other = spec("modes", "2024-01-01T07:00:00Z,kiwi,1\n", druid::Replace{january.intervals, false, true});
  CHECK(druid::ingest(*client, other, sent(1, "three"))->outcome == TaskOutcome::Complete);
  CHECK(sum(*client, first.data_source, "1 1") == "1 1");

  const auto source =
      client->open_sql({.sql = "SELECT product, qty FROM \"" + first.data_source + "\" WHERE product = ?",
                        .parameters = {std::string("kiwi")}});
  REQUIRE(source);
  CHECK(etl::io::read_all(**source).value().starts_with(R"({"product":"kiwi","qty":1})"));
}

TEST_CASE("druid real: bad rows, rows outside, and inputs that are missing") {
  const auto client = real();
  if (!client) return;
  const auto bad =
      spec("bad", "2024-01-01T00:00:00Z,apple,3\nno time,pear,4\n2024-03-01T00:00:00Z,fig,5\n2024-01-03,x,NaN\n",
           druid::Replace{.intervals = {"2024-01-01/2024-02-01"}});
  const auto result = druid::ingest(*client, bad, sent(4, "bad"));
  REQUIRE(result);
  INFO(result->reason);
  CHECK(result->outcome == TaskOutcome::CompleteWithRejects);
  CHECK(result->report->rows.unparseable == 1);
  CHECK(result->report->rows.thrown_away == 1);
  CHECK(result->report->rows.processed_with_error == 1);
  CHECK(result->report->bad_rows.at(0).input.find("no time") != std::string::npos);

  auto strict = spec("strict", "no time,pear,4\n", druid::Append{});
  strict.tuning.max_parse_exceptions = 0;
  const auto failed = druid::ingest(*client, strict, sent(1, "strict"));
  REQUIRE(failed);
  CHECK(failed->outcome == TaskOutcome::Failed);
  CHECK(failed->reason.starts_with("Max parse exceptions"));

  auto missing = spec("missing", "", druid::Append{});
  missing.input = druid::LocalInput{.base_dir = "/no/such/folder"};
  const auto none = druid::ingest(*client, missing, {.content = "missing", .watch = {.deadline = 120s}});
  REQUIRE(none);
  CHECK(none->outcome != TaskOutcome::Complete);
  CHECK_FALSE(none->loaded());
}

TEST_CASE("druid real: what Druid says is understood") {
  const auto client = real();
  if (!client) return;
  CHECK(client->status("no_such_task").error().code == druid::Problem::NoTask);
  CHECK(client->report("no_such_task").error().code == druid::Problem::NoReport);
  const auto broken = client->submit_json("{broken").error();
  CHECK(broken.error_class == etl::ErrorClass::Rejected);
  CHECK(client->sql({.sql = "SELECT 1 FROM no_such_table"}).error().message().find("no_such_table") !=
        std::string::npos);

  const std::string id = fresh("noop");
  const std::string noop = R"({"type":"noop","runTime":600000,"id":")" + id + "\"}";
  CHECK(client->submit_json(noop).value() == id);
  CHECK(client->submit_json(noop).error().code == druid::Problem::TaskExists);
  CHECK(client->statuses(std::vector<std::string>{id, "no_such_task"}).value().size() == 1);
  const auto result = druid::watch(*client, id, {.deadline = 3s, .first_poll = 100ms});
  INFO(result.reason);
  CHECK(result.outcome == TaskOutcome::ShutDown);
}

TEST_CASE("druid real: every input and partitioning that the builder allows is accepted") {
  const auto client = real();
  if (!client) return;
  const fs::path folder = fs::temp_directory_path() / fresh("files");
  fs::create_directories(folder);
  for (int i = 0; i < 2; ++i)
    std::ofstream(folder / ("part" + std::to_string(i) + ".json"))
        << R"({"t":"2024-01-0)" << i + 1 << R"(T00:00:00Z","product":"p)" << i << R"(","qty":2})" << "\n";
  auto files = spec("files", "", druid::Replace{.intervals = {"2024-01-01/2024-02-01"}});
  files.input = druid::LocalInput{.base_dir = folder.string(), .filter = "*.json"};
  files.format = druid::JsonFormat{};
  const std::vector<druid::Partitions> all{
      druid::DynamicPartitions{}, druid::HashedPartitions{.num_shards = 2},
      druid::HashedPartitions{.dimensions = {"product"}, .target_rows_per_segment = 1},
      druid::RangePartitions{.dimensions = {"product"}, .target_rows_per_segment = 1}};
  int number = 0;
  for (const auto& partitions : all) {
    files.tuning.partitions = partitions;
    files.tuning.max_sub_tasks = 2;
    const auto result = druid::ingest(*client, files, sent(2, std::to_string(number++)));
    REQUIRE(result);
    INFO(number << ": " << result->reason);
    CHECK(result->outcome == TaskOutcome::Complete);
  }
  CHECK(sum(*client, files.data_source, "2 4") == "2 4");

  auto copy = spec("copy", "", druid::Replace{.where_rows_are = true});
  copy.timestamp = {.column = "__time"};
  copy.columns.clear();
  copy.dimensions = druid::Dimensions::discovered();
  copy.metrics = {{"count", "rows"}, {"longSum", "qty", "quantity"}};
  copy.transforms = {.transforms = {{.name = "quantity", .expression = "qty * 10"}},
                     .filter = R"({"type":"selector","dimension":"product","value":"p1"})"};
  copy.granularity = {.segment = druid::Grain::Month, .query = druid::Grain::Day, .rollup = true};
  copy.input = druid::DruidInput{.data_source = files.data_source, .interval = "2024-01-01/2024-02-01"};
  copy.format = std::monostate();
  const auto result = druid::ingest(*client, copy, sent(2, "copy"));
  REQUIRE(result);
  INFO(result->reason);
  CHECK(result->outcome == TaskOutcome::CompleteWithRejects);  // one row is filtered
  CHECK(sum(*client, copy.data_source, "1 20") == "1 20");
  fs::remove_all(folder);
}
