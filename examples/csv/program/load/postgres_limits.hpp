#pragma once
// What the types of PostgreSQL change without an error.

#include <cstdint>
#include <map>
#include <string>

#include <etl/error.hpp>
#include <etl/postgres/connection.hpp>

#include "limits.hpp"

namespace program {

/// The limits of a table's columns by their number (`attnum`), from the catalogue. `table` is quoted.
[[nodiscard]] etl::Result<std::map<std::int64_t, TypeLimits>> limits_of_columns(etl::postgres::Connection& connection,
                                                                                const std::string& table);

}  // namespace program
