#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <etl/io/checkpoint_file.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace checkpoint_file_test {

namespace fs = std::filesystem;
using etl::Checkpoint;
using etl::PartitionProgress;
using etl::Position;
using etl::io::CheckpointFile;

namespace {

Checkpoint example() {
  Checkpoint made{
      .fingerprint = "sha256 of \"x\"\n\\ and \x01\x7f\xff",
      .batch_size = 500,
      .run = "18c-2",
      .partitions = {{.partition = 0,
                      .watermark = 20,
                      .position = Position("byte \" at 9"),
                      .position_seq = 18,
                      .id = "a \"b\".csv",
                      .fingerprint = "sha"},
                     {.partition = 2, .watermark = std::numeric_limits<std::uint64_t>::max() - 1, .id = "\n"},
                     {.partition = 3, .watermark = 1, .position = Position("")}}};
  made.partitions[0].gaps.add({30, 35});
  made.partitions[0].gaps.add({40, 45});
  made.partitions[0].ends = {45, 60};
  made.partitions[2].ends = {2};
  return made;
}

/// The saved checkpoint, or what the error says.
std::string problem(CheckpointFile& file, const std::string& pipeline = "p") {
  const auto found = file.find(pipeline);
  if (!found) return found.error().message();
  return *found ? "found" : "nothing";
}
std::string lacks(const std::string& text, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts)
    if (text.find(part) == std::string::npos) return "'" + std::string(part) + "' is not in: " + text;
  return "";
}

}  // namespace

TEST_CASE("checkpoint file: G13 what was saved is found, and can be read by a person") {
  const test::TemporaryFolder folder;
  CheckpointFile file(folder / "a/b");
  CHECK(problem(file) == "nothing");
  CHECK(file.reset("p").has_value());
  REQUIRE(file.save("p", example()).has_value());
  CHECK(file.find("p").value() == example());
  CHECK(CheckpointFile(folder / "a/b").find("p").value() == example());
  CHECK(lacks(test::read_file(folder / "a/b/p.checkpoint"),
              {"etlpipe checkpoint 2\npipeline \"p\"\nfingerprint \"sha256 of \\\"x\\\"\\x0a\\\\ and \\x01\\x7f\xff\"\n"
               "batch_size 500\nfinished no\nrun \"18c-2\"\n"
               "partition 0 id \"a \\\"b\\\".csv\" fingerprint \"sha\" watermark 20 position \"byte \\\" at 9\" at 18 "
               "gaps [30,35) [40,45) ends 45 60\n"
               "partition 2 id \"\\x0a\" watermark 18446744073709551614\n"
               "partition 3 watermark 1 position \"\" at 0 ends 2\nsha256 "}) == "");

  Checkpoint done{.finished = true};
  REQUIRE(file.save("p", done).has_value());
  CHECK(file.find("p").value() == done);
  CHECK(file.reset("p").has_value());
  CHECK(problem(file) == "nothing");
}

TEST_CASE("checkpoint file: 100,000 partitions are written and read once each") {
  const test::TemporaryFolder folder;
  CheckpointFile file(folder.path());
  Checkpoint many{.fingerprint = "f"};
  for (std::uint32_t i = 0; i < 100'000; ++i)
    many.partitions.push_back({.partition = i, .watermark = i, .id = "file " + std::to_string(i), .fingerprint = "f"});
  REQUIRE(file.save("p", many).has_value());
  CHECK(file.find("p").value() == many);
}

TEST_CASE("checkpoint file: any name of a pipeline is a file in the folder") {
  const test::TemporaryFolder folder;
  CheckpointFile file(folder.path());
  for (const std::string name : {"../up", ".hidden", "a/b", "100% \n\xc3\xa9", "", "..", "a_b-c.d"}) {
    CAPTURE(name);
    CHECK(file.path(name).parent_path() == folder.path());
    CHECK(problem(file, name) == "nothing");
    REQUIRE(file.save(name, {.fingerprint = name}).has_value());
    CHECK(file.find(name).value()->fingerprint == name);
  }
  CHECK(file.path(".a").filename() == "%2Ea.checkpoint");  // not hidden
  CHECK(file.path("a/b c%").filename() == "a%2Fb%20c%25.checkpoint");
  // A name that differs only in case may be the same file on some file systems: it is not taken for the other's.
  fs::copy(file.path("a/b"), file.path("A/b"));
  CHECK(lacks(problem(file, "A/b"), {"A%2Fb.checkpoint, line 2: it belongs to the pipeline \"a/b\", not \"A/b\""}) ==
        "");
}

TEST_CASE("checkpoint file: G17 a damaged or newer file is an error with its line, never nothing") {
  const test::TemporaryFolder folder;
  CheckpointFile file(folder.path());
  REQUIRE(file.save("p", example()).has_value());
  const fs::path path = file.path("p");
  const std::string good = test::read_file(path);

  for (std::size_t size = 0; size < good.size(); ++size) {  // cut off anywhere
    test::write_file(path, std::string_view(good).substr(0, size));
    if (const std::string what = problem(file); !lacks(what, {path.string() + ", line ", "restart"}).empty())
      FAIL(what);
  }
  for (std::size_t at = 0; at < good.size(); ++at)  // a bit flipped anywhere
    for (const int bit : {1, 32}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ bit);
      test::write_file(path, bad);
      if (const std::string what = problem(file); !lacks(what, {path.string() + ", line "}).empty())
        FAIL("bit " << bit << " of byte " << at << ": " << what);
    }
  const auto changed = [&](std::string_view from, std::string_view to) {
    std::string bad = good;
    test::write_file(path, bad.replace(bad.find(from), from.size(), to));
    return problem(file);
  };
  CHECK(lacks(changed("checkpoint 2", "checkpoint 1"), {"line 1", "format 1", "format 2", "version of etlpipe"}) == "");
  CHECK(lacks(changed("watermark 20", "watermark 21"), {"line 10", "checksum"}) == "");
  CHECK(lacks(changed("watermark 20", "watermark x"), {"line 7", "expected a number"}) == "");
  CHECK(lacks(changed("finished no", "finished now"), {"line 5", "end of the line"}) == "");
  CHECK(lacks(changed("partition 2 ", "partition 4294967296 "), {"line 8", "number up to 4294967295"}) == "");
  test::write_file(path, good + "more");
  CHECK(lacks(problem(file), {"line 11", "end of the file"}) == "");

  CHECK(file.reset("p").has_value());  // which `restart` does
  CHECK(problem(file) == "nothing");
}

TEST_CASE("checkpoint file: what cannot be written is an error, and the old file stays") {
  const test::TemporaryFolder folder;
  CheckpointFile file(folder / "c");
  REQUIRE(file.save("p", example()).has_value());
  fs::create_directory(folder / "c/p.checkpoint.new");  // in the way of the new one
  const auto refused = file.save("p", {});
  REQUIRE(!refused);
  CHECK(lacks(refused.error().message(), {"p.checkpoint"}) == "");
  CHECK(file.find("p").value() == example());

  test::write_file(folder / "plain", "");
  CHECK(lacks(CheckpointFile(folder / "plain").save("p", {}).error().message(), {"cannot", "plain"}) == "");
  CHECK(lacks(problem(*std::make_unique<CheckpointFile>(folder / "plain")), {"cannot open", "plain"}) == "");
  fs::create_directory(folder / "c/q.checkpoint");
  CHECK(lacks(problem(file, "q"), {"q.checkpoint", "directory"}) == "");
  CHECK(!file.reset("q"));
  CHECK(!file.save("q", {}));
  CHECK(!fs::exists(folder / "c/q.checkpoint.new"));
}

TEST_CASE("checkpoint file: of several that save at once the file has what one of them says") {
  const test::TemporaryFolder folder;
  constexpr std::uint64_t writers = 3, each = 100;
  std::vector<std::string> problems(writers);
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t w = 0; w < writers; ++w)
      threads.emplace_back([&, w] {
        CheckpointFile file(folder.path());  // as if of another process
        for (std::uint64_t i = 0; i < each; ++i) {
          const Checkpoint mine{.fingerprint = std::string(1000 * (w + 1), static_cast<char>('a' + w)),
                                .batch_size = i};
          if (const auto saved = file.save("p", mine); !saved) problems[w] = saved.error().message();
          const auto found = file.find("p");
          if (!found)
            problems[w] = found.error().message();
          else if (!*found || (*found)->fingerprint.size() % 1000 != 0)
            problems[w] = "no checkpoint, or a mixed one";
        }
      });
  }
  for (const std::string& problem : problems) CHECK(problem == "");
  CHECK(!fs::exists(folder / "p.checkpoint.new"));
}

TEST_CASE("checkpoint file: a symbolic link stays one") {
  const test::TemporaryFolder folder;
  CheckpointFile file(folder.path());
  fs::create_directory(folder / "elsewhere");
  fs::create_symlink("elsewhere/kept", folder / "p.checkpoint");
  REQUIRE(file.save("p", example()).has_value());
  REQUIRE(file.save("p", {.fingerprint = "next"}).has_value());
  CHECK(fs::is_symlink(folder / "p.checkpoint"));
  CHECK(lacks(test::read_file(folder / "elsewhere/kept"), {"\"next\""}) == "");
  CHECK(file.find("p").value()->fingerprint == "next");
}

TEST_CASE("checkpoint file: a kill in the middle of saving leaves the old or the new checkpoint") {
  const test::TemporaryFolder folder;
  int written[2];
  REQUIRE(::pipe(written) == 0);
  const pid_t child = ::fork();
  if (child == 0) {  // no assertions here
    ::alarm(60);
    CheckpointFile file(folder.path());
    for (std::uint64_t i = 1;; ++i) {
      if (!file.save("p", {.fingerprint = "f", .batch_size = i})) ::_exit(1);
      static_cast<void>(::write(written[1], "x", 1));
    }
  }
  ::close(written[1]);
  char byte = 0;
  for (int i = 0; i < 50; ++i) REQUIRE(::read(written[0], &byte, 1) == 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(written[0]);
  CheckpointFile file(folder.path());
  CHECK(file.find("p").value()->batch_size >= 50);
  CHECK(file.save("p", example()).has_value());  // what the killed one left is not in the way
}

}  // namespace checkpoint_file_test
