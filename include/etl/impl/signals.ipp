#pragma once
/// The compiled part of `stop_on_signals`.

#include <csignal>
#include <initializer_list>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include <asio/basic_signal_set.hpp>
#include <asio/io_context.hpp>

#include <etl/config.hpp>
#include <etl/detail/meta/process.hpp>
#include <etl/signals.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0 {
namespace detail {

/// How the process handled some signals when this object was made. `restore` and the destructor set that handling
/// again. Signals that were ignored are not included.
class FormerHandling {
 public:
  explicit FormerHandling(std::initializer_list<int> signals) {
    for (const int s : signals) {
      Handling handling{};
      ::sigaction(s, nullptr, &handling);
      if (!is_ignored(handling)) former_.emplace_back(s, handling);
    }
  }
  FormerHandling(const FormerHandling&) = delete;
  FormerHandling& operator=(const FormerHandling&) = delete;
  ~FormerHandling() { restore(); }
  [[nodiscard]] bool empty() const noexcept { return former_.empty(); }
  template <class F>
  void for_each_signal(F&& call) const {
    for (const auto& [signal, handling] : former_) call(signal);
  }
  void restore() const noexcept {
    for (const auto& [signal, handling] : former_) ::sigaction(signal, &handling, nullptr);
  }

 private:
  using Handling = struct sigaction;
  [[nodiscard]] static bool is_ignored(const Handling& handling) noexcept {
    return (handling.sa_flags & SA_SIGINFO) == 0 && handling.sa_handler == SIG_IGN;
  }
  std::vector<std::pair<int, Handling>> former_;
};

/// The thread that turns signals into stop requests. Its destruction ends it. Afterwards the signals have their
/// default handling, because Asio leaves it so.
class SignalThread {
 public:
  SignalThread(const FormerHandling& former, StopSource& source, std::string note)
      : former_(former), source_(source), note_(std::move(note)), set_(io_.get_executor()) {
    former.for_each_signal([this](int signal) { set_.add(signal); });
    if (former.empty()) return;
    wait();
    try {
      thread_ = std::thread([this] { io_.run(); });
    } catch (const std::system_error& e) {
      throw std::system_error(e.code(), "cannot start the thread that watches for signals");
    }
  }
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;
  ~SignalThread() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void wait() {
    set_.async_wait([this](const std::error_code& error, int) {
      if (error) return;
      if (!source_.stop_requested()) tell();
      if (source_.request_drain()) return wait();
      // At once: through Asio, the signal would have its default effect for a moment. First, because a stop callback
      // may take long, and a third signal must have its effect meanwhile.
      former_.restore();
      source_.request_abandon();
    });
  }
  /// Writes the note on its own line, in place of a progress bar, which is then drawn again below (ECMA-48 EL).
  void tell() const {
    if (note_.empty() || ::isatty(STDERR_FILENO) != 1) return;
    const std::string line = "\r\x1b[K" + note_ + '\n';
    static_cast<void>(::write(STDERR_FILENO, line.data(), line.size()) < 0);  // an error can be reported to nobody
  }
  const FormerHandling& former_;
  StopSource& source_;
  const std::string note_;
  asio::io_context io_{1};
  // With the default executor, compiling takes a second longer.
  asio::basic_signal_set<asio::io_context::executor_type> set_;
  std::thread thread_;
};

/// Watches signals as long as it lives. Restores their former handling on destruction, if the watch cannot be made,
/// and after the second signal, so that a third signal has its former effect. If several watches watch one signal, the
/// watch made last must end first. In a child of fork(), destruction only restores the handling.
class SignalWatch {
 public:
  SignalWatch(std::initializer_list<int> signals, std::string note)
      : former_(signals), thread_(former_, source, std::move(note)) {}
  StopSource source;

 private:
  const FormerHandling former_;  // restored after the thread has ended, or if it cannot be started
  OfThisProcess<SignalThread> thread_;
};

}  // namespace detail

ETLPIPE_COMPILED StopToken stop_on_signals(std::initializer_list<int> signals, const char* note) {
  auto watch = std::make_shared<detail::SignalWatch>(signals, note == nullptr ? "" : note);
  const StopToken stop = watch->source.stop_token();
  return {stop.drain(), stop.abandon(), std::move(watch)};
}

}  // namespace etl::inline v0
