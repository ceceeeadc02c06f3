#pragma once
// What became of each file, and of all of them.

#include <chrono>
#include <cstdint>
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
  std::uint64_t dropped = 0;                              ///< of the loaded rows: the database did not keep them
  std::uint64_t loaded_before = 0;                        ///< by an earlier run, which this one went on with
  std::uint64_t rejected_before = 0;                      ///< by earlier loads, whose dead letters are kept
  std::uint64_t bytes = 0;                                ///< read by this load, compressed as they are
  std::optional<std::size_t> mapping_index{};             ///< which element of "files" of the mapping applied, from 0
  std::optional<etl::csv::readings::LeftOut> left_out{};  ///< of a file of readings
  /// The error with the file's name.
  [[nodiscard]] std::string problem() const;
};

/// A column that holds more than the beginning of the files has shown (--widen).
struct Widened {
  std::string column;
  etl::csv::Kind from, to;
  std::string file;  ///< the first that needs it
};

/// A load, when it is over.
struct Summary {
  std::vector<FileResult> files{};
  std::optional<etl::Error> failure{};  ///< of what comes before or after the files
  std::chrono::nanoseconds elapsed{}, glob{}, check{}, merge{};
  std::vector<Widened> widened{};             ///< columns of the table that was made
  std::string emptied{};                      ///< the table that has no rows, though files were loaded before
  std::vector<std::string> skipped_merges{};  ///< they have run, and no rows came since
  bool dry_run = false;
  bool begun = false;  ///< else the failure came before the first file

  [[nodiscard]] std::size_t count(FileState state) const noexcept;
  [[nodiscard]] etl::ItemLedger rows() const noexcept;
  [[nodiscard]] std::uint64_t loaded_before() const noexcept;
  [[nodiscard]] std::uint64_t rejected_before() const noexcept;
  [[nodiscard]] std::uint64_t dropped() const noexcept;
  [[nodiscard]] std::uint64_t bytes() const noexcept;
  /// Of all files, what earlier runs did included.
  [[nodiscard]] std::uint64_t whole() const noexcept;
  /// "left out: 5 readings of 2 streams that the mapping does not name: 'a', 'b'", or nothing; then of each file
  /// without a stream that it names: "f.json: the mapping names none of its streams; it has 2 streams".
  [[nodiscard]] std::vector<std::string> left_out() const;
  /// Says `emptied`.
  [[nodiscard]] std::string empty_table() const;
  /// After a signal: that it was one, which files are not finished, and how to go on. Empty: there was none.
  [[nodiscard]] std::string stopped() const;
  /// As etl-uniprot: 0 all loaded, 1 failed, 2 nothing was begun, 3 some rows rejected, 4 stopped, 5 stopped and not
  /// drained.
  [[nodiscard]] int exit_code() const noexcept;
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::string json() const;
};

/// "widened: column 'zip' is text instead of integer, for late.csv".
[[nodiscard]] std::string text(const Widened& one);

/// "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t number);

}  // namespace program
