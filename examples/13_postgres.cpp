// Writes structs to a PostgreSQL table and reads them back: `example_13_postgres URL`.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <etl/etl.hpp>
#include <etl/postgres/pool_sink.hpp>
#include <etl/postgres/source.hpp>

struct Product {
  std::int64_t id = 0;
  std::string name{};
  std::optional<double> price{};    // may be NULL; the others are NOT NULL
  std::vector<std::string> tags{};  // text[]
};

// How the struct maps to the table. Other columns of the table are not changed.
const auto products = etl::postgres::table<Product>(
    "etl_example_products", etl::postgres::key("id", &Product::id), etl::postgres::column("name", &Product::name),
    etl::postgres::column("price", &Product::price), etl::postgres::column("tags", &Product::tags));

struct Catalogue {
  std::vector<Product> list;
  const etl::postgres::PoolSinkFor<decltype(products)>& sink;
  const std::vector<Product>& extract() const { return list; }
  // Const: all workers load at once. Each batch is one transaction; a row that breaks a constraint is rejected alone.
  etl::Result<void> load(std::span<const Product> batch, etl::BatchContext& context) const {
    return sink.write(batch, context);
  }
};

etl::Result<int> run(const char* url) {
  const auto pool = etl::postgres::Pool::make(url, {}, {.max_size = 2});
  if (!pool) return etl::failure(pool.error());
  auto connection = pool->lease();
  if (!connection) return etl::failure(connection.error());
  if (auto made = create_table(**connection, products); !made) return etl::failure(made.error());
  const auto sink = etl::postgres::sink(*pool, products, etl::postgres::OnConflict::Update);
  if (!sink) return etl::failure(sink.error());
  const auto report = etl::run(Catalogue{{{1, "kite", 12.5, {"toy"}}, {2, "rope", {}, {"toy", "sea"}}}, *sink});
  fmt::print("{}\n", report.text());
  auto rows = etl::postgres::query(**connection, products);
  if (!rows) return etl::failure(rows.error());
  for (Product p;;) {
    const auto more = rows->next(p);
    if (!more) return etl::failure(more.error());
    if (!*more) return report.exit_code();
    fmt::print("{} {} {} {}\n", p.id, p.name, p.price.value_or(0), fmt::join(p.tags, ","));
  }
}

int main(int argc, char** argv) {
  if (argc < 2) return fmt::print("usage: {} postgresql://user:password@host/database\n", argv[0]), 0;
  const auto done = run(argv[1]);
  if (!done) fmt::print("{}\n", done.error().message());
  return done.value_or(1);
}
