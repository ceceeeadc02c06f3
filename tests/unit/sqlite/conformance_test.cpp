#include <cstddef>

#include <etl/sqlite/store.hpp>
#include <etl/testing/conformance.hpp>

#include "support/catch.hpp"

namespace conformance_test {

namespace sqlite = etl::sqlite;

TEST_CASE("the SQLite store keeps the contract") {
  auto database = sqlite::Database::open(":memory:").value();
  REQUIRE(database.execute("CREATE TABLE t (n INTEGER)"));
  const auto store = sqlite::Store::over(database).value();
  CHECK_NOTHROW(etl::testing::check_transactional_store<sqlite::Tx>(
      *store, *store, [](sqlite::Tx& tx) { REQUIRE(tx.execute("INSERT INTO t VALUES (1)")); },
      [&]() -> std::size_t {
        auto count = store->database().prepare("SELECT count(*) FROM t").value();
        REQUIRE(count.step().value());
        return static_cast<std::size_t>(count.integer(0));
      }));
}

}  // namespace conformance_test
