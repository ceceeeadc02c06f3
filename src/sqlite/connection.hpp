#pragma once
/// What a Database, its statements and its transactions share.

#include <string>

#include <sqlite3.h>

#include <etl/sqlite/database.hpp>

namespace etl::inline v0::sqlite {

struct Database::Connection {
  Connection(sqlite3* opened, std::string file, const DatabaseOptions& how)
      : handle(opened), name(std::move(file)), options(how) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  // Rolls back what is open. A statement that someone made with the bare handle defers the end until it is finalised.
  ~Connection() { sqlite3_close_v2(handle); }

  sqlite3* handle;
  std::string name;
  mutable std::uint64_t dropped = 0;  // rows that were taken and not kept
  DatabaseOptions options;
};

/// The error of a COMMIT. After one of the disk nobody knows whether it happened: the step that decides may have been
/// made before.
[[nodiscard]] Error commit_error(Error error);

}  // namespace etl::inline v0::sqlite
