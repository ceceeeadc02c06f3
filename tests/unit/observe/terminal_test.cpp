#include <etl/observe/terminal.hpp>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <etl/observe/progress.hpp>

#include "support/catch.hpp"
#include "support/sync.hpp"

namespace terminal_test {

using namespace std::chrono_literals;

namespace {

/// Both ends of a pseudo-terminal (POSIX posix_openpt): a stream for the program, and what a person sees.
class Terminal {
 public:
  explicit Terminal(unsigned short columns) : mine_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    REQUIRE(mine_ >= 0);
    REQUIRE(::grantpt(mine_) == 0);
    REQUIRE(::unlockpt(mine_) == 0);
    const int other = ::open(::ptsname(mine_), O_RDWR | O_NOCTTY);
    REQUIRE(other >= 0);
    stream_ = ::fdopen(other, "w");
    resize(columns);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    std::fclose(stream_);
    ::close(mine_);
  }
  void resize(unsigned short columns) const {
    const winsize size{24, columns, 0, 0};
    REQUIRE(::ioctl(mine_, TIOCSWINSZ, &size) == 0);
  }
  std::FILE* stream() { return stream_; }
  /// Waits for the next line that is drawn as a whole, without what erases the rest of the old one.
  std::string next_line() {
    for (;;) {
      const std::size_t begin = seen_.find('\r');
      const std::size_t end = begin == std::string::npos ? begin : seen_.find('\r', begin + 1);
      if (end != std::string::npos) {
        const std::string line = seen_.substr(begin + 1, end - begin - 1);
        seen_.erase(0, end);
        return line.substr(0, line.find('\x1b'));
      }
      char buffer[4096];
      const ssize_t got = ::read(mine_, buffer, sizeof buffer);
      REQUIRE(got > 0);
      seen_.append(buffer, static_cast<std::size_t>(got));
    }
  }

 private:
  int mine_;
  std::FILE* stream_ = nullptr;
  std::string seen_;
};

etl::NamedStatus status(std::string name, std::uint64_t done, std::uint64_t expected) {
  etl::NamedStatus s{.name = std::move(name), .status = {}};
  s.status.items.loaded = done;
  s.status.expected_items = expected;
  return s;
}

}  // namespace

TEST_CASE("terminal: names give up their middle") {
  CHECK(etl::shortened("orders.csv", 10) == "orders.csv");
  CHECK(etl::shortened("orders.csv", 9) == "ord...csv");
  CHECK(etl::shortened("orders.csv", 2) == "..");
  CHECK(etl::shortened("orders.csv", 0).empty());
  CHECK(etl::shortened("a\x1b[2Jb\nc", 20) == "a?[2Jb?c");
  const std::string wide = "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E";  // three characters, two columns each
  CHECK(etl::text_width(wide) == 6);
  CHECK(etl::shortened(wide + wide, 8) == wide.substr(0, 3) + ".." + wide.substr(6));
  for (std::size_t columns = 0; columns < 14; ++columns) {
    CAPTURE(columns);
    CHECK(etl::text_width(etl::shortened("\xC3\xA4" + wide + "b" + wide, columns)) <= columns);
    CHECK(etl::text_width(etl::cut_to_width("\xC3\xA4" + wide + "b" + wide, columns)) <= columns);
  }
  CHECK(etl::text_width("\xFF\xFE") == 2);  // no UTF-8
}

TEST_CASE("terminal: a line of progress has no more columns than there are") {
  const std::string path = "/data/" + std::string(100, 'x') + "/release/uniprot_sprot.dat.gz";
  for (std::size_t columns = 1; columns < 200; ++columns) {
    CAPTURE(columns);
    CHECK(etl::text_width(etl::progress_line_within({status(path, 2500, 10000)}, 123456, columns)) <= columns);
    CHECK(etl::text_width(etl::progress_line_within({status(path, 2500, 0), status("b", 1, 0)}, 10, columns)) <=
          columns);
  }
  const std::string line = etl::progress_line_within({status(path, 2500, 10000)}, 1000, 100);
  CAPTURE(line);
  CHECK(line.find("/data/xx") == 0);
  CHECK(line.find("sprot.dat.gz: [##") != std::string::npos);
  CHECK(line.find(" 25% (2,500/10,000 items), 1,000 items/s, ETA 0:00:08") != std::string::npos);
}

TEST_CASE("terminal: the width is asked for each line, so a window may change its size") {
  const test::Watchdog watchdog("lines on a terminal");
  Terminal terminal(80);
  CHECK(etl::line_width(terminal.stream()) == 79);
  const std::string name = std::string(300, 'n').append("end");
  const etl::ProgressTicker ticker(
      {.show = etl::ProgressOptions::Show::Auto, .stream = terminal.stream(), .interval = 1ms},
      [&name] { return std::vector{status(name, 1, 3)}; });
  for (int i = 0; i < 3; ++i) {
    const std::string line = terminal.next_line();
    CAPTURE(line);
    CHECK(line.size() <= 79);
    CHECK(line.find("end: ") != std::string::npos);
  }
  terminal.resize(30);
  std::string line = terminal.next_line();
  while (line.size() > 29) line = terminal.next_line();  // those that were drawn before
  for (int i = 0; i < 3; ++i) CHECK(terminal.next_line().size() <= 29);
}

TEST_CASE("terminal: one that does not tell its size has 80 columns") {
  Terminal terminal(0);
  CHECK(etl::line_width(terminal.stream()) == 79);
}

TEST_CASE("terminal: nothing is shown on a stream that is closed or for reading only") {
  std::atomic<int> looks = 0;
  const auto look = [&looks] { return ++looks, std::vector<etl::NamedStatus>(); };
  std::FILE* const closed = std::tmpfile();
  const int kept = ::dup(::fileno(closed));
  ::close(::fileno(closed));
  CHECK_FALSE(etl::is_writable(closed));
  {
    const etl::ProgressTicker ticker({.show = etl::ProgressOptions::Show::Bar, .stream = closed, .interval = 1ms},
                                     look);
  }
  CHECK(::dup2(kept, ::fileno(closed)) >= 0);
  ::close(kept);
  CHECK(etl::is_writable(closed));
  std::fclose(closed);
  std::FILE* const reading = std::fopen("/dev/null", "r");
  CHECK_FALSE(etl::is_writable(reading));
  {
    const etl::ProgressTicker ticker({.show = etl::ProgressOptions::Show::Bar, .stream = reading, .interval = 1ms},
                                     look);
  }
  std::fclose(reading);
  CHECK(looks == 0);
}

TEST_CASE("terminal: NO_COLOR and a dumb terminal get no escape sequences") {
  const char* const before = std::getenv("NO_COLOR");
  const std::string kept = before == nullptr ? "" : before;
  ::unsetenv("NO_COLOR");
  ::setenv("TERM", "xterm", 1);
  Terminal terminal(20);
  CHECK(etl::fresh_line(terminal.stream()) == "\r\x1b[K");
  CHECK(etl::redrawn_line("line", terminal.stream()) == "\rline\x1b[K");
  ::setenv("NO_COLOR", "1", 1);
  CHECK(etl::fresh_line(terminal.stream()) == "\r" + std::string(19, ' ') + "\r");
  CHECK(etl::redrawn_line("line", terminal.stream()) == "\rline" + std::string(15, ' '));
  ::setenv("NO_COLOR", "", 1);
  CHECK(etl::escapes_allowed());
  ::setenv("TERM", "dumb", 1);
  CHECK_FALSE(etl::escapes_allowed());
  ::setenv("NO_COLOR", kept.c_str(), 1);
}

}  // namespace terminal_test
