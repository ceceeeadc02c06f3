/// A store in a database: its transactions and its other calls.

#include <etl/postgres/store.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "state.hpp"
#include "store_script.hpp"
#include "store_session.hpp"
#include "store_tables.hpp"

namespace etl::inline v0::postgres {

// --- Tx --------------------------------------------------------------------------------------------------------------

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
    fmt::format_to(std::back_inserter(key), ",{} {}{}{}{}", detail::quoted(c.name), static_cast<int>(c.type),
                   c.is_array ? "[]" : "", c.is_key ? "!" : "", detail::quoted(c.cast));
  if (const auto found = targets_.find(key); found != targets_.end()) return &found->second;
  Result<detail::Target> made = detail::make_target(*connection_, table, columns, on_conflict);
  if (!made) return failure(std::move(made.error()));
  if (targets_.size() == most_kept) targets_.clear();
  return &targets_.emplace(std::move(key), std::move(*made)).first->second;
}

// --- Store -----------------------------------------------------------------------------------------------------------

struct Store::State : detail::StoreState {
  using StoreState::StoreState;
};

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
  const Result<std::string> in = detail::schema_of(**lease, schema);
  if (!in) return failure(in.error());
  auto state = std::make_shared<State>(pool, *in);
  if (Result<void> good = detail::check_format(**lease, state->names); !good) return failure(std::move(good.error()));
  return std::shared_ptr<Store>(new Store(std::move(state)));
}

Result<std::unique_ptr<StoreSession<Tx>>> Store::connect() { return detail::make_session(state_); }

namespace {

constexpr auto never = [](const Rows& /*last*/) -> std::optional<Error> { return std::nullopt; };

/// Runs a script in a transaction. If `refused` returns an error for the last result, the transaction is rolled back.
template <class Fill, class Refused>
Result<Rows> in_transaction(Connection& connection, const detail::Names& names, std::int64_t number,
                            std::string_view doing, Fill fill, Refused refused) {
  Result<Transaction> transaction = connection.begin_with(detail::first_statements(number));
  if (!transaction) return failure(std::move(transaction.error()));
  detail::Script script(connection, names);
  fill(script);
  Result<Rows> done = script.run(doing);
  if (!done) return done;
  if (std::optional<Error> error = refused(*done)) return failure(std::move(*error));
  if (Result<void> committed = transaction->commit(); !committed)
    return failure(detail::repeatable(std::move(committed.error())));
  return done;
}
/// Like `in_transaction`, but first ends the transactions that lost connections have left.
template <class Fill, class Refused = decltype(never)>
Result<Rows> atomically(detail::StoreState& state, std::string_view doing, Fill fill, Refused refused = never) {
  Result<Lease> lease = state.pool.lease();
  if (!lease) return failure(std::move(lease.error()));
  if (Result<void> ended = state.left.end(**lease); !ended) return failure(std::move(ended.error()));
  const std::int64_t number = detail::any_number();
  Result<Rows> done = in_transaction(**lease, state.names, number, doing, fill, refused);
  if (!done && (*lease)->state().lost()) state.left.add(number);
  return done;
}

}  // namespace

Result<std::optional<Checkpoint>> Store::find(const std::string& pipeline) {
  Result<Lease> lease = pool().lease();
  if (!lease) return failure(std::move(lease.error()));
  return detail::checkpoint_of(**lease, state_->names, pipeline);
}

Result<std::optional<Checkpoint>> Store::claim(const std::string& pipeline, const std::string& run) {
  constexpr std::string_view doing = "claim a checkpoint";
  const auto claim = [&](detail::Script& script) {
    script.exclude(pipeline);
    script.claim(pipeline, run);
  };
  // This waits for commits in progress, but not for ever: the committing process may be stuck, or on a machine without
  // power.
  Result<Rows> done = atomically(*state_, doing, [&](detail::Script& script) { script.limit_waits(), claim(script); });
  if (!done && done.error().code == sqlstate("55P03")) {
    done = atomically(*state_, "end the commit of a run that is stuck", [&](detail::Script& script) {
      script.add("SELECT pg_terminate_backend(pid) FROM {}", detail::holders_of(state_->names.key_of(pipeline)));
    });
    if (done) done = atomically(*state_, doing, claim);
  }
  if (!done) return failure(std::move(done.error()));
  return find(pipeline);
}

Result<void> Store::save(const std::string& pipeline, const Checkpoint& checkpoint) {
  const auto refused = [&](const Rows& rows) -> std::optional<Error> {
    const std::string owner = detail::owner_of(rows);
    if (owner == checkpoint.run) return std::nullopt;
    return superseded(pipeline, checkpoint.run, owner);
  };
  return without_rows(atomically(
      *state_, "save a checkpoint",
      [&](detail::Script& script) {
        script.exclude(pipeline);
        script.head(pipeline, checkpoint);
        script.partitions(pipeline, checkpoint.partitions);
        script.owner(pipeline);
      },
      refused));
}

Result<void> Store::reset(const std::string& pipeline) {
  return without_rows(atomically(*state_, "reset a checkpoint", [&](detail::Script& script) {
    script.exclude(pipeline);
    script.forget(pipeline);
  }));
}

// --- dead letters ----------------------------------------------------------------------------------------------------

Result<void> Store::write(std::span<const DeadLetter> letters) {
  if (letters.empty()) return {};
  return without_rows(atomically(*state_, "write dead letters", [&](detail::Script& script) {
    for (const DeadLetter& letter : letters) script.letter(letter);
  }));
}

Result<void> Store::list(const std::string& pipeline, const std::function<bool(const DeadLetter&)>& each) {
  constexpr std::string_view doing = "list dead letters";
  Result<Lease> lease = pool().lease();
  if (!lease) return failure(std::move(lease.error()));
  const auto transaction = (*lease)->begin();
  if (!transaction) return failure(transaction.error());
  detail::Script select(**lease, state_->names);
  select.add("DECLARE etl_letters CURSOR FOR SELECT {} FROM {}{}{} ORDER BY pipeline, partition, seq, id",
             detail::letter_columns, state_->names.letters,
             pipeline.empty() ? "" : " WHERE pipeline=", pipeline.empty() ? "" : select.literal(pipeline));
  if (auto opened = select.run(doing); !opened) return without_rows(std::move(opened));
  for (;;) {
    const Result<Rows> rows = run(**lease, "FETCH 200 FROM etl_letters", doing);
    if (!rows) return failure(rows.error());
    if (rows->size() == 0) return {};
    for (int row = 0; row < rows->size(); ++row)
      if (!each(detail::letter_of(*rows, row))) return {};
  }
}

Result<std::size_t> Store::purge(std::span<const std::string> ids) {
  if (ids.empty()) return std::size_t{0};
  const auto done = atomically(*state_, "purge dead letters", [&](detail::Script& script) { script.purge(ids); });
  if (!done) return failure(done.error());
  return static_cast<std::size_t>(done->affected());
}

}  // namespace etl::inline v0::postgres
