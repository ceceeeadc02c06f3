#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

#include <etl/io/gzip.hpp>
#include <etl/io/sink.hpp>
#include <etl/io/source.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace sink_test {

namespace io = etl::io;

namespace {

/// Standard output is something else for a while.
class InsteadOfStandardOutput {
 public:
  explicit InsteadOfStandardOutput(int file) : before_(::dup(STDOUT_FILENO)) { ::dup2(file, STDOUT_FILENO); }
  InsteadOfStandardOutput(const InsteadOfStandardOutput&) = delete;
  InsteadOfStandardOutput& operator=(const InsteadOfStandardOutput&) = delete;
  ~InsteadOfStandardOutput() {
    ::dup2(before_, STDOUT_FILENO);
    ::close(before_);
  }

 private:
  int before_;
};

/// Fails with the first write that reaches it.
class BrokenSink final : public io::ByteSink {
 public:
  explicit BrokenSink(int& finished) : finished_(&finished) {}
  etl::Result<void> write(std::string_view) override { return etl::failure(etl::fatal("disk on fire")); }
  etl::Result<void> finish() override {
    ++*finished_;
    return {};
  }

 private:
  int* finished_;
};

}  // namespace

TEST_CASE("sink: a file holds what was written, in small and large pieces") {
  const test::TemporaryFolder folder;
  const std::string large = test::flat_text(1'000'000);
  test::write_file(folder / "a.txt", "replaced");
  auto sink = io::create_file(folder / "a.txt").value();
  REQUIRE(sink->write("").has_value());
  REQUIRE(sink->write("head").has_value());
  REQUIRE(sink->write(large).has_value());
  for (std::size_t at = 0; at < large.size(); at += 1000) REQUIRE(sink->write(large.substr(at, 1000)).has_value());
  REQUIRE(sink->finish().has_value());
  CHECK(test::read_file(folder / "a.txt") == "head" + large + large);
}

TEST_CASE("sink: what cannot be created says why") {
  const test::TemporaryFolder folder;
  const auto nowhere = io::create_file(folder / "missing/a.txt");
  REQUIRE_FALSE(nowhere.has_value());
  CHECK(nowhere.error().message() ==
        "cannot open '" + (folder / "missing/a.txt").string() + "' for writing: No such file or directory");
  CHECK_FALSE(io::create_output(folder / "missing/a.gz").has_value());
  CHECK_FALSE(io::create_file(folder.path()).has_value());
}

TEST_CASE("sink: a full disk is told by write or finish, and stays") {
  const std::string told = "cannot write '/dev/full' at byte 0: No space left on device";
  auto small = io::create_file("/dev/full").value();
  REQUIRE(small->write("buffered").has_value());
  const auto finished = small->finish();
  REQUIRE_FALSE(finished.has_value());
  CHECK(finished.error().message() == told);
  CHECK(finished.error().code == std::errc::no_space_on_device);

  auto large = io::create_file("/dev/full").value();
  const auto written = large->write(std::string(1'000'000, 'x'));
  REQUIRE_FALSE(written.has_value());
  CHECK(written.error().message() == told);
  CHECK_FALSE(large->write("more").has_value());
  CHECK_FALSE(large->finish().has_value());

  auto compressed = io::deflate(io::create_file("/dev/full").value());
  REQUIRE(compressed->write("buffered").has_value());
  const auto end = compressed->finish();
  REQUIRE_FALSE(end.has_value());
  CHECK(end.error().message() == told);
}

TEST_CASE("sink: a closed pipe is an error and no signal") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  ::close(ends[0]);
  etl::Result<void> finished;
  {
    const InsteadOfStandardOutput instead(ends[1]);
    ::close(ends[1]);
    auto sink = io::standard_output();
    if (sink->write("nobody reads this")) finished = sink->finish();  // the signal would end the tests
  }
  REQUIRE_FALSE(finished.has_value());
  CHECK(finished.error().code == std::errc::broken_pipe);
  CHECK(finished.error().message() ==
        "cannot write 'standard output' at byte 0: Broken pipe; its reader has closed it");
  // The signal is neither left pending nor blocked.
  sigset_t signals;
  sigemptyset(&signals);
  CHECK(::sigpending(&signals) == 0);
  CHECK(sigismember(&signals, SIGPIPE) == 0);
  CHECK(::pthread_sigmask(SIG_BLOCK, nullptr, &signals) == 0);
  CHECK(sigismember(&signals, SIGPIPE) == 0);
}

TEST_CASE("sink: standard output, also one that does not block, is left open") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  REQUIRE(::fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
  const std::string large = test::flat_text(2'000'000);  // more than a pipe takes at once
  std::string arrived;
  std::thread reader([&] {
    std::string piece(100'000, '\0');
    for (ssize_t got = 1; got > 0;) {
      got = ::read(ends[0], piece.data(), piece.size());
      if (got > 0) arrived.append(piece, 0, static_cast<std::size_t>(got));
    }
  });
  bool written = false;
  bool finished = false;
  bool open = false;
  {
    const InsteadOfStandardOutput instead(ends[1]);
    ::close(ends[1]);
    auto sink = io::create_output("-").value();
    written = sink->write(large).has_value();
    finished = sink->finish().has_value();
    open = ::fcntl(STDOUT_FILENO, F_GETFD) >= 0;
  }
  reader.join();
  ::close(ends[0]);
  CHECK(written);
  CHECK(finished);
  CHECK(open);
  CHECK(arrived == large);
}

TEST_CASE("sink: create_output compresses by the name") {
  const test::TemporaryFolder folder;
  for (const char* name : {"a.gz", "a.txt"}) {
    auto sink = io::create_output(folder / name).value();
    REQUIRE(sink->write("some text").has_value());
    REQUIRE(sink->finish().has_value());
  }
  CHECK(test::read_file(folder / "a.txt") == "some text");
  CHECK(test::read_file(folder / "a.gz").starts_with("\x1F\x8B\x08"));
  CHECK(io::read_all(*io::open_input(folder / "a.gz").value()).value() == "some text");
}

TEST_CASE("sink: deflate and inflate give the bytes back, at each level") {
  const std::string text = test::flat_text(700'000);
  std::size_t fast = 0;
  for (const int level : {1, 6, 9}) {
    std::string compressed;
    auto sink = io::deflate(std::make_unique<test::StringSink>(compressed), level);
    REQUIRE(sink->write(text.substr(0, 3)).has_value());
    REQUIRE(sink->write(text.substr(3)).has_value());
    REQUIRE(sink->finish().has_value());
    CHECK(test::drain(*io::inflate(io::from_memory(compressed))).bytes == text);
    if (level == 1) fast = compressed.size();
    if (level == 9) CHECK(compressed.size() < fast);
  }
  std::string empty;
  REQUIRE(io::deflate(std::make_unique<test::StringSink>(empty))->finish().has_value());
  CHECK(test::drain(*io::inflate(io::from_memory(empty))).error.empty());
}

TEST_CASE("sink: deflate refuses a level that there is not") {
  std::string compressed;
  for (const int level : {-1, 0, 10})
    CHECK_THROWS_AS(io::deflate(std::make_unique<test::StringSink>(compressed), level), etl::Exception);
}

TEST_CASE("sink: deflate tells its target's error, and finishes it even so") {
  int finished = 0;
  auto sink = io::deflate(std::make_unique<BrokenSink>(finished));
  REQUIRE(sink->write("buffered").has_value());
  const auto end = sink->finish();
  REQUIRE_FALSE(end.has_value());
  CHECK(end.error().message() == "disk on fire");
  CHECK(finished == 1);
}

}  // namespace sink_test
