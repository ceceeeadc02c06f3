// Writes structs to a table and reads them back. The first run fills the table; the second run updates it.
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <etl/etl.hpp>
#include <etl/sqlite/sink.hpp>
#include <etl/sqlite/source.hpp>

struct Product {
  std::int64_t id = 0;
  std::string name{};
  std::optional<double> price{};  // may be NULL; the others are NOT NULL
};

// How the struct maps to the table. Other columns of the table are not changed.
const auto products = etl::sqlite::table<Product>(
    "products", etl::sqlite::key("id", &Product::id), etl::sqlite::column("name", &Product::name),
    etl::sqlite::column("price", &Product::price));

struct Catalogue {
  std::vector<Product> list;
  etl::sqlite::SinkFor<decltype(products)>& sink;

  const std::vector<Product>& extract() const { return list; }
  // Each batch is one transaction. A row that breaks a constraint is rejected alone.
  etl::Result<void> load(std::span<const Product> batch, etl::BatchContext& context) {
    return sink.write(batch, context);
  }
};

etl::Result<int> run() {
  auto database = etl::sqlite::Database::open(":memory:");  // usually a path
  if (!database) return etl::failure(database.error());
  if (auto made = etl::sqlite::create_table(*database, products); !made) return etl::failure(made.error());
  auto sink = etl::sqlite::sink(*database, products, etl::sqlite::OnConflict::Update);
  if (!sink) return etl::failure(sink.error());

  const auto spring = etl::run(Catalogue{{{1, "kite", 12.5}, {2, "rope", 3.0}, {3, "boat", std::nullopt}}, *sink});
  const auto autumn = etl::run(Catalogue{{{3, "boat", 80.0}, {4, "lamp", 20.0}}, *sink});
  fmt::print("{}\n{}\n", spring.text(), autumn.text());
  auto rows = etl::sqlite::query(*database, products);
  if (!rows) return etl::failure(rows.error());
  for (Product p;;) {
    const auto more = rows->next(p);
    if (!more) return etl::failure(more.error());
    if (!*more) return spring.exit_code() + autumn.exit_code();
    fmt::print("{} {} {}\n", p.id, p.name, p.price.value_or(0));
  }
}

int main() {
  const auto done = run();
  if (!done) fmt::print("{}\n", done.error().message());
  return done.value_or(1);
}
