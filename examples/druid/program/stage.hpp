#pragma once
// Rows of files, written to a folder that Druid reads.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <etl/csv/validate.hpp>
#include <etl/error.hpp>

#include "input.hpp"

namespace program {

/// What was staged: one compressed file with one JSON object a row.
struct Staged {
  std::filesystem::path folder{};  ///< of this load alone
  std::string digest{};            ///< SHA-256 of the rows
  std::uint64_t rows = 0;
  std::vector<etl::csv::Validation> files{};  ///< what was found in each file
  [[nodiscard]] bool valid() const noexcept;
  /// A row by its line in the staged file, from 1. Nothing: the file cannot be read, or has fewer lines.
  [[nodiscard]] std::optional<std::string> row(std::uint64_t line) const;
};

/// Where and how to stage.
struct StageOptions {
  InputOptions input{};
  etl::csv::ValidationLimits limits{};
  std::filesystem::path folder{};
  std::string data_source{};
};

/// Reads and validates all files, and writes their rows below `folder`, if they are valid. The same rows always go to
/// the same place. Unfinished files that processes of this machine left when they were killed are removed. A stop is an
/// error of code `std::errc::operation_canceled`.
[[nodiscard]] etl::Result<Staged> stage(const std::vector<std::filesystem::path>& files,
                                        const std::vector<std::string>& names, const StageOptions& options,
                                        const std::stop_token& stop);

}  // namespace program
