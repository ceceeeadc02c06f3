#pragma once
/// Values in PostgreSQL's binary form, read into C++ types.

#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/postgres/copy.hpp>
#include <etl/postgres/types.hpp>

namespace etl::inline v0::postgres::detail {

/// A value as the server sent it. NULL: `data` is null.
struct Field {
  const char* data;
  std::size_t size;
  std::uint32_t type;
  [[nodiscard]] std::string_view text() const noexcept { return {data, size}; }
};

/// An integer in network order; there must be that many bytes.
template <class I>
[[nodiscard]] I network(const char* data) noexcept {
  std::make_unsigned_t<I> value = 0;
  for (std::size_t i = 0; i < sizeof(I); ++i)
    value = static_cast<std::make_unsigned_t<I>>((std::uint64_t{value} << 8U) | static_cast<unsigned char>(data[i]));
  return static_cast<I>(value);
}

/// 12.50, -0.001, NaN, ...; false: the bytes are no numeric.
[[nodiscard]] bool read_numeric(std::string_view bytes, std::string& to);
[[nodiscard]] const char* read_decimal(std::string_view bytes, Decimal& to);

/// The first type that users or extensions have made, such as enumerations.
inline constexpr std::uint32_t first_own = 16'384;

/// Whether values of a type of the server's can be read into `V`. Of types that users or extensions have made, only
/// those that are sent as texts can be read; `find_columns` asks the server which these are.
template <class V>
[[nodiscard]] constexpr bool readable(std::uint32_t type) {
  const auto is = [type](auto... wanted) { return ((type == type_info(wanted).oid) || ...); };
  if constexpr (is_optional<V>) {
    return readable<typename V::value_type>(type);
  } else if constexpr (ArrayValue<V>) {
    using E = not_null_t<array_element_t<V>>;
    for (std::uint8_t t = 0; t <= static_cast<std::uint8_t>(Type::Jsonb); ++t)
      if (type_info(static_cast<Type>(t)).array_oid == type) return readable<E>(type_info(static_cast<Type>(t)).oid);
    return type == 1015 && readable<E>(1043);  // varchar[]
  } else if constexpr (std::is_same_v<V, bool>) {
    return is(Type::Boolean);
  } else if constexpr (IntegerValue<V>) {
    return is(Type::SmallInt, Type::Integer, Type::BigInt);
  } else if constexpr (RealValue<V>) {
    return is(Type::Real, Type::Double);
  } else if constexpr (std::is_same_v<V, std::string>) {
    return is(Type::Text, Type::Json, Type::Jsonb, Type::Numeric, Type::Uuid) || type == 1043 || type == 1042 ||
           type == 19 || type >= first_own;
  } else {
    constexpr Type type_of_member = default_type<V>();  // Clang 16 would call it at run time
    return is(type_of_member);
  }
}

[[nodiscard]] const char* read_text(const Field& field, std::string& to);

template <class Clock, class D>
[[nodiscard]] const char* read_time(std::int64_t count, std::chrono::time_point<Clock, D>& to) {
  using namespace std::chrono;
  if (count == std::numeric_limits<std::int64_t>::max() || count == std::numeric_limits<std::int64_t>::min())
    return "an infinite time";
  // In seconds first: all of PostgreSQL's range is not within that of nanoseconds.
  const auto whole = floor<seconds>(microseconds(count));
  const auto part = microseconds(count) - whole;
  const auto since_1970 = whole + epoch.time_since_epoch();
  using Period = typename D::period;
  constexpr double limit = static_cast<double>(D::max().count()) * static_cast<double>(Period::num) / Period::den;
  if (std::abs(static_cast<double>(since_1970.count())) >= limit) return "out of the member's range";
  if (duration_cast<D>(since_1970) > D::max() - duration_cast<D>(part)) return "out of the member's range";
  const auto time = duration_cast<D>(since_1970) + duration_cast<D>(part);
  if constexpr (std::ratio_greater_v<typename D::period, std::micro> && !treat_as_floating_point_v<typename D::rep>)
    if (duration_cast<microseconds>(time) != since_1970 + part) return "finer than the member's unit";
  to = time_point<Clock, D>(time);
  return nullptr;
}

/// Reads a value of a type that is readable. A text: why the member cannot take it; nullptr: it has.
template <class V>
[[nodiscard]] const char* read_value(const Field& field, V& to);

template <class V>
[[nodiscard]] const char* read_array(const Field& field, V& to) {
  constexpr const char* broken = "not a valid array";
  std::size_t at = 0;
  const auto next = [&]<class I>(I& value) {
    if (field.size - at < sizeof(I)) return false;
    value = network<I>(field.data + at);
    at += sizeof(I);
    return true;
  };
  std::int32_t dimensions = 0, flags = 0, count = 0, first = 0;
  std::uint32_t type = 0;
  if (!next(dimensions) || !next(flags) || !next(type)) return broken;
  to.clear();
  if (dimensions == 0) return nullptr;
  if (dimensions != 1) return "an array of more than one dimension";
  if (!next(count) || !next(first)) return broken;
  for (std::int32_t i = 0; i < count; ++i) {
    std::int32_t size = 0;
    if (!next(size)) return broken;
    if (size >= 0 && field.size - at < static_cast<std::size_t>(size)) return broken;
    array_element_t<V> element{};
    const Field part{.data = size < 0 ? nullptr : field.data + at,
                     .size = size < 0 ? 0 : static_cast<std::size_t>(size),
                     .type = type};
    if (const char* why = read_value(part, element)) return why;
    to.push_back(std::move(element));
    at += part.size;
  }
  return nullptr;
}

template <class V>
const char* read_value(const Field& field, V& to) {
  if constexpr (is_optional<V>) {
    if (field.data == nullptr) return to.reset(), nullptr;
    if (!to) to.emplace();
    return read_value(field, *to);
  } else {
    if (field.data == nullptr) return "NULL, but the member is not a std::optional";
    if constexpr (ArrayValue<V>) {
      return read_array(field, to);
    } else if constexpr (std::is_same_v<V, bool>) {
      to = *field.data != 0;
    } else if constexpr (std::is_enum_v<V>) {
      std::underlying_type_t<V> number{};
      const char* const why = read_value(field, number);
      if (why == nullptr) to = static_cast<V>(number);
      return why;
    } else if constexpr (IntegerValue<V>) {
      const std::int64_t value = field.size == 2   ? network<std::int16_t>(field.data)
                                 : field.size == 4 ? network<std::int32_t>(field.data)
                                                   : network<std::int64_t>(field.data);
      if (!std::in_range<V>(value)) return "out of the member's range";
      to = static_cast<V>(value);
    } else if constexpr (RealValue<V>) {
      const double value = field.size == 4
                               ? static_cast<double>(std::bit_cast<float>(network<std::uint32_t>(field.data)))
                               : std::bit_cast<double>(network<std::uint64_t>(field.data));
      to = static_cast<V>(value);
      if (std::isinf(to) && !std::isinf(value)) return "out of the member's range";
    } else if constexpr (std::is_same_v<V, std::string>) {
      return read_text(field, to);
    } else if constexpr (std::is_same_v<V, std::vector<std::byte>>) {
      const auto blob = std::as_bytes(std::span(field.data, field.size));
      to.assign(blob.begin(), blob.end());
    } else if constexpr (std::is_same_v<V, std::chrono::year_month_day>) {
      std::chrono::sys_days days;
      const char* const why = read_value(field, days);
      if (why != nullptr) return why;
      to = days;
      // A year after 32767 wraps around.
      return std::chrono::sys_days(to) == days ? nullptr : "out of the member's range";
    } else if constexpr (DateValue<V>) {
      const auto day = network<std::int32_t>(field.data);
      if (day == std::numeric_limits<std::int32_t>::max() || day == std::numeric_limits<std::int32_t>::min())
        return "an infinite date";
      to = V(epoch.time_since_epoch() + std::chrono::days(day));
    } else if constexpr (TimeValue<V>) {
      return read_time(network<std::int64_t>(field.data), to);
    } else if constexpr (std::is_same_v<V, Uuid>) {
      std::memcpy(to.bytes.data(), field.data, to.bytes.size());
    } else {
      static_assert(std::is_same_v<V, Decimal>,
                    "etl::postgres: a member that is read must own its value: std::string or std::vector<std::byte>");
      return read_decimal(field.text(), to);
    }
    return nullptr;
  }
}

}  // namespace etl::inline v0::postgres::detail
