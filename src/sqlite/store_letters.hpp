#pragma once
/// Dead letters in the tables of a store.

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

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
/// Selects letters from tables of this format; those of format 4 do not know which results are loaded.
[[nodiscard]] inline std::string letters_sql(std::int64_t format) {
  return fmt::format(
      "SELECT id, pipeline, run, partition, seq, batch, position, stage, attempts, errors, time, payload, "
      "partition_id, {} FROM etl_dead_letters ",
      format == 4 ? "0, '', 0" : "results, loaded, replays");
}

/// Writes a letter with a statement of `letter_sql`.
[[nodiscard]] Result<void> write_letter(Statement& statement, const DeadLetter& letter);
/// The letter in the current row of `letters_sql`.
[[nodiscard]] DeadLetter letter_of(const Statement& row);

}  // namespace etl::inline v0::sqlite::detail
