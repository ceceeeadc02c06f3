#pragma once
/// Progress of runs on a terminal or in a log.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/config.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/meta/time.hpp>
#include <etl/detail/run/report_text.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/observe/terminal.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>

namespace etl::inline v0 {

/// The status of a run, with its name.
struct NamedStatus {
  std::string name;  ///< name of the run
  RunStatus status;  ///< its counts
};

namespace detail {

/// ", waiting for the server: busy (attempt 3 of 5 in 4 s)"; of several runs, about that which waits for the longest
/// time. Empty when none waits.
[[nodiscard]] inline std::string waiting_text(const std::vector<NamedStatus>& runs) {
  const NamedStatus* longest = nullptr;
  for (const NamedStatus& run : runs)
    if (run.status.retry && (longest == nullptr || run.status.retry->since > longest->status.retry->since))
      longest = &run;
  if (longest == nullptr) return "";
  const RetryStatus& retry = *longest->status.retry;
  std::string error = retry.error;
  std::ranges::replace(error, '\n', ' ');
  const std::string whose = runs.size() > 1 ? longest->name + ": " : "";
  const std::string when = retry.next_try.count() > 0 ? "in " + human(retry.next_try) : "under way";
  return fmt::format(", waiting for the server: {}{} (attempt {} of {} {})", whose, error, retry.attempt + 1,
                     grouped(retry.max_attempts), when);
}

/// Per second, written as counts are: "22,300"; small ones with three digits: "0.25".
[[nodiscard]] inline std::string rate_text(double rate) {
  return rate < 100 ? fmt::format("{:.3g}", rate)
                    : grouped(static_cast<std::uint64_t>(std::llround(std::min(rate, 9e18))));
}

/// Several runs in one.
struct ProgressSum {
  std::uint64_t done = 0;  // items, those of earlier runs included
  std::uint64_t expected = 0;
  std::uint64_t bytes = 0;
  std::uint64_t expected_bytes = 0;
  std::uint64_t earlier_bytes = 0;
  double seconds = 0;
  bool items_known = false;
  bool bytes_known = false;

  explicit ProgressSum(const std::vector<NamedStatus>& runs) : items_known(!runs.empty()), bytes_known(!runs.empty()) {
    for (const NamedStatus& run : runs) {
      const RunStatus& status = run.status;
      const ItemLedger& items = status.items;
      done += items.loaded + items.filtered + items.rejected + items.skipped + items.abandoned + status.earlier_items;
      expected += status.expected_items;
      items_known = items_known && status.expected_items > 0;
      bytes += std::min(status.bytes_read, status.expected_bytes);
      expected_bytes += status.expected_bytes;
      earlier_bytes += status.earlier_bytes;
      bytes_known = bytes_known && status.expected_bytes > 0;
      seconds = std::max(seconds, detail::seconds(status.elapsed));
    }
  }
  /// The share that is done: of the bytes if the source knows them, which is exact, otherwise of the items. Nothing if
  /// neither is known.
  [[nodiscard]] std::optional<double> share() const {
    if (bytes_known) return static_cast<double>(bytes) / static_cast<double>(expected_bytes);
    if (items_known) return std::min(1.0, static_cast<double>(done) / static_cast<double>(expected));
    return std::nullopt;
  }
  /// From now on, with `rate` items a second.
  [[nodiscard]] std::optional<double> seconds_left(double rate) const {
    const auto now_read = static_cast<double>(bytes - std::min(bytes, earlier_bytes));
    if (bytes_known && now_read > 0 && bytes < expected_bytes)
      return static_cast<double>(expected_bytes - bytes) / (now_read / std::max(seconds, 1e-9));
    if (!bytes_known && items_known && rate > 0 && done < expected) return static_cast<double>(expected - done) / rate;
    return std::nullopt;
  }
};

}  // namespace detail

/// One line about some runs: share, count, rate and time left where the number of bytes or items is known. A number of
/// items that was too low is left out. While something is tried again, it says what the run waits for instead of rate
/// and time left. `rate` in items per second. With `width` > 0 a bar of that many characters is drawn.
[[nodiscard]] inline std::string progress_line(const std::vector<NamedStatus>& runs, double rate, std::size_t width) {
  const detail::ProgressSum sum(runs);
  std::string line = runs.size() == 1 ? runs.front().name : fmt::format("{} pipelines", runs.size());
  if (!line.empty()) line += ": ";
  const std::string waiting = detail::waiting_text(runs);
  const std::string pace = waiting.empty() ? fmt::format(", {} items/s", detail::rate_text(rate)) : waiting;
  const std::string items = detail::grouped(sum.done);
  const std::optional<double> share = sum.share();
  if (!share) return line + fmt::format("{} items{}", items, pace);
  if (width > 0) {
    const auto filled = static_cast<std::size_t>(*share * static_cast<double>(width));
    line += '[' + std::string(filled, '#') + std::string(width - filled, '.') + "] ";
  }
  line += fmt::format("{:3.0f}% (", *share * 100);
  if (sum.bytes_known)
    line += fmt::format("{}B/{}B, {}", detail::metric(static_cast<double>(sum.bytes)),
                        detail::metric(static_cast<double>(sum.expected_bytes)), items);
  else
    line += sum.done > sum.expected ? items : fmt::format("{}/{}", items, detail::grouped(sum.expected));
  line += " items)" + pace;
  const std::optional<double> left = sum.seconds_left(rate);
  if (!left || !waiting.empty()) return line;
  const std::int64_t seconds = std::llround(std::min(*left, 3.6e8));
  return line + fmt::format(", ETA {}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

/// The same with a bar, in at most `columns`: the bar gets shorter, then names lose their middle, and finally the end
/// is cut off.
[[nodiscard]] inline std::string progress_line_within(std::vector<NamedStatus> runs, double rate, std::size_t columns) {
  struct Form {
    std::size_t bar, least_name;
  };
  const std::string name = runs.size() == 1 ? runs.front().name : std::string();
  std::string line;
  for (const Form form : {Form{30, 24}, Form{10, 24}, Form{0, 12}, Form{0, 4}}) {
    if (runs.size() == 1) runs.front().name = shortened(name, std::numeric_limits<std::size_t>::max());
    line = progress_line(runs, rate, form.bar);
    if (const std::size_t width = text_width(line); runs.size() == 1 && width > columns) {
      const std::size_t whole = text_width(runs.front().name), over = width - columns;
      runs.front().name = shortened(name, std::max(form.least_name, whole > over ? whole - over : 0));
      line = progress_line(runs, rate, form.bar);
    }
    if (text_width(line) <= columns) return line;
  }
  return cut_to_width(line, columns);
}

/// Shows progress from a thread of its own, from its construction to its destruction; nothing on a stream that is
/// closed. On a terminal each line fits the width that it has then. `look` is called on that thread; while it throws,
/// or there is no memory for the line, nothing is shown. The constructor throws `std::system_error` when the thread
/// cannot start.
class ProgressTicker {
 public:
  using Look = std::function<std::vector<NamedStatus>()>;  ///< gives the runs to show

  /// Starts the thread. Throws `std::system_error` if it cannot start.
  ProgressTicker(const ProgressOptions& options, Look look) : options_(options), look_(std::move(look)) {
    using Show = ProgressOptions::Show;
    if (options_.show == Show::Off || !is_writable(options_.stream)) return;
    bar_ = options_.show == Show::Bar || (options_.show == Show::Auto && is_terminal(options_.stream));
    if (options_.interval.count() == 0) options_.interval = std::chrono::milliseconds(bar_ ? 100 : 5000);
    try {
      thread_ = std::thread([this] { tick(); });
    } catch (const std::system_error& e) {
      throw std::system_error(e.code(), "cannot start the thread that shows progress");
    }
  }
  ProgressTicker(const ProgressTicker&) = delete;
  ProgressTicker& operator=(const ProgressTicker&) = delete;
  ~ProgressTicker() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

 private:
  void tick() noexcept {
    std::unique_lock lock(mutex_);
    while (!done_by(detail::after(Clock::now(), detail::saturated(options_.interval)), lock)) try_to_show();
    if (shown_ || bar_) try_to_show();
    if (bar_) std::fputc('\n', options_.stream);
    std::fflush(options_.stream);
  }
  [[nodiscard]] bool done_by(TimePoint due, std::unique_lock<std::mutex>& lock) {
    const auto done = [this] { return done_; };
    if (due != TimePoint::max()) return wake_.wait_until(lock, due, done);
    wake_.wait(lock, done);
    return true;
  }
  void try_to_show() noexcept {
    static_cast<void>(detail::guarded([this]() -> std::optional<Error> { return show(), std::nullopt; }));
  }
  void show() {
    const std::vector<NamedStatus> runs = look_();
    std::chrono::nanoseconds elapsed{};
    std::uint64_t items = 0;
    for (const NamedStatus& run : runs) {
      elapsed = std::max(elapsed, run.status.elapsed);
      items += run.status.items.extracted;
    }
    const double seconds = detail::seconds(elapsed);
    const double rate = seconds > 0 ? static_cast<double>(items) / seconds : 0;
    if (bar_) {
      const std::string line = progress_line_within(runs, rate, line_width(options_.stream));
      fmt::print(options_.stream, "{}", redrawn_line(line, options_.stream));
    } else {
      fmt::print(options_.stream, "{}\n", progress_line(runs, rate, 0));
    }
    std::fflush(options_.stream);
    shown_ = true;
  }

  ProgressOptions options_;
  Look look_;
  bool bar_ = false;
  bool shown_ = false;
  bool done_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace etl::inline v0
