#include "progress.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <system_error>

#include <fmt/format.h>
#include <etl/io/object_store_url.hpp>
#include <etl/observe/terminal.hpp>

#include "common/standard_streams.hpp"
#include "plan.hpp"
#include "summary.hpp"

namespace program {

namespace fs = std::filesystem;

namespace {

/// The folder that contains all `files`.
fs::path common_folder(const std::vector<fs::path>& files) {
  if (files.empty()) return {};
  fs::path common = files.front().parent_path();
  for (const fs::path& file : files)
    while (!common.empty() &&
           std::mismatch(common.begin(), common.end(), file.begin(), file.end()).first != common.end())
      common = common.has_relative_path() ? common.parent_path() : fs::path();
  return common;
}

}  // namespace

Progress::Progress(const std::vector<fs::path>& files) : files_(files.size()) {
  const fs::path common = common_folder(files);
  bool known = true;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto size = can_be_read_again(files[i]) ? etl::io::size_of(files[i]) : 0;
    known = known && size && can_be_read_again(files[i]);
    files_[i].name = common.empty() ? display_name(files[i]) : files[i].lexically_relative(common).string();
    files_[i].size = size.value_or(0);
    all_ += files_[i].size;
  }
  if (!known) all_ = 0;
}

void Progress::passed(std::size_t file, std::uint64_t bytes, bool now) noexcept {
  files_[file].passed.fetch_add(bytes, std::memory_order_relaxed);
  if (!now) return;
  files_[file].read.fetch_add(bytes, std::memory_order_relaxed);
  read_.fetch_add(bytes, std::memory_order_relaxed);
}

void Progress::ended(std::size_t file, bool done) noexcept {
  files_[file].under_way.store(false, std::memory_order_relaxed);
  if (!done) return;
  files_[file].passed.store(files_[file].size, std::memory_order_relaxed);
  done_.fetch_add(1, std::memory_order_relaxed);
}

std::string Progress::counts() const {
  const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  const std::size_t done = done_.load(std::memory_order_relaxed);
  const auto rows = static_cast<double>(rows_.load(std::memory_order_relaxed));
  std::string text = fmt::format("{}/{} files", grouped(done), grouped(files_.size()));
  std::uint64_t behind = 0;
  if (all_ > 0)
    for (const File& file : files_) behind += std::min(file.passed.load(std::memory_order_relaxed), file.size);
  if (all_ > 0) {
    const std::uint64_t most = done == files_.size() ? 100 : 99;  // the rows that were read last are not loaded yet
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

std::string Progress::under_way(std::size_t columns) const {
  constexpr std::size_t most = 4, least_width = 16, and_more = std::string_view(", 1,000 more").size();
  std::vector<const File*> files;
  for (const File& file : files_)
    if (file.under_way.load(std::memory_order_relaxed)) files.push_back(&file);
  std::string text;
  std::size_t shown = 0;
  for (; shown < std::min(files.size(), most); ++shown) {
    const File& file = *files[shown];
    std::string share;
    if (file.size > 0)
      share = fmt::format(
          " {}%", std::min<std::uint64_t>(file.passed.load(std::memory_order_relaxed), file.size) * 100 / file.size);
    const std::size_t used = etl::text_width(text) + 2 + share.size() + (shown + 1 < files.size() ? and_more : 0);
    const std::size_t room = columns > used ? columns - used : 0;
    if (room < std::min(least_width, etl::text_width(file.name))) break;
    // Divides the remaining room among the files that still follow.
    const std::size_t fair = std::max(least_width, room / (std::min(files.size(), most) - shown));
    text += fmt::format("{}{}{}", text.empty() ? ": " : ", ", etl::shortened(file.name, std::min(room, fair)), share);
  }
  if (!text.empty() && shown < files.size()) text += fmt::format(", {} more", grouped(files.size() - shown));
  return text;
}

std::string Progress::text(std::size_t columns) const {
  const std::string text = counts();
  const std::size_t width = etl::text_width(text);
  return width < columns ? text + under_way(columns - width) : etl::cut_to_width(text, columns);
}

ProgressLine::ProgressLine(const Progress& progress, bool show)
    : progress_(progress), terminal_(etl::is_terminal(stderr)) {
  if (show && etl::is_writable(stderr)) thread_ = std::thread([this] { tick(); });
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
  if (terminal_) say("\n");
}

void ProgressLine::show() {
  const std::string line = progress_.text(etl::line_width(stderr));
  if (terminal_)
    say("{}", etl::redrawn_line(line, stderr));
  else
    say("{}\n", line);
  shown_ = true;
}

}  // namespace program
