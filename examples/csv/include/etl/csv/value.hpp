#pragma once
/// Values of cells whose types are known only at run time.

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include <etl/config.hpp>

namespace etl::inline v0::csv {

/// A date.
using Day = std::chrono::sys_days;
/// Wall-clock time of no zone.
using LocalTime = std::chrono::local_time<std::chrono::microseconds>;
/// A point in time.
using UtcTime = std::chrono::sys_time<std::chrono::microseconds>;

/// The value of a cell; `std::monostate` is NULL. Numbers of kind `Numeric` are texts, so that nothing is rounded.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string, Day, LocalTime, UtcTime>;
/// A row of values.
using Record = std::vector<Value>;

/// The type of a column.
enum class Kind : std::uint8_t { Boolean, Integer, Double, Numeric, Text, Date, Timestamp, TimestampTz };

/// All kinds.
inline constexpr Kind all_kinds[] = {Kind::Boolean, Kind::Integer, Kind::Double,    Kind::Numeric,
                                     Kind::Text,    Kind::Date,    Kind::Timestamp, Kind::TimestampTz};

/// Whether values of this kind are numbers.
[[nodiscard]] constexpr bool is_number(Kind kind) noexcept {
  return kind == Kind::Integer || kind == Kind::Double || kind == Kind::Numeric;
}

/// The name of a kind in mapping files and errors: "boolean", "integer", "double", "numeric", "text", "date",
/// "timestamp", "timestamptz".
[[nodiscard]] std::string_view to_string(Kind kind) noexcept;
/// The kind with this name, or nothing.
[[nodiscard]] std::optional<Kind> kind_of(std::string_view name) noexcept;

/// Appends a value in a form that the parsers of this component can read: "true", "-7", the shortest decimal number
/// that is the same double, "2026-11-21", "2026-11-21T10:30:00.25", with a "Z" after it for a point in time. Appends
/// nothing for NULL.
void append_text(std::string& out, bool value);
void append_text(std::string& out, std::int64_t value);
void append_text(std::string& out, std::uint64_t value);
void append_text(std::string& out, float value);
void append_text(std::string& out, double value);
void append_text(std::string& out, Day value);
void append_text(std::string& out, LocalTime value);
void append_text(std::string& out, UtcTime value);
void append_text(std::string& out, const Value& value);

}  // namespace etl::inline v0::csv
