#pragma once
/// What a Connection, its statements and its transactions share, and how results become errors.

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
  std::string url;  // with the password, if it has one: not for errors
  ConnectionOptions options;
  std::string name;
  // What the session on the server has.
  std::unordered_map<std::string, std::string> prepared;  // by SQL
  std::unordered_set<std::string> stages;                 // temporary tables
  std::uint64_t generation = 0;                           // of the session
  std::uint64_t dropped = 0;                              // rows that COPY sent and the server did not keep
  std::uint64_t names = 0;                                // made so far, of statements and cursors
};

/// What a connection that goes away meanwhile means.
enum class WhenLost : std::uint8_t { NothingDone, OutcomeUnknown };

/// The error of a result, or of the connection when there is none.
[[nodiscard]] Error error_of(const Connection::State& state, const PGresult* result, std::string_view doing,
                             WhenLost lost = WhenLost::NothingDone);
/// An error of the library's own, worded as the server's are.
[[nodiscard]] Error own_error(std::string_view state, ErrorClass error_class, std::string context);
/// Why there is no connection; `text` is libpq's, verbose.
[[nodiscard]] Error connect_error(const std::string& name, std::string_view text);
/// Does what the options and the URL say: 08001 and the like, or the state with an open handle.
[[nodiscard]] Result<void> connect(Connection::State& state);

/// The beginning of an SQL text, up to a password.
[[nodiscard]] std::string shown_sql(std::string_view sql);
/// `text` in a form that an error may hold: valid UTF-8 without control characters, shortened.
[[nodiscard]] std::string printable(std::string_view text, std::size_t most = 160);
/// A text of any bytes as one that PostgreSQL can store, in one line: `\\`, `\n` and `\xHH` for what it cannot. And
/// back.
[[nodiscard]] std::string escaped(std::string_view text);
[[nodiscard]] std::string unescaped(std::string_view text);

/// Runs one or more statements. The last result, or the first error.
[[nodiscard]] Result<Rows> run(Connection& connection, const std::string& sql, std::string_view doing,
                               WhenLost lost = WhenLost::NothingDone);

}  // namespace etl::inline v0::postgres
