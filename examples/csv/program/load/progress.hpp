#pragma once
// The progress of a load, and its line on the terminal.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace program {

/// The progress of all files together. Thread-safe.
class Progress {
 public:
  explicit Progress(const std::vector<std::filesystem::path>& files);
  void loaded(std::size_t rows) noexcept { rows_.fetch_add(rows, std::memory_order_relaxed); }
  void begins(std::size_t file) noexcept { files_[file].under_way.store(true, std::memory_order_relaxed); }
  /// Adds bytes of a file that were read: `now`, or by an earlier load.
  void passed(std::size_t file, std::uint64_t bytes, bool now) noexcept;
  /// `done`: the file is not read on by a later load.
  void ended(std::size_t file, bool done) noexcept;
  /// Bytes of a file that this load has read.
  [[nodiscard]] std::uint64_t read(std::size_t file) const noexcept {
    return files_[file].read.load(std::memory_order_relaxed);
  }
  /// "37% (4/13 files), 812,000 rows/s, 0:42 left: jan/a.csv 40%, b.csv 12%, 2 more", in at most `columns` characters.
  /// It names as many of the files in progress as fit. If an input can be read only once, its share is not known.
  [[nodiscard]] std::string text(std::size_t columns) const;

 private:
  struct File {
    std::string name{};      // without the folder that all files share
    std::uint64_t size = 0;  // in bytes
    std::atomic<std::uint64_t> passed = 0, read = 0;
    std::atomic<bool> under_way = false;
  };
  [[nodiscard]] std::string counts() const;
  [[nodiscard]] std::string under_way(std::size_t columns) const;

  std::vector<File> files_;
  std::uint64_t all_ = 0;  // bytes; 0 if not known
  std::atomic<std::uint64_t> read_ = 0;
  std::atomic<std::uint64_t> rows_ = 0;
  std::atomic<std::size_t> done_ = 0;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

/// Shows the progress on stderr until it is destroyed: on a terminal as a line that is redrawn, otherwise as a new
/// line from time to time.
class ProgressLine {
 public:
  ProgressLine(const Progress& progress, bool show);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine();

 private:
  void tick();
  void show();

  const Progress& progress_;
  const bool terminal_;
  bool shown_ = false;
  bool done_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace program
