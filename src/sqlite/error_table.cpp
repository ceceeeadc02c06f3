// The meaning of each result code.
#include <algorithm>
#include <array>

#include <sqlite3.h>

#include <etl/sqlite/error_table.hpp>

namespace etl::inline v0::sqlite {
namespace {

using enum ErrorClass;
/// The first match counts.
constexpr std::array meanings = {
    CodeMeaning{SQLITE_IOERR_LOCK, "SQLITE_IOERR_LOCK", Concern::Connection, Transient},
    CodeMeaning{SQLITE_IOERR_RDLOCK, "SQLITE_IOERR_RDLOCK", Concern::Connection, Transient},
    CodeMeaning{SQLITE_IOERR_UNLOCK, "SQLITE_IOERR_UNLOCK", Concern::Connection, Transient},
    CodeMeaning{SQLITE_IOERR_CHECKRESERVEDLOCK, "SQLITE_IOERR_CHECKRESERVEDLOCK", Concern::Connection, Transient},
    CodeMeaning{SQLITE_IOERR_BLOCKED, "SQLITE_IOERR_BLOCKED", Concern::Connection, Transient},
    CodeMeaning{SQLITE_ERROR, "SQLITE_ERROR", Concern::File, Fatal},
    CodeMeaning{SQLITE_INTERNAL, "SQLITE_INTERNAL", Concern::Database, Fatal},
    CodeMeaning{SQLITE_PERM, "SQLITE_PERM", Concern::File, Fatal},
    CodeMeaning{SQLITE_ABORT, "SQLITE_ABORT", Concern::File, Fatal},
    CodeMeaning{SQLITE_BUSY, "SQLITE_BUSY", Concern::Connection, Transient},
    CodeMeaning{SQLITE_LOCKED, "SQLITE_LOCKED", Concern::Connection, Transient},
    CodeMeaning{SQLITE_NOMEM, "SQLITE_NOMEM", Concern::Database, Fatal},
    CodeMeaning{SQLITE_READONLY, "SQLITE_READONLY", Concern::File, Fatal},
    CodeMeaning{SQLITE_INTERRUPT, "SQLITE_INTERRUPT", Concern::File, Fatal},
    CodeMeaning{SQLITE_IOERR, "SQLITE_IOERR", Concern::Database, Fatal},
    CodeMeaning{SQLITE_CORRUPT, "SQLITE_CORRUPT", Concern::Database, Fatal},
    CodeMeaning{SQLITE_NOTFOUND, "SQLITE_NOTFOUND", Concern::File, Fatal},
    CodeMeaning{SQLITE_FULL, "SQLITE_FULL", Concern::Database, Fatal},
    CodeMeaning{SQLITE_CANTOPEN, "SQLITE_CANTOPEN", Concern::Database, Fatal},
    CodeMeaning{SQLITE_PROTOCOL, "SQLITE_PROTOCOL", Concern::Connection, Transient},
    CodeMeaning{SQLITE_EMPTY, "SQLITE_EMPTY", Concern::File, Fatal},
    CodeMeaning{SQLITE_SCHEMA, "SQLITE_SCHEMA", Concern::Connection, Transient},
    CodeMeaning{SQLITE_TOOBIG, "SQLITE_TOOBIG", Concern::Row, Rejected},
    CodeMeaning{SQLITE_CONSTRAINT, "SQLITE_CONSTRAINT", Concern::Row, Rejected},
    CodeMeaning{SQLITE_MISMATCH, "SQLITE_MISMATCH", Concern::Row, Rejected},
    CodeMeaning{SQLITE_MISUSE, "SQLITE_MISUSE", Concern::File, Fatal},
    CodeMeaning{SQLITE_NOLFS, "SQLITE_NOLFS", Concern::Database, Fatal},
    CodeMeaning{SQLITE_AUTH, "SQLITE_AUTH", Concern::File, Fatal},
    CodeMeaning{SQLITE_FORMAT, "SQLITE_FORMAT", Concern::File, Fatal},
    CodeMeaning{SQLITE_RANGE, "SQLITE_RANGE", Concern::File, Fatal},
    CodeMeaning{SQLITE_NOTADB, "SQLITE_NOTADB", Concern::Database, Fatal},
    CodeMeaning{SQLITE_NOTICE, "SQLITE_NOTICE", Concern::File, Fatal},
    CodeMeaning{SQLITE_WARNING, "SQLITE_WARNING", Concern::File, Fatal},
};

}  // namespace

std::span<const CodeMeaning> code_meanings() noexcept { return meanings; }

CodeMeaning meaning_of(int code) noexcept {
  const auto* found = std::ranges::find(meanings, code, &CodeMeaning::code);
  if (found == meanings.end()) found = std::ranges::find(meanings, code & 0xff, &CodeMeaning::code);
  return found == meanings.end() ? CodeMeaning{code, "", Concern::File, Fatal} : *found;
}

std::string_view to_string(Concern concern) noexcept {
  switch (concern) {
    case Concern::Row: return "row";
    case Concern::File: return "file";
    case Concern::Connection: return "connection";
    case Concern::Database: break;
  }
  return "database";
}

}  // namespace etl::inline v0::sqlite
