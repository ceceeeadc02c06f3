#pragma once
/// Ctrl-C that drains (contract G10).

#include <csignal>
#include <initializer_list>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <etl/config.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0 {
namespace detail {

/// Owns the thread that turns signals into stop requests. Puts the signals' former handling back when
/// destroyed, and after the second signal, so that a third has its former effect. (Asio leaves the
/// default handling behind, so it is kept here.) Of several watches of one signal, the one made last
/// has to end first.
class SignalWatch {
 public:
  explicit SignalWatch(std::initializer_list<int> signals) : set_(io_) {
    for (const int s : signals) {
      former_.emplace_back(s, handling_of(s));
      set_.add(s);
    }
    wait();
    thread_ = std::thread([this] { io_.run(); });
  }
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  ~SignalWatch() {
    io_.stop();
    thread_.join();
    std::error_code ignored;  // nothing to clear: nothing to restore
    ignored = set_.clear(ignored);
    restore();
  }
  StopSource source;

 private:
  using Handling = struct sigaction;

  [[nodiscard]] static Handling handling_of(int signal) {
    Handling handling{};
    ::sigaction(signal, nullptr, &handling);
    return handling;
  }
  void restore() {
    for (const auto& [signal, handling] : former_) ::sigaction(signal, &handling, nullptr);
  }
  void wait() {
    set_.async_wait([this](const std::error_code& error, int) {
      if (error) return;
      if (source.request_drain()) return wait();
      source.request_abandon();
      restore();  // at once: by way of Asio the signal would have its default effect for a moment
    });
  }
  asio::io_context io_{1};
  asio::signal_set set_;
  std::vector<std::pair<int, Handling>> former_;
  std::thread thread_;
};

}  // namespace detail

/// A `Stop` driven by signals: the first drains, the second abandons, a third has its former effect
/// (it usually ends the process). The former handling is restored when the last copy of the returned
/// value is gone, so `etl::run(p, options, etl::stop_on_signals())` needs no clean-up.
/// Throws `std::system_error` when a signal cannot be caught.
[[nodiscard]] inline Stop stop_on_signals(std::initializer_list<int> signals = {SIGINT, SIGTERM}) {
  auto watch = std::make_shared<detail::SignalWatch>(signals);
  const Stop stop = watch->source.stop();
  return {stop.drain(), stop.abandon(), std::move(watch)};
}

}  // namespace etl::inline v0
