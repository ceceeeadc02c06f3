// The code of docs/guide/postgres.md that is not in the example.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <etl/delivery/level.hpp>
#include <etl/postgres/script.hpp>
#include <etl/postgres/sink.hpp>
#include <etl/postgres/store.hpp>
#include <etl/run.hpp>

#include "support/catch.hpp"
#include "unit/postgres/support.hpp"

namespace guide_test {

namespace {

namespace pg = etl::postgres;

using Cell = std::variant<std::monostate, std::int64_t, std::string>;  // monostate is NULL
using Cells = std::vector<Cell>;

/// As a header of a file or a configuration may say it.
auto prices_table() {
  return pg::dynamic_table<Cells>("prices",
                                  {{.name = "line", .type = pg::Type::BigInt, .key = true},
                                   {.name = "price", .type = pg::Type::Numeric, .nullable = false},
                                   {.name = "note"}},  // a nullable text
                                  [](const Cells& row, std::size_t column) -> const Cell& { return row[column]; });
}

struct Prices {
  using position = std::uint64_t;                                  // an unfinished run can be resumed
  std::string fingerprint() const { return "price list of May"; }  // progress belongs to this source

  std::vector<std::string> lines;
  decltype(prices_table()) table = prices_table();

  void extract(etl::Emitter<Cells, position>& out) const {
    for (std::uint64_t i = out.resume_from().value_or(0); i < lines.size(); ++i) {
      if (!out.push(Cells{static_cast<std::int64_t>(i), lines[i], {}})) return;
      out.mark(i + 1);
    }
  }
  std::string describe(const Cells& row) const { return std::get<std::string>(row[1]); }
  // Const: as many transactions at once as there are workers, each on a connection of the store's pool.
  etl::Result<void> load(std::span<const Cells> batch, etl::BatchContext& context, pg::Tx& tx) const {
    if (auto done = tx.execute("SET LOCAL work_mem = '64MB'"); !done) return done;  // whatever else belongs to it
    return tx.write(table, batch, context);
  }
};

}  // namespace

TEST_CASE("postgres guide: rows, dead letters and progress in one database, checked and merged afterwards") {
  const test::Schema schema;
  const std::string url = schema.url();
  auto connection = schema.open();
  etl::value(pg::create_table(connection, prices_table()));
  const Prices prices{{"12.50", "1e3", "none", "7"}};

  const auto store = etl::value(pg::Store::open(url));
  const etl::RunReport report =
      etl::run(etl::require_delivery<etl::Delivery::EffectivelyOnce>(etl::with_store(prices, *store)),
               {.name = "prices", .errors = {.max_rejects = 10}});
  INFO(report.text());
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(test::value(connection, "SELECT sum(price) FROM prices") == "1019.50");
  std::string why;
  test::ok(store->list("prices", [&](const etl::DeadLetter& letter) {
    why += *letter.payload + ": " + letter.errors.at(0);
    return true;
  }));
  CHECK(test::lacks(why, {"none: ", "line=2, column \"price\": 'none': not a decimal number"}) == "");

  const std::vector<std::string> checks = {"SELECT line, price FROM prices WHERE price <= 0",  // gives no row
                                           "SELECT count(*) < 1000000 FROM prices"};           // or true
  etl::value(pg::check_integrity(connection, checks));
  etl::value(pg::run_script(connection, "CREATE TABLE latest AS SELECT * FROM prices;\nTRUNCATE prices", "merge.sql"));
  CHECK(test::count(connection, "latest") == 3);
}

}  // namespace guide_test
