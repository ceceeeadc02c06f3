#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <etl/sqlite/error_table.hpp>
#include <etl/sqlite/sink.hpp>

#include "connection.hpp"

namespace etl::inline v0::sqlite {
namespace {

constexpr int primary(int code) { return code & 0xff; }

class Category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "sqlite"; }
  [[nodiscard]] std::string message(int code) const override { return sqlite3_errstr(code); }
  [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
    switch (primary(code)) {
      case SQLITE_BUSY:
      case SQLITE_LOCKED: return std::errc::device_or_resource_busy;
      case SQLITE_READONLY: return std::errc::read_only_file_system;
      case SQLITE_FULL: return std::errc::no_space_on_device;
      case SQLITE_NOMEM: return std::errc::not_enough_memory;
      case SQLITE_IOERR: return std::errc::io_error;
      default: return {code, *this};
    }
  }
};

std::string system_error_of(sqlite3* handle) {
  const int code = sqlite3_system_errno(handle);
  return code == 0 ? "" : std::generic_category().message(code);
}

/// What the user can do about the error; may be empty.
std::string remedy(int code, sqlite3* handle, const std::string& name, const DatabaseOptions& options) {
  switch (primary(code)) {
    case SQLITE_BUSY:
      if (code == SQLITE_BUSY_SNAPSHOT)
        return "another connection wrote after this transaction began to read; run the transaction again";
      return fmt::format(
          "another connection, perhaps of another process, held the lock for more than {} ms "
          "(DatabaseOptions::busy_timeout); have one writer at a time, or wait longer",
          options.busy_timeout.count());
    case SQLITE_LOCKED: return "a statement of this connection still uses the table; let it end first";
    case SQLITE_READONLY:
      if (code == SQLITE_READONLY_ROLLBACK)
        return "a program ended while it wrote; open the file once for writing, which rolls the unfinished write back";
      if (options.read_only) return "it was opened with DatabaseOptions::read_only";
      if (code == SQLITE_READONLY_DBMOVED) return "the file was moved or deleted meanwhile";
      return fmt::format("the file or its folder cannot be written (SQLite also writes {0}-wal and {0}-shm)", name);
    case SQLITE_FULL:
      return "the disk is full, or the limit of PRAGMA max_page_count is reached; the transaction is not stored";
    case SQLITE_CORRUPT:
      return "the file is damaged; restore a copy, or save what the program sqlite3 can read with .recover";
    case SQLITE_NOTADB: return "the file is not an SQLite database, or it is encrypted";
    case SQLITE_TOOBIG:
      return fmt::format("the limit is {} bytes for a text, a blob and a row",
                         sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, -1));
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: return system_error_of(handle);
    default: return {};
  }
}

}  // namespace

const std::error_category& error_category() noexcept {
  static const Category category;
  return category;
}

Error commit_error(Error error) {
  const bool is_of_disk = error.code.category() == error_category() && primary(error.code.value()) == SQLITE_IOERR;
  if (!is_of_disk || error.error_class == ErrorClass::Transient) return error;
  error.code = Errc::OutcomeUnknown;
  error.context += ": whether the commit succeeded is unknown";
  return error;
}

Error detail::row_error(const Database& database, int code, std::string_view doing) {
  Error error = database.error(code, doing);
  // The statement was prepared without an error, so an expression of a check or a trigger fails, such as json() of a
  // text that is not JSON.
  if (primary(code) == SQLITE_ERROR) error.error_class = ErrorClass::Rejected;
  return error;
}

Error Database::error(int code, std::string_view doing) const {
  sqlite3* const handle = connection_->handle;
  // The handle has the message of its last error only.
  const bool last = sqlite3_extended_errcode(handle) == code;
  std::string context =
      fmt::format("{}: {}: {}", connection_->name, doing, last ? sqlite3_errmsg(handle) : sqlite3_errstr(code));
  if (const std::string what = remedy(code, handle, connection_->name, connection_->options); !what.empty())
    context.append(": ").append(what);
  return {.code = {code, error_category()}, .error_class = meaning_of(code).error_class, .context = std::move(context)};
}

}  // namespace etl::inline v0::sqlite
