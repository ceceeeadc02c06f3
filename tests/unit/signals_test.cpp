#include <csignal>
#include <cstdio>
#include <stop_token>
#include <utility>

#include <etl/signals.hpp>

#include "support/catch.hpp"
#include "support/sync.hpp"
#include "support/terminal.hpp"

namespace signals_test {

namespace {

volatile std::sig_atomic_t seen = 0;
void note(int) { seen = seen + 1; }

/// Puts the test's own handler in place, and the former one back.
class Handler {
 public:
  explicit Handler(int signal) : signal_(signal), former_(std::signal(signal, note)) { seen = 0; }
  ~Handler() { std::signal(signal_, former_); }
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;

 private:
  int signal_;
  void (*former_)(int);
};

void await(const std::stop_token& token) {
  test::Gate stopped;
  const std::stop_callback open(token, [&stopped] { stopped.open(); });
  stopped.wait();
}

}  // namespace

TEST_CASE("signals: the first drains, the second abandons, the third has its former effect (G10)") {
  const Handler handler(SIGINT);
  const etl::StopToken stop = etl::stop_on_signals();
  CHECK_FALSE(stop.drain().stop_requested());
  std::raise(SIGINT);
  await(stop.drain());
  CHECK_FALSE(stop.abandon().stop_requested());
  std::raise(SIGINT);
  await(stop.abandon());
  CHECK(seen == 0);
  // The handling is given back by the watching thread just after the abandon: until then the signal is swallowed.
  const test::Watchdog watchdog("the former handler does not come back");
  while (seen == 0) std::raise(SIGINT);
  CHECK(seen >= 1);
}

TEST_CASE("signals: the third has its former effect while the second is still at work") {
  const Handler handler(SIGINT);
  const etl::StopToken stop = etl::stop_on_signals();
  test::Gate begun, end;
  const std::stop_callback slow(stop.abandon(), [&] { begun.open(), end.wait(); });
  std::raise(SIGINT);
  await(stop.drain());
  std::raise(SIGINT);
  begun.wait();
  CHECK(seen == 0);
  std::raise(SIGINT);
  CHECK(seen == 1);
  end.open();
}

TEST_CASE("signals: on a terminal the first says what the second does") {
  const Handler handler(SIGINT);
  const test::Terminal terminal;
  const test::StandardError to_terminal(terminal.device());
  {
    const etl::StopToken stop = etl::stop_on_signals();
    std::raise(SIGINT);
    await(stop.drain());
    CHECK(terminal.read() == "\r\x1b[Kstopping; a second signal drops what is queued\n");
    std::raise(SIGINT);
    await(stop.abandon());
  }
  const etl::StopToken stop = etl::stop_on_signals({SIGINT}, "I hear you");
  std::raise(SIGINT);
  await(stop.drain());
  CHECK(terminal.read() == "\r\x1b[KI hear you\n");  // and nothing of the second signal
}

TEST_CASE("signals: where the standard error is a file, nothing is written there") {
  const Handler handler(SIGINT);
  std::FILE* const file = std::tmpfile();
  {
    const test::StandardError to_file(::fileno(file));
    const etl::StopToken stop = etl::stop_on_signals();
    std::raise(SIGINT);
    await(stop.drain());
  }
  std::fseek(file, 0, SEEK_END);
  CHECK(std::ftell(file) == 0);
  std::fclose(file);
}

TEST_CASE("signals: SIGTERM counts as well, together with SIGINT") {
  const Handler int_handler(SIGINT);
  const Handler term_handler(SIGTERM);
  const etl::StopToken stop = etl::stop_on_signals();
  std::raise(SIGTERM);
  await(stop.drain());
  std::raise(SIGINT);
  await(stop.abandon());
}

TEST_CASE("signals: only those named are caught") {
  const Handler int_handler(SIGINT);
  const Handler usr_handler(SIGUSR1);
  const etl::StopToken stop = etl::stop_on_signals({SIGUSR1});
  std::raise(SIGINT);
  CHECK(seen == 1);
  CHECK_FALSE(stop.drain().stop_requested());
  std::raise(SIGUSR1);
  await(stop.drain());
  CHECK(seen == 1);
}

TEST_CASE("signals: one that the process ignores stays ignored, as nohup wants it") {
  const Handler int_handler(SIGINT);
  const Handler usr_handler(SIGUSR1);
  std::signal(SIGINT, SIG_IGN);
  {
    const etl::StopToken stop = etl::stop_on_signals({SIGINT, SIGUSR1});
    std::raise(SIGINT);
    CHECK_FALSE(stop.drain().stop_requested());
    std::raise(SIGUSR1);
    await(stop.drain());
    CHECK_FALSE(stop.abandon().stop_requested());
  }
  CHECK(std::signal(SIGINT, SIG_IGN) == SIG_IGN);
  const etl::StopToken none = etl::stop_on_signals({SIGINT});  // nothing is left to be watched
  std::raise(SIGINT);
  CHECK_FALSE(none.drain().stop_requested());
}

TEST_CASE("signals: the former handling is back when the last copy goes") {
  const Handler handler(SIGINT);
  {
    etl::StopToken copy;
    {
      const etl::StopToken stop = etl::stop_on_signals({SIGINT});
      copy = stop;
    }
    std::raise(SIGINT);
    await(copy.drain());
    CHECK(seen == 0);
  }
  std::raise(SIGINT);
  CHECK(seen == 1);
  {
    const etl::StopToken again = etl::stop_on_signals({SIGINT});  // and it can be done again
    std::raise(SIGINT);
    await(again.drain());
    CHECK(seen == 1);
  }
  std::raise(SIGINT);
  CHECK(seen == 2);
}

}  // namespace signals_test
