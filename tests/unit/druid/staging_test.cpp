// Rows of pipelines into Druid: staging, letters, types, and rows of queries.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/druid/compare.hpp>
#include <etl/druid/dead_letters.hpp>
#include <etl/druid/query.hpp>
#include <etl/druid/staging.hpp>
#include <etl/io/gzip.hpp>
#include <etl/io/object_store_folder.hpp>
#include <etl/io/object_store_stream.hpp>
#include <etl/policy/waiter.hpp>
#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/http_server.hpp"
#include "support/json.hpp"

namespace staging_test {

namespace druid = etl::druid;
namespace fs = std::filesystem;
using test::HttpServer;

namespace {

/// A folder of the test's own, which goes with it.
struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("etl-druid-{}", static_cast<const void*>(this));
  Folder() {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  [[nodiscard]] std::vector<std::string> objects() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(path))
      if (entry.is_regular_file()) found.push_back(fs::relative(entry.path(), path).string());
    std::ranges::sort(found);
    return found;
  }
};

std::vector<std::string> lines_of(const fs::path& file) {
  const auto text = etl::value(etl::io::read_all(*etl::value(etl::io::open_input(file))));
  std::vector<std::string> lines;
  for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(rest.find('\n') + 1))
    lines.emplace_back(rest.substr(0, rest.find('\n')));
  return lines;
}

/// Tasks that read their files at once, as Druid does.
class Druid {
 public:
  Druid() : server_([this](const HttpServer::Request& r) { return answer(r); }) {}
  [[nodiscard]] druid::Client client() const {
    return etl::value(druid::Client::make({.url = server_.url(""), .proxy = ""}));
  }
  [[nodiscard]] std::map<std::string, std::vector<std::string>> tasks() const {
    const std::lock_guard lock(mutex_);
    return tasks_;
  }
  std::set<std::string> bad{};        ///< rows that cannot be parsed
  std::atomic<bool> failing = false;  ///< tasks fail

 private:
  HttpServer::Reply answer(const HttpServer::Request& r) {
    const std::lock_guard lock(mutex_);
    if (r.target == "/druid/indexer/v1/task") {
      const auto task = test::Json::parse(r.body).value();
      const std::string id = task.at("id");
      if (tasks_.contains(id)) return HttpServer::answer(400, R"({"errorCode":"entryAlreadyExists"})");
      auto& rows = tasks_[id];
      const std::string files = "spec.ioConfig.inputSource.files.";
      for (std::size_t at = 0; task.contains(files + std::to_string(at)); ++at) {
        const std::string file = task.at(files + std::to_string(at));
        const auto lines = lines_of(file);
        for (std::size_t i = 0; i < lines.size(); ++i) {
          if (bad.contains(lines[i])) unparseable_[id].emplace_back(file, i + 1);
          rows.push_back(lines[i]);
        }
      }
      return HttpServer::answer(200, fmt::format(R"({{"task":"{}"}})", id));
    }
    if (r.target == "/druid/v2/sql")
      return HttpServer::answer(200, R"([["COLUMN_NAME","DATA_TYPE"],["VARCHAR","VARCHAR"],["__time","TIMESTAMP"]])");
    if (r.target.find("/loadstatus") != std::string::npos) return HttpServer::answer(200, R"({"sales":100.0})");
    const std::string id = r.target.substr(23, r.target.find('/', 23) - 23);
    if (r.target.ends_with("/status"))
      return HttpServer::answer(
          200, fmt::format(R"({{"task":"{0}","status":{{"id":"{0}","dataSource":"sales","statusCode":"{1}"}}}})", id,
                           failing ? "FAILED" : "SUCCESS"));
    std::string events;
    for (const auto& [file, line] : unparseable_[id])
      events += fmt::format(
          R"-({}{{"input":"{{x}}","errorType":"unparseable","details":["bad time (Path: file:{}, Record: {}, Line: {})"]}})-",
          events.empty() ? "" : ",", file, line, line);
    const std::size_t lost = unparseable_[id].size();
    return HttpServer::answer(
        200, fmt::format(R"({{"ingestionStatsAndErrors":{{"taskId":"{}","payload":{{"ingestionState":"COMPLETED",)"
                         R"("segmentsPublished":1,"unparseableEvents":{{"buildSegments":[{}]}},)"
                         R"("rowStats":{{"buildSegments":{{"processed":{},"unparseable":{}}}}}}}}}}})",
                         id, events, tasks_[id].size() - lost, lost));
  }
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<std::string>> tasks_{};
  std::map<std::string, std::vector<std::pair<std::string, std::size_t>>> unparseable_{};
  HttpServer server_;
};

druid::StagingOptions options(const Folder& folder, druid::Mode mode = druid::Replace{.where_rows_are = true}) {
  druid::StagingOptions made{.spec = {.data_source = "sales",
                                      .mode = std::move(mode),
                                      .timestamp = {.column = "t"},
                                      .dimensions = druid::Dimensions::of({{.name = "n"}})},
                             .input = druid::read_from_folder(folder.path.string()),
                             .prefix = "orders/",
                             .source = "numbers"};
  made.ingest.watch.executor = etl::Executor(std::make_shared<etl::testing::VirtualExecutor>());
  made.ingest.watch.seed = 1;
  return made;
}
druid::Staging open(const Folder& folder, const Druid& server, druid::StagingOptions how) {
  return etl::value(
      druid::Staging::open(etl::value(etl::io::FolderStore::open(folder.path)), server.client(), std::move(how)));
}

void row_of(int n, std::string& out) { out += fmt::format(R"({{"t":"2024-01-01","n":{}}})", n); }
std::string row_of(int n) {
  std::string text;
  row_of(n, text);
  return text;
}

/// Numbers below 20, staged by fives.
struct Numbers {
  using position = std::uint64_t;
  druid::Staging staging;
  int fail_at = 20;  ///< `load` fails for the batch with this number, after it has staged it
  std::string fingerprint() const { return "numbers"; }
  void extract(etl::Emitter<int>& out) const {
    const int first = out.resume_from() ? static_cast<int>(out.resume_from()->number().value()) : 0;
    for (int i = first; i < 20; ++i) {
      if (!out.push(i)) return;
      out.mark(etl::Position(static_cast<std::uint64_t>(i + 1)));
    }
  }
  etl::Result<void> load(std::span<const int> batch, const etl::IdempotencyKey& key) {
    auto done = staging.write(batch, [](int n, std::string& out) { row_of(n, out); }, key);
    if (batch.front() >= fail_at) return etl::fatal("killed");
    return done;
  }
  etl::Result<void> post_process(const etl::RunReport& report, std::stop_token stop) {
    return staging.finish(report, stop);
  }
};

/// The same with the level of a mode.
template <class Mode>
struct NumbersBy : Numbers {
  static constexpr etl::Delivery delivery = druid::StagingOf<Mode>::level;
};

std::vector<std::string> all_rows() {
  std::vector<std::string> rows;
  for (int n = 0; n < 20; ++n) rows.push_back(row_of(n));
  std::ranges::sort(rows);
  return rows;
}
std::vector<std::string> sorted(std::vector<std::string> rows) {
  std::ranges::sort(rows);
  return rows;
}

etl::Options run_options(std::shared_ptr<etl::CheckpointStore> checkpoints) {
  etl::Options made{.name = "numbers", .batch_size = 5, .workers = 1, .order = etl::Order::Source};
  made.delivery.checkpoints = std::move(checkpoints);
  return made;
}

}  // namespace

TEST_CASE("druid staging: G16: a run that was killed goes on, and its task has every row once") {
  const Folder folder;
  Druid server;
  const auto checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>();
  Numbers broken{.staging = open(folder, server, options(folder)), .fail_at = 10};
  CHECK_FALSE(etl::run(broken, run_options(checkpoints)).ok());
  CHECK(server.tasks().empty());
  CHECK(folder.objects().size() == 3);  // the third was staged, and is repeated

  Numbers numbers{.staging = open(folder, server, options(folder))};
  const auto report = etl::run(numbers, run_options(checkpoints));
  CHECK(report.ok());
  REQUIRE(server.tasks().size() == 1);
  CHECK(sorted(server.tasks().begin()->second) == all_rows());
  REQUIRE(numbers.staging.loaded());
  CHECK(numbers.staging.loaded()->rows == 20);
  CHECK(numbers.staging.loaded()->objects == 4);
  CHECK(numbers.staging.loaded()->result->outcome == druid::TaskOutcome::Complete);
  CHECK(folder.objects().empty());
  CHECK(numbers.staging.delivery() == etl::Delivery::EffectivelyOnce);
  CHECK(open(folder, server, options(folder, druid::Append{})).delivery() == etl::Delivery::AtLeastOnce);
}

TEST_CASE("druid staging: the mode as a part of the type") {
  STATIC_REQUIRE(etl::delivery_of<NumbersBy<druid::Replace>> == etl::Delivery::EffectivelyOnce);
  STATIC_REQUIRE(etl::delivery_of<NumbersBy<druid::Append>> == etl::Delivery::AtLeastOnce);

  const Folder folder;
  Druid server;
  const auto store = etl::value(etl::io::FolderStore::open(folder.path));
  using Replacing = druid::StagingOf<druid::Replace>;
  Numbers numbers{.staging = etl::value(Replacing::open(store, server.client(), options(folder)))};
  CHECK(numbers.staging.delivery() == Replacing::level);
  CHECK(etl::run(numbers, run_options(nullptr)).ok());
  CHECK(server.tasks().size() == 1);
  const auto refused = Replacing::open(store, server.client(), options(folder, druid::Append{}));
  CHECK(refused.error().message() == "staging: spec.mode is Append; give Replace, or use StagingOf<Append>");
}

TEST_CASE("druid staging: the same rows have the same task, and append finds it again") {
  const Folder folder;
  Druid server;
  for (int i = 0; i < 2; ++i) {
    Numbers numbers{.staging = open(folder, server, options(folder, druid::Append{}))};
    CHECK(etl::run(numbers, run_options(nullptr)).ok());
    CHECK(numbers.staging.loaded()->result->adopted == (i == 1));
  }
  CHECK(server.tasks().size() == 1);
  CHECK(folder.objects().empty());
}

TEST_CASE("druid staging: a task that fails keeps what is staged, for the next attempt") {
  const Folder folder;
  Druid server;
  server.failing = true;
  Numbers numbers{.staging = open(folder, server, options(folder))};
  const auto report = etl::run(numbers, run_options(nullptr));
  CHECK_FALSE(report.ok());
  CHECK(folder.objects().size() == 5);  // and the manifest
  CHECK_FALSE(numbers.staging.loaded());
  server.failing = false;
  const auto loaded = open(folder, server, options(folder)).ingest();
  REQUIRE(loaded);
  CHECK(loaded->rows == 20);
  CHECK(loaded->result->id.ends_with("_1"));
  CHECK(folder.objects().empty());
}

TEST_CASE("druid staging: objects of a load that has ended are never loaded again, even when some are gone") {
  const Folder folder;
  const Druid server;
  const auto store = etl::value(etl::io::FolderStore::open(folder.path));
  const auto staging = open(folder, server, options(folder));
  const std::vector<int> batch{1, 2};
  const auto append = [](int n, std::string& out) { row_of(n, out); };
  REQUIRE(staging.write(std::span<const int>(batch), append, {1, 2}));
  REQUIRE(staging.write(std::span<const int>(batch), append, {1, 3}));
  const auto staged = folder.objects();
  REQUIRE(staged.size() == 2);
  // As a process leaves it that is killed while it removes.
  const std::string manifest = fmt::format(
      R"({{"version":1,"state":"loaded","task":"x","content":"y","objects":[{{"key":"{}","rows":2}},{{"key":"{}","rows":2}}]}})",
      staged[0], staged[1]);
  REQUIRE(store.put("orders/manifest.json", manifest));
  REQUIRE(store.remove(staged[0]));
  const auto loaded = open(folder, server, options(folder)).ingest();
  REQUIRE(loaded);
  CHECK(loaded->rows == 0);
  CHECK_FALSE(loaded->result);
  CHECK(server.tasks().empty());
  CHECK(folder.objects().empty());

  REQUIRE(store.put("orders/manifest.json", "no JSON"));
  const auto bad = druid::Staging::open(store, server.client(), options(folder));
  REQUIRE_FALSE(bad);
  CHECK(bad.error().message().find("orders/manifest.json: this object is not a manifest of a staging") !=
        std::string::npos);
}

TEST_CASE("druid staging: what other sources and dropped runs have left goes, and nothing beside the prefix") {
  const Folder folder;
  const Druid server;
  const auto store = etl::value(etl::io::FolderStore::open(folder.path));
  const std::vector<int> batch{1};
  const auto append = [](int n, std::string& out) { row_of(n, out); };
  REQUIRE(store.put("other/file", "x"));
  auto other = options(folder);
  other.source = "other numbers";
  REQUIRE(open(folder, server, other).write(std::span<const int>(batch), append, {1, 2}));
  const auto staging = open(folder, server, options(folder));
  CHECK(folder.objects() == std::vector<std::string>{"other/file"});
  REQUIRE(staging.write(std::span<const int>(batch), append, {1, 2}));
  CHECK(folder.objects().size() == 2);
  auto restart = options(folder);
  restart.restart = true;
  static_cast<void>(open(folder, server, restart));
  CHECK(folder.objects() == std::vector<std::string>{"other/file"});
}

TEST_CASE("druid staging: a batch that has other rows than before is an error") {
  const Folder folder;
  const Druid server;
  const auto staging = open(folder, server, options(folder));
  const std::vector<int> batch{1, 2};
  const auto append = [](int n, std::string& out) { row_of(n, out); };
  REQUIRE(staging.write(std::span<const int>(batch), append, {1, 2}));
  REQUIRE(staging.write(std::span<const int>(batch).first(1), append, {1, 2}));
  CHECK(staging.ingest().error().message().find("are the same batch with other rows") != std::string::npos);
}

TEST_CASE("druid staging: G7: rows that Druid cannot parse become dead letters with their text") {
  const Folder folder;
  Druid server;
  server.bad = {row_of(7)};
  Numbers refused{.staging = open(folder, server, options(folder))};
  CHECK_FALSE(etl::run(refused, run_options(nullptr)).ok());
  CHECK(folder.objects().size() == 5);

  const auto letters = std::make_shared<etl::testing::MemoryDeadLetters>();
  auto how = options(folder);
  how.dead_letters = letters;
  Numbers numbers{.staging = open(folder, server, how)};
  CHECK(etl::run(numbers, run_options(nullptr)).ok());
  CHECK(numbers.staging.loaded()->letters == 1);
  std::vector<etl::DeadLetter> found;
  REQUIRE(letters->list("sales", [&](const etl::DeadLetter& letter) {
    found.push_back(letter);
    return true;
  }));
  REQUIRE(found.size() == 1);
  CHECK(found[0].payload == row_of(7));
  CHECK(found[0].errors.at(0).starts_with("bad time"));
  CHECK(folder.objects().empty());
}

TEST_CASE("druid staging: wrong options are told before anything is staged") {
  const Folder folder;
  const Druid server;
  const auto error = [&](druid::StagingOptions how) {
    return druid::Staging::open(etl::value(etl::io::FolderStore::open(folder.path)), server.client(), std::move(how))
        .error()
        .message();
  };
  auto how = options(folder);
  how.input = nullptr;
  CHECK(error(how).find("give read_from_folder(...) or read_from_s3(...)") != std::string::npos);
  how = options(folder);
  how.prefix = "orders";
  CHECK(error(how) == "staging: prefix 'orders' does not end with '/'");
  how = options(folder);
  how.spec.data_source.clear();
  CHECK_FALSE(error(how).empty());
  const auto input = druid::read_from_s3("bucket", {.region = "eu"})({"a/b"});
  CHECK(std::get<druid::S3Input>(input).uris == std::vector<std::string>{"s3://bucket/a/b"});
}

TEST_CASE("druid letters: rows that were kept get none, and those without a text are counted") {
  druid::TaskResult result{.id = "etl_sales_ab_3"};
  CHECK(druid::dead_letters(result, {}).empty());
  CHECK(druid::rows_without_letter(result) == 0);
  result.report = druid::TaskReport{
      .rows = {.processed = 1, .processed_with_error = 1, .unparseable = 3},
      .bad_rows = {{.input = "{a=1}", .kind = "processedWithError", .details = {"no number"}},
                   {.input = "{a=2}", .kind = "unparseable", .details = {"no time"}, .file = "file:/s/r.gz", .line = 7},
                   {.input = "{a=3}", .kind = "unparseable"}}};
  const auto letters = druid::dead_letters(result, {.text = [](const druid::BadRow& row) -> std::optional<std::string> {
                                             return row.line > 0 ? std::optional<std::string>("the row") : std::nullopt;
                                           }});
  REQUIRE(letters.size() == 2);
  CHECK(letters[0].id == "etl_sales_ab:r.gz:7");
  CHECK(letters[0].payload == "the row");
  CHECK(letters[1].payload == "{a=3}");
  CHECK(druid::rows_without_letter(result) == 1);
}

TEST_CASE("druid compare: new, missing, wider and changed columns") {
  const std::vector<druid::Table::Column> existing{{"__time", "TIMESTAMP"}, {"same", "VARCHAR"}, {"text", "VARCHAR"},
                                                   {"wide", "DOUBLE"},      {"old", "BIGINT"},   {"total", "DOUBLE"}};
  using Type = druid::DimensionType;
  const druid::Spec spec{.data_source = "sales",
                         .mode = druid::Append{},
                         .dimensions = druid::Dimensions::of({{.name = "same"},
                                                              {.name = "text", .type = Type::Long},
                                                              {.name = "wide", .type = Type::Long},
                                                              {.name = "new", .type = Type::Auto}}),
                         .metrics = {{.type = "longSum", .name = "total", .field = "n"}}};
  std::vector<std::pair<std::string, druid::ColumnChange::Type>> found;
  for (const auto& change : druid::compare(existing, spec)) found.emplace_back(change.column, change.type);
  using Change = druid::ColumnChange::Type;
  CHECK(found == std::vector<std::pair<std::string, Change>>{{"text", Change::Changed},
                                                             {"wide", Change::Wider},
                                                             {"new", Change::New},
                                                             {"total", Change::Wider},
                                                             {"old", Change::Missing}});
  CHECK(druid::compare({}, spec).empty());
}

TEST_CASE("druid query: rows of a query are a source of a pipeline, and a result that is cut is an error") {
  std::string body = "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n\n";
  HttpServer server([&](const auto&) { return HttpServer::answer(200, body); });
  struct Rows {
    druid::Client client;
    std::vector<std::string> seen{};
    etl::Result<void> extract(etl::Emitter<std::string>& out) const {
      return druid::emit_rows(client, {.sql = "SELECT n FROM sales"}, out,
                              [](std::string_view row) { return std::string(row); });
    }
    void load(std::span<const std::string> batch) { seen.insert(seen.end(), batch.begin(), batch.end()); }
  };
  Rows rows{.client = etl::value(druid::Client::make({.url = server.url(""), .proxy = ""}))};
  CHECK(etl::run(rows, {.workers = 1}).ok());
  CHECK(rows.seen == std::vector<std::string>{"{\"n\":1}", "{\"n\":2}", "{\"n\":3}"});
  body = "{\"n\":1}\n";
  const auto report = etl::run(rows, {.workers = 1});
  CHECK(report.outcome == etl::Outcome::Failed);
}

// Run by `ctest -C Druid` with ETLPIPE_DRUID, the folder of a cluster that scripts/druid_for_tests.sh has started.
TEST_CASE("druid real: a pipeline's rows are loaded and queried back", "[.][druid-real]") {
  const char* const cluster = std::getenv("ETLPIPE_DRUID");
  REQUIRE(cluster != nullptr);
  std::string url = etl::value(etl::io::read_all(*etl::value(etl::io::open_input(fs::path(cluster) / "url"))));
  url.resize(url.find('\n'));
  const auto client = etl::value(druid::Client::make({.url = url, .proxy = ""}));
  const Folder folder;
  const auto name = fmt::format("t_pipeline_{}", std::random_device()());
  const auto how = [&](druid::Mode mode) {
    auto made = options(folder, std::move(mode));
    made.ingest.watch.executor = {};
    made.spec.data_source = name;
    made.spec.dimensions = druid::Dimensions::of({{.name = "n", .type = druid::DimensionType::Long}});
    return made;
  };
  const auto run = [&](druid::Mode mode, int fail_at, std::shared_ptr<etl::CheckpointStore> checkpoints) {
    Numbers numbers{.staging = etl::value(druid::Staging::open(etl::value(etl::io::FolderStore::open(folder.path)),
                                                               client, how(std::move(mode)))),
                    .fail_at = fail_at};
    return etl::run(numbers, run_options(std::move(checkpoints)));
  };
  const auto checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>();
  CHECK_FALSE(run(druid::Replace{.where_rows_are = true}, 10, checkpoints).ok());
  const auto report = run(druid::Replace{.where_rows_are = true}, 20, checkpoints);
  INFO(report.text());
  REQUIRE(report.ok());
  CHECK(run(druid::Append{}, 20, nullptr).ok());
  CHECK(run(druid::Append{}, 20, nullptr).ok());  // finds its task again
  CHECK(folder.objects().empty());

  struct Rows {
    druid::Client client;
    std::string name;
    std::vector<std::string> seen{};
    etl::Result<void> extract(etl::Emitter<std::string>& out) const {
      return druid::emit_rows(client, {.sql = "SELECT \"n\" FROM \"" + name + "\" WHERE \"n\" >= ?", .parameters = {0}},
                              out, [](std::string_view row) { return std::string(row); });
    }
    void load(std::span<const std::string> batch) { seen.insert(seen.end(), batch.begin(), batch.end()); }
  };
  std::vector<std::string> expected;
  for (int n = 0; n < 20; ++n) expected.insert(expected.end(), 2, fmt::format(R"({{"n":{}}})", n));
  Rows rows{.client = client, .name = name};
  // Brokers lag behind the coordinator, which says what is loaded.
  for (int attempt = 0; attempt < 60 && sorted(rows.seen) != sorted(expected); ++attempt) {
    if (attempt > 0) static_cast<void>(etl::Waiter().wait_for(std::chrono::milliseconds(250)));
    rows.seen.clear();
    REQUIRE(etl::run(rows, {.workers = 1}).ok());
  }
  CHECK(sorted(rows.seen) == sorted(expected));
}

}  // namespace staging_test
