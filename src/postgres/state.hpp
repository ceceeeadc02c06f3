#pragma once
/// The data that a Connection, its statements and its transactions share, and the conversion of results to errors.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include <libpq-fe.h>

#include <etl/postgres/connection.hpp>

namespace etl::inline v0::postgres {

struct Connection::State {
  State(std::string_view where, const ConnectionOptions& how) : url(where), options(how) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { close(); }
  void close() noexcept {
    PQfreeCancel(canceller);
    PQfinish(handle);
    canceller = nullptr;
    handle = nullptr;
  }
  [[nodiscard]] bool lost() const noexcept { return PQstatus(handle) != CONNECTION_OK; }

  PGconn* handle = nullptr;
  PGcancel* canceller = nullptr;
  std::string url;  // may contain the password, so errors must not show it
  ConnectionOptions options;
  std::string name;
  // The state of the session on the server:
  std::unordered_map<std::string, std::string> prepared;  // prepared statements by SQL
  std::unordered_set<std::string> stages;                 // temporary tables
  std::uint64_t generation = 0;                           // number of the session
  std::uint64_t dropped = 0;                              // rows that COPY sent and the server did not keep
  std::uint64_t names = 0;                                // number of names made so far for statements and cursors
  std::uint64_t transactions = 0;                         // number of transactions begun by `Connection::begin`
};

/// What the loss of a connection means for the operation.
enum class WhenLost : std::uint8_t { NothingDone, OutcomeUnknown };

/// The error of a result, or of the connection if there is no result.
[[nodiscard]] Error error_of(const Connection::State& state, const PGresult* result, std::string_view doing,
                             WhenLost lost = WhenLost::NothingDone);
/// The error of a commit. Its outcome is unknown if a pooler between client and server reports that it has lost the
/// server.
[[nodiscard]] Error commit_error(Error error);
/// An error of the library itself, in the form of a server error.
[[nodiscard]] Error own_error(std::string_view state, ErrorClass error_class, std::string context);
/// Why there is no connection. `text` is libpq's verbose message.
[[nodiscard]] Error connect_error(const std::string& name, std::string_view text);
/// Connects as the options and the URL say. Returns an error such as 08001, or leaves an open handle in the state.
[[nodiscard]] Result<void> connect(Connection::State& state, const std::stop_token& stop = {});

/// The beginning of an SQL text, ending before a password.
[[nodiscard]] std::string shown_sql(std::string_view sql);
/// `text` in a form that an error may hold: valid UTF-8 without control characters, shortened.
[[nodiscard]] std::string printable(std::string_view text, std::size_t most = 160);
/// Converts a text of any bytes to one line that PostgreSQL can store, with `\\`, `\n` and `\xHH` for bytes that it
/// cannot store; and back. `ascii`: every byte of a character that is not ASCII becomes `\xHH`, too.
[[nodiscard]] std::string escaped(std::string_view text, bool ascii = false);
[[nodiscard]] std::string unescaped(std::string_view text);

/// Runs one or more statements. Returns the last result, or the first error.
[[nodiscard]] Result<Rows> run(Connection& connection, const std::string& sql, std::string_view doing,
                               WhenLost lost = WhenLost::NothingDone);
/// A result without its rows.
[[nodiscard]] inline Result<void> without_rows(Result<Rows> done) {
  if (!done) return failure(std::move(done.error()));
  return {};
}

}  // namespace etl::inline v0::postgres
