#pragma once
// What became of each file, and of all of them.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <etl/error.hpp>
#include <etl/report.hpp>

namespace program {

enum class FileState : std::uint8_t {
  Loaded,   ///< all its good rows are in the table
  Already,  ///< an earlier load has done so; nothing was read
  Failed,
  Stopped,  ///< by a signal; the next load goes on
  NotRun,
};
[[nodiscard]] std::string_view to_string(FileState state) noexcept;

struct FileResult {
  std::string path;
  FileState state = FileState::NotRun;
  std::optional<etl::Error> error{};
  etl::RunReport report{};
  /// The error with the file's name.
  [[nodiscard]] std::string problem() const;
};

/// A load, when it is over.
struct Summary {
  std::vector<FileResult> files{};
  std::optional<etl::Error> failure{};  ///< of what comes before or after the files
  std::chrono::nanoseconds elapsed{}, glob{}, check{}, merge{};
  bool dry_run = false;

  [[nodiscard]] std::size_t count(FileState state) const noexcept;
  [[nodiscard]] etl::ItemLedger rows() const noexcept;
  /// As etl-uniprot: 0 all loaded, 1 failed, 3 some rows rejected, 4 stopped, 5 stopped and not drained.
  [[nodiscard]] int exit_code() const noexcept;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string json() const;
};

}  // namespace program
