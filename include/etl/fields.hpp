#pragma once
/// One description of a struct for all connectors.
///
///     struct Order { std::int64_t id; std::string sku; std::optional<double> price; std::string body; };
///     const auto order = etl::fields<Order>(
///         etl::key_field("id", &Order::id),
///         etl::field("sku", &Order::sku),
///         etl::field("price", &Order::price, etl::csv::decimal_comma),
///         etl::field("body", &Order::body, etl::postgres::jsonb));
///
///     etl::sqlite::table("orders", order);    // a table of SQLite
///     etl::postgres::table("orders", order);  // a table of PostgreSQL
///     etl::csv::columns(order);               // columns of a CSV file, and members of JSON objects
///
/// A field that is a std::optional may be empty or NULL; no other field may.

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>

namespace etl::inline v0 {

/// Whether a type is a std::optional.
template <class V>
inline constexpr bool is_optional = false;
template <class V>
inline constexpr bool is_optional<std::optional<V>> = true;

namespace detail {
template <class V>
struct NotNull {
  using type = V;
};
template <class V>
struct NotNull<std::optional<V>> {
  using type = V;
};
}  // namespace detail
/// The value type of a std::optional, or the type itself.
template <class V>
using not_null_t = typename detail::NotNull<V>::type;

/// One field of a struct: its name, how to get its value from a row, and options for connectors. A value.
template <class Get, bool Key = false, class... Options>
struct Field {
  static constexpr bool is_key = Key;  ///< whether it belongs to the key
  std::string name;                    ///< its name
  Get get;                             ///< gives the value from a row
  std::tuple<Options...> options{};    ///< options of connectors
};

/// The fields of a struct, in the order in which they are written. A value.
template <class Row, class... F>
struct Fields {
  using row_type = Row;  ///< the struct
  std::tuple<F...> all;  ///< the fields
};

/// A field. `get` is a pointer to a data member, or, for a field that is only written, a callable that takes a const
/// Row&. An option belongs to one connector (`etl::csv::format`, `etl::postgres::jsonb`); the other connectors ignore
/// it.
template <class Get, class... Options>
[[nodiscard]] Field<Get, false, Options...> field(std::string_view name, Get get, Options... options) {
  return {.name = std::string(name), .get = std::move(get), .options = {std::move(options)...}};
}
/// A key field. Several key fields form one key.
template <class Get, class... Options>
[[nodiscard]] Field<Get, true, Options...> key_field(std::string_view name, Get get, Options... options) {
  return {.name = std::string(name), .get = std::move(get), .options = {std::move(options)...}};
}

/// The fields of a struct, made by `field` and `key_field`.
template <class Row, class... F>
[[nodiscard]] Fields<Row, F...> fields(F... all) {
  static_assert(sizeof...(F) > 0, "etl: fields<Row>(...) needs a field");
  static_assert((std::is_invocable_v<const decltype(F::get)&, const Row&> && ...),
                "etl: a field needs a pointer to a member of the row, or a callable that takes a const Row&");
  return {.all = {std::move(all)...}};
}

}  // namespace etl::inline v0
