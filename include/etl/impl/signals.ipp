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

/// What the process did about some signals when this was made; done again by `restore`, and at the end. Signals that
/// were ignored are not among them.
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

/// The thread that turns signals into stop requests. Ends with its destruction; leaves the default handling behind, as
/// Asio does.
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
      source_.request_abandon();
      former_.restore();  // at once: by way of Asio the signal would have its default effect for a moment
    });
  }
  /// On a line of its own, in place of a progress bar, which is drawn again below (ECMA-48 EL).
  void tell() const {
    if (note_.empty() || ::isatty(STDERR_FILENO) != 1) return;
    const std::string line = "\r\x1b[K" + note_ + '\n';
    static_cast<void>(::write(STDERR_FILENO, line.data(), line.size()) < 0);  // nobody is there to be told
  }
  const FormerHandling& former_;
  StopSource& source_;
  const std::string note_;
  asio::io_context io_{1};
  asio::basic_signal_set<asio::io_context::executor_type> set_;  // not of any executor: that takes a second to compile
  std::thread thread_;
};

/// Watches signals as long as it lives. Puts their former handling back when destroyed, when it cannot be made, and
/// after the second signal, so that a third has its former effect. Of several watches of one signal, the one made last
/// has to end first. In a child of fork() its destruction does no more than that.
class SignalWatch {
 public:
  SignalWatch(std::initializer_list<int> signals, std::string note)
      : former_(signals), thread_(former_, source, std::move(note)) {}
  StopSource source;

 private:
  const FormerHandling former_;  // restored when the thread has ended, or cannot be started
  OfThisProcess<SignalThread> thread_;
};

}  // namespace detail

ETLPIPE_COMPILED StopToken stop_on_signals(std::initializer_list<int> signals, const char* note) {
  auto watch = std::make_shared<detail::SignalWatch>(signals, note == nullptr ? "" : note);
  const StopToken stop = watch->source.stop_token();
  return {stop.drain(), stop.abandon(), std::move(watch)};
}

}  // namespace etl::inline v0
