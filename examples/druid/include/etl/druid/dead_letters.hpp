#pragma once
/// Rows that a task could not parse, as dead letters (contract G7).

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/druid/watch.hpp>

namespace etl::inline v0::druid {

/// Settings of `dead_letters`. An aggregate.
struct LetterOptions {
  std::string pipeline{};  ///< name of the pipeline in the letters
  /// The text of a row by its place in the input that was staged; nothing: the place is unknown. Without it, and where
  /// it gives nothing, the letter has the row as Druid shows it, which is no JSON.
  std::function<std::optional<std::string>(const BadRow&)> text{};
};

/// One letter for each row that was not kept because it could not be parsed. Rows that were kept with a null in place
/// of a value are loaded, and get none. The id of a letter is the same whenever the same row of the same content is
/// rejected, so that a repeated run does not write it twice. The run of a letter is the task's id.
[[nodiscard]] std::vector<DeadLetter> dead_letters(const TaskResult& result, const LetterOptions& options);

/// Rows that could not be parsed and whose texts the report does not have, because it keeps only the first
/// `Tuning::max_saved_parse_exceptions`. Such rows are lost, so a caller should not call the load a success.
[[nodiscard]] std::uint64_t rows_without_letter(const TaskResult& result) noexcept;

}  // namespace etl::inline v0::druid
