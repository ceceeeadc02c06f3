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
const auto products = etl::sqlite::table<Product>("products", etl::sqlite::key("id", &Product::id),
                                                  etl::sqlite::column("name", &Product::name),
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

int main() try {
  auto database = etl::value(etl::sqlite::Database::open(":memory:"));  // usually a path
  etl::value(etl::sqlite::create_table(database, products));
  auto sink = etl::value(etl::sqlite::sink(database, products, etl::sqlite::OnConflict::Update));

  const auto spring = etl::run(Catalogue{{{1, "kite", 12.5}, {2, "rope", 3.0}, {3, "boat", std::nullopt}}, sink});
  const auto autumn = etl::run(Catalogue{{{3, "boat", 80.0}, {4, "lamp", 20.0}}, sink});
  fmt::print("{}\n{}\n", spring.text(), autumn.text());
  for (const Product& p : etl::value(etl::sqlite::query(database, products)))
    fmt::print("{} {} {}\n", p.id, p.name, p.price.value_or(0));
  return spring.exit_code() + autumn.exit_code();
} catch (const etl::Exception& e) {
  fmt::print("{}\n", e.what());
  return 1;
}
