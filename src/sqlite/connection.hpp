#pragma once
/// The data that a Database, its statements and its transactions share.

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <utility>

#include <sqlite3.h>

#include <etl/sqlite/database.hpp>

namespace etl::inline v0::sqlite {

struct Database::Connection {
  Connection(sqlite3* opened, std::string file, const DatabaseOptions& how)
      : handle(opened), name(std::move(file)), options(how) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  // Rolls back an open transaction. If the caller made a statement with the bare handle, the connection closes only
  // after that statement is finalised.
  ~Connection() { sqlite3_close_v2(handle); }

  sqlite3* handle;
  std::string name;
  mutable std::uint64_t dropped = 0;  // rows that were accepted and not kept
  DatabaseOptions options;
};

[[nodiscard]] inline Error error_of(int code, ErrorClass error_class, std::string context) {
  return {.code = {code, error_category()}, .error_class = error_class, .context = std::move(context)};
}

/// Sets how long the connection waits for locks of others.
inline void set_busy_timeout(sqlite3* handle, std::chrono::milliseconds timeout) noexcept {
  using Count = std::chrono::milliseconds::rep;
  sqlite3_busy_timeout(handle,
                       static_cast<int>(std::clamp<Count>(timeout.count(), 0, std::numeric_limits<int>::max())));
}

/// Returns the error of a COMMIT. After a disk error the outcome is unknown, because the deciding step may already
/// have been done.
[[nodiscard]] Error commit_error(Error error);

}  // namespace etl::inline v0::sqlite
