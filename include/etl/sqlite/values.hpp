#pragma once
/// How values are bound, and how errors show them.

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <etl/config.hpp>
#include <etl/sqlite/database.hpp>
#include <etl/sqlite/table.hpp>

namespace etl::inline v0::sqlite::detail {

/// A date or time in the format of ISO 8601.
struct Moment {
  enum class Kind : std::uint8_t { Date, Local, Utc } kind;
  std::int64_t day;               ///< since 1970-01-01
  std::int64_t microseconds = 0;  ///< of the day
};
template <class V>
inline constexpr bool is_moment = false;
template <class D>
inline constexpr bool is_moment<std::chrono::sys_time<D>> = true;
template <class D>
inline constexpr bool is_moment<std::chrono::local_time<D>> = true;

/// Parts of a microsecond are dropped.
template <class Clock, class D>
[[nodiscard]] constexpr Moment moment(std::chrono::time_point<Clock, D> time) {
  using Days = std::chrono::duration<std::int64_t, std::chrono::days::period>;
  constexpr auto kind = std::is_same_v<D, std::chrono::days>               ? Moment::Kind::Date
                        : std::is_same_v<Clock, std::chrono::system_clock> ? Moment::Kind::Utc
                                                                           : Moment::Kind::Local;
  const auto day = std::chrono::floor<Days>(time.time_since_epoch());
  const auto rest = std::chrono::floor<std::chrono::microseconds>(time.time_since_epoch() - day);
  return {.kind = kind, .day = day.count(), .microseconds = rest.count()};
}
/// As `bind_value`.
[[nodiscard]] const char* bind_moment(Statement& statement, int parameter, Moment moment);

/// Binds the value. A text: why the column cannot hold it; nullptr: it can.
template <class V>
[[nodiscard]] const char* bind_value(Statement& statement, int parameter, const V& value) {
  if constexpr (is_optional<V>) {
    using Inner = not_null_t<V>;
    if (!value) return statement.bind(parameter, nullptr), nullptr;
    if constexpr (RealValue<Inner>)  // there is a NULL for it
      return statement.bind(parameter, static_cast<double>(*value)), nullptr;
    else
      return bind_value(statement, parameter, *value);
  } else if constexpr (std::is_enum_v<V>) {
    return bind_value(statement, parameter, static_cast<std::underlying_type_t<V>>(value));
  } else if constexpr (IntegerValue<V>) {
    if constexpr (!std::is_same_v<V, bool>)
      if (!std::in_range<std::int64_t>(value)) return "more than SQLite's largest integer, 9223372036854775807";
    statement.bind(parameter, static_cast<std::int64_t>(value));
  } else if constexpr (RealValue<V>) {
    if (std::isnan(value)) return "SQLite stores NaN as NULL, and this column takes no NULL: make it nullable";
    statement.bind(parameter, static_cast<double>(value));
  } else if constexpr (TextValue<V>) {
    statement.bind(parameter, std::string_view(value));
  } else {
    statement.bind(parameter, std::span<const std::byte>(value));
  }
  return nullptr;
}

[[nodiscard]] std::string shown(std::int64_t value);
[[nodiscard]] std::string shown(std::uint64_t value);
[[nodiscard]] std::string shown(double value);
[[nodiscard]] std::string shown(std::string_view text);
[[nodiscard]] std::string shown(std::span<const std::byte> blob);
[[nodiscard]] std::string shown(Moment moment);
template <class... V>
[[nodiscard]] std::string show(const std::variant<V...>& value);
/// A value as an error shows it.
template <class V>
[[nodiscard]] std::string show(const V& value) {
  if constexpr (std::is_same_v<V, std::monostate>)
    return "NULL";
  else if constexpr (is_moment<V>)
    return shown(moment(value));
  else if constexpr (is_optional<V>)
    return value ? show(*value) : "NULL";
  else if constexpr (std::is_enum_v<V>)
    return show(static_cast<std::underlying_type_t<V>>(value));
  else if constexpr (std::is_unsigned_v<V>)
    return shown(std::uint64_t{value});
  else if constexpr (IntegerValue<V>)
    return shown(std::int64_t{value});
  else if constexpr (RealValue<V>)
    return shown(static_cast<double>(value));
  else if constexpr (TextValue<V>)
    return shown(std::string_view(value));
  else
    return shown(std::span<const std::byte>(value));
}
template <class... V>
[[nodiscard]] std::string show(const std::variant<V...>& value) {
  return std::visit([](const auto& alternative) { return show(alternative); }, value);
}

}  // namespace etl::inline v0::sqlite::detail
