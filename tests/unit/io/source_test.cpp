#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

#include <etl/io/gzip.hpp>
#include <etl/io/source.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace source_test {

namespace io = etl::io;

namespace {

/// Standard input is something else for a while.
class InsteadOfStandardInput {
 public:
  explicit InsteadOfStandardInput(int file) : before_(::dup(STDIN_FILENO)) { ::dup2(file, STDIN_FILENO); }
  InsteadOfStandardInput(const InsteadOfStandardInput&) = delete;
  InsteadOfStandardInput& operator=(const InsteadOfStandardInput&) = delete;
  ~InsteadOfStandardInput() {
    ::dup2(before_, STDIN_FILENO);
    ::close(before_);
  }

 private:
  int before_;
};

struct Pipe {
  Pipe() { static_cast<void>(::pipe(ends.data())); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close(0);
    close(1);
  }
  void close(std::size_t end) {
    if (ends[end] >= 0) ::close(ends[end]);
    ends[end] = -1;
  }
  [[nodiscard]] bool write(std::string_view bytes) const {
    return ::write(ends[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  }
  std::array<int, 2> ends{-1, -1};
};

}  // namespace

TEST_CASE("source: a file, in pieces, with its size and its place") {
  const test::TemporaryFolder folder;
  const std::string bytes = test::flat_text(300'000);
  test::write_file(folder / "a.txt", bytes);
  const auto source = io::open_file(folder / "a.txt").value();
  CHECK(source->name() == (folder / "a.txt").string());
  CHECK(source->size_hint() == bytes.size());
  CHECK(source->consumed() == 0);
  std::string first(10, '\0');
  CHECK(source->read(first).value() == 10);
  CHECK(source->consumed() == 10);
  CHECK(first + test::drain(*source, 7777).bytes == bytes);
  CHECK(source->consumed() == bytes.size());
  CHECK(source->read(first).value() == 0);  // the end stays
  CHECK(source->interrupt());
}

TEST_CASE("source: the end stays, also when the file grows") {
  const test::TemporaryFolder folder;
  test::write_file(folder / "a.txt", "first");
  const auto source = io::open_file(folder / "a.txt").value();
  CHECK(test::drain(*source).bytes == "first");
  test::write_file(folder / "a.txt", "first and more");
  CHECK(test::drain(*source).bytes.empty());
}

TEST_CASE("source: what cannot be opened says why") {
  const test::TemporaryFolder folder;
  const auto missing = io::open_file(folder / "missing");
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().message() ==
        "cannot open '" + (folder / "missing").string() + "' for reading: No such file or directory");
  CHECK(missing.error().code == std::errc::no_such_file_or_directory);
  CHECK(missing.error().error_class == etl::ErrorClass::Fatal);

  const auto directory = io::open_file(folder.path());
  REQUIRE_FALSE(directory.has_value());
  CHECK(directory.error().message() ==
        "cannot read '" + folder.path().string() + "': Is a directory; name a file in it");
  CHECK_FALSE(io::open_input(folder.path()).has_value());
}

TEST_CASE("source: an error while reading names the source and the byte, and stays") {
  // Page 0 of the own memory cannot be read.
  const auto source = io::open_file("/proc/self/mem").value();
  std::string to(10, '\0');
  for (int i = 0; i < 2; ++i) {
    const auto got = source->read(to);
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error().message() == "cannot read '/proc/self/mem' at byte 0: Input/output error");
  }
}

TEST_CASE("source: memory") {
  const auto source = io::from_memory("alphabet", "letters");
  CHECK(source->name() == "letters");
  CHECK(source->size_hint() == 8);
  std::string to(5, '\0');
  CHECK(source->read(to).value() == 5);
  CHECK(to == "alpha");
  CHECK(source->consumed() == 5);
  CHECK(test::drain(*source).bytes == "bet");
  CHECK(source->read(to).value() == 0);
  CHECK(io::from_memory("")->read(to).value() == 0);
}

TEST_CASE("source: standard input from a pipe, left open") {
  Pipe pipe;
  const InsteadOfStandardInput instead(pipe.ends[0]);
  {
    const auto source = io::standard_input();
    CHECK(source->name() == "standard input");
    CHECK(source->size_hint() == 0);
    REQUIRE(pipe.write("one"));
    std::string to(10, '\0');
    CHECK(source->read(to).value() == 3);  // what is there, without a wait for more
    REQUIRE(pipe.write("two"));
    pipe.close(1);
    CHECK(test::drain(*source).bytes == "two");
    CHECK(source->consumed() == 6);
    CHECK(source->read(to).value() == 0);
  }
  CHECK(::fcntl(STDIN_FILENO, F_GETFD) >= 0);
}

TEST_CASE("source: standard input from a file has the size of the rest") {
  const test::TemporaryFolder folder;
  test::write_file(folder / "a.txt", "0123456789");
  const int file = ::open((folder / "a.txt").c_str(), O_RDONLY);
  CHECK(::lseek(file, 4, SEEK_SET) == 4);
  const InsteadOfStandardInput instead(file);
  ::close(file);
  const auto source = io::open_input("-").value();
  CHECK(source->size_hint() == 6);
  CHECK(io::read_all(*source).value() == "456789");
}

TEST_CASE("source: a descriptor that does not block is waited for") {
  Pipe pipe;
  REQUIRE(::fcntl(pipe.ends[0], F_SETFL, O_NONBLOCK) == 0);
  const InsteadOfStandardInput instead(pipe.ends[0]);
  const auto source = io::standard_input();
  bool written = false;
  std::thread writer([&] {
    written = pipe.write("late");
    pipe.close(1);
  });
  const auto read = io::read_all(*source);
  writer.join();
  CHECK(written);
  CHECK(read.value() == "late");
}

TEST_CASE("source: a read that waits is interrupted from another thread, through all layers") {
  Pipe pipe;
  REQUIRE(pipe.write("plain text"));
  const InsteadOfStandardInput instead(pipe.ends[0]);
  const auto source = io::open_input("-").value();
  std::string to(100, '\0');
  std::size_t got = 0;
  while (got < 10) got += source->read(to).value();
  bool can = false;
  std::thread other([&] { can = source->interrupt(); });
  const auto interrupted = source->read(to);
  other.join();
  CHECK(can);
  REQUIRE_FALSE(interrupted.has_value());
  CHECK(interrupted.error().code == std::errc::operation_canceled);
  CHECK(interrupted.error().message().starts_with("cannot read 'standard input' at byte 10: "));
  CHECK_FALSE(source->read(to).has_value());
}

TEST_CASE("source: a named pipe without a writer is opened, and reading it is interrupted") {
  const test::TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  const auto source = io::open_input(folder / "fifo").value();
  std::thread other([&] { source->interrupt(); });
  std::string to(100, '\0');
  const auto interrupted = source->read(to);
  other.join();
  REQUIRE_FALSE(interrupted.has_value());
  CHECK(interrupted.error().code == std::errc::operation_canceled);
}

TEST_CASE("source: a named pipe") {
  const test::TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  std::thread writer([&] { test::write_file(folder / "fifo", "through a pipe"); });
  CHECK(io::read_all(*io::open_input(folder / "fifo").value()).value() == "through a pipe");
  writer.join();
}

TEST_CASE("source: open_input goes by the content, not by the name") {
  const test::TemporaryFolder folder;
  auto sink = io::create_output(folder / "really.gz").value();
  REQUIRE(sink->write("inflated").has_value());
  REQUIRE(sink->finish().has_value());
  test::write_file(folder / "plain.gz", "not compressed");
  std::filesystem::copy(folder / "really.gz", folder / "named.txt");
  const auto all = [&](const char* name) { return io::read_all(*io::open_input(folder / name).value()).value(); };
  CHECK(all("really.gz") == "inflated");
  CHECK(all("named.txt") == "inflated");
  CHECK(all("plain.gz") == "not compressed");
}

TEST_CASE("source: read_all") {
  CHECK(io::read_all(*io::from_memory("")).value().empty());
  for (const std::size_t size : {1u, 4095u, 4096u, 4097u, 100'000u}) {
    const std::string bytes = test::flat_text(size);
    CHECK(io::read_all(*io::from_memory(bytes)).value() == bytes);
    CHECK(io::read_all(*test::pieces(bytes, 1000)).value() == bytes);
  }
  const auto failed = io::read_all(*test::pieces("abc", 1, "cable cut"));
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().message() == "cable cut");
}

}  // namespace source_test
