#pragma once
/// Reads the rows of a query into structs with a binary cursor, starting at a position or in ranges of the key.

#include <array>
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/position.hpp>
#include <etl/postgres/connection.hpp>
#include <etl/postgres/read.hpp>
#include <etl/postgres/table.hpp>
#include <etl/rows.hpp>

namespace etl::inline v0::postgres {

/// Rows of a table whose key is greater than `after` and not greater than `until`.
struct KeyRange {
  std::optional<Position> after{};  ///< lower bound, excluded; none: from the beginning
  std::optional<Position> until{};  ///< upper bound, included; none: to the end
  /// The identity of the range as a partition (`PartitionProgress::id`).
  [[nodiscard]] std::string partition_id() const {
    return "after " + (after ? after->text() : "the beginning") + " until " + (until ? until->text() : "the end");
  }
};

namespace detail {

/// A cursor on the server. Fetches pages of about a megabyte.
class Cursor {
 public:
  /// Begins a transaction that only reads, unless one is open. It ends with the last row.
  [[nodiscard]] static Result<Cursor> open(Connection& connection, const std::string& sql,
                                           std::span<const Parameter> parameters, std::string doing);
  Cursor(Cursor&&) noexcept = default;
  Cursor& operator=(Cursor&&) = delete;
  ~Cursor();
  [[nodiscard]] Result<bool> next();
  /// Of the current row. A column's number is less than `columns()`.
  [[nodiscard]] Field field(int column) const noexcept;
  [[nodiscard]] int columns() const noexcept { return page_.columns(); }
  [[nodiscard]] std::string_view column_name(int column) const noexcept { return page_.column_name(column); }
  [[nodiscard]] std::uint32_t type(int column) const noexcept;
  [[nodiscard]] const Connection& connection() const noexcept { return connection_; }
  [[nodiscard]] const std::string& doing() const noexcept { return doing_; }
  /// Makes a stop end the wait for the server; `next` then returns an error.
  void heed(std::stop_token stop) noexcept { stop_ = std::move(stop); }

 private:
  Cursor(Connection connection, std::optional<Transaction> own, std::string name, std::string doing);
  [[nodiscard]] Result<void> describe();
  [[nodiscard]] Result<void> fetch();
  [[nodiscard]] bool transaction_has_ended() const noexcept;
  Connection connection_;
  std::optional<Transaction> own_;
  std::uint64_t transaction_;  // number of the transaction on this connection
  std::string name_;           // empty: closed
  std::string doing_;
  std::stop_token stop_{};
  Rows page_{nullptr};
  int row_ = -1;
  bool fetches_ = false;  // false until the first `next`, whose wait a stop can end
  int page_size_ = 100;
};

/// Whether a column's values can be read; null for those that are computed.
using Readable = bool (*)(std::uint32_t type);
/// Where each column stands in the rows of the query, -1 for those that are computed. An error names all that are
/// missing or of types that cannot be read.
[[nodiscard]] Result<void> find_columns(const Cursor& cursor, std::span<const ColumnInfo> columns,
                                        std::span<const Readable> readable, std::span<int> places);
/// How a table is ordered by its keys, as parts of SQL.
struct KeyOrder {
  /// What follows the name of the only key column, so that the server compares keys as C++ compares their texts.
  /// Usually nothing, so that the column's index is used; but to citext, jsonb and a collation that is not
  /// deterministic different texts may be equal.
  std::string key{};
  /// What follows the keys, so that rows with equal keys come in the same order each time: a resumed run counts them.
  /// Nothing if an index says that no keys are equal.
  std::string ties{};
  /// Whether the key of a row may be NULL.
  bool nullable = false;
};
[[nodiscard]] Result<KeyOrder> key_order(Connection& connection, std::string_view table,
                                         std::span<const ColumnInfo> columns);
/// Returns an error if the key of a row is NULL, because no range contains such a row.
[[nodiscard]] Result<void> check_keys(Connection& connection, std::string_view table,
                                      std::span<const ColumnInfo> columns);
/// Whether two values of a type of the server's, read as texts, are equal there: 1.0 and 1.00 are the same numeric.
[[nodiscard]] bool equal_texts(std::uint32_t type, std::string_view a, std::string_view b);
/// Reads all columns but those that are computed, in the order of the keys, within a range.
[[nodiscard]] std::string select_sql(std::string_view table, std::span<const ColumnInfo> columns, bool after,
                                     bool until, const KeyOrder& order);
/// Names the row by its keys or, without, by its number, and the value that its member cannot take.
[[nodiscard]] Error unreadable(const Cursor& cursor, std::span<const ColumnInfo> columns, std::span<const int> places,
                               std::size_t column, std::uint64_t number, const char* why);
[[nodiscard]] Error bad_position(const Connection& connection, std::string_view table, const Position& position,
                                 std::string_view why);
[[nodiscard]] Result<std::vector<KeyRange>> key_ranges(Connection& connection, std::string_view table,
                                                       std::span<const ColumnInfo> columns, std::size_t count);

template <class... C>
[[nodiscard]] consteval std::size_t key_index() {
  std::size_t i = 0;
  for (const bool is_key : {C::is_key...}) {
    if (is_key) break;
    ++i;
  }
  return i;
}
/// The only key of a row; must not be asked for without one.
template <class Row, class... C>
[[nodiscard]] const auto& key_of(const Table<Row, C...>& table, const Row& row) {
  return row.*std::get<key_index<C...>()>(table.columns).get;
}
template <class Row, class... C>
using key_t =
    std::remove_cvref_t<decltype(key_of(std::declval<const Table<Row, C...>&>(), std::declval<const Row&>()))>;

template <class Row, class... C>
[[nodiscard]] consteval bool has_positions() {
  if constexpr ((std::size_t{C::is_key} + ...) == 1) {
    using Key = std::tuple_element_t<key_index<C...>(), std::tuple<C...>>;
    if constexpr (std::is_member_object_pointer_v<decltype(Key::get)>) {
      using V = key_t<Row, C...>;
      return IntegerValue<V> || std::is_same_v<V, std::string> || std::is_same_v<V, Uuid> || DateValue<V> ||
             TimeValue<V>;
    }
  }
  return false;
}

/// As PostgreSQL reads it, UTC.
[[nodiscard]] std::string day_text(std::chrono::sys_days day);
[[nodiscard]] std::string time_text(std::chrono::sys_days day, std::chrono::microseconds time_of_day);
/// A key as a position.
template <class V>
[[nodiscard]] Position position_of(const V& key) {
  using namespace std::chrono;
  if constexpr (std::is_same_v<V, std::string>) {
    return Position(key);
  } else if constexpr (IntegerValue<V>) {
    return Position(std::to_string(static_cast<std::int64_t>(key)));
  } else if constexpr (std::is_same_v<V, Uuid>) {
    return Position(key.text());
  } else if constexpr (std::is_same_v<V, year_month_day>) {
    return Position(day_text(sys_days(key)));
  } else if constexpr (DateValue<V>) {
    return Position(day_text(sys_days(key.time_since_epoch())));
  } else {
    const auto day = floor<days>(key.time_since_epoch());
    // Rounded, because a floating-point number of seconds may be just below the microsecond that was read.
    return Position(time_text(sys_days(day), round<microseconds>(key.time_since_epoch() - day)));
  }
}

}  // namespace detail

/// A table whose rows have positions: it has one key column, which is a data member of type integer, std::string, Uuid,
/// date or time.
template <class Row, class... C>
concept Positioned = detail::has_positions<Row, C...>();

/// Reads the rows of a table or of your own query. It fills data members of the row; columns whose getter is not a data
/// member are left out. It reads the database as it was at the beginning. It uses the open transaction, in which you
/// may write meanwhile. If none is open, it begins one, which lasts until the last row and only reads: to write
/// meanwhile is an error, also for an Inserter on this connection. Belongs to the thread of its connection.
template <class Row, class... C>
class Query {
 public:
  /// Reads the whole table in the order of its keys. Rows with equal keys are in the order of what is read of them,
  /// which is the same each time. If a single text key is citext or jsonb, or has a collation that is not
  /// deterministic, its order is that of its bytes.
  [[nodiscard]] static Result<Query> make(Connection& connection, const Table<Row, C...>& table) {
    return select(connection, table, {});
  }
  /// Reads the rows of a range, in the order of the key. If the range has `after` but no `until`, a row of the table
  /// whose key is NULL is an error, because no range contains such a row.
  [[nodiscard]] static Result<Query> make(Connection& connection, const Table<Row, C...>& table, const KeyRange& range)
    requires Positioned<Row, C...>
  {
    if constexpr (detail::IntegerValue<detail::key_t<Row, C...>>)
      for (const auto& position : {range.after, range.until})
        if (position && !is_integer(position->text()))
          return failure(detail::bad_position(connection, table.name, *position, "not a value of the integer key"));
    Result<Query> made = select(connection, table, range);
    if (!made && made.error().error_class == ErrorClass::Rejected)
      return failure(
          detail::bad_position(connection, table.name, range.after.value_or(Position()), made.error().message()));
    return made;
  }
  /// Reads your own SELECT. Finds its columns by name; it may have more columns than the table.
  [[nodiscard]] static Result<Query> make(Connection& connection, const Table<Row, C...>& table, const std::string& sql,
                                          std::span<const Parameter> parameters) {
    Result<detail::Cursor> cursor =
        detail::Cursor::open(connection, sql, parameters, "read " + detail::quoted_table(table.name));
    if (!cursor) return failure(std::move(cursor.error()));
    Query made(std::move(*cursor), table);
    static constexpr std::array<detail::Readable, sizeof...(C)> readable{can_read<C>()...};
    Result<void> found = detail::find_columns(made.cursor_, detail::column_infos(made.table_), readable, made.places_);
    if (!found) return failure(std::move(found.error()));
    return made;
  }

  /// Reads the next row into `row`, whose strings keep their memory. Returns false if there is no more. A value that
  /// its member cannot take is an error of class Rejected that names row, column and value. `row` is then incomplete,
  /// and the next call reads the following row.
  [[nodiscard]] Result<bool> next(Row& row) {
    Result<bool> more = cursor_.next();
    if (!more || !*more) return more;
    ++number_;
    return std::apply([&](const C&... column) { return read(row, column...); }, table_.columns);
  }
  /// The rows that are left, for a range-based for: `for (const Order& o : etl::value(query(db, orders)))`. Each step
  /// overwrites the row, and throws `etl::Exception` where `next` gives an error.
  [[nodiscard]] RowIterator<Query, Row> begin() { return RowIterator<Query, Row>(*this); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
  /// The table.
  [[nodiscard]] const Table<Row, C...>& table() const noexcept { return table_; }
  /// Makes a stop end the wait for the server; `next` then returns an error.
  void heed(std::stop_token stop) noexcept { cursor_.heed(std::move(stop)); }
  /// Used by the library: whether two values of the only key are equal to the server.
  template <class Key>
  [[nodiscard]] bool equal_keys(const Key& a, const Key& b) const {
    if constexpr (std::is_same_v<Key, std::string>)
      return detail::equal_texts(cursor_.type(places_[detail::key_index<C...>()]), a, b);
    else
      return a == b;
  }

 private:
  Query(detail::Cursor cursor, const Table<Row, C...>& table) : cursor_(std::move(cursor)), table_(table) {}

  static Result<Query> select(Connection& connection, const Table<Row, C...>& table, const KeyRange& range) {
    std::vector<Parameter> bounds;
    if (range.after) bounds.emplace_back(range.after->text());
    if (range.until) bounds.emplace_back(range.until->text());
    const auto columns = detail::column_infos(table);
    Result<detail::KeyOrder> order = detail::key_order(connection, table.name, columns);
    if (!order) return failure(std::move(order.error()));
    if (range.after && !range.until && order->nullable)
      if (Result<void> all = detail::check_keys(connection, table.name, columns); !all)
        return failure(std::move(all.error()));
    return make(connection, table,
                detail::select_sql(table.name, columns, range.after.has_value(), range.until.has_value(), *order),
                bounds);
  }
  [[nodiscard]] static bool is_integer(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size();
  }
  template <class Column>
  [[nodiscard]] static consteval detail::Readable can_read() {
    using Get = decltype(Column::get);
    if constexpr (std::is_member_object_pointer_v<Get>)
      return [](std::uint32_t type) { return detail::readable<std::remove_cvref_t<detail::got_t<Get, Row>>>(type); };
    else
      return nullptr;
  }
  [[nodiscard]] Result<bool> read(Row& row, const C&... column) {
    std::size_t at = 0;
    const char* why = nullptr;
    const auto read_one = [&](const auto& get) {
      if constexpr (std::is_member_object_pointer_v<std::remove_cvref_t<decltype(get)>>)
        why = detail::read_value(cursor_.field(places_[at]), row.*get);
      return why == nullptr;
    };
    if ((... && (read_one(column.get) && ++at > 0))) [[likely]]
      return true;
    return failure(detail::unreadable(cursor_, detail::column_infos(table_), places_, at, number_, why));
  }

  detail::Cursor cursor_;
  Table<Row, C...> table_;
  std::array<int, sizeof...(C)> places_{};
  std::uint64_t number_ = 0;
};

/// `Query::make` with the types deduced.
template <class Row, class... C>
[[nodiscard]] Result<Query<Row, C...>> query(Connection& connection, const Table<Row, C...>& table) {
  return Query<Row, C...>::make(connection, table);
}
template <class Row, class... C>
  requires Positioned<Row, C...>
[[nodiscard]] Result<Query<Row, C...>> query(Connection& connection, const Table<Row, C...>& table,
                                             const KeyRange& range) {
  return Query<Row, C...>::make(connection, table, range);
}
template <class Row, class... C>
  requires Positioned<Row, C...>
[[nodiscard]] Result<Query<Row, C...>> query(Connection& connection, const Table<Row, C...>& table,
                                             const std::optional<Position>& after) {
  return Query<Row, C...>::make(connection, table, KeyRange{.after = after});
}
/// Reads your own SELECT with parameters $1, $2, ...
template <class Row, class... C, class... V>
[[nodiscard]] Result<Query<Row, C...>> query_sql(Connection& connection, const Table<Row, C...>& table,
                                                 const std::string& sql, const V&... values) {
  const std::array<Parameter, sizeof...(V)> parameters{Parameter(values)...};
  return Query<Row, C...>::make(connection, table, sql, parameters);
}

/// At most `count` ranges that together contain all rows, of about equal size, as partitions of a pipeline. The bounds
/// of a large table are taken from a sample.
template <class Row, class... C>
  requires Positioned<Row, C...>
[[nodiscard]] Result<std::vector<KeyRange>> key_ranges(Connection& connection, const Table<Row, C...>& table,
                                                       std::size_t count) {
  return detail::key_ranges(connection, table.name, detail::column_infos(table), count);
}

/// Pushes the remaining rows of a query. If the table has positions, marks one about every `mark_every` rows and at the
/// end; the query must then be in the order of the key. Marks are always between two different keys, so several rows
/// may have the same key, for example a time stamp; your own SELECT must give these in the same order each time, for
/// example by `ORDER BY k, id`, or rows are missed or loaded twice. Different texts are different keys, except those of
/// numeric and char(n): if k is citext or jsonb, or has a collation that is not deterministic, your own SELECT must
/// have `ORDER BY k::text COLLATE "C"` and `WHERE k::text COLLATE "C" > $1`, or rows are missed.
template <std::copyable Row, class... C>
[[nodiscard]] Result<void> extract(Query<Row, C...> query, Emitter<Row>& out, std::size_t mark_every = 1000) {
  const std::stop_token stop = out.stop_token();
  query.heed(stop);
  if constexpr (Positioned<Row, C...>) {
    detail::key_t<Row, C...> last{};
    Row row{};
    std::size_t unmarked = 0;
    for (;;) {
      Result<bool> more = query.next(row);
      if (!more && stop.stop_requested()) return {};
      if (!more) return failure(std::move(more.error()));
      if (!*more) break;
      const auto& key = detail::key_of(query.table(), row);
      if (unmarked > 0 && unmarked >= mark_every && !query.equal_keys(key, last)) {
        out.mark(detail::position_of(last));
        unmarked = 0;
      }
      if (++unmarked >= mark_every) last = key;
      if (!out.push(std::as_const(row))) return {};
    }
    if (unmarked > 0) out.mark(detail::position_of(detail::key_of(query.table(), row)));
    return {};
  } else {
    for (Row row{};;) {
      Result<bool> more = query.next(row);
      if (!more && stop.stop_requested()) return {};
      if (!more) return failure(std::move(more.error()));
      if (!*more || !out.push(std::as_const(row))) return {};
    }
  }
}
/// Pushes the rows of a range after `out.resume_from()`, in the order of the key.
template <std::copyable Row, class... C>
  requires Positioned<Row, C...>
[[nodiscard]] Result<void> extract(Connection& connection, const Table<Row, C...>& table, KeyRange range,
                                   Emitter<Row>& out, std::size_t mark_every = 1000) {
  if (out.resume_from()) range.after = out.resume_from();
  const std::stop_token stop = out.stop_token();
  Result<Query<Row, C...>> rows = [&] {
    const detail::CancelOnStop cancel(connection, stop);
    return query(connection, table, range);
  }();
  if (!rows && stop.stop_requested()) return {};
  if (!rows) return failure(std::move(rows.error()));
  return extract(std::move(*rows), out, mark_every);
}
/// Pushes the rows of a table after `out.resume_from()`, in the order of its key.
template <std::copyable Row, class... C>
  requires Positioned<Row, C...>
[[nodiscard]] Result<void> extract(Connection& connection, const Table<Row, C...>& table, Emitter<Row>& out,
                                   std::size_t mark_every = 1000) {
  return extract(connection, table, KeyRange{}, out, mark_every);
}

}  // namespace etl::inline v0::postgres
