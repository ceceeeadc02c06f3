#pragma once
/// A table whose columns are known only at run time.
///
///     const auto cells = etl::sqlite::dynamic_table<Cells>("orders",
///         {{.name = "id", .type = etl::sqlite::Type::Integer, .key = true}, {.name = "sku"}},
///         [](const Cells& row, std::size_t column) -> const Cell& { return row[column]; });
///
/// It is used like any other table, but cannot be read.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <etl/config.hpp>
#include <etl/sqlite/database.hpp>
#include <etl/sqlite/table.hpp>
#include <etl/sqlite/values.hpp>

namespace etl::inline v0::sqlite {

/// The declared type of a column, and the values that it takes. Other values are rejected, so that SQLite converts
/// nothing silently.
enum class Type : std::uint8_t {
  Integer,  ///< integers, bool, enumerations
  Real,     ///< floating point, and integers up to 2^53
  Text,     ///< texts, dates and times
  Blob,     ///< blobs
  Numeric,  ///< numbers and bool; texts of numbers of up to 15 digits (or integers of 64 bits), which SQLite converts
            ///< to numbers; dates and times, which stay texts
  Other,    ///< another word, such as JSON, UUID or TIME, which SQLite treats as NUMERIC: takes every value that reads
            ///< back unchanged, but no text such as '007', which would become 7
  Any,      ///< no type: takes and keeps all values
};
/// The type with SQLite's affinity of a declared type (datatype3.html, 3.1): Text for "VARCHAR(10)".
[[nodiscard]] Type type_of(std::string_view declared) noexcept;

/// A column that is known at run time.
struct DynamicColumn {
  std::string name;  ///< its name
  Type type = Type::Text;
  bool nullable = true;  ///< may be NULL; ignored for key columns
  bool key = false;      ///< belongs to the key

  friend bool operator==(const DynamicColumn&, const DynamicColumn&) = default;
};

/// All columns of a dynamic table, used in place of a `Column`.
template <class Get>
struct DynamicColumns {
  std::vector<DynamicColumn> list;  ///< the columns
  Get get;                          ///< gives the value of a column
};

/// The table that `dynamic_table` makes.
template <class Row, class Get>
using DynamicTable = Table<Row, DynamicColumns<Get>>;

namespace detail {

template <class Get, class Row>
using dynamic_got_t = std::invoke_result_t<const Get&, const Row&, std::size_t>;

template <class V>
inline constexpr bool is_dynamic_value = false;
template <class... V>
inline constexpr bool is_dynamic_value<std::variant<V...>> =
    ((std::is_same_v<V, std::monostate> || is_moment<V> || (Value<V> && !is_optional<V>)) && ...);

/// What an Inserter keeps until the step: values of a getter that gives no references.
template <class Row, class... C>
struct Kept {};
template <class Row, class Get>
struct Kept<Row, DynamicColumns<Get>> {
  using Value = std::remove_cvref_t<dynamic_got_t<Get, Row>>;
  std::vector<Value> values{};

  [[nodiscard]] static const Value& keep(std::size_t, const Value& value) noexcept { return value; }
  [[nodiscard]] const Value& keep(std::size_t column, Value&& value) {
    if (values.size() <= column) values.resize(column + 1);
    return values[column] = std::move(value);
  }
};

[[nodiscard]] std::string_view to_text(Type type) noexcept;
[[nodiscard]] inline bool is_nullable(const DynamicColumn& column) noexcept { return column.nullable && !column.key; }

template <class Row, class Get>
[[nodiscard]] std::vector<ColumnInfo> column_infos(const DynamicTable<Row, Get>& table) {
  std::vector<ColumnInfo> infos;
  for (const DynamicColumn& column : std::get<0>(table.columns).list)
    infos.push_back({.name = column.name,
                     .type = to_text(column.type),
                     .nullable = is_nullable(column),
                     .is_key = column.key,
                     .is_member = false});
  return infos;
}

/// What a value is to a column's type.
enum class Sort : std::uint8_t { Integer, Real, Text, Blob, Moment };
template <class V>
inline constexpr Sort sort_of = IntegerValue<V> ? Sort::Integer
                                : RealValue<V>  ? Sort::Real
                                : TextValue<V>  ? Sort::Text
                                : BlobValue<V>  ? Sort::Blob
                                                : Sort::Moment;
/// A text: why the column does not take values of the sort; nullptr: it does.
[[nodiscard]] const char* refusal(Type type, Sort sort) noexcept;
/// Why a Real column does not take an integer; nullptr if the column takes it.
[[nodiscard]] const char* refusal(std::int64_t real) noexcept;
/// Why a Text column does not take a number; nullptr if the column takes it.
[[nodiscard]] const char* refusal(double text) noexcept;
/// Why a Numeric or Other column does not take a text; nullptr if the column takes it.
[[nodiscard]] const char* refusal(Type type, std::string_view text) noexcept;

/// As `bind_value`.
template <class V>
[[nodiscard]] const char* bind_alternative(Statement& statement, int parameter, const V& value,
                                           const DynamicColumn& column) {
  if constexpr (std::is_same_v<V, std::monostate>) {
    if (!is_nullable(column)) return "the column takes no NULL";
    return statement.bind(parameter, nullptr), nullptr;
  } else {
    if (const char* const why = refusal(column.type, sort_of<V>)) return why;
    if constexpr (is_moment<V>) {
      return bind_moment(statement, parameter, moment(value));
    } else {
      if constexpr (std::is_integral_v<V> && !std::is_same_v<V, bool>)
        if (column.type == Type::Real && std::in_range<std::int64_t>(value))
          if (const char* const why = refusal(static_cast<std::int64_t>(value))) return why;
      if constexpr (TextValue<V>)
        if (column.type == Type::Numeric || column.type == Type::Other)
          if (const char* const why = refusal(column.type, std::string_view(value))) return why;
      if constexpr (RealValue<V>)  // SQLite stores NaN as NULL
        if (is_nullable(column)) return statement.bind(parameter, static_cast<double>(value)), nullptr;
      return bind_value(statement, parameter, value);
    }
  }
}
template <class V>
[[nodiscard]] const char* bind_dynamic(Statement& statement, int parameter, const V& value,
                                       const DynamicColumn& column) {
  return std::visit(
      [&](const auto& alternative) { return bind_alternative(statement, parameter, alternative, column); }, value);
}

/// Calls `each(name, is_key, value)` for every column.
template <class Row, class... Get, bool... key, class F>
void each_value(const Table<Row, Column<Get, key>...>& table, const Row& row, F each) {
  std::apply([&](const auto&... column) { (each(column.name, column.is_key, std::invoke(column.get, row)), ...); },
             table.columns);
}
template <class Row, class Get, class F>
void each_value(const DynamicTable<Row, Get>& table, const Row& row, F each) {
  const DynamicColumns<Get>& columns = std::get<0>(table.columns);
  for (std::size_t i = 0; i < columns.list.size(); ++i)
    each(columns.list[i].name, columns.list[i].key, std::invoke(columns.get, row, i));
}

}  // namespace detail

/// Makes a dynamic table. `get(const Row&, std::size_t column)` returns a std::variant, by reference or value.
/// std::monostate is NULL. The other alternatives may be all types of column values, and std::chrono's sys_days,
/// sys_time and local_time, which become ISO 8601 texts: `2024-02-29`, `2024-02-29T12:00:00.250000Z` (local times
/// without Z; no fraction if it is 0). A value that its column does not take is an error of class Rejected.
template <class Row, class Get>
[[nodiscard]] DynamicTable<Row, Get> dynamic_table(std::string_view name, std::vector<DynamicColumn> columns, Get get) {
  static_assert(std::is_invocable_v<const Get&, const Row&, std::size_t>,
                "etl::sqlite: a dynamic table needs a callable that takes a const Row& and a column's number");
  if constexpr (std::is_invocable_v<const Get&, const Row&, std::size_t>)
    static_assert(detail::is_dynamic_value<std::remove_cvref_t<detail::dynamic_got_t<Get, Row>>>,
                  "etl::sqlite: a dynamic table's callable must give a std::variant of std::monostate, integers, bool, "
                  "enumerations, float, double, texts, blobs, and dates and times of std::chrono");
  return {.name = std::string(name), .columns = {DynamicColumns<Get>{std::move(columns), std::move(get)}}};
}

}  // namespace etl::inline v0::sqlite
