#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "connection.hpp"
#include "text.hpp"

namespace etl::inline v0::sqlite {

void Statement::Finalize::operator()(sqlite3_stmt* handle) const noexcept { sqlite3_finalize(handle); }

// --- parameters ------------------------------------------------------------------------------------------------------

void Statement::bind(int parameter, std::nullptr_t) noexcept { keep(sqlite3_bind_null(handle_.get(), parameter + 1)); }
void Statement::bind(int parameter, std::int64_t value) noexcept {
  keep(sqlite3_bind_int64(handle_.get(), parameter + 1, value));
}
void Statement::bind(int parameter, double value) noexcept {
  keep(sqlite3_bind_double(handle_.get(), parameter + 1, value));
}
// SQLite treats a null pointer as NULL, even if the length is 0.
void Statement::bind(int parameter, std::string_view text) noexcept {
  keep(sqlite3_bind_text64(handle_.get(), parameter + 1, text.data() == nullptr ? "" : text.data(), text.size(),
                           SQLITE_STATIC, SQLITE_UTF8));
}
void Statement::bind_copy(int parameter, std::string_view text) noexcept {
  keep(sqlite3_bind_text64(handle_.get(), parameter + 1, text.data() == nullptr ? "" : text.data(), text.size(),
                           SQLITE_TRANSIENT, SQLITE_UTF8));
}
void Statement::bind(int parameter, std::span<const std::byte> blob) noexcept {
  const void* const data = blob.data();
  keep(sqlite3_bind_blob64(handle_.get(), parameter + 1, data == nullptr ? "" : data, blob.size(), SQLITE_STATIC));
}

// --- execution -------------------------------------------------------------------------------------------------------

int Statement::step_for_code() noexcept {
  if (bind_error_ != SQLITE_OK) [[unlikely]]
    return std::exchange(bind_error_, SQLITE_OK);
  return sqlite3_step(handle_.get());
}

int Statement::run_for_code() noexcept {
  int code = step_for_code();
  while (code == SQLITE_ROW) code = sqlite3_step(handle_.get());
  sqlite3_reset(handle_.get());  // the handle keeps the message of the error
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

Result<void> Statement::run() {
  if (const int code = run_for_code(); code != SQLITE_OK) return failure(error(code));
  return {};
}

Result<bool> Statement::step() {
  const int code = step_for_code();
  if (code == SQLITE_ROW) return true;
  sqlite3_reset(handle_.get());
  if (code == SQLITE_DONE) return false;
  return failure(error(code));
}

void Statement::reset() noexcept {
  sqlite3_reset(handle_.get());
  bind_error_ = SQLITE_OK;
}

int Statement::reprepared() const noexcept {
  return sqlite3_stmt_status(handle_.get(), SQLITE_STMTSTATUS_REPREPARE, 0);
}

Error Statement::error(int code) const { return database_.error(code, shortened(sqlite3_sql(handle_.get()))); }

// --- the current row -------------------------------------------------------------------------------------------------

int Statement::columns() const noexcept { return sqlite3_column_count(handle_.get()); }
std::string_view Statement::column_name(int column) const noexcept {
  const char* const name = sqlite3_column_name(handle_.get(), column);
  return name == nullptr ? std::string_view() : name;
}
ValueType Statement::type(int column) const noexcept {
  switch (sqlite3_column_type(handle_.get(), column)) {
    case SQLITE_INTEGER: return ValueType::Integer;
    case SQLITE_FLOAT: return ValueType::Real;
    case SQLITE_TEXT: return ValueType::Text;
    case SQLITE_BLOB: return ValueType::Blob;
    default: return ValueType::Null;
  }
}
std::int64_t Statement::integer(int column) const noexcept { return sqlite3_column_int64(handle_.get(), column); }
double Statement::real(int column) const noexcept { return sqlite3_column_double(handle_.get(), column); }
std::string_view Statement::text(int column) const noexcept {
  // The order of the calls matters: the first call may convert the value and so change its length.
  const void* const data = sqlite3_column_text(handle_.get(), column);
  return {static_cast<const char*>(data), static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}
std::span<const std::byte> Statement::blob(int column) const noexcept {
  const void* const data = sqlite3_column_blob(handle_.get(), column);
  return {static_cast<const std::byte*>(data), static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

}  // namespace etl::inline v0::sqlite
