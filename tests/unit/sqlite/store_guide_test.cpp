// The code of docs/guide/dead_letters.md, and runs with a store.
#include <charconv>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <etl/etl.hpp>
#include <etl/sqlite/store.hpp>

#include "support/catch.hpp"
#include "unit/sqlite/support.hpp"

namespace store_guide_test {

namespace {

struct Price {
  std::int64_t line = 0;
  std::int64_t cents = 0;
};
const auto prices = etl::sqlite::table<Price>("prices", etl::sqlite::key("line", &Price::line),
                                              etl::sqlite::column("cents", &Price::cents));

struct Line {
  std::int64_t number = 0;
  std::string text{};
};

struct Prices {
  using position = std::uint64_t;                                  // an unfinished run can be resumed
  std::string fingerprint() const { return "price list of May"; }  // progress belongs to this source

  std::vector<std::string> lines;
  std::int64_t fail_at = -1;
  std::int64_t loaded = 0;

  void extract(etl::Emitter<Line, position>& out) const {
    for (std::uint64_t i = out.resume_from().value_or(0); i < lines.size(); ++i) {
      if (!out.push({static_cast<std::int64_t>(i), lines[i]})) return;
      out.mark(i + 1);
    }
  }
  etl::Result<Price> transform(const Line& line) const {
    Price price{.line = line.number};
    const char* const end = line.text.data() + line.text.size();
    if (std::from_chars(line.text.data(), end, price.cents).ptr != end)
      return etl::failure(etl::rejected("no price: " + line.text));
    return price;
  }
  // What a dead letter keeps of an item.
  std::string describe(const Line& line) const { return std::to_string(line.number) + ' ' + line.text; }

  etl::Result<void> load(std::span<const Price> batch, etl::BatchContext& context, etl::sqlite::Tx& tx) {
    for (const Price& price : batch)
      if (price.line == fail_at) return etl::failure(etl::fatal("the power went off"));
    loaded += static_cast<std::int64_t>(batch.size());
    return tx.write(prices, batch, context);
  }
};

/// Its loads wait for each other in the store.
struct Parallel {
  using position = std::uint64_t;
  std::string fingerprint() const { return "5000 numbers"; }
  std::int64_t fail_at = -1;
  void extract(etl::Emitter<std::int64_t, position>& out) const {
    for (std::uint64_t i = out.resume_from().value_or(0); i < 5000; ++i) {
      // The worker with the batch that fails may be slow: others must not load what a later run is to fail at.
      if (fail_at >= 0 && i > static_cast<std::uint64_t>(fail_at) + 500) {
        while (out.wait_for(std::chrono::milliseconds(1))) {}
        return;
      }
      if (!out.push(static_cast<std::int64_t>(i))) return;
      if (i % 100 == 99) out.mark(i + 1);
    }
  }
  etl::Result<Price> transform(const std::int64_t& i) const {
    if (i % 500 == 3) return etl::failure(etl::rejected("bad"));
    return Price{.line = i, .cents = i};
  }
  etl::Result<void> load(std::span<const Price> batch, etl::sqlite::Tx& tx) const {
    for (const Price& price : batch)
      if (price.line == fail_at) return etl::failure(etl::fatal("stop"));
    return tx.write(prices, batch);
  }
};

std::vector<std::string> some_lines() {
  std::vector<std::string> lines;
  for (int i = 0; i < 1000; ++i) lines.push_back(i % 100 == 7 ? "x" + std::to_string(i) : std::to_string(i * 10));
  return lines;
}
const etl::Options options{.name = "prices",
                           .batch_size = 50,
                           .workers = 2,
                           .errors = {.max_rejects = 100},
                           .inline_batches = etl::Inline::Never};

std::vector<etl::DeadLetter> letters(etl::DeadLetterStore& store) {
  std::vector<etl::DeadLetter> all;
  test::ok(store.list("prices", [&](const etl::DeadLetter& letter) {
    all.push_back(letter);
    return true;
  }));
  return all;
}

}  // namespace

TEST_CASE("sqlite store guide: rows and dead letters in one database, once each, whatever happens") {
  test::Folder folder;
  Prices job{.lines = some_lines(), .fail_at = 640};
  {
    const auto store = etl::value(etl::sqlite::Store::open(folder / "prices.db"));
    etl::value(etl::sqlite::create_table(store->database(), prices));
    const etl::RunReport report = etl::run(etl::with_store(job, *store), options);
    CHECK(report.outcome == etl::Outcome::Failed);
  }
  const auto store = test::ok(etl::sqlite::Store::open(folder / "prices.db"));
  const std::int64_t before = test::count(store->database(), "prices");
  CHECK(before < 990);
  CHECK(before == job.loaded);
  job.fail_at = -1;
  const etl::RunReport report = etl::run(etl::with_store(job, *store), options);
  INFO(report.text());
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(test::count(store->database(), "prices") == 990);
  auto rows = etl::sqlite::query(store->database(), prices);  // of what <etl/sqlite/store.hpp> brings
  CHECK(rows.has_value());
  CHECK(job.loaded == 990);  // no row was loaded twice, or its key would have been refused
  const auto found = letters(*store);
  REQUIRE(found.size() == 10);
  CHECK(found[3].seq == 307);
  CHECK(found[3].payload == "307 x307");
  CHECK(test::has(found[3].errors.at(0), "no price: x307"));
  CHECK(found[3].stage == etl::Stage::Transform);
  CHECK(test::ok(store->find("prices"))->finished);
}

TEST_CASE("sqlite store: G15 several writers that fail and go on: every row once, and every dead letter") {
  test::Folder folder;
  etl::Options parallel = options;
  parallel.workers = 4;
  parallel.batch_size = 20;
  for (const std::int64_t fail_at : {700, 2100, 2105, 4990, -1}) {
    const auto store = test::ok(etl::sqlite::Store::open(folder / "prices.db"));
    test::ok(etl::sqlite::create_table(store->database(), prices));
    Parallel job{.fail_at = fail_at};
    const etl::RunReport report = etl::run(etl::with_store(job, *store), parallel);
    INFO(report.text());
    CHECK((report.outcome == etl::Outcome::Failed) == (fail_at >= 0));
  }
  const auto store = test::ok(etl::sqlite::Store::open(folder / "prices.db"));
  CHECK(test::count(store->database(), "prices") == 4990);
  CHECK(letters(*store).size() == 10);
}

}  // namespace store_guide_test
