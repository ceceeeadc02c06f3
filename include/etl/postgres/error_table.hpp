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
  Row,         ///< the values of one row: the others can be written
  File,        ///< the statement, the table or the rights: no row of this source can be written
  Connection,  ///< the connection or the transaction: it can be tried again
  Server,      ///< the server: full disk, no memory, damage
};

/// What a SQLSTATE means.
struct StateMeaning {
  std::string_view state;  ///< five characters, or the two of a class
  Concern concern;
  ErrorClass error_class;
  std::string_view name;    ///< in the words of PostgreSQL's manual
  std::string_view remedy;  ///< for a person; may be empty
};

/// All of them: the first that a SQLSTATE begins with counts. Thread-safe.
[[nodiscard]] std::span<const StateMeaning> state_meanings() noexcept;
/// What a SQLSTATE means. One whose class is not in the table belongs to a row when its first character is 5 to 9 or I
/// to Z, which the standard leaves to triggers and functions; else to the file. Thread-safe.
[[nodiscard]] StateMeaning meaning_of(std::string_view state) noexcept;
/// "row", "file", "connection", "server".
[[nodiscard]] std::string_view to_string(Concern concern) noexcept;

}  // namespace etl::inline v0::postgres
