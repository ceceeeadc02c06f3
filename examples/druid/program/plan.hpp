#pragma once
// Makes a spec from the command line of a load and the columns of its files.

#include <cstdint>
#include <string>
#include <vector>

#include <etl/druid/spec.hpp>
#include <etl/error.hpp>

#include "input.hpp"

namespace program {

/// How rows become rows of a datasource.
struct Plan {
  std::string data_source{};
  std::string mode{};
  std::vector<std::string> intervals{};
  bool drop_existing = false;
  std::string time{};
  std::string time_format = "auto";
  std::vector<std::string> types{};  ///< "COLUMN=long"
  std::string granularity = "DAY";
  std::string query_granularity = "NONE";
  bool rollup = false;
  bool concurrent_locks = false;
  std::vector<std::string> metrics{};
  std::int64_t max_bad_rows = 0;
};
void add_plan(CLI::App& command, Plan& plan);

/// The spec without its input. An error names the option that is wrong or missing.
[[nodiscard]] etl::Result<etl::druid::Spec> spec_of(const Plan& plan, const std::vector<Column>& columns);

}  // namespace program
