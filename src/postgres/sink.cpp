#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/postgres/error_table.hpp>
#include <etl/postgres/sink.hpp>

#include "sql.hpp"
#include "state.hpp"

namespace etl::inline v0::postgres::detail {
namespace {

/// A merge must see what other sessions have committed before it got its lock, whatever the server's default is.
constexpr const char* sees_others = "ISOLATION LEVEL READ COMMITTED";

/// The row, counted from 0, that COPY names in its context, such as "COPY orders, line 17, column price: ...", in any
/// language of the server.
std::optional<std::size_t> row_in(std::string_view context, std::string_view table) {
  const std::string head = fmt::format("COPY {}, ", table);
  const std::size_t found = context.find(head);
  if (found == std::string_view::npos) return std::nullopt;
  context.remove_prefix(found + head.size());
  context.remove_prefix(std::min(context.find_first_of("0123456789"), context.size()));
  std::size_t row = 0;
  const auto [end, error] = std::from_chars(context.data(), context.data() + context.size(), row);
  if (error != std::errc{} || row == 0) return std::nullopt;
  return row - 1;
}

/// The number of rows that the result reports for this command.
std::optional<std::uint64_t> rows_of(PGresult* result, std::string_view command) {
  if (!std::string_view(PQcmdStatus(result)).starts_with(command)) return std::nullopt;
  const std::string_view text = PQcmdTuples(result);
  std::uint64_t count = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), count).ec != std::errc{}) return std::nullopt;
  return count;
}

Result<void> without_rows(Result<Rows> done) {
  if (!done) return failure(std::move(done.error()));
  return {};
}

/// Tells the locks of tables from those of other programs.
constexpr int lock_class = 1702128752;
/// Locks a table against other batches for the rest of the transaction.
std::string lock_sql(std::int32_t table, std::string_view function) {
  return fmt::format("SELECT {}({}, {})", function, lock_class, table);
}
/// The same, unless the transaction has the lock of a table: two such transactions could wait for each other.
std::string lock_if_first(std::int32_t table) {
  return fmt::format(
      "{} WHERE NOT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = "
      "pg_backend_pid() AND classid = {} AND granted)",
      lock_sql(table, "pg_advisory_xact_lock"), lock_class);
}

}  // namespace

// --- one COPY --------------------------------------------------------------------------------------------------------

Result<void> Copy::begin() {
  Connection::State& state = connection_->state();
  const bool staged = !target_->stage.empty();
  if (staged && scope_ == Scope::Own && !state.stages.contains(target_->stage)) {
    Result<void> made = without_rows(run(*connection_, target_->make_stage, target_->doing));
    if (!made) return made;
    state.stages.insert(target_->stage);
  }
  // One message for all statements: a single statement is its own transaction, and several run without a round trip
  // between them.
  int sent = 0;
  if (!staged)
    sent = PQsendQuery(state.handle, target_->copy.c_str());
  else if (scope_ == Scope::Own)
    sent = PQsendQuery(
        state.handle,
        (std::string("BEGIN ") + sees_others + ";" + target_->copy + ";" + target_->merge + ";COMMIT").c_str());
  else
    sent = PQsendQuery(
        state.handle,
        (target_->make_stage + ";" + target_->copy + ";" + target_->merge + ";TRUNCATE " + target_->stage).c_str());
  if (sent == 0) return failure(error_of(state, nullptr, target_->doing));
  if (Result<void> ready = await_copy(); !ready) return ready;
  return send(copy_header);
}

Result<void> Copy::await_copy() {
  Connection::State& state = connection_->state();
  std::optional<Error> why;
  while (PGresult* const result = PQgetResult(state.handle)) {
    const Rows rows(result);
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COPY_IN) {
      copying_ = true;
      return {};
    }
    if (status != PGRES_COMMAND_OK && !why) why = error_of(state, result, target_->doing);
  }
  abandon();
  return failure(why ? std::move(*why) : error_of(state, nullptr, target_->doing));
}

Result<void> Copy::send(std::span<const char> bytes) {
  // Sends in pieces, because libpq buffers what the socket does not take; so it never buffers the whole batch.
  constexpr std::size_t piece = 1 << 18;
  Connection::State& state = connection_->state();
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const auto part = bytes.subspan(at, std::min(piece, bytes.size() - at));
    if (PQputCopyData(state.handle, part.data(), static_cast<int>(part.size())) == 1) continue;
    copying_ = false;
    Error why = error_of(state, nullptr, target_->doing);
    while (PGresult* const result = PQgetResult(state.handle)) {  // the server's own error comes last
      const Rows rows(result);
      if (PQresultErrorField(result, PG_DIAG_SQLSTATE) != nullptr) why = error_of(state, result, target_->doing);
      if (state.lost()) break;
    }
    return failure(std::move(why));
  }
  return {};
}

Result<void> Copy::end(const RowNames& names, std::size_t first, std::size_t last) {
  Connection::State& state = connection_->state();
  if (Result<void> sent = send(copy_trailer); !sent) return sent;
  // The server cannot commit before CopyDone is sent. So a connection that is already lost leaves no doubt.
  const bool commits = PQflush(state.handle) == 0 && connection_->alive() && scope_ == Scope::Own;
  PQputCopyEnd(state.handle, nullptr);
  copying_ = false;
  std::optional<Error> why;
  std::optional<std::uint64_t> copied, kept;
  while (PGresult* const result = PQgetResult(state.handle)) {
    const Rows rows(result);
    if (PQresultStatus(result) == PGRES_COMMAND_OK && !why) {
      if (const auto count = rows_of(result, "COPY")) copied = count;
      if (const auto count = rows_of(result, target_->stage.empty() ? "COPY" : "INSERT")) kept = count;
    }
    if (PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK || why) continue;
    const char* const context = PQresultErrorField(result, PG_DIAG_CONTEXT);
    if (context != nullptr) suspect_ = row_in(context, target_->name);
    if (!suspect_ && last - first == 1) suspect_ = 0;
    why = error_of(state, result, suspect_ ? names.place(first + *suspect_) : target_->doing,
                   commits ? WhenLost::OutcomeUnknown : WhenLost::NothingDone);
    const char* const code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    // Only the server itself gives a context. Its error is that of a row, so nothing was committed.
    if (commits && context == nullptr) why = commit_error(std::move(*why));
    const bool merging = copied && !kept && !target_->casts.empty();
    may_be_cast_ = merging && code != nullptr && !std::string_view(code).starts_with("23") &&
                   why->error_class != ErrorClass::Transient && why->code != Errc::OutcomeUnknown;
  }
  if (!why) {
    state.dropped += last - first - std::min<std::uint64_t>(kept.value_or(last - first), last - first);
    return {};
  }
  abandon();
  return failure(std::move(*why));
}

void Copy::abandon() noexcept {
  Connection::State& state = connection_->state();
  if (std::exchange(copying_, false)) {
    PQputCopyEnd(state.handle, "given up by the client");
    while (PGresult* const result = PQgetResult(state.handle)) {
      PQclear(result);
      if (state.lost()) break;
    }
  }
  if (scope_ == Scope::Own && !state.lost() && PQtransactionStatus(state.handle) == PQTRANS_INERROR)
    PQclear(PQexec(state.handle, "ROLLBACK"));
}

// --- which rows are refused ------------------------------------------------------------------------------------------

namespace {

struct Range {
  std::size_t first;
  std::size_t last;
  [[nodiscard]] std::size_t size() const { return last - first; }
};

/// The parts to try next, in this order: before the suspect, the suspect, after the suspect.
std::vector<Range> parts_of(Range range, std::optional<std::size_t> suspect) {
  std::vector<Range> parts;
  const auto add = [&](std::size_t first, std::size_t last) {
    if (first < last) parts.push_back({first, last});
  };
  if (!suspect || *suspect >= range.size()) {
    const std::size_t middle = range.first + range.size() / 2;
    add(range.first, middle);
    add(middle, range.last);
    return parts;
  }
  const std::size_t at = range.first + *suspect;
  add(range.first, at);
  add(at, at + 1);
  // Bad rows often come together, so a long rest is halved if the good part before the suspect was short.
  const std::size_t rest = range.last - at - 1;
  const std::size_t middle = rest > 8 * (*suspect + 1) ? at + 1 + rest / 2 : at + 1;
  add(at + 1, middle);
  add(middle, range.last);
  return parts;
}

}  // namespace

std::string check_now(const Target& target) { return "SET CONSTRAINTS " + target.deferred + " IMMEDIATE"; }

Result<void> set_savepoint(Connection& connection, const Target& target) {
  return without_rows(run(connection, "SAVEPOINT etl_rows", target.doing));
}
Result<void> rollback_to_savepoint(Connection& connection, const Target& target) {
  return without_rows(run(connection, "ROLLBACK TO SAVEPOINT etl_rows; RELEASE SAVEPOINT etl_rows", target.doing));
}

namespace {

/// The error of a value as the error of its column.
Error of_column(Error error, std::string_view column) {
  const std::string code = error.code.message();  // "SQLSTATE 42P01"
  const std::string_view remedy = meaning_of(std::string_view(code).substr(code.rfind(' ') + 1)).remedy;
  // The remedy is for statements, not for values.
  if (!remedy.empty() && error.context.ends_with(remedy))
    error.context.resize(error.context.size() - remedy.size() - 2);
  error.context.append(fmt::format(" (column '{}')", printable(column)));
  error.error_class = ErrorClass::Rejected;
  return error;
}

/// Casts the values of one row, a column after another, and stores each in a table of only that column, because some
/// limits, such as the length of bit(3), hold for the column and not for the cast. Returns the error of the first value
/// that is refused, or nothing if there is none: then the error of the row had another cause.
Result<std::optional<Error>> refused_by_cast(Connection& connection, const Target& target, std::span<const char> row,
                                             const RowNames& names, std::size_t at) {
  for (const auto& [column, type] : target.casts) {
    Target one = target;
    one.casts.clear();
    const std::string name = quoted(std::string_view(column)), alone = target.stage + "_value";
    one.make_stage += fmt::format(";CREATE TEMP TABLE {} AS SELECT {} FROM {} WITH NO DATA",
                                  alone.substr(alone.find('.') + 1), name, target.table);
    one.merge = fmt::format("INSERT INTO {} SELECT {}::{} FROM {}", alone, name, type, target.stage);
    if (Result<void> marked = set_savepoint(connection, target); !marked) return failure(std::move(marked.error()));
    Result<void> cast;
    {
      Copy copy(connection, one, Scope::Open);
      cast = copy.begin();
      if (cast) cast = copy.send(row);
      if (cast) cast = copy.end(names, at, at + 1);
    }
    if (!cast && cast.error().error_class == ErrorClass::Transient) return failure(std::move(cast.error()));
    if (Result<void> undone = rollback_to_savepoint(connection, target); !undone)
      return failure(std::move(undone.error()));
    if (!cast) return std::optional(of_column(std::move(cast.error()), column));
  }
  return std::optional<Error>();
}

}  // namespace

Result<void> copy_isolated(Connection& connection, const Target& target, Scope scope, const SentRows& rows,
                           const RowNames& names, Refused& refused) {
  std::optional<Transaction> own;
  if (scope == Scope::Own) {
    Result<Transaction> begun = connection.begin();
    if (!begun) return failure(std::move(begun.error()));
    own.emplace(std::move(*begun));
    if (auto set = run(connection, std::string("SET TRANSACTION ") + sees_others, target.doing); !set)
      return without_rows(std::move(set));
  }
  if (target.locked)
    if (auto alone = run(connection, lock_if_first(*target.locked), target.doing); !alone)
      return without_rows(std::move(alone));
  // Checks deferred constraints now. At the commit, the failing row could not be found.
  if (!target.deferred.empty())
    if (auto set = run(connection, check_now(target), target.doing); !set) return without_rows(std::move(set));
  std::vector<Range> todo{{0, rows.ends.size()}};
  while (!todo.empty()) {
    const Range range = todo.back();
    todo.pop_back();
    if (range.size() == 0) continue;
    if (Result<void> marked = set_savepoint(connection, target); !marked) return marked;
    Copy copy(connection, target, Scope::Open);
    const std::size_t from = range.first == 0 ? 0 : rows.ends[range.first - 1];
    const auto bytes = rows.bytes.subspan(from, rows.ends[range.last - 1] - from);
    Result<void> copied = copy.begin();
    if (copied) copied = copy.send(bytes);
    if (copied) copied = copy.end(names, range.first, range.last);
    if (copied) {
      if (auto kept = run(connection, "RELEASE SAVEPOINT etl_rows", target.doing); !kept)
        return without_rows(std::move(kept));
      continue;
    }
    const bool is_rejected = copied.error().error_class == ErrorClass::Rejected;
    if (!is_rejected && !copy.may_be_cast()) return copied;
    if (Result<void> undone = rollback_to_savepoint(connection, target); !undone) return undone;
    if (range.size() == 1) {
      Result<std::optional<Error>> cast;
      if (copy.may_be_cast()) cast = refused_by_cast(connection, target, bytes, names, range.first);
      if (!cast) return failure(std::move(cast.error()));
      if (!*cast && !is_rejected) return copied;
      refused.emplace_back(range.first, *cast ? std::move(**cast) : std::move(copied.error()));
      continue;
    }
    const std::vector<Range> parts = parts_of(range, copy.suspect());
    todo.insert(todo.end(), parts.rbegin(), parts.rend());
  }
  return own ? own->commit() : Result<void>();
}

Result<void> make_ready(Connection& connection, const Target& target) {
  if (!connection.alive()) return connection.reconnect();
  if (!connection.in_transaction()) return {};
  return failure(own_error("25001", ErrorClass::Fatal,
                           fmt::format("{}: {}: a Sink begins its own transactions, but a transaction is open already: "
                                       "to write within it, use an Inserter",
                                       connection.name(), target.doing)));
}

// --- SQL -------------------------------------------------------------------------------------------------------------

namespace {

bool no_key(const ColumnInfo& column) { return !column.is_key; }

/// FNV-1a.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 14'695'981'039'346'656'037U;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
  return value;
}

/// A column of the stage as a value of the table's column.
std::string value(const ColumnInfo& c) {
  return c.cast.empty() ? quoted(c.name) : fmt::format("{}::{}", quoted(c.name), c.cast);
}

/// How batches are sorted that ignore rows, if the mapping has no key.
struct Sorting {
  std::string order{};   // columns; may be empty
  bool possible = true;  // false: no order keeps two batches from waiting for each other
};

/// Batches are sorted by the only index that excludes rows of the mapping, so that the first row of a key still counts.
/// Indexes of which no column is mapped, such as that of a number that the table makes, exclude none.
Result<Sorting> sorting_of(Connection& connection, const std::string& table, std::span<const ColumnInfo> columns) {
  const auto found = connection.query(
      "SELECT i.indexrelid, a.attname, i.indisexclusion FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH "
      "ORDINALITY k(number, place) LEFT JOIN pg_attribute a ON a.attrelid=i.indrelid AND a.attnum=k.number AND "
      "k.number<>0 WHERE i.indrelid=to_regclass($1) AND (i.indisunique OR i.indisexclusion) AND "
      "k.place<=i.indnkeyatts ORDER BY i.indexrelid, k.place",
      table);
  if (!found) return failure(found.error());
  Sorting sorting;
  bool some = false;  // an index excludes rows
  for (int row = 0; row < found->size();) {
    const std::string index(found->text(row, 0));
    std::string order;
    bool mapped = false, sortable = true;
    for (; row < found->size() && found->text(row, 0) == index; ++row) {
      const bool expression = found->is_null(row, 1);
      const auto column =
          expression ? columns.end() : std::ranges::find(columns, found->text(row, 1), &ColumnInfo::name);
      mapped = mapped || expression || column != columns.end();
      sortable = sortable && column != columns.end() && found->text(row, 2) != "t";
      if (column != columns.end()) order.append(order.empty() ? "" : ", ").append(value(*column));
    }
    if (!mapped) continue;
    sorting = sortable && !some ? Sorting{.order = std::move(order)} : Sorting{.possible = false};
    some = true;
  }
  return sorting;
}

std::string merge_sql(const std::string& table, std::int32_t oid, const std::string& stage,
                      std::span<const ColumnInfo> columns, OnConflict on_conflict, const Sorting& sorting) {
  const std::string all = list(columns, any, name_of), keys = list(columns, &ColumnInfo::is_key, name_of);
  const std::string by_key = list(columns, &ColumnInfo::is_key, value);
  const std::string insert =
      fmt::format("INSERT INTO {}({}) OVERRIDING SYSTEM VALUE SELECT {} FROM ", table, all, list(columns, any, value));
  if (on_conflict == OnConflict::Fail) return fmt::format("{}{} ORDER BY etl_row", insert, stage);
  // Batches are sorted, so that two of them do not wait for each other. A batch that cannot be sorted, or is stored in
  // parts because of a bad row, waits until it is alone.
  const std::string beside_others = lock_sql(oid, "pg_advisory_xact_lock_shared") + ";";
  if (on_conflict == OnConflict::Ignore && keys.empty())
    return fmt::format("{}{}{} ORDER BY {}{}etl_row ON CONFLICT DO NOTHING",
                       sorting.possible ? beside_others : lock_if_first(oid) + ";", insert, stage, sorting.order,
                       sorting.order.empty() ? "" : ", ");
  if (on_conflict == OnConflict::Ignore)  // the first row of a key counts
    return fmt::format("{}{}{} ORDER BY {}, etl_row ON CONFLICT({}) DO NOTHING", beside_others, insert, stage, by_key,
                       keys);
  // If several rows have the same key, the last one counts.
  const std::string last =
      fmt::format("(SELECT DISTINCT ON ({0}) * FROM {1} ORDER BY {0}, etl_row DESC) s", by_key, stage);
  if (on_conflict == OnConflict::Replace) {
    const auto same = [&](const ColumnInfo& c) { return fmt::format("t.{}=s.{}", quoted(c.name), value(c)); };
    // One batch at a time: otherwise the DELETE would wait for the row that another batch replaces, and not see the row
    // that has come in its place.
    return fmt::format("{};DELETE FROM {} t USING {} s WHERE {};{}{}", lock_sql(oid, "pg_advisory_xact_lock"), table,
                       stage, list(columns, &ColumnInfo::is_key, same, " AND "), insert, last);
  }
  const std::string set =
      list(columns, no_key, [](const ColumnInfo& c) { return fmt::format("{0}=excluded.{0}", quoted(c.name)); });
  return fmt::format("{}{}{} ON CONFLICT({}) DO {}", beside_others, insert, last, keys,
                     set.empty() ? "NOTHING" : "UPDATE SET " + set);
}

}  // namespace

Result<Target> make_target(Connection& connection, std::string_view table, std::span<const ColumnInfo> columns,
                           OnConflict on_conflict) {
  const std::string name = quoted_table(table);
  Target target;
  target.table = name;
  target.doing = "insert into " + name;
  if ((on_conflict == OnConflict::Update || on_conflict == OnConflict::Replace) &&
      std::ranges::none_of(columns, &ColumnInfo::is_key))
    return failure(
        own_error("42P10", ErrorClass::Fatal,
                  fmt::format("{}: {}: OnConflict::Update and Replace need a key, and the mapping has no key "
                              "column",
                              connection.name(), target.doing)));
  if (Result<void> same = check_table(connection, table, columns, false); !same)
    return failure(std::move(same.error()));
  const std::string names = list(columns, any, name_of);
  std::string into = name;
  target.name = table.substr(table.find('.') == std::string_view::npos ? 0 : table.find('.') + 1);
  const bool casts = std::ranges::any_of(columns, [](const ColumnInfo& c) { return !c.cast.empty(); });
  // COPY refuses views, and tables whose policies apply to this user. INSERT does not.
  const auto inserts = connection.query(
      "SELECT relkind = 'v' OR row_security_active(oid), oid, (SELECT string_agg(concat_ws(' ', attname, "
      "format_type(atttypid, atttypmod)), ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid=c.oid AND attnum>0) "
      "FROM pg_class c WHERE oid=to_regclass($1)",
      name);
  if (!inserts) return failure(inserts.error());
  const bool copies = inserts->size() == 0 || inserts->text(0, 0) != "t";
  const std::string types(inserts->size() == 0 ? "" : inserts->text(0, 2));
  if (on_conflict != OnConflict::Fail || casts || !copies) {
    const auto staged = [](const ColumnInfo& c) {
      return c.cast.empty() ? quoted(c.name) : fmt::format("{0}::text AS {0}", quoted(c.name));
    };
    // Another stage after the types of the table's columns have changed.
    target.name = fmt::format("etl_stage_{:016x}", hash(name + list(columns, any, staged) + types));
    target.stage = into = "pg_temp." + target.name;
    target.make_stage = fmt::format(
        "CREATE TEMP TABLE IF NOT EXISTS {0} ON COMMIT DELETE ROWS AS SELECT {2} FROM {1} WITH NO DATA;"
        "ALTER TABLE {3} ADD COLUMN IF NOT EXISTS etl_row bigint GENERATED ALWAYS AS IDENTITY",
        target.name, name, list(columns, any, staged), target.stage);
    const auto oid = static_cast<std::int32_t>(inserts->size() == 0 ? 0 : inserts->integer(0, 1));
    Sorting sorting;
    if (on_conflict == OnConflict::Ignore && std::ranges::none_of(columns, &ColumnInfo::is_key)) {
      auto found = sorting_of(connection, name, columns);
      if (!found) return failure(std::move(found.error()));
      sorting = std::move(*found);
    }
    target.merge = merge_sql(name, oid, target.stage, columns, on_conflict, sorting);
    if (on_conflict != OnConflict::Fail) target.locked = oid;
    for (const ColumnInfo& column : columns)
      if (!column.cast.empty()) target.casts.emplace_back(column.name, column.cast);
  }
  const auto deferred = connection.query(
      "SELECT string_agg(DISTINCT quote_ident(n.nspname) || '.' || quote_ident(c.conname), ',') FROM pg_constraint c "
      "JOIN "
      "pg_namespace n ON n.oid=c.connamespace WHERE c.conrelid=to_regclass($1) AND c.condeferred",
      name);
  if (!deferred) return failure(deferred.error());
  if (!deferred->is_null(0, 0)) target.deferred = deferred->text(0, 0);
  target.copy = fmt::format("COPY {}({}) FROM STDIN WITH (FORMAT binary)", into, names);
  return target;
}

}  // namespace etl::inline v0::postgres::detail
