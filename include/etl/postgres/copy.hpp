#pragma once
/// Rows in the form of PostgreSQL's binary COPY, without a connection.

#include <cstddef>
#include <cstdint>
#include <functional>
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
#include <etl/postgres/table.hpp>
#include <etl/postgres/types.hpp>
#include <etl/postgres/values.hpp>

namespace etl::inline v0::postgres {
namespace detail {

/// The column that cannot hold its value, and why; nullptr: all can.
struct Misfit {
  std::size_t column = 0;
  const char* why = nullptr;
};

// --- tables known at compile time

template <class Row, class Get, bool Key, class AsType>
[[nodiscard]] ETLPIPE_ALWAYS_INLINE const char* append_column(Bytes& to, const Column<Get, Key, AsType>& column,
                                                              const Row& row) {
  constexpr Type type = type_of<value_t<Get, Row>, AsType>;
  return append_value<type, std::remove_cvref_t<got_t<Get, Row>>>(to, std::invoke(column.get, row));
}
/// Without a lambda, whose captures GCC would keep in memory.
template <class Row, class... C, std::size_t... i>
[[nodiscard]] ETLPIPE_ALWAYS_INLINE Misfit append_columns(Bytes& to, const Table<Row, C...>& table, const Row& row,
                                                          std::index_sequence<i...>) {
  std::size_t done = 0;
  const char* why = nullptr;
  static_cast<void>((((why = append_column(to, std::get<i>(table.columns), row)) == nullptr && ++done > 0) && ...));
  return {done, why};
}
/// Appends a row, or a part of it when a value does not fit.
template <class Row, class... C>
[[nodiscard]] ETLPIPE_ALWAYS_INLINE Misfit append_row(Bytes& to, const Table<Row, C...>& table, const Row& row) {
  to.reserve(2);
  to.append(static_cast<std::uint16_t>(sizeof...(C)));
  return append_columns(to, table, row, std::index_sequence_for<C...>());
}

/// "insert into T, id=5": a row in errors.
template <class Row, class... C>
[[nodiscard]] std::string place_of(const Table<Row, C...>& table, const Row& row) {
  std::string text = "insert into " + quoted_table(table.name);
  const auto add = [&](const auto& column) {
    if (column.is_key) text.append(", ").append(column.name).append("=") += show(std::invoke(column.get, row));
  };
  std::apply([&](const C&... column) { (add(column), ...); }, table.columns);
  return text;
}

/// An error of class Rejected: the value does not fit.
[[nodiscard]] Error misfit_error(std::string_view place, std::string_view column, std::string_view value,
                                 std::string_view why);
template <class Row, class... C>
[[nodiscard]] Error misfit_error(const Table<Row, C...>& table, const Row& row, Misfit misfit) {
  std::string name, value;
  const auto find = [&](const auto& column) {
    if (misfit.column-- == 0) name = column.name, value = show(std::invoke(column.get, row));
  };
  std::apply([&](const C&... column) { (find(column), ...); }, table.columns);
  return misfit_error(place_of(table, row), name, value, misfit.why);
}

// --- tables known at run time

inline constexpr const char* other_type = "of another type than its column";

/// As `append_value`, for a type that is known at run time.
template <class V>
[[nodiscard]] const char* append_as(Bytes& to, Type type, const V& value) {
  const char* why = other_type;
  const auto append = [&]<Type T>() {
    if constexpr (fits_type<V>(T)) why = append_value<T, V>(to, value);
    return true;
  };
  [&]<std::size_t... t>(std::index_sequence<t...>) {
    static_cast<void>(
        ((static_cast<std::size_t>(type) == t && append.template operator()<static_cast<Type>(t)>()) || ...));
  }(std::make_index_sequence<type_count>{});
  return why;
}

template <class Row, class Get>
[[nodiscard]] Misfit append_row(Bytes& to, const DynamicTable<Row, Get>& table, const Row& row) {
  to.reserve(2);
  to.append(static_cast<std::uint16_t>(table.columns.size()));
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const DynamicColumn& column = table.columns[i];
    const auto append = [&]<class V>(const V& value) -> const char* {
      if constexpr (!std::is_same_v<V, std::monostate>) {
        return append_as(to, column.type, value);
      } else {
        if (!is_nullable(column)) return "the column is NOT NULL";
        to.reserve(4);
        to.append(null_length);
        return nullptr;
      }
    };
    if (const char* why = std::visit(append, std::invoke(table.get, row, i))) return {i, why};
  }
  return {};
}

template <class Row, class Get>
[[nodiscard]] std::string show_value(const DynamicTable<Row, Get>& table, const Row& row, std::size_t column) {
  const auto text = []<class V>(const V& value) -> std::string {
    if constexpr (std::is_same_v<V, std::monostate>)
      return "NULL";
    else
      return show(value);
  };
  return std::visit(text, std::invoke(table.get, row, column));
}
template <class Row, class Get>
[[nodiscard]] std::string place_of(const DynamicTable<Row, Get>& table, const Row& row) {
  std::string text = "insert into " + quoted_table(table.name);
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    if (const DynamicColumn& column = table.columns[i]; column.key)
      text.append(", ").append(column.name).append("=") += show_value(table, row, i);
  return text;
}
template <class Row, class Get>
[[nodiscard]] Error misfit_error(const DynamicTable<Row, Get>& table, const Row& row, Misfit misfit) {
  const DynamicColumn& column = table.columns[misfit.column];
  const auto type_of_value = []<class V>(const V&) -> std::string_view {
    if constexpr (std::is_same_v<V, std::monostate>)
      return "";
    else
      return type_info(default_type<V>()).name;
  };
  std::string why = misfit.why;
  if (misfit.why == other_type)
    why = std::string(std::visit(type_of_value, std::invoke(table.get, row, misfit.column))) +
          " cannot be written to a column of type " + std::string(type_info(column.type).name);
  return misfit_error(place_of(table, row), column.name, show_value(table, row, misfit.column), why);
}

}  // namespace detail

/// Encoded rows: the bytes of COPY ... WITH (FORMAT binary), without header and trailer. Memory is reused after
/// `clear`. Belongs to one thread at a time.
template <AnyTable Mapping>
class EncodedRows {
 public:
  using Row = row_t<Mapping>;  ///< the type of a row
  /// No rows yet.
  explicit EncodedRows(const Mapping& table) : table_(table) {}

  /// Appends a row. If a column cannot hold a value, the error of class Rejected names it, and the row is not appended.
  ETLPIPE_ALWAYS_INLINE Result<void> add(const Row& row) {
    const std::size_t start = bytes_.size();
    const detail::Misfit misfit = detail::append_row(bytes_, table_, row);
    if (misfit.why != nullptr) [[unlikely]] {
      bytes_.truncate(start);
      return failure(refused(row, misfit));
    }
    ends_.push_back(bytes_.size());
    return {};
  }
  void clear() noexcept {
    bytes_.truncate(0);
    ends_.clear();
  }
  [[nodiscard]] std::size_t size() const noexcept { return ends_.size(); }
  /// The bytes of rows `first` to `last` - 1, or of all rows.
  [[nodiscard]] std::span<const char> bytes(std::size_t first, std::size_t last) const noexcept {
    const std::size_t from = first == 0 ? 0 : ends_[first - 1];
    return bytes_.all().subspan(from, (last == 0 ? 0 : ends_[last - 1]) - from);
  }
  [[nodiscard]] std::span<const char> bytes() const noexcept { return bytes_.all(); }
  /// For each row, the offset of the end of its bytes.
  [[nodiscard]] std::span<const std::size_t> ends() const noexcept { return ends_; }
  /// The table.
  [[nodiscard]] const Mapping& table() const noexcept { return table_; }

  /// Used by the library: exchanges the memory for that of earlier rows.
  void exchange(detail::Bytes& bytes, std::vector<std::size_t>& ends) noexcept {
    std::swap(bytes_, bytes);
    ends_.swap(ends);
    clear();
  }

 private:
  ETLPIPE_NOINLINE Error refused(const Row& row, detail::Misfit misfit) const {
    return detail::misfit_error(table_, row, misfit);
  }

  Mapping table_;
  detail::Bytes bytes_;
  std::vector<std::size_t> ends_;
};

/// The bytes before the rows of a COPY.
inline constexpr std::string_view copy_header{"PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19};
/// The bytes after the rows of a COPY.
inline constexpr std::string_view copy_trailer{"\377\377", 2};

}  // namespace etl::inline v0::postgres
