#pragma once
// The results of each file, and of the whole load.

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/readings.hpp>
#include <etl/csv/value.hpp>
#include <etl/error.hpp>
#include <etl/report.hpp>

namespace program {

enum class FileState : std::uint8_t {
  Loaded,   ///< all good rows of the file are in the table
  Already,  ///< an earlier load has loaded the file; nothing was read
  Failed,
  Stopped,  ///< stopped by a signal; the next load resumes
  Waits,    ///< not begun, because a file before it failed, and the order of the files counts
  NotRun,
};
[[nodiscard]] std::string_view to_string(FileState state) noexcept;

struct FileResult {
  std::string path;
  bool is_pipe = false;  ///< can be read only once
  FileState state = FileState::NotRun;
  std::optional<etl::Error> error{};
  etl::RunReport report{};
  std::uint64_t dropped = 0;                   ///< loaded rows that the database did not keep
  std::uint64_t loaded_before = 0;             ///< rows loaded by the earlier run that this run resumed
  std::uint64_t rejected_before = 0;           ///< rows rejected by earlier loads, whose dead letters are kept
  std::uint64_t bytes = 0;                     ///< bytes read by this load, before decompression
  std::optional<std::size_t> mapping_index{};  ///< index in "files" of the mapping that applied, counted from 0
  std::optional<etl::csv::readings::LeftOut> left_out{};  ///< set for a file of readings
  /// The error with the file's name.
  [[nodiscard]] std::string problem() const;
};

/// A column that holds more than the beginning of the files has shown (--widen).
struct Widened {
  std::string column;
  etl::csv::Kind from, to;
  std::string file;  ///< the first file that needs the wider kind
};

/// The result of a load.
struct Summary {
  std::vector<FileResult> files{};
  std::optional<etl::Error> failure{};  ///< an error before or after the loading of files
  std::chrono::nanoseconds elapsed{}, glob{}, check{}, merge{};
  std::vector<Widened> widened{};             ///< columns of the new table
  std::string emptied{};                      ///< name of the table if it has no rows although files were loaded before
  std::vector<std::string> skipped_merges{};  ///< scripts that have already run, with no new rows since
  bool dry_run = false;
  bool begun = false;  ///< false if the failure came before the first file

  [[nodiscard]] std::size_t count(FileState state) const noexcept;
  [[nodiscard]] etl::ItemLedger rows() const noexcept;
  [[nodiscard]] std::uint64_t loaded_before() const noexcept;
  [[nodiscard]] std::uint64_t rejected_before() const noexcept;
  [[nodiscard]] std::uint64_t dropped() const noexcept;
  [[nodiscard]] std::uint64_t bytes() const noexcept;
  /// Rows of all files, including those of earlier runs.
  [[nodiscard]] std::uint64_t whole() const noexcept;
  /// Lines such as "left out: 5 readings of 2 streams that the mapping does not name: 'a', 'b'", or nothing. Then one
  /// line for each file that has no stream named by the mapping: "f.json: the mapping names none of its streams; it
  /// has 2 streams".
  [[nodiscard]] std::vector<std::string> left_out() const;
  /// The message about `emptied`.
  [[nodiscard]] std::string empty_table() const;
  /// The message after a signal: which files are not finished, and how to resume. Empty if there was no signal.
  [[nodiscard]] std::string stopped() const;
  /// The message about files that wait: which, and what they wait for. Empty if there are none.
  [[nodiscard]] std::string waiting() const;
  /// The same codes as etl-uniprot: 0 all loaded, 1 failed, 2 nothing was begun, 3 some rows rejected, 4 stopped, 5
  /// stopped and not drained.
  [[nodiscard]] int exit_code() const noexcept;
  /// `with_stages`: with the times of the stages.
  [[nodiscard]] std::string text(bool with_stages) const;
  [[nodiscard]] std::string json() const;

 private:
  /// The first files in these states, such as "a.csv, b.csv and 3 more".
  [[nodiscard]] std::string names(std::initializer_list<FileState> states) const;
};

/// "widened: column 'zip' is text instead of integer, for late.csv".
[[nodiscard]] std::string text(const Widened& one);

/// "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t number);

}  // namespace program
