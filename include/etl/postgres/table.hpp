#pragma once
/// How a struct maps to a table, known at compile time, or at run time (`dynamic_table`).
///
///     struct Order { std::int64_t id; std::string sku; std::optional<double> price; std::string body; };
///     const auto orders = etl::postgres::table<Order>("orders",
///         etl::postgres::key("id", &Order::id),
///         etl::postgres::column("sku", &Order::sku),
///         etl::postgres::column("price", &Order::price),
///         etl::postgres::column("body", &Order::body, etl::postgres::jsonb),
///         etl::postgres::column("gross", [](const Order& o) { return o.price.value_or(0) * 1.2; }));
///
/// Types: bool; integers and enumerations (the smallest integer type that holds all values); float and double;
/// `Decimal` (numeric); types that convert to std::string_view (text, or as json, jsonb, numeric, uuid) or to
/// std::span<const std::byte> (bytea); std::chrono's days and year_month_day (date), sys_time (timestamptz) and
/// local_time (timestamp); `Uuid`; ranges of these (one-dimensional arrays); std::optional of all these and of array
/// elements (may be NULL; all others are NOT NULL).

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/postgres/connection.hpp>
#include <etl/postgres/types.hpp>

namespace etl::inline v0::postgres {

/// The type of the column follows from the C++ type.
struct ByDefault {};

/// One column: its name, and how to get its value from a row. Columns of data members can also be read back.
template <class Get, bool Key = false, class AsType = ByDefault>
struct Column {
  static constexpr bool is_key = Key;  ///< whether it belongs to the key
  std::string name;                    ///< name in the table
  Get get;                             ///< gives the value from a row
};

/// A table and the columns of a struct. A value.
template <class Row, class... Columns>
struct Table {
  using row_type = Row;            ///< the struct
  std::string name;                ///< name of the table, which may be "schema.table"
  std::tuple<Columns...> columns;  ///< its columns
};

/// A column that is known at run time.
struct DynamicColumn {
  std::string name;  ///< its name
  Type type = Type::Text;
  bool nullable = true;  ///< may be NULL; ignored for key columns
  bool key = false;      ///< belongs to the key
  std::string
      cast{};  ///< if not empty, values are sent as texts and the server casts them to this type, such as "inet"
};

/// A table whose columns are known only at run time; made by `dynamic_table`. A value.
template <class Row, class Get>
struct DynamicTable {
  using row_type = Row;                ///< the type of a row
  std::string name;                    ///< name of the table, which may be "schema.table"
  std::vector<DynamicColumn> columns;  ///< its columns
  Get get;                             ///< gives the value of a column
};

namespace detail {
template <class M>
inline constexpr bool is_table = false;
template <class Row, class... C>
inline constexpr bool is_table<Table<Row, C...>> = true;
template <class Row, class Get>
inline constexpr bool is_table<DynamicTable<Row, Get>> = true;
}  // namespace detail
/// A `Table` or a `DynamicTable`.
template <class M>
concept AnyTable = detail::is_table<M>;
/// The type of the rows of a table.
template <AnyTable M>
using row_t = typename M::row_type;

/// What happens if the key of a row is already in the table.
enum class OnConflict : std::uint8_t {
  Fail,     ///< an error of class Rejected
  Ignore,   ///< the row in the table stays (compares the key; without key columns, any unique index)
  Replace,  ///< the row in the table is deleted first; columns that the struct does not have get their default
  Update,   ///< the mapped columns are set and the others stay; needs key columns with a unique index
};

namespace detail {

/// What a getter gives, as it gives it: a reference into the row or a value.
template <class Get, class Row>
using got_t = std::invoke_result_t<const Get&, const Row&>;
template <class Get, class Row>
using value_t = not_null_t<std::remove_cvref_t<got_t<Get, Row>>>;

template <class V, class AsType>
struct TypeOf {
  static constexpr Type value = default_type<typename Scalar<V>::type>();
};
template <class V, Type T>
struct TypeOf<V, As<T>> {
  static constexpr Type value = T;
};
template <class V, class AsType>
inline constexpr Type type_of = TypeOf<V, AsType>::value;

/// A column to the functions that are compiled once.
struct ColumnInfo {
  std::string_view name;
  Type type;
  bool is_array;
  bool nullable;
  bool is_key;
  bool is_member;              ///< can be read back
  std::string_view cast = {};  ///< `DynamicColumn::cast`
};

template <class Row, class Get, bool Key, class AsType>
[[nodiscard]] ColumnInfo column_info(const Column<Get, Key, AsType>& column) {
  using V = value_t<Get, Row>;
  return {.name = column.name,
          .type = type_of<V, AsType>,
          .is_array = ArrayValue<V>,
          .nullable = is_optional<std::remove_cvref_t<got_t<Get, Row>>>,
          .is_key = Key,
          .is_member = std::is_member_object_pointer_v<Get>};
}
/// Views of the table's names.
template <class Row, class... C>
[[nodiscard]] std::array<ColumnInfo, sizeof...(C)> column_infos(const Table<Row, C...>& table) {
  return std::apply([](const C&... c) { return std::array<ColumnInfo, sizeof...(C)>{column_info<Row>(c)...}; },
                    table.columns);
}
[[nodiscard]] inline bool is_nullable(const DynamicColumn& column) { return column.nullable && !column.key; }
template <class Row, class Get>
[[nodiscard]] std::vector<ColumnInfo> column_infos(const DynamicTable<Row, Get>& table) {
  std::vector<ColumnInfo> all;
  for (const DynamicColumn& column : table.columns)
    all.push_back({.name = column.name,
                   .type = column.type,
                   .is_array = false,
                   .nullable = is_nullable(column),
                   .is_key = column.key,
                   .is_member = false,
                   .cast = column.cast});
  return all;
}

template <class V>
inline constexpr bool is_dynamic_value = false;
template <class... V>
inline constexpr bool is_dynamic_value<std::variant<V...>> =
    ((std::is_same_v<V, std::monostate> || ScalarValue<V>) && ...);

template <class V, class AsType>
consteval void check_type() {
  static_assert(
      Value<V>,
      "etl::postgres: a column's value must be bool, an integer, enumeration, float or double, convertible to "
      "std::string_view or std::span<const std::byte>, a date or time of std::chrono, a Decimal, a Uuid, a range of "
      "these, or a std::optional");
  if constexpr (Value<V> && !std::is_same_v<AsType, ByDefault>)
    static_assert(fits_type<typename Scalar<V>::type>(type_of<V, AsType>),
                  "etl::postgres: a value of this C++ type cannot be sent as the type that the column names");
}

template <class Row, class Get, bool Key, class AsType>
consteval bool check_column(const Column<Get, Key, AsType>*) {
  static_assert(std::is_invocable_v<const Get&, const Row&>,
                "etl::postgres: a column needs a pointer to a member of the row, or a callable that takes a const "
                "Row&");
  if constexpr (std::is_invocable_v<const Get&, const Row&>) {
    check_type<value_t<Get, Row>, AsType>();
    static_assert(!Key || !is_optional<std::remove_cvref_t<got_t<Get, Row>>>,
                  "etl::postgres: a key column cannot be optional: no two NULLs are the same");
  }
  return true;
}

/// The first of a field's options that is a type of PostgreSQL.
template <class... Options>
struct TypeOption {
  using type = ByDefault;
};
template <Type T, class... More>
struct TypeOption<As<T>, More...> {
  using type = As<T>;
};
template <class Other, class... More>
struct TypeOption<Other, More...> : TypeOption<More...> {};
template <class Get, bool Key, class... Options>
[[nodiscard]] Column<Get, Key, typename TypeOption<Options...>::type> column_of(
    const Field<Get, Key, Options...>& field) {
  return {.name = field.name, .get = field.get};
}

/// As SQL writes a name; that of a table with its schema.
[[nodiscard]] std::string quoted(std::string_view identifier);
[[nodiscard]] std::string quoted_table(std::string_view table);
[[nodiscard]] std::string create_table_sql(std::string_view table, std::span<const ColumnInfo> columns);
[[nodiscard]] Result<void> create_table(Connection& connection, std::string_view table,
                                        std::span<const ColumnInfo> columns);

}  // namespace detail

/// A key column. Several key columns form one key.
template <class Get, class AsType = ByDefault>
[[nodiscard]] Column<Get, true, AsType> key(std::string_view name, Get get, AsType = {}) {
  return {.name = std::string(name), .get = std::move(get)};
}
/// A column. `get` is a pointer to a data member or member function, or a callable that takes a const Row&.
template <class Get, class AsType = ByDefault>
[[nodiscard]] Column<Get, false, AsType> column(std::string_view name, Get get, AsType = {}) {
  return {.name = std::string(name), .get = std::move(get)};
}
/// A table with columns made by `key` and `column`.
template <class Row, class... C>
[[nodiscard]] Table<Row, C...> table(std::string_view name, C... columns) {
  static_assert(sizeof...(C) > 0, "etl::postgres: a table needs a column");
  static_assert((detail::check_column<Row>(static_cast<const C*>(nullptr)) && ...));
  return {.name = std::string(name), .columns = {std::move(columns)...}};
}

/// A table with the fields of a struct as columns. An option such as `jsonb` says a field's type.
template <class Row, class... F>
[[nodiscard]] auto table(std::string_view name, const Fields<Row, F...>& fields) {
  return std::apply([&](const auto&... f) { return table<Row>(name, detail::column_of(f)...); }, fields.all);
}

/// A table whose columns are known at run time. `get(const Row&, std::size_t column)` gives a std::variant, by
/// reference or value: std::monostate is NULL, the other alternatives are the types of values of columns, except ranges
/// and optionals. Each value must have a type that may be written to its column, as in a `Table`: a text also to json,
/// jsonb, numeric and uuid, an integer to every integer column that is wide enough. A value that does not fit is an
/// error of class Rejected.
///
///     const auto cells = etl::postgres::dynamic_table<Cells>("orders",
///         {{.name = "id", .type = etl::postgres::Type::BigInt, .key = true}, {.name = "sku"}},
///         [](const Cells& row, std::size_t i) -> const Cell& { return row[i]; });
template <class Row, class Get>
// NOLINTNEXTLINE(performance-unnecessary-value-param): it is moved from, in a template
[[nodiscard]] DynamicTable<Row, Get> dynamic_table(std::string_view name, std::vector<DynamicColumn> columns, Get get) {
  static_assert(std::is_invocable_v<const Get&, const Row&, std::size_t>,
                "etl::postgres: a dynamic table needs a callable that takes a const Row& and a column's number");
  if constexpr (std::is_invocable_v<const Get&, const Row&, std::size_t>)
    static_assert(
        detail::is_dynamic_value<std::remove_cvref_t<std::invoke_result_t<const Get&, const Row&, std::size_t>>>,
        "etl::postgres: a dynamic table's callable must give a std::variant of std::monostate and of scalars: bool, "
        "integers, enumerations, float, double, texts, bytes, dates and times of std::chrono, Decimal, Uuid");
  return {.name = std::string(name), .columns = std::move(columns), .get = std::move(get)};
}

/// The CREATE TABLE IF NOT EXISTS statement, with the key columns as primary key.
template <AnyTable M>
[[nodiscard]] std::string create_table_sql(const M& table) {
  return detail::create_table_sql(table.name, detail::column_infos(table));
}
/// Makes the table unless it exists. An existing table must pass `check_table`.
template <AnyTable M>
[[nodiscard]] Result<void> create_table(Connection& connection, const M& table) {
  return detail::create_table(connection, table.name, detail::column_infos(table));
}

/// The differences between a table in the database and its mapping, one line each. A value.
struct TableDifferences {
  std::vector<std::string> missing{};     ///< columns that the table lacks
  std::vector<std::string> mismatched{};  ///< columns of another type
  std::vector<std::string> required{};    ///< columns that the mapping lacks and that have no default
  std::vector<std::string> extra{};       ///< columns that the mapping lacks and that may stay empty
  bool exists = true;                     ///< whether there is a table

  /// Whether rows of the mapping can be written.
  [[nodiscard]] bool writable() const noexcept {
    return exists && missing.empty() && mismatched.empty() && required.empty();
  }
  [[nodiscard]] std::string text() const;  ///< all differences
};

namespace detail {
[[nodiscard]] Result<TableDifferences> differences(Connection& connection, std::string_view table,
                                                   std::span<const ColumnInfo> columns);
[[nodiscard]] Result<void> check_table(Connection& connection, std::string_view table,
                                       std::span<const ColumnInfo> columns, bool refuse_extra);
}  // namespace detail

/// Compares a table in the database with its mapping.
template <AnyTable M>
[[nodiscard]] Result<TableDifferences> differences(Connection& connection, const M& table) {
  return detail::differences(connection, table.name, detail::column_infos(table));
}
/// Compares a table in the database with its mapping. One error of class Fatal names every difference. Columns that the
/// mapping lacks and that may stay empty count as differences only with `refuse_extra`.
template <AnyTable M>
[[nodiscard]] Result<void> check_table(Connection& connection, const M& table, bool refuse_extra = false) {
  return detail::check_table(connection, table.name, detail::column_infos(table), refuse_extra);
}

}  // namespace etl::inline v0::postgres
