#pragma once
/// How a struct maps to a table, known at compile time. For columns known only at run time see dynamic_table.hpp.
///
///     struct Order { std::int64_t id; std::string sku; std::optional<double> price; };
///     const auto orders = etl::sqlite::table<Order>("orders",
///         etl::sqlite::key("id", &Order::id),
///         etl::sqlite::column("sku", &Order::sku),
///         etl::sqlite::column("price", &Order::price),
///         etl::sqlite::column("gross", [](const Order& o) { return o.price.value_or(0) * 1.2; }));
///
/// Types: integers, bool and enumerations (INTEGER), floating point (REAL), types that convert to std::string_view
/// (TEXT) or to std::span<const std::byte> (BLOB), and std::optional of these (may be NULL; all others are NOT NULL).

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/fields.hpp>
#include <etl/sqlite/database.hpp>

namespace etl::inline v0::sqlite {

/// One column: its name, and how to get its value from a row. Columns of data members can also be read back.
template <class Get, bool Key = false>
struct Column {
  static constexpr bool is_key = Key;  ///< whether it belongs to the key
  std::string name;                    ///< name in the table
  Get get;                             ///< gives the value from a row
};

template <class Get>
struct DynamicColumns;

/// A table and the columns of a struct. A value.
template <class Row, class... Columns>
struct Table {
  std::string name;                ///< name of the table
  std::tuple<Columns...> columns;  ///< its columns
};

/// What an Inserter does if the key of a row is already in the table.
enum class OnConflict : std::uint8_t {
  Fail,     ///< an error of class Rejected
  Ignore,   ///< the row in the table stays (compares the key; without key columns, any unique index)
  Replace,  ///< like Update, and columns that are not mapped get their default, except those of the primary key
  Update,   ///< the mapped columns are set and the others stay; needs key columns with a unique index
};

namespace detail {

template <class C>
inline constexpr bool is_column = false;
template <class Get, bool Key>
inline constexpr bool is_column<Column<Get, Key>> = true;

template <class V>
concept Character = std::same_as<V, char> || std::same_as<V, wchar_t> || std::same_as<V, char8_t> ||
                    std::same_as<V, char16_t> || std::same_as<V, char32_t>;
template <class V>
concept IntegerValue = (std::is_integral_v<V> && !Character<V>) || std::is_enum_v<V>;
template <class V>
concept RealValue = std::same_as<V, double> || std::same_as<V, float>;
template <class V>
concept TextValue = std::is_convertible_v<const V&, std::string_view>;
template <class V>
concept BlobValue = std::is_convertible_v<const V&, std::span<const std::byte>>;
template <class V>
concept Value = IntegerValue<V> || RealValue<V> || TextValue<V> || BlobValue<V>;

/// What a getter gives, as it gives it: a reference into the row or a value.
template <class Get, class Row>
using got_t = std::invoke_result_t<const Get&, const Row&>;
template <class Get, class Row>
using value_t = not_null_t<std::remove_cvref_t<got_t<Get, Row>>>;

/// A column to the functions that are compiled once.
struct ColumnInfo {
  std::string_view name;
  std::string_view type;
  bool nullable;
  bool is_key;
  bool is_member;  ///< can be read back
};

template <class Row, class Get, bool Key>
[[nodiscard]] ColumnInfo column_info(const Column<Get, Key>& column) {
  using V = value_t<Get, Row>;
  constexpr std::string_view type = IntegerValue<V> ? "INTEGER"
                                    : RealValue<V>  ? "REAL"
                                    : TextValue<V>  ? "TEXT"
                                                    : "BLOB";
  return {.name = column.name,
          .type = type,
          .nullable = is_optional<std::remove_cvref_t<got_t<Get, Row>>>,
          .is_key = Key,
          .is_member = std::is_member_object_pointer_v<Get>};
}
/// Views of the table's names. That of columns known at run time is defined in dynamic_table.hpp.
template <class Row, class Get>
[[nodiscard]] std::vector<ColumnInfo> column_infos(const Table<Row, DynamicColumns<Get>>& table);
template <class Row, class... C>
[[nodiscard]] std::array<ColumnInfo, sizeof...(C)> column_infos(const Table<Row, C...>& table) {
  return std::apply([](const C&... c) { return std::array<ColumnInfo, sizeof...(C)>{column_info<Row>(c)...}; },
                    table.columns);
}

template <class Row, class Get, bool Key>
consteval bool check_column(const Column<Get, Key>*) {
  static_assert(std::is_invocable_v<const Get&, const Row&>,
                "etl::sqlite: a column needs a pointer to a member of the row, or a callable that takes a const Row&");
  if constexpr (std::is_invocable_v<const Get&, const Row&>)
    static_assert(
        Value<value_t<Get, Row>>,
        "etl::sqlite: a column's value must be an integer, bool, enumeration, float or double, convertible to "
        "std::string_view or std::span<const std::byte>, or a std::optional of these");
  if constexpr (Key && std::is_invocable_v<const Get&, const Row&>)
    static_assert(!is_optional<std::remove_cvref_t<got_t<Get, Row>>>,
                  "etl::sqlite: a key column cannot be optional: SQLite takes any number of rows whose key is NULL");
  return true;
}

template <class Get, bool Key, class... Options>
[[nodiscard]] Column<Get, Key> column_of(const Field<Get, Key, Options...>& field) {
  return {.name = field.name, .get = field.get};
}

[[nodiscard]] std::string quoted(std::string_view identifier);
[[nodiscard]] std::string create_table_sql(std::string_view table, std::span<const ColumnInfo> columns);
[[nodiscard]] Result<void> create_table(Database& database, std::string_view table,
                                        std::span<const ColumnInfo> columns);

}  // namespace detail

/// A key column. Several key columns form one key.
template <class Get>
[[nodiscard]] Column<Get, true> key(std::string_view name, Get get) {
  return {.name = std::string(name), .get = std::move(get)};
}
/// A column. `get` is a pointer to a data member or member function, or a callable that takes a const Row&.
template <class Get>
[[nodiscard]] Column<Get> column(std::string_view name, Get get) {
  return {.name = std::string(name), .get = std::move(get)};
}
/// A table with columns made by `key` and `column`.
template <class Row, class... C>
[[nodiscard]] Table<Row, C...> table(std::string_view name, C... columns) {
  static_assert(sizeof...(C) > 0, "etl::sqlite: a table needs a column");
  static_assert((detail::check_column<Row>(static_cast<const C*>(nullptr)) && ...));
  return {.name = std::string(name), .columns = {std::move(columns)...}};
}

/// A table with the fields of a struct as columns.
template <class Row, class... F>
[[nodiscard]] auto table(std::string_view name, const Fields<Row, F...>& fields) {
  return std::apply([&](const auto&... f) { return table<Row>(name, detail::column_of(f)...); }, fields.all);
}

/// CREATE TABLE IF NOT EXISTS. A single key column of integers is the INTEGER PRIMARY KEY.
template <class Row, class... C>
[[nodiscard]] std::string create_table_sql(const Table<Row, C...>& table) {
  return detail::create_table_sql(table.name, detail::column_infos(table));
}
/// Makes the table unless it exists. An existing table may have more columns; an error names each column that it lacks.
template <class Row, class... C>
[[nodiscard]] Result<void> create_table(Database& database, const Table<Row, C...>& table) {
  return detail::create_table(database, table.name, detail::column_infos(table));
}

}  // namespace etl::inline v0::sqlite
