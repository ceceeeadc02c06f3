#pragma once
// Rows of files, written to a folder or bucket that Druid reads.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <etl/csv/validate.hpp>
#include <etl/druid/input.hpp>
#include <etl/error.hpp>

#include "input.hpp"

namespace program {

/// What was staged: one compressed file or object with one JSON object a row.
struct Staged {
  std::string place{};   ///< its folder, of this load alone, as a path or an s3:// URL
  std::string digest{};  ///< SHA-256 of the rows
  std::uint64_t rows = 0;
  std::vector<etl::csv::Validation> files{};  ///< what was found in each file
  [[nodiscard]] bool valid() const noexcept;
  /// A row by its line in what is staged, from 1. Nothing: it cannot be read, or has fewer lines.
  [[nodiscard]] std::optional<std::string> row(std::uint64_t line) const;
  void remove() const;
};

/// How Druid reads what is staged in a place.
[[nodiscard]] etl::druid::Input input_of(const std::string& place);

/// Where and how to stage.
struct StageOptions {
  InputOptions input{};
  etl::csv::ValidationLimits limits{};
  std::string place{};  ///< a folder, or an s3:// URL
  std::string data_source{};
};

/// Reads and validates all files, and writes their rows below `place`, if they are valid. The same rows always go to
/// the same place. Unfinished files that processes of this machine left when they were killed are removed. A stop is an
/// error of code `std::errc::operation_canceled`.
[[nodiscard]] etl::Result<Staged> stage(const std::vector<std::filesystem::path>& files,
                                        const std::vector<std::string>& names, const StageOptions& options,
                                        const std::stop_token& stop);

}  // namespace program
