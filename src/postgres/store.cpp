#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>

#include <etl/postgres/source.hpp>
#include <etl/postgres/store.hpp>

#include "state.hpp"

namespace etl::inline v0::postgres {

// --- Tx
// ---------------------------------------------------------------------------------------------------------------

bool Tx::active() const noexcept {
  if (connection_ == nullptr || connection_->state().lost()) return false;
  const PGTransactionStatusType status = PQtransactionStatus(connection_->handle());
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

Error Tx::lost(std::string_view doing) const {
  if (connection_ != nullptr && connection_->state().lost())
    return own_error("08006", ErrorClass::Transient,
                     fmt::format("{}: {}: the connection was lost", connection_->name(), doing));
  return own_error("25P01", ErrorClass::Fatal,
                   fmt::format("{}: {}: no transaction is open; if `load` has executed a COMMIT or ROLLBACK, leave "
                               "these to the library",
                               connection_ != nullptr ? connection_->name() : "PostgreSQL", doing));
}

Result<void> Tx::execute(std::string_view sql) {
  if (!active()) return failure(lost(shown_sql(sql)));
  if (Result<void> done = connection_->execute(sql); !done || active()) return done;
  return failure(lost(shown_sql(sql)));
}

Result<Rows> Tx::query_with(std::string_view sql, std::span<const Parameter> parameters) {
  if (!active()) return failure(lost(shown_sql(sql)));
  Result<Rows> rows = connection_->query_with(sql, parameters);
  if (!rows || active()) return rows;
  return failure(lost(shown_sql(sql)));
}

Result<const detail::Target*> Tx::target(std::string_view table, std::span<const detail::ColumnInfo> columns,
                                         OnConflict on_conflict) {
  constexpr std::size_t most_kept = 64;
  const std::string doing = "insert into " + detail::quoted_table(table);
  if (!active()) return failure(lost(doing));
  std::string key = fmt::format("{} {}", doing, static_cast<int>(on_conflict));
  for (const detail::ColumnInfo& c : columns)
    fmt::format_to(std::back_inserter(key), ",{} {}{}{}", detail::quoted(c.name), static_cast<int>(c.type),
                   c.is_array ? "[]" : "", c.is_key ? "!" : "");
  if (const auto found = targets_.find(key); found != targets_.end()) return &found->second;
  Result<detail::Target> made = detail::make_target(*connection_, table, columns, on_conflict);
  if (!made) return failure(std::move(made.error()));
  if (targets_.size() == most_kept) targets_.clear();
  return &targets_.emplace(std::move(key), std::move(*made)).first->second;
}

namespace {

// --- tables
// -----------------------------------------------------------------------------------------------------------

constexpr std::int64_t format = 1;

/// The tables' names as SQL has them.
struct Names {
  explicit Names(std::string_view schema)
      : in(detail::quoted(schema)),
        store(in + ".etl_store"),
        checkpoints(in + ".etl_checkpoints"),
        partitions(in + ".etl_partitions"),
        letters(in + ".etl_dead_letters") {}
  std::string in, store, checkpoints, partitions, letters;
};

/// Settled ranges stand beside the watermark in the partition's row, whose lock makes writers take turns.
std::string schema_sql(const Names& names) {
  return fmt::format(R"(
CREATE SCHEMA IF NOT EXISTS {0};
CREATE TABLE IF NOT EXISTS {1}(format bigint NOT NULL);
CREATE TABLE IF NOT EXISTS {2}(
  pipeline text PRIMARY KEY, fingerprint text NOT NULL, batch_size bigint NOT NULL, partition_count bigint NOT NULL,
  finished boolean NOT NULL, run text NOT NULL);
CREATE TABLE IF NOT EXISTS {3}(
  pipeline text, partition bigint, watermark bigint NOT NULL, position text, position_seq bigint NOT NULL,
  settled bigint[] NOT NULL, PRIMARY KEY(pipeline, partition));
CREATE TABLE IF NOT EXISTS {4}(
  id text PRIMARY KEY, pipeline text NOT NULL, run text NOT NULL, partition bigint NOT NULL, seq bigint NOT NULL,
  position text, stage text NOT NULL, attempts bigint NOT NULL, errors text[] NOT NULL, time timestamptz NOT NULL,
  payload bytea);
CREATE INDEX IF NOT EXISTS etl_dead_letters_place ON {4}(pipeline, partition, seq);
INSERT INTO {1} SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM {1});
)",
                     names.in, names.store, names.checkpoints, names.partitions, names.letters);
}

/// PostgreSQL's integers are signed; a number above 2^63-1 comes back as it went in.
std::int64_t integer(std::uint64_t number) { return static_cast<std::int64_t>(number); }
std::uint64_t number(const Rows& rows, int row, int column) {
  return static_cast<std::uint64_t>(rows.integer(row, column));
}
std::uint32_t small_number(const Rows& rows, int row, int column) {
  return static_cast<std::uint32_t>(rows.integer(row, column));
}
std::string text_of(const Rows& rows, int row, int column) { return unescaped(rows.text(row, column)); }
std::optional<Position> position_of(const Rows& rows, int row, int column) {
  if (rows.is_null(row, column)) return std::nullopt;
  return Position(text_of(rows, row, column));
}

/// Statements that go to the server as one message.
class Script {
 public:
  Script(Connection& connection, const Names& names) : connection_(&connection), names_(&names) {}
  [[nodiscard]] std::string literal(std::string_view text) const {
    const std::string safe = escaped(text);
    const std::unique_ptr<char, void (*)(void*)> quoted(
        PQescapeLiteral(connection_->handle(), safe.data(), safe.size()), PQfreemem);
    return quoted ? quoted.get() : "NULL";  // out of memory
  }
  template <class... A>
  void add(fmt::format_string<A...> text, A&&... a) {
    fmt::format_to(std::back_inserter(sql_), text, std::forward<A>(a)...);
    sql_ += ';';
  }
  void head(const std::string& pipeline, const Checkpoint& c) {
    add("INSERT INTO {} AS old VALUES({},{},{},{},{},{}) ON CONFLICT(pipeline) DO UPDATE SET "
        "(fingerprint,batch_size,partition_count,finished,run)=(excluded.fingerprint,excluded.batch_size,"
        "excluded.partition_count,excluded.finished,excluded.run) WHERE old.run IN ('',excluded.run) OR old.finished",
        names_->checkpoints, literal(pipeline), literal(c.fingerprint), integer(c.batch_size),
        integer(c.partition_count), c.finished, literal(c.run));
  }
  /// `how`: a lock on it.
  void owner(const std::string& pipeline, std::string_view how) {
    add("SELECT run FROM {} WHERE pipeline={} {}", names_->checkpoints, literal(pipeline), how);
  }
  void progress(const std::string& pipeline, const PartitionProgress& p) {
    std::string settled;
    for (const SeqRange range : p.gaps.ranges())
      settled += fmt::format("{}{},{}", settled.empty() ? "" : ",", integer(range.first), integer(range.end));
    add("INSERT INTO {} VALUES({},{},{},{},{},'{{{}}}') ON CONFLICT(pipeline,partition) DO UPDATE SET "
        "watermark=excluded.watermark,position=excluded.position,position_seq=excluded.position_seq,"
        "settled=excluded.settled",
        names_->partitions, literal(pipeline), p.partition, integer(p.watermark), place(p.position),
        integer(p.position_seq), settled);
  }
  void letter(const DeadLetter& l) {
    using namespace std::chrono;
    std::string errors, payload = "NULL";
    for (const std::string& error : l.errors) errors.append(errors.empty() ? "" : ",").append(literal(error));
    if (l.payload) {
      payload = "'\\x";
      for (const char c : *l.payload)
        fmt::format_to(std::back_inserter(payload), "{:02x}", static_cast<std::uint8_t>(c));
      payload += '\'';
    }
    const auto day = floor<days>(l.time);
    add("INSERT INTO {} VALUES({},{},{},{},{},{},'{}',{},ARRAY[{}]::text[],'{}',{}) ON CONFLICT(id) DO UPDATE SET "
        "(pipeline,run,partition,seq,position,stage,attempts,errors,time,payload)=(excluded.pipeline,excluded.run,"
        "excluded.partition,excluded.seq,excluded.position,excluded.stage,excluded.attempts,excluded.errors,"
        "excluded.time,excluded.payload)",
        names_->letters, literal(l.id), literal(l.pipeline), literal(l.run), l.partition, integer(l.seq),
        place(l.position), to_string(l.stage), l.attempts, errors,
        detail::time_text(sys_days(day), floor<microseconds>(l.time - day)), payload);
  }
  void purge(std::span<const std::string> ids) {
    std::string all;
    for (const std::string& id : ids) all.append(all.empty() ? "" : ",").append(literal(id));
    if (!all.empty()) add("DELETE FROM {} WHERE id IN ({})", names_->letters, all);
  }
  void claim(const std::string& pipeline, const std::string& run) {
    add("UPDATE {} SET run={} WHERE pipeline={}", names_->checkpoints, literal(run), literal(pipeline));
  }
  void forget_partitions(const std::string& pipeline) {
    add("DELETE FROM {} WHERE pipeline={}", names_->partitions, literal(pipeline));
  }
  void forget(const std::string& pipeline) {
    add("DELETE FROM {} WHERE pipeline={}", names_->checkpoints, literal(pipeline));
    forget_partitions(pipeline);
  }
  /// The last result. What this store's own tables do not take concerns no row of the user's.
  [[nodiscard]] Result<Rows> run(std::string_view doing) const {
    Result<Rows> done = postgres::run(*connection_, sql_, doing);
    if (!done && done.error().error_class == ErrorClass::Rejected) done.error().error_class = ErrorClass::Fatal;
    return done;
  }

 private:
  [[nodiscard]] std::string place(const std::optional<Position>& position) const {
    return position ? literal(position->text()) : "NULL";
  }
  Connection* connection_;
  const Names* names_;
  std::string sql_;
};

// --- reading
// ----------------------------------------------------------------------------------------------------------

constexpr std::string_view progress_columns = "partition, watermark, position, position_seq, settled";

/// "{10,20,30,40}"
SeqRanges ranges_of(std::string_view array) {
  SeqRanges ranges;
  const char* at = array.data();
  const char* const end = at + array.size();
  const auto next = [&] {
    std::int64_t value = 0;
    at = std::from_chars(std::find_if(at, end, [](char c) { return c == '-' || (c >= '0' && c <= '9'); }), end, value)
             .ptr;
    return static_cast<std::uint64_t>(value);
  };
  while (end - at > 1) {
    const std::uint64_t first = next();
    ranges.add({first, next()});
  }
  return ranges;
}
PartitionProgress progress_of(const Rows& rows, int row) {
  return {.partition = small_number(rows, row, 0),
          .watermark = number(rows, row, 1),
          .position = position_of(rows, row, 2),
          .position_seq = number(rows, row, 3),
          .gaps = ranges_of(rows.text(row, 4))};
}

/// The run that `Script::owner` selects, or that stands in a column of the first row; empty when there is none.
std::string owner_of(const Rows& rows, int column = 0) {
  return rows.size() == 0 || rows.is_null(0, column) ? std::string() : text_of(rows, 0, column);
}

Stage stage_of(std::string_view text) {
  for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(Stage::Manage); ++i)  // the last
    if (text == to_string(static_cast<Stage>(i))) return static_cast<Stage>(i);
  return Stage::Transform;
}

/// Errors come with a line end behind each, which none has within; the payload as hexadecimal digits.
constexpr std::string_view letter_columns =
    "id, pipeline, run, partition, seq, position, stage, attempts, "
    "CASE WHEN cardinality(errors) > 0 THEN array_to_string(errors, E'\\n', '') || E'\\n' END, "
    "CASE WHEN isfinite(time) THEN (extract(epoch FROM time) * 1000000)::bigint ELSE 0 END, encode(payload, 'hex')";

DeadLetter letter_of(const Rows& rows, int row) {
  using Time = std::chrono::system_clock::time_point;  // of nanoseconds: not all microseconds fit
  constexpr auto micros = [](Time time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  };
  DeadLetter letter{.id = text_of(rows, row, 0),
                    .pipeline = text_of(rows, row, 1),
                    .run = text_of(rows, row, 2),
                    .partition = small_number(rows, row, 3),
                    .seq = number(rows, row, 4),
                    .position = position_of(rows, row, 5),
                    .stage = stage_of(rows.text(row, 6)),
                    .attempts = small_number(rows, row, 7)};
  std::string_view errors = rows.text(row, 8);
  for (std::size_t end = errors.find('\n'); end != std::string_view::npos; end = errors.find('\n')) {
    letter.errors.push_back(unescaped(errors.substr(0, end)));
    errors.remove_prefix(end + 1);
  }
  letter.time =
      Time(std::chrono::microseconds(std::clamp(rows.integer(row, 9), micros(Time::min()), micros(Time::max()))));
  if (!rows.is_null(row, 10)) {
    const std::string_view digits = rows.text(row, 10);
    letter.payload.emplace();
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
      unsigned char byte = 0;
      std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
      *letter.payload += static_cast<char>(byte);
    }
  }
  return letter;
}

// --- progress
// ---------------------------------------------------------------------------------------------------------

/// Adds what a transaction settles. A range that is there already, in part at least: the other one's.
std::optional<SettledRange> settle(PartitionProgress& progress, const etl::Commit& commit) {
  SeqRanges all = progress.gaps;
  all.add({0, progress.watermark});
  for (const SettledRange& one : commit.settled) {
    if (one.partition != progress.partition) continue;
    if (all.contains(one.items.first) || all.boundary_after(one.items.first) < one.items.end) return one;
    all.add(one.items);
  }
  for (const PartitionProgress& one : commit.advanced) {
    if (one.partition != progress.partition) continue;
    all.add({0, one.watermark});
    if (one.position_seq >= progress.position_seq) {
      progress.position = one.position;
      progress.position_seq = one.position_seq;
    }
  }
  progress.watermark = all.end_of(0);
  all.forget_below(progress.watermark);
  progress.gaps = std::move(all);
  return std::nullopt;
}

/// The partitions of a commit, ascending: in this order all writers lock them.
std::vector<std::uint32_t> partitions_of(const etl::Commit& commit) {
  std::vector<std::uint32_t> all;
  for (const SettledRange& one : commit.settled) all.push_back(one.partition);
  for (const PartitionProgress& one : commit.advanced) all.push_back(one.partition);
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return all;
}

/// No more than one transaction is in doubt under a number.
std::int64_t any_number() {
  std::random_device random;
  return static_cast<std::int64_t>((std::uint64_t{random()} << 32U | random()) >> 1U);
}

/// What is left of a transaction, found by its lock, is ended; its end is waited for.
constexpr std::string_view end_sql =
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype='advisory' AND granted AND objsubid=1 AND "
    "database=(SELECT oid FROM pg_database WHERE datname=current_database()) AND "
    "(classid::bigint<<32 | objid::bigint)={0} AND pid<>pg_backend_pid();"
    "BEGIN;SET LOCAL lock_timeout='30s';SELECT pg_advisory_xact_lock({0});ROLLBACK";

}  // namespace

struct Store::State {
  State(Pool connections, std::string_view schema) : pool(std::move(connections)), names(schema) {}
  Pool pool;
  Names names;
};

namespace {

// --- sessions
// ---------------------------------------------------------------------------------------------------------

template <class State>
class Session final : public StoreSession<Tx> {
 public:
  explicit Session(std::shared_ptr<State> state) : state_(std::move(state)), lock_(any_number()) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() override { close(); }

  Result<void> begin() override {
    close();
    Result<Lease> lease = state_->pool.lease();
    if (!lease) return failure(std::move(lease.error()));
    Result<Transaction> begun = (*lease)->begin();
    if (!begun) return failure(std::move(begun.error()));
    open_ = std::make_unique<Open>(std::move(*lease), std::move(*begun));
    tx_.begun(*open_->lease);
    return {};
  }
  Tx& transaction() noexcept override { return tx_; }

  Result<void> savepoint() override {
    if (!tx_.active()) return failure(tx_.lost("savepoint"));
    return open_->transaction.savepoint();
  }
  Result<void> rollback_to_savepoint() override {
    if (!tx_.active()) return failure(tx_.lost("rollback to savepoint"));
    return open_->transaction.rollback_to_savepoint();
  }

  Result<void> record(const etl::Commit& commit) override {
    const std::string doing = fmt::format("record progress of pipeline '{}'", printable(commit.pipeline));
    if (!tx_.active()) return failure(tx_.lost(doing));
    Script script(*open_->lease, state_->names);
    if (auto merged = merge(script, commit, doing); !merged) return merged;
    for (const DeadLetter& letter : commit.dead_letters) script.letter(letter);
    script.purge(commit.purged);
    script.add("SELECT pg_advisory_xact_lock({})", lock_);
    if (auto done = script.run(doing); !done) return failure(std::move(done.error()));
    return {};
  }

  Result<void> commit() override {
    if (!tx_.active()) {
      Error error = tx_.lost("commit");
      close();
      return failure(std::move(error));
    }
    Result<void> done = open_->transaction.commit();
    in_doubt_ = !done && done.error().code == Errc::OutcomeUnknown;
    close();
    return done;
  }
  void rollback() noexcept override { close(); }

  Result<bool> is_settled(const std::string& pipeline, const SettledRange& range) override {
    Result<Lease> lease = state_->pool.lease();
    if (!lease) return failure(std::move(lease.error()));
    if (in_doubt_)
      if (auto ended = run(**lease, fmt::format(end_sql, lock_), "end a transaction whose commit is in doubt"); !ended)
        return failure(std::move(ended.error()));
    in_doubt_ = false;
    const auto rows = (*lease)->query(
        fmt::format("SELECT {} FROM {} WHERE pipeline=$1 AND partition=$2", progress_columns, state_->names.partitions),
        escaped(pipeline), range.partition);
    if (!rows) return failure(rows.error());
    if (rows->size() == 0) return false;
    PartitionProgress there = progress_of(*rows, 0);
    there.gaps.add({0, there.watermark});
    return there.gaps.end_of(range.items.first) >= range.items.end;
  }

 private:
  struct Open {
    Open(Lease connection, Transaction begun) : lease(std::move(connection)), transaction(std::move(begun)) {}
    Lease lease;
    Transaction transaction;  // rolls back when it goes, before the connection
  };
  /// Sees to it that nobody takes over before the transaction ends, or has done so.
  Result<void> keep_owner(const etl::Commit& commit, const std::string& doing) {
    Script lock(*open_->lease, state_->names);
    lock.owner(commit.pipeline, "FOR SHARE");
    const auto rows = lock.run(doing);
    if (!rows) return failure(rows.error());
    return check_owner(commit, owner_of(*rows));
  }
  [[nodiscard]] static Result<void> check_owner(const etl::Commit& commit, const std::string& owner) {
    if (owner == commit.run) return {};
    return failure(superseded(commit.pipeline, commit.run, owner));
  }
  /// Locks the rows of the partitions and adds the statements that bring them up to date.
  Result<void> merge(Script& script, const etl::Commit& commit, const std::string& doing) {
    const std::vector<std::uint32_t> partitions = partitions_of(commit);
    if (partitions.empty()) return keep_owner(commit, doing);
    const std::string& table = state_->names.partitions;
    Script lock(*open_->lease, state_->names);
    lock.owner(commit.pipeline, "FOR SHARE");
    const std::string pipeline = lock.literal(commit.pipeline), numbers = fmt::format("{}", fmt::join(partitions, ","));
    lock.add("INSERT INTO {} SELECT {},unnest(ARRAY[{}]),0,NULL,0,'{{}}' ON CONFLICT DO NOTHING", table, pipeline,
             numbers);
    lock.add(
        "SELECT {}, (SELECT run FROM {} WHERE pipeline={}) FROM {} WHERE pipeline={} AND partition IN ({}) ORDER BY "
        "partition FOR UPDATE",
        progress_columns, state_->names.checkpoints, pipeline, table, pipeline, numbers);
    const auto rows = lock.run(doing);
    if (!rows) return failure(rows.error());
    if (auto kept = check_owner(commit, owner_of(*rows, 5)); !kept) return kept;
    for (int row = 0; row < rows->size(); ++row) {
      PartitionProgress progress = progress_of(*rows, row);
      if (const auto twice = settle(progress, commit))
        return failure(own_error(
            "23P01", ErrorClass::Fatal,
            fmt::format("{}: {}: items {} to {} of partition {} are settled already; start the run again",
                        open_->lease->name(), doing, twice->items.first, twice->items.end - 1, twice->partition)));
      script.progress(commit.pipeline, progress);
    }
    return {};
  }
  void close() noexcept {
    tx_.ended();
    open_.reset();
  }

  std::shared_ptr<State> state_;
  std::int64_t lock_;
  std::unique_ptr<Open> open_;
  Tx tx_;
  bool in_doubt_ = false;
};

/// Nothing of the store's own is the worse for being done again.
Error repeatable(Error error) {
  if (error.code != Errc::OutcomeUnknown) return error;
  error.code = sqlstate("08007");
  error.error_class = ErrorClass::Transient;
  return error;
}

constexpr auto never = [](const Rows& /*last*/) -> std::optional<Error> { return std::nullopt; };

/// A script in a transaction, which is given up for what `refused` says of the last result.
template <class Fill, class Refused = decltype(never)>
Result<Rows> atomically(const Pool& pool, const Names& names, std::string_view doing, Fill fill,
                        Refused refused = never) {
  Result<Lease> lease = pool.lease();
  if (!lease) return failure(std::move(lease.error()));
  Result<Transaction> transaction = (*lease)->begin();
  if (!transaction) return failure(std::move(transaction.error()));
  Script script(**lease, names);
  fill(script);
  Result<Rows> done = script.run(doing);
  if (!done) return done;
  if (std::optional<Error> error = refused(*done)) return failure(std::move(*error));
  if (Result<void> committed = transaction->commit(); !committed)
    return failure(repeatable(std::move(committed.error())));
  return done;
}
Result<void> without_rows(Result<Rows> done) {
  if (!done) return failure(std::move(done.error()));
  return {};
}

Result<std::string> schema_of(Connection& connection, std::string_view wanted) {
  if (!wanted.empty()) return std::string(wanted);
  const auto rows = connection.query("SELECT current_schema()");
  if (!rows) return failure(rows.error());
  if (!rows->is_null(0, 0)) return std::string(rows->text(0, 0));
  return failure(own_error(
      "3F000", ErrorClass::Fatal,
      fmt::format("{}: no schema of the search path exists: name one for the store's tables", connection.name())));
}

Result<void> check_format(Connection& connection, const Names& names) {
  constexpr std::string_view doing = "make the store's tables";
  const auto there = connection.query("SELECT to_regclass($1) IS NOT NULL", names.store);
  if (!there) return failure(there.error());
  if (there->text(0, 0) != "t") {
    Result<Transaction> transaction = connection.begin();
    if (!transaction) return failure(std::move(transaction.error()));
    // IF NOT EXISTS alone is no match for another process that is doing the same.
    const std::string sql = "SELECT pg_advisory_xact_lock(hashtext('etl_store'));" + schema_sql(names);
    if (auto made = run(connection, sql, doing); !made) return without_rows(std::move(made));
    if (Result<void> committed = transaction->commit(); !committed)
      return failure(repeatable(std::move(committed.error())));
  }
  const auto found = connection.query("SELECT format FROM " + names.store);
  if (!found) return failure(found.error());
  const std::int64_t has = found->size() == 0 ? 0 : found->integer(0, 0);
  if (has == format) return {};
  return failure(
      fatal(fmt::format("{}: the tables {}.etl_* have format {}, and this program knows format {}: use the "
                        "newer version of etlpipe that made them, or another schema",
                        connection.name(), names.in, has, format)));
}

}  // namespace

// --- Store
// ------------------------------------------------------------------------------------------------------------

Store::Store(std::shared_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;
const Pool& Store::pool() const noexcept { return state_->pool; }

Result<std::shared_ptr<Store>> Store::open(std::string_view url, std::string_view schema) {
  const Result<Pool> pool = Pool::make(url);
  if (!pool) return failure(pool.error());
  return over(*pool, schema);
}

Result<std::shared_ptr<Store>> Store::over(const Pool& pool, std::string_view schema) {
  Result<Lease> lease = pool.lease();
  if (!lease) return failure(std::move(lease.error()));
  const Result<std::string> in = schema_of(**lease, schema);
  if (!in) return failure(in.error());
  auto state = std::make_shared<State>(pool, *in);
  if (Result<void> good = check_format(**lease, state->names); !good) return failure(std::move(good.error()));
  return std::shared_ptr<Store>(new Store(std::move(state)));
}

Result<std::unique_ptr<StoreSession<Tx>>> Store::connect() { return std::make_unique<Session<State>>(state_); }

namespace {

Result<std::optional<Checkpoint>> checkpoint_of(Connection& connection, const Names& names,
                                                const std::string& pipeline) {
  // One statement sees one state. The head comes first.
  const auto rows = connection.query(
      fmt::format("SELECT {0}, NULL AS fingerprint, 1 AS part FROM {1} WHERE pipeline=$1 UNION ALL SELECT batch_size, "
                  "partition_count, run, finished::int, NULL, fingerprint, 0 FROM {2} WHERE pipeline=$1 ORDER BY part, "
                  "partition",
                  progress_columns, names.partitions, names.checkpoints),
      escaped(pipeline));
  if (!rows) return failure(rows.error());
  if (rows->size() == 0) return std::nullopt;
  Checkpoint checkpoint;  // progress without a head is not "nothing", which would load everything again
  for (int row = 0; row < rows->size(); ++row) {
    if (rows->integer(row, 6) == 1) {
      checkpoint.partitions.push_back(progress_of(*rows, row));
      continue;
    }
    checkpoint.batch_size = number(*rows, row, 0);
    checkpoint.partition_count = number(*rows, row, 1);
    checkpoint.finished = rows->integer(row, 3) != 0;
    checkpoint.fingerprint = text_of(*rows, row, 5);
    checkpoint.run = text_of(*rows, row, 2);
  }
  return checkpoint;
}

}  // namespace

Result<std::optional<Checkpoint>> Store::find(const std::string& pipeline) {
  Result<Lease> lease = pool().lease();
  if (!lease) return failure(std::move(lease.error()));
  return checkpoint_of(**lease, state_->names, pipeline);
}

Result<std::optional<Checkpoint>> Store::claim(const std::string& pipeline, const std::string& run) {
  Result<Lease> lease = pool().lease();
  if (!lease) return failure(std::move(lease.error()));
  Script script(**lease, state_->names);
  script.claim(pipeline, run);  // waits for the commits that are under way
  if (auto done = script.run("claim a checkpoint"); !done) return failure(repeatable(std::move(done.error())));
  return checkpoint_of(**lease, state_->names, pipeline);
}

Result<void> Store::save(const std::string& pipeline, const Checkpoint& checkpoint) {
  const auto refused = [&](const Rows& rows) -> std::optional<Error> {
    const std::string owner = owner_of(rows);
    if (owner == checkpoint.run) return std::nullopt;
    return superseded(pipeline, checkpoint.run, owner);
  };
  return without_rows(atomically(
      pool(), state_->names, "save a checkpoint",
      [&](Script& script) {
        script.head(pipeline, checkpoint);
        script.forget_partitions(pipeline);
        for (const PartitionProgress& one : checkpoint.partitions) script.progress(pipeline, one);
        script.owner(pipeline, "");
      },
      refused));
}

Result<void> Store::reset(const std::string& pipeline) {
  return without_rows(
      atomically(pool(), state_->names, "reset a checkpoint", [&](Script& script) { script.forget(pipeline); }));
}

// --- dead letters
// -----------------------------------------------------------------------------------------------------

Result<void> Store::write(std::span<const DeadLetter> letters) {
  if (letters.empty()) return {};
  return without_rows(atomically(pool(), state_->names, "write dead letters", [&](Script& script) {
    for (const DeadLetter& letter : letters) script.letter(letter);
  }));
}

Result<void> Store::list(const std::string& pipeline, const std::function<bool(const DeadLetter&)>& each) {
  constexpr std::string_view doing = "list dead letters";
  Result<Lease> lease = pool().lease();
  if (!lease) return failure(std::move(lease.error()));
  const auto transaction = (*lease)->begin();
  if (!transaction) return failure(transaction.error());
  Script select(**lease, state_->names);
  select.add("DECLARE etl_letters CURSOR FOR SELECT {} FROM {}{}{} ORDER BY pipeline, partition, seq, id",
             letter_columns, state_->names.letters,
             pipeline.empty() ? "" : " WHERE pipeline=", pipeline.empty() ? "" : select.literal(pipeline));
  if (auto opened = select.run(doing); !opened) return without_rows(std::move(opened));
  for (;;) {
    const Result<Rows> rows = run(**lease, "FETCH 200 FROM etl_letters", doing);
    if (!rows) return failure(rows.error());
    if (rows->size() == 0) return {};
    for (int row = 0; row < rows->size(); ++row)
      if (!each(letter_of(*rows, row))) return {};
  }
}

Result<std::size_t> Store::purge(std::span<const std::string> ids) {
  if (ids.empty()) return std::size_t{0};
  const auto done = atomically(pool(), state_->names, "purge dead letters", [&](Script& script) { script.purge(ids); });
  if (!done) return failure(done.error());
  return static_cast<std::size_t>(done->affected());
}

}  // namespace etl::inline v0::postgres
