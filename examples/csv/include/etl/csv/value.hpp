#pragma once
/// Values of cells whose types are known at run time only.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <etl/config.hpp>

namespace etl::inline v0::csv {

/// What the cells of a column are.
enum class Kind : std::uint8_t {
  Boolean,
  Integer,  ///< 64 bits
  Double,
  Numeric,  ///< a decimal number of any length, kept as text
  Text,
  Date,
  Timestamp,    ///< date and time of day, of nowhere in particular
  TimestampTz,  ///< an instant
};
/// As errors and mapping files name it: "boolean", "integer", "double", "numeric", "text", "date", "timestamp",
/// "timestamptz".
[[nodiscard]] std::string_view to_string(Kind kind) noexcept;
[[nodiscard]] std::optional<Kind> kind_from(std::string_view name) noexcept;

/// A cell of any kind. NULL is std::monostate, a numeric is its text.
using Value =
    std::variant<std::monostate, bool, std::int64_t, double, std::string, std::chrono::sys_days,
                 std::chrono::local_time<std::chrono::microseconds>, std::chrono::sys_time<std::chrono::microseconds>>;
/// One row of them.
using Record = std::vector<Value>;

}  // namespace etl::inline v0::csv
