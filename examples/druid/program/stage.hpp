#pragma once
// Writes the rows of files to a folder or bucket that Druid reads.

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

/// The staged rows: one compressed file or object, with one JSON object per row.
struct Staged {
  std::string place{};   ///< the folder of this load alone, as a path or an s3:// URL
  std::string digest{};  ///< SHA-256 of the rows
  std::uint64_t rows = 0;
  std::vector<etl::csv::Validation> files{};  ///< validation of each file
  [[nodiscard]] bool valid() const noexcept;
  /// A row by its line in the staged file, counted from 1. Nothing if the file cannot be read or has fewer lines.
  [[nodiscard]] std::optional<std::string> row(std::uint64_t line) const;
  void remove() const;
};

/// The input that makes Druid read the staged rows of a place.
[[nodiscard]] etl::druid::Input input_of(const std::string& place);

/// Where and how to stage.
struct StageOptions {
  InputOptions input{};
  etl::csv::ValidationLimits limits{};
  std::string place{};  ///< a folder, or an s3:// URL
  std::string data_source{};
  std::string auto_time{};  ///< as for `read_rows`
  std::string load{};       ///< what distinguishes this load from others of the same rows
};

/// Reads and validates all files. If they are valid, writes their rows below `place`. The same rows of the same
/// load always go to the same place, and those of another load to another, because each load removes what it staged.
/// Removes unfinished files that killed processes of this machine have left, and unfinished
/// uploads of more than a day ago. A stop is an error with the code
/// `std::errc::operation_canceled`.
[[nodiscard]] etl::Result<Staged> stage(const std::vector<std::filesystem::path>& files,
                                        const std::vector<std::string>& names, const StageOptions& options,
                                        const std::stop_token& stop);

}  // namespace program
