#pragma once
/// Dead letters in the tables of a store.

#include <string_view>

#include <etl/delivery/dead_letter.hpp>
#include <etl/error.hpp>
#include <etl/sqlite/database.hpp>

namespace etl::inline v0::sqlite::detail {

inline constexpr std::string_view letter_sql =
    "INSERT OR REPLACE INTO etl_dead_letters(id, pipeline, run, partition, seq, batch, position, stage, attempts, "
    "errors, time, payload, partition_id, results, loaded, replays) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
    "?, "
    "?)";
inline constexpr std::string_view purge_letter = "DELETE FROM etl_dead_letters WHERE id=?";
inline constexpr std::string_view letters_sql =
    "SELECT id, pipeline, run, partition, seq, batch, position, stage, attempts, errors, time, payload, "
    "partition_id, results, loaded, replays FROM etl_dead_letters ";

/// Writes a letter with a statement of `letter_sql`.
[[nodiscard]] Result<void> write_letter(Statement& statement, const DeadLetter& letter);
/// The letter in the current row of `letters_sql`.
[[nodiscard]] DeadLetter letter_of(const Statement& row);

}  // namespace etl::inline v0::sqlite::detail
