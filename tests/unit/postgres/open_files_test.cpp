// G3: a run leaves no connection open, however it ends.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <etl/postgres/store.hpp>
#include <etl/run.hpp>

#include "support/catch.hpp"
#include "support/open_files.hpp"
#include "unit/postgres/support.hpp"

namespace open_files_test {

namespace {

struct Row {
  std::int64_t id = 0;
};
const auto rows = etl::postgres::table<Row>("rows", etl::postgres::column("id", &Row::id));

/// 0 to 99 in two partitions; some are rejected, and `fail` ends the run.
struct Numbers {
  using position = std::uint64_t;
  bool fail = false;
  std::string fingerprint() const { return "numbers"; }
  std::vector<std::string> partitions() const { return {"low", "high"}; }
  std::string describe(const std::int64_t& n) const { return std::to_string(n); }
  void extract(const std::string& partition, etl::Emitter<std::int64_t>& out) const {
    const std::int64_t base = partition == "low" ? 0 : 50;
    for (std::uint64_t i = out.resume_from() ? out.resume_from()->number().value() : 0; i < 50; ++i) {
      if (!out.push(base + static_cast<std::int64_t>(i))) return;
      out.mark(etl::Position(i + 1));
    }
  }
  etl::Result<Row> transform(const std::int64_t& n) const {
    if (n % 20 == 7) return etl::failure(etl::rejected("seven"));
    return Row{n};
  }
  etl::Result<void> load(std::span<const Row> batch, etl::postgres::Tx& tx) const {
    if (fail && batch.back().id > 40) return etl::failure(etl::fatal("enough"));
    return tx.write(rows, batch);
  }
};

}  // namespace

TEST_CASE("postgres store: G3 a run leaves no connection open but the pool's, and these go with the store") {
  const test::Schema schema;
  auto db = schema.open();
  test::ok(db.execute("CREATE TABLE rows(id bigint)"));
  etl::Options options{.name = "numbers", .batch_size = 10, .workers = 3};
  options.errors.max_rejects = 100;
  std::ptrdiff_t without = 0;
  for (const bool again : {false, true}) {  // what a process keeps for later runs is open after the first
    {
      const auto store = test::ok(etl::postgres::Store::open(schema.url()));
      for (const bool fail : {false, true, false, true, true, false}) {
        const auto others = test::open_files() - static_cast<std::ptrdiff_t>(store->pool().status().idle);
        const Numbers job{fail};
        CHECK(etl::run(etl::with_store(job, *store), options).ok() == !fail);
        CHECK(store->pool().status().leased == 0);
        if (again) CHECK(test::open_files() == others + static_cast<std::ptrdiff_t>(store->pool().status().idle));
      }
    }
    if (again) CHECK(test::open_files() == without);
    without = test::open_files();
  }
}

}  // namespace open_files_test
