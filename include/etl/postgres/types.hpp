#pragma once
/// How C++ types map to PostgreSQL's types, and types for values that C++ lacks.

#include <array>
#include <chrono>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/fields.hpp>

namespace etl::inline v0::postgres {

/// PostgreSQL's types that columns may have.
enum class Type : std::uint8_t {
  Boolean,
  SmallInt,
  Integer,
  BigInt,
  Real,
  Double,
  Numeric,
  Text,  ///< also varchar, char(n), enumerations and other types that are sent as text
  Bytea,
  Date,
  Timestamp,
  TimestampTz,
  Uuid,
  Json,
  Jsonb,
};

/// Chooses the type of a column if the C++ type allows several: `column("body", &Row::body, postgres::jsonb)`. For an
/// array it is the type of the elements.
template <Type T>
struct As {};
inline constexpr As<Type::SmallInt> smallint{};        ///< a smallint column
inline constexpr As<Type::Integer> integer{};          ///< an integer column
inline constexpr As<Type::BigInt> bigint{};            ///< a bigint column
inline constexpr As<Type::Real> real{};                ///< a real column
inline constexpr As<Type::Double> double_precision{};  ///< a double precision column
inline constexpr As<Type::Numeric> numeric{};          ///< a numeric column
inline constexpr As<Type::Uuid> uuid{};                ///< a uuid column
inline constexpr As<Type::Json> json{};                ///< a json column
inline constexpr As<Type::Jsonb> jsonb{};              ///< a jsonb column

/// An exact decimal number, `unscaled` / 10^`scale`: {1250, 2} is 12.50. For longer numbers use a text with `numeric`.
struct Decimal {
  std::int64_t unscaled = 0;  ///< the digits as an integer
  std::uint8_t scale = 0;     ///< number of decimals, all of which PostgreSQL keeps
  friend bool operator==(const Decimal&, const Decimal&) = default;
};

/// 16 bytes, in the order in which they are written.
struct Uuid {
  std::array<std::byte, 16> bytes{};  ///< the bytes
  /// 32 hexadecimal digits, with or without hyphens between groups of four or braces around; nothing for other texts.
  [[nodiscard]] static std::optional<Uuid> parse(std::string_view text) noexcept;
  [[nodiscard]] std::string text() const;  ///< "01234567-89ab-cdef-0123-456789abcdef"
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

namespace detail {

template <class V>
inline constexpr bool is_sys_time = false;
template <class D>
inline constexpr bool is_sys_time<std::chrono::sys_time<D>> = true;
template <class V>
inline constexpr bool is_local_time = false;
template <class D>
inline constexpr bool is_local_time<std::chrono::local_time<D>> = true;

template <class V>
concept Character = std::same_as<V, char> || std::same_as<V, wchar_t> || std::same_as<V, char8_t> ||
                    std::same_as<V, char16_t> || std::same_as<V, char32_t>;
template <class V>
concept IntegerValue = (std::is_integral_v<V> && !Character<V> && !std::same_as<V, bool>) || std::is_enum_v<V>;
template <class V>
concept RealValue = std::same_as<V, double> || std::same_as<V, float>;
template <class V>
concept TextValue = std::is_convertible_v<const V&, std::string_view>;
template <class V>
concept BlobValue = std::is_convertible_v<const V&, std::span<const std::byte>>;
template <class V>
concept DateValue = std::same_as<V, std::chrono::sys_days> || std::same_as<V, std::chrono::local_days> ||
                    std::same_as<V, std::chrono::year_month_day>;
template <class V>
concept TimeValue = (is_sys_time<V> || is_local_time<V>) && !DateValue<V>;
template <class V>
concept ScalarValue = IntegerValue<V> || std::same_as<V, bool> || RealValue<V> || TextValue<V> || BlobValue<V> ||
                      DateValue<V> || TimeValue<V> || std::same_as<V, Decimal> || std::same_as<V, Uuid>;

template <class V>
using element_t = std::remove_cvref_t<std::ranges::range_reference_t<const V>>;
template <class V>
struct Element {
  using type = V;
};
/// The elements of a std::vector<bool> are proxies.
template <class V>
  requires(std::convertible_to<V, bool> && std::is_class_v<V> && !ScalarValue<V>)
struct Element<V> {
  using type = std::conditional_t<is_optional<V>, V, bool>;
};
template <class V>
using array_element_t = typename Element<element_t<V>>::type;

template <class V>
concept ArrayValue = !ScalarValue<V> && std::ranges::sized_range<const V> && std::ranges::forward_range<const V> &&
                     ScalarValue<not_null_t<array_element_t<V>>>;
template <class V>
concept Value = ScalarValue<V> || ArrayValue<V>;

/// What a scalar becomes unless a column says otherwise.
template <ScalarValue V>
[[nodiscard]] consteval Type default_type() {
  if constexpr (std::same_as<V, bool>) {
    return Type::Boolean;
  } else if constexpr (std::is_enum_v<V>) {
    return default_type<std::underlying_type_t<V>>();
  } else if constexpr (IntegerValue<V>) {
    constexpr std::size_t bits = sizeof(V) * 8 + (std::is_unsigned_v<V> ? 1 : 0);
    return bits <= 16 ? Type::SmallInt : bits <= 32 ? Type::Integer : Type::BigInt;
  } else if constexpr (RealValue<V>) {
    return std::same_as<V, float> ? Type::Real : Type::Double;
  } else if constexpr (TextValue<V>) {
    return Type::Text;
  } else if constexpr (BlobValue<V>) {
    return Type::Bytea;
  } else if constexpr (DateValue<V>) {
    return Type::Date;
  } else if constexpr (TimeValue<V>) {
    return is_local_time<V> ? Type::Timestamp : Type::TimestampTz;
  } else {
    return std::same_as<V, Decimal> ? Type::Numeric : Type::Uuid;
  }
}
/// Whether a scalar can be sent as a type.
template <ScalarValue V>
[[nodiscard]] consteval bool fits_type(Type type) {
  const bool is_integer = type == Type::SmallInt || type == Type::Integer || type == Type::BigInt;
  const bool is_real = type == Type::Real || type == Type::Double;
  const bool is_text = type == Type::Json || type == Type::Jsonb || type == Type::Numeric || type == Type::Uuid;
  return type == default_type<V>() || (IntegerValue<V> && is_integer) || (RealValue<V> && is_real) ||
         (TextValue<V> && is_text);
}

/// The scalar of a value: of an array its element.
template <class V>
struct Scalar {
  using type = V;
};
template <ArrayValue V>
struct Scalar<V> {
  using type = not_null_t<array_element_t<V>>;
};

/// The type's number in pg_type, its array's, and its name.
struct TypeInfo {
  std::uint32_t oid;
  std::uint32_t array_oid;
  std::string_view name;
};
inline constexpr std::size_t type_count = 15;
[[nodiscard]] constexpr TypeInfo type_info(Type type) {
  constexpr std::array<TypeInfo, type_count> all = {{{16, 1000, "boolean"},
                                                     {21, 1005, "smallint"},
                                                     {23, 1007, "integer"},
                                                     {20, 1016, "bigint"},
                                                     {700, 1021, "real"},
                                                     {701, 1022, "double precision"},
                                                     {1700, 1231, "numeric"},
                                                     {25, 1009, "text"},
                                                     {17, 1001, "bytea"},
                                                     {1082, 1182, "date"},
                                                     {1114, 1115, "timestamp without time zone"},
                                                     {1184, 1185, "timestamp with time zone"},
                                                     {2950, 2951, "uuid"},
                                                     {114, 199, "json"},
                                                     {3802, 3807, "jsonb"}}};
  return all[static_cast<std::size_t>(type)];
}

}  // namespace detail
}  // namespace etl::inline v0::postgres
