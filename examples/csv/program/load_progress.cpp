#include "load_progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <system_error>

#include <fmt/format.h>

#include "load_plan.hpp"
#include "load_summary.hpp"

namespace program {

namespace fs = std::filesystem;

Progress::Progress(const std::vector<fs::path>& files) : passed_(files.size()) {
  bool known = true;
  for (const fs::path& file : files) {
    std::error_code unknown;
    const std::uintmax_t size = can_be_read_again(file) ? fs::file_size(file, unknown) : 0;
    known = known && can_be_read_again(file) && !unknown;
    sizes_.push_back(unknown ? 0 : size);
    all_ += sizes_.back();
  }
  if (!known) all_ = 0;
}

void Progress::passed(std::size_t file, std::uint64_t bytes, bool now) noexcept {
  passed_[file].fetch_add(bytes, std::memory_order_relaxed);
  if (now) read_.fetch_add(bytes, std::memory_order_relaxed);
}

void Progress::done(std::size_t file) noexcept {
  passed_[file].store(sizes_[file], std::memory_order_relaxed);
  done_.fetch_add(1, std::memory_order_relaxed);
}

std::string Progress::text() const {
  const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  const std::size_t done = done_.load(std::memory_order_relaxed);
  const auto rows = static_cast<double>(rows_.load(std::memory_order_relaxed));
  std::string text = fmt::format("{}/{} files", done, sizes_.size());
  std::uint64_t behind = 0;
  for (std::size_t i = 0; all_ > 0 && i < sizes_.size(); ++i)
    behind += std::min(passed_[i].load(std::memory_order_relaxed), sizes_[i]);
  if (all_ > 0) {
    const std::uint64_t most = done == sizes_.size() ? 100 : 99;  // what was read last is still to be loaded
    text = fmt::format("{}% ({})", std::min(behind * 100 / all_, most), text);
  }
  if (rows > 0 && elapsed > 0) text += fmt::format(", {} rows/s", grouped(static_cast<std::uint64_t>(rows / elapsed)));
  const auto read = static_cast<double>(read_.load(std::memory_order_relaxed));
  if (elapsed >= 1 && read > 0 && behind < all_) {
    const std::int64_t left = std::llround(static_cast<double>(all_ - behind) * elapsed / read);
    text += left < 3600 ? fmt::format(", {}:{:02} left", left / 60, left % 60)
                        : fmt::format(", {}:{:02}:{:02} left", left / 3600, left / 60 % 60, left % 60);
  }
  return text;
}

std::string_view fresh_line() noexcept { return ::isatty(::fileno(stderr)) == 1 ? "\r\x1b[K" : ""; }

ProgressLine::ProgressLine(const Progress& progress, bool show)
    : progress_(progress), terminal_(::isatty(::fileno(stderr)) == 1) {
  if (show) thread_ = std::thread([this] { tick(); });
}

ProgressLine::~ProgressLine() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void ProgressLine::tick() {
  const auto interval = std::chrono::milliseconds(terminal_ ? 100 : 5000);
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, interval, [this] { return done_; })) show();
  if (shown_ || terminal_) show();
  if (terminal_) std::fputc('\n', stderr);
}

void ProgressLine::show() {
  // What an earlier, longer line left over is erased (ECMA-48 EL).
  fmt::print(stderr, fmt::runtime(terminal_ ? "\r{}\x1b[K" : "{}\n"), progress_.text());
  std::fflush(stderr);
  shown_ = true;
}

}  // namespace program
