#pragma once
/// What each result code of SQLite means for rows that are written: docs/guide/database_errors.md.

#include <cstdint>
#include <span>
#include <string_view>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::sqlite {

/// What an error concerns.
enum class Concern : std::uint8_t {
  Row,         ///< the values of one row; the others can be written
  File,        ///< the statement, the table or the rights; no row of this source can be written
  Connection,  ///< a lock that another connection holds; the write can be tried again
  Database,    ///< the database or its disk
};

/// What a result code means.
struct CodeMeaning {
  int code;                ///< a primary code, or an extended one that differs from it
  std::string_view name;   ///< SQLITE_...
  Concern concern;         ///< what the error concerns
  ErrorClass error_class;  ///< its class
};

/// The meanings of all codes. Extended codes come first; an extended code that is not listed counts as its primary
/// code. Thread-safe.
[[nodiscard]] std::span<const CodeMeaning> code_meanings() noexcept;
/// What a code means. Thread-safe.
[[nodiscard]] CodeMeaning meaning_of(int code) noexcept;
/// "row", "file", "connection", "database".
[[nodiscard]] std::string_view to_string(Concern concern) noexcept;

}  // namespace etl::inline v0::sqlite
