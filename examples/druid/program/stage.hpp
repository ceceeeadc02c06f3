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

/// The rows of a load: one compressed file, with one JSON object per row. The file belongs to this process, and is
/// removed with the object. `publish` puts it where a task reads it.
class Staged {
 public:
  Staged() = default;
  Staged(Staged&& other) noexcept { *this = std::move(other); }
  Staged& operator=(Staged&& other) noexcept;
  ~Staged();

  std::filesystem::path part{};  ///< the file of this process
  std::string base{};            ///< beginning of the places of this load, as a path or an s3:// URL
  std::string digest{};          ///< SHA-256 of the rows
  std::uint64_t rows = 0;
  std::vector<etl::csv::Validation> files{};  ///< validation of each file
  [[nodiscard]] bool valid() const noexcept;
  /// A row by its line in the file, counted from 1. Nothing if the file cannot be read or has fewer lines.
  [[nodiscard]] std::optional<std::string> row(std::uint64_t line) const;

  /// The folder for the task of an attempt. Every load of the same rows has the same, and each task has its own: when
  /// the task has ended, its folder can be removed whatever other processes do.
  [[nodiscard]] std::string place(unsigned attempt) const;
  [[nodiscard]] etl::Result<void> publish(unsigned attempt, const std::stop_token& stop) const;
  void remove(unsigned attempt) const;
  /// Makes the place of an attempt of that of another one, which is then gone. Returns false if the rows must be
  /// published instead: they are sent to the store only once, but a folder gets them without a copy anyway.
  [[nodiscard]] bool move(unsigned from, unsigned to, const std::stop_token& stop) const;
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

/// Reads and validates all files, and writes their rows to a file. The same rows of the same load always have the same
/// places, and those of another load others, because each load removes what it published. Removes files that killed
/// processes of this machine have left, and unfinished uploads of more than a day ago. A stop is an error with the code
/// `std::errc::operation_canceled`.
[[nodiscard]] etl::Result<Staged> stage(const std::vector<std::filesystem::path>& files,
                                        const std::vector<std::string>& names, const StageOptions& options,
                                        const std::stop_token& stop);

}  // namespace program
