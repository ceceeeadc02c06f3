#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <etl/postgres/sink.hpp>

#include "sql.hpp"
#include "state.hpp"

namespace etl::inline v0::postgres::detail {
namespace {

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

}  // namespace

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

Result<void> make_ready(Connection& connection, const Target& target) {
  if (!connection.alive()) return connection.reconnect();
  if (!connection.in_transaction()) return {};
  return failure(own_error("25001", ErrorClass::Fatal,
                           fmt::format("{}: {}: a Sink begins its own transactions, but a transaction is open already, "
                                       "of yours or of a query that reads: use another connection, or, to write "
                                       "within your transaction, an Inserter",
                                       connection.name(), target.doing)));
}

}  // namespace etl::inline v0::postgres::detail
