#pragma once
/// Reads the rows of a query into structs, starting at a position.

#include <array>
#include <atomic>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/position.hpp>
#include <etl/rows.hpp>
#include <etl/sqlite/database.hpp>
#include <etl/sqlite/table.hpp>

namespace etl::inline v0::sqlite {
namespace detail {

/// Reads a value of a row. A text: why the member cannot take it; nullptr: it has.
template <class V>
[[nodiscard]] const char* read_value(const Statement& row, int column, V& to) {
  const ValueType type = row.type(column);
  if constexpr (is_optional<V>) {
    if (type == ValueType::Null) return to.reset(), nullptr;
    if (!to) to.emplace();
    return read_value(row, column, *to);
  } else if constexpr (std::is_enum_v<V>) {
    std::underlying_type_t<V> number{};
    const char* const why = read_value(row, column, number);
    if (why == nullptr) to = static_cast<V>(number);
    return why;
  } else if constexpr (IntegerValue<V>) {
    if (type != ValueType::Integer) return "an INTEGER is needed";
    const std::int64_t value = row.integer(column);
    if constexpr (std::is_same_v<V, bool>) {
      if (value != 0 && value != 1) return "a bool must be 0 or 1";
      to = value == 1;
    } else {
      if (!std::in_range<V>(value)) return "out of the member's range";
      to = static_cast<V>(value);
    }
  } else if constexpr (RealValue<V>) {
    if (type != ValueType::Real && type != ValueType::Integer) return "a REAL is needed";
    const double value = row.real(column);
    constexpr std::int64_t exact = std::int64_t{1} << std::numeric_limits<double>::digits;
    if (type == ValueType::Integer && (row.integer(column) > exact || row.integer(column) < -exact))
      return "a REAL cannot hold this integer exactly";
    if constexpr (std::is_same_v<V, float>) {
      constexpr double infinity = std::numeric_limits<double>::infinity();
      constexpr auto most = static_cast<double>(std::numeric_limits<float>::max());
      if ((value > most && value < infinity) || (value < -most && value > -infinity))
        return "out of the member's range";
    }
    to = static_cast<V>(value);
  } else if constexpr (std::is_same_v<V, std::string>) {
    if (type != ValueType::Text) return "a TEXT is needed";
    to = row.text(column);
  } else {
    static_assert(std::is_same_v<V, std::vector<std::byte>>,
                  "etl::sqlite: a member that is read must own its value: std::string or std::vector<std::byte>");
    if (type != ValueType::Blob) return "a BLOB is needed";
    const std::span<const std::byte> blob = row.blob(column);
    to.assign(blob.begin(), blob.end());
  }
  return nullptr;
}

/// Reads all columns but those that are computed, in the order of the keys and then of the other columns; with `after`,
/// only the rows after one. A single text key is in the order of its bytes.
[[nodiscard]] std::string select_sql(std::string_view table, std::span<const ColumnInfo> columns, bool after);
/// Returns an error if the key of a row is NULL, because NULL is after no position.
[[nodiscard]] Result<void> check_keys(Database& database, std::string_view table, std::span<const ColumnInfo> columns);
/// Where each column stands in the rows of the query, -1 for those that are computed. An error names what is missing.
[[nodiscard]] Result<void> find_columns(const Statement& query, std::string_view table,
                                        std::span<const ColumnInfo> columns, std::span<int> places);
/// Names the row by its keys or, without, by its number, and the value that its member cannot take.
[[nodiscard]] Error unreadable(const Statement& row, std::string_view table, std::span<const ColumnInfo> columns,
                               std::span<const int> places, std::size_t column, std::uint64_t number, const char* why);
[[nodiscard]] Error bad_position(const Database& database, std::string_view table, const Position& position);

/// Interrupts the running statements of the connection. Thread-safe.
void interrupt(const Database& database) noexcept;
/// While this object exists, a stop between `begin` and `end` interrupts the connection. At other times a stop
/// interrupts nothing.
class InterruptOnStop {
 public:
  InterruptOnStop(const Database& database, std::stop_token stop)
      : database_(database), stop_(std::move(stop)), callback_(stop_, Ask{this}) {}
  InterruptOnStop(const InterruptOnStop&) = delete;
  InterruptOnStop& operator=(const InterruptOnStop&) = delete;
  ~InterruptOnStop() = default;
  /// Returns false if a stop was requested. Then the step must not run.
  [[nodiscard]] bool begin() noexcept {
    state_.store(State::AtWork);
    return !stop_.stop_requested();
  }
  /// Returns false if the step may have been interrupted. Then this object must be destroyed before the next step.
  [[nodiscard]] bool end() noexcept { return state_.exchange(State::Idle) != State::Interrupted; }

 private:
  enum class State : std::uint8_t { Idle, AtWork, Interrupted };
  struct Ask {
    InterruptOnStop* self;
    void operator()() const noexcept {
      State at_work = State::AtWork;
      if (self->state_.compare_exchange_strong(at_work, State::Interrupted)) interrupt(self->database_);
    }
  };
  const Database& database_;
  std::stop_token stop_;
  std::atomic<State> state_ = State::Idle;
  std::stop_callback<Ask> callback_;
};

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
    if constexpr (std::is_member_object_pointer_v<decltype(Key::get)>)
      return IntegerValue<key_t<Row, C...>> || std::is_same_v<key_t<Row, C...>, std::string>;
  }
  return false;
}

[[nodiscard]] inline Position position_of(const std::string& key) { return Position(key); }
template <IntegerValue V>
[[nodiscard]] Position position_of(V key) {
  return Position(std::to_string(static_cast<std::int64_t>(key)));
}

}  // namespace detail

/// A table whose rows have positions: it has one key column, a data member that is an integer or a std::string.
template <class Row, class... C>
concept Positioned = detail::has_positions<Row, C...>();

/// A cursor over the rows of a table or of your own query. It fills data members of the row; columns whose getter is
/// not a data member are left out. Until it has returned its last row or is destroyed, it does not see what other
/// connections write. It may or may not see what its own connection writes to the table that it reads: use another
/// connection for that. Belongs to the thread of its connection.
template <class Row, class... C>
class Query {
  static_assert((detail::is_column<C> && ...), "etl::sqlite: a table of dynamic_table is written, not read");

 public:
  /// Reads the whole table in the order of its keys. Rows with equal keys are in the order of what is read of them,
  /// which is the same each time. A single text key is in the order of its bytes, whatever the collation of its column.
  [[nodiscard]] static Result<Query> make(Database& database, const Table<Row, C...>& table) {
    Result<Statement> select = database.prepare(detail::select_sql(table.name, detail::column_infos(table), false));
    if (!select) return failure(std::move(select.error()));
    return make(std::move(*select), table);
  }
  /// Reads the rows whose key is greater than the position; without a position, the whole table. With a position, a row
  /// whose key is NULL is an error, because NULL is after no position.
  [[nodiscard]] static Result<Query> make(Database& database, const Table<Row, C...>& table,
                                          const std::optional<Position>& after)
    requires Positioned<Row, C...>
  {
    if (!after) return make(database, table);
    if (Result<void> all = detail::check_keys(database, table.name, detail::column_infos(table)); !all)
      return failure(std::move(all.error()));
    Result<Statement> select = database.prepare(detail::select_sql(table.name, detail::column_infos(table), true));
    if (!select) return failure(std::move(select.error()));
    const std::string& text = after->text();
    if constexpr (std::is_same_v<detail::key_t<Row, C...>, std::string>) {
      select->bind_copy(0, text);
    } else {
      std::int64_t number = 0;
      const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error != std::errc{} || stopped != text.data() + text.size())
        return failure(detail::bad_position(database, table.name, *after));
      select->bind(0, number);
    }
    return make(std::move(*select), table);
  }
  /// Reads your own query, whose parameters must be bound. Finds its columns by name; it may have more columns than the
  /// table.
  [[nodiscard]] static Result<Query> make(Statement query, const Table<Row, C...>& table) {
    Query made(std::move(query), table);
    Result<void> found = detail::find_columns(made.query_, table.name, detail::column_infos(made.table_), made.places_);
    if (!found) return failure(std::move(found.error()));
    return made;
  }

  /// Reads the next row into `row`, whose strings keep their memory. Returns false if there is no more. A value that
  /// its member cannot take is an error of class Rejected that names row, column and value. `row` is then incomplete,
  /// and the next call reads the following row.
  [[nodiscard]] Result<bool> next(Row& row) {
    if (ended_) return false;
    Result<bool> more = query_.step();
    ended_ = !more || !*more;
    if (ended_) return more;
    ++number_;
    return std::apply([&](const C&... column) { return read(row, column...); }, table_.columns);
  }
  /// The rows that are left, for a range-based for: `for (const Order& o : etl::value(query(db, orders)))`. Each step
  /// overwrites the row, and throws `etl::Exception` where `next` gives an error.
  [[nodiscard]] RowIterator<Query, Row> begin() { return RowIterator<Query, Row>(*this); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
  /// The table.
  [[nodiscard]] const Table<Row, C...>& table() const noexcept { return table_; }
  /// The connection.
  [[nodiscard]] const Database& database() const noexcept { return query_.database(); }

 private:
  Query(Statement query, const Table<Row, C...>& table) : query_(std::move(query)), table_(table) {}

  [[nodiscard]] Result<bool> read(Row& row, const C&... column) {
    std::size_t at = 0;
    const char* why = nullptr;
    const auto read_one = [&](const auto& get) {
      if constexpr (std::is_member_object_pointer_v<std::remove_cvref_t<decltype(get)>>)
        why = detail::read_value(query_, places_[at], row.*get);
      return why == nullptr;
    };
    if ((... && (read_one(column.get) && ++at > 0))) [[likely]]
      return true;
    return failure(detail::unreadable(query_, table_.name, detail::column_infos(table_), places_, at, number_, why));
  }

  Statement query_;
  Table<Row, C...> table_;
  std::array<int, sizeof...(C)> places_{};
  std::uint64_t number_ = 0;
  bool ended_ = false;
};

/// `Query::make` with the types deduced.
template <class Row, class... C>
[[nodiscard]] Result<Query<Row, C...>> query(Database& database, const Table<Row, C...>& table) {
  return Query<Row, C...>::make(database, table);
}
template <class Row, class... C>
  requires Positioned<Row, C...>
[[nodiscard]] Result<Query<Row, C...>> query(Database& database, const Table<Row, C...>& table,
                                             const std::optional<Position>& after) {
  return Query<Row, C...>::make(database, table, after);
}
template <class Row, class... C>
[[nodiscard]] Result<Query<Row, C...>> query(Statement statement, const Table<Row, C...>& table) {
  return Query<Row, C...>::make(std::move(statement), table);
}

/// Pushes the remaining rows of a query. If the table has one key column, marks a position about every `mark_every`
/// rows and at the end; the query must then be in the order of the key. The order of a text key must be that of its
/// bytes: if the column has another collation, your own statement must have `ORDER BY k COLLATE BINARY` and
/// `WHERE k COLLATE BINARY > ?`, or rows are missed. Marks are always between two different keys, so several rows may
/// have the same key, for example a time stamp; your own statement must give these in the same order each time, for
/// example by `ORDER BY k, id`, or rows are missed or loaded twice.
template <std::copyable Row, class... C>
[[nodiscard]] Result<void> extract(Query<Row, C...> query, Emitter<Row>& out, std::size_t mark_every = 1000) {
  const std::stop_token stop = out.stop_token();
  detail::InterruptOnStop interrupt(query.database(), stop);
  const auto next = [&](Row& row) -> Result<bool> {
    if (!interrupt.begin()) return false;
    Result<bool> more = query.next(row);
    if (!interrupt.end() || (!more && stop.stop_requested())) return false;
    return more;
  };
  if constexpr (Positioned<Row, C...>) {
    detail::key_t<Row, C...> last{};
    Row row{};
    std::size_t unmarked = 0;
    for (;;) {
      Result<bool> more = next(row);
      if (!more) return failure(std::move(more.error()));
      if (!*more && stop.stop_requested()) return {};
      if (!*more) break;
      const auto& key = detail::key_of(query.table(), row);
      if (unmarked > 0 && unmarked >= mark_every && key != last) {
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
      Result<bool> more = next(row);
      if (!more) return failure(std::move(more.error()));
      if (!*more || !out.push(std::as_const(row))) return {};
    }
  }
}
/// Pushes the rows of a table after `out.resume_from()`, in the order of its key.
template <std::copyable Row, class... C>
  requires Positioned<Row, C...>
[[nodiscard]] Result<void> extract(Database& database, const Table<Row, C...>& table, Emitter<Row>& out,
                                   std::size_t mark_every = 1000) {
  const std::stop_token stop = out.stop_token();
  detail::InterruptOnStop interrupt(database, stop);
  if (!interrupt.begin()) return {};
  Result<Query<Row, C...>> rows = query(database, table, out.resume_from());
  if (!interrupt.end() || (!rows && stop.stop_requested())) return {};
  if (!rows) return failure(std::move(rows.error()));
  return extract(std::move(*rows), out, mark_every);
}

}  // namespace etl::inline v0::sqlite
