#pragma once
/// Cells whose types are known at run time only.

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

using Day = std::chrono::sys_days;
/// Wall-clock time of no zone.
using LocalTime = std::chrono::local_time<std::chrono::microseconds>;
/// A point in time.
using UtcTime = std::chrono::sys_time<std::chrono::microseconds>;

/// What a cell holds; `std::monostate` is NULL. Numbers of kind `Numeric` are texts: nothing is rounded.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string, Day, LocalTime, UtcTime>;
/// A row of them.
using Record = std::vector<Value>;

/// What a column holds.
enum class Kind : std::uint8_t { Boolean, Integer, Double, Numeric, Text, Date, Timestamp, TimestampTz };

inline constexpr Kind all_kinds[] = {Kind::Boolean, Kind::Integer, Kind::Double,    Kind::Numeric,
                                     Kind::Text,    Kind::Date,    Kind::Timestamp, Kind::TimestampTz};

/// As mapping files and errors name it: "boolean", "integer", "double", "numeric", "text", "date", "timestamp",
/// "timestamptz".
[[nodiscard]] std::string_view to_string(Kind kind) noexcept;
[[nodiscard]] std::optional<Kind> kind_of(std::string_view name) noexcept;

/// Appends a value as the parsers of this component read it again: "true", "-7", the shortest decimal number that is
/// the same double, "2026-11-21", "2026-11-21T10:30:00.25", and a "Z" behind it for a point in time. NULL: nothing.
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
