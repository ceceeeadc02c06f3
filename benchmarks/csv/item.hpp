#pragma once
// The rows of "mixed" files (generate.hpp) as structs.

#include <chrono>
#include <cstdint>
#include <string>

#include <etl/csv/columns.hpp>

namespace bench {

struct Item {
  std::int64_t id = 0;
  std::int32_t code = 0;
  std::chrono::sys_days day{};
  std::string description{};
  double price = 0;
  std::int32_t count = 0;
  bool active = false;
  double ratio = 0;
  std::string key{};
  std::string name{};
};

/// All of their columns.
inline auto item_columns() {
  namespace csv = etl::csv;
  return csv::columns<Item>(csv::column("id", &Item::id), csv::column("code", &Item::code),
                            csv::column("day", &Item::day), csv::column("description", &Item::description),
                            csv::column("price", &Item::price), csv::column("count", &Item::count),
                            csv::column("active", &Item::active), csv::column("ratio", &Item::ratio),
                            csv::column("key", &Item::key), csv::column("name", &Item::name));
}

}  // namespace bench
