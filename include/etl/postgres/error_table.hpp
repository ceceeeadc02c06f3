#pragma once
/// What each SQLSTATE means for rows that are written: docs/guide/database_errors.md.

#include <cstdint>
#include <span>
#include <string_view>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::postgres {

/// What an error concerns.
enum class Concern : std::uint8_t {
  Row,         ///< the values of one row; the others can be written
  File,        ///< the statement, the table or the rights; no row of this source can be written
  Connection,  ///< the connection or the transaction; the write can be tried again
  Server,      ///< the server: full disk, no memory, damage
};

/// What a SQLSTATE means.
struct StateMeaning {
  std::string_view state;   ///< five characters, or the two of a class
  Concern concern;          ///< what the error concerns
  ErrorClass error_class;   ///< its class
  std::string_view name;    ///< its name in PostgreSQL's manual
  std::string_view remedy;  ///< for a person; may be empty
};

/// The meanings of all SQLSTATEs. The first whose `state` a SQLSTATE begins with counts. Thread-safe.
[[nodiscard]] std::span<const StateMeaning> state_meanings() noexcept;
/// What a SQLSTATE means. A SQLSTATE whose class is not in the table belongs to a row if its first character is 5 to 9
/// or I to Z, because the standard leaves these to triggers and functions; otherwise to the file. Thread-safe.
[[nodiscard]] StateMeaning meaning_of(std::string_view state) noexcept;
/// "row", "file", "connection", "server".
[[nodiscard]] std::string_view to_string(Concern concern) noexcept;

}  // namespace etl::inline v0::postgres
