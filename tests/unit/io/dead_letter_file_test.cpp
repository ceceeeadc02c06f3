#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <etl/io/dead_letter_file.hpp>

#include "support/catch.hpp"
#include "support/json.hpp"
#include "unit/io/support.hpp"

namespace dead_letter_file_test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using etl::DeadLetter;
using etl::Position;
using etl::io::DeadLetterFile;

namespace {

DeadLetter letter(std::string id, std::uint64_t seq = 0, std::uint32_t partition = 0) {
  return {.id = std::move(id), .pipeline = "p", .run = "r", .partition = partition, .seq = seq};
}
DeadLetter full() {
  return {
      .id = "i1",
      .pipeline = "p\"\\/",
      .run = "run\n7",
      .partition = std::numeric_limits<std::uint32_t>::max(),
      .seq = std::numeric_limits<std::uint64_t>::max(),
      .batch = std::numeric_limits<std::uint64_t>::max() - 1,
      .position = Position("byte \x80 12"),
      .stage = etl::Stage::Load,
      .attempts = 4,
      .errors = {"first\tline\nsecond", "", "\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80 \x7f", "bad \xff\xc3 \xed\xa0\x80"},
      .time = std::chrono::system_clock::time_point(1'700'000'000'123'456us),
      .payload = "ID   X\n",
      .partition_id = "a \"b\".csv"};
}

std::vector<DeadLetter> all(const fs::path& path, const std::string& pipeline = "") {
  std::vector<DeadLetter> found;
  const auto listed = DeadLetterFile(path).list(pipeline, [&](const DeadLetter& one) {
    found.push_back(one);
    return true;
  });
  if (!listed) FAIL(listed.error().message());
  return found;
}
std::string ids(const fs::path& path, const std::string& pipeline = "") {
  std::string text;
  for (const DeadLetter& one : all(path, pipeline)) text += one.id + ' ';
  return text;
}
void write(const fs::path& path, const std::vector<DeadLetter>& letters) {
  const auto written = DeadLetterFile(path).write(letters);
  if (!written) FAIL(written.error().message());
}
/// What is wrong with a file, or how many letters it has.
std::string problem(const fs::path& path) {
  int count = 0;
  const auto listed = DeadLetterFile(path).list("", [&](const DeadLetter&) { return ++count > 0; });
  return listed ? std::to_string(count) : listed.error().message();
}
std::string lacks(const std::string& text, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts)
    if (text.find(part) == std::string::npos) return "'" + std::string(part) + "' is not in: " + text;
  return "";
}
std::string replaced(std::string text, std::string_view from, std::string_view to) {
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace

TEST_CASE("dead letter file: G7 letters come back as they were written") {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "d.ndjson";
  CHECK(ids(path).empty());
  DeadLetter bare{.id = "i2"};
  bare.results = 9;
  bare.loaded.add({0, 2});
  bare.loaded.add({5, 6});
  bare.replays = 2;
  DeadLetter binary = letter("i3", 1);
  DeadLetter empty = letter("i4", 2);
  empty.payload = "";
  empty.time = std::chrono::system_clock::time_point(-1us);
  for (std::size_t size = 1; size < 6; ++size) {  // base64 of all remainders
    binary.payload = std::string("\0\xff\x80\n\xfe", size);
    fs::remove(path);
    write(path, {bare, full()});
    write(path, {binary, empty});
    CHECK(all(path) == std::vector{bare, binary, empty, full()});
  }
  for (const auto stage :
       {etl::Stage::Configure, etl::Stage::PreProcess, etl::Stage::Worker, etl::Stage::Extract, etl::Stage::Transform,
        etl::Stage::DeadLetter, etl::Stage::Checkpoint, etl::Stage::PostProcess, etl::Stage::Manage}) {
    bare.stage = stage;
    write(path, {bare});  // the last line of an id counts
    CHECK(all(path)[0] == bare);
  }
}

TEST_CASE("dead letter file: each line is JSON that says what a person wants to know") {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "d.ndjson";
  write(path, {full()});
  CHECK(
      test::read_file(path) ==
      R"({"v":3,"id":"i1","pipeline":"p\"\\/","run":"run\n7","partition":4294967295,"seq":18446744073709551615,)"
      R"("batch":18446744073709551614,"stage":"load","attempts":4,"time":"2023-11-14T22:13:20.123456Z","errors":["first\tline\nsecond","",)"
      "\"\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80 \x7f\","
      R"("bad \udcff\udcc3 \udced\udca0\udc80"],"partition_id":"a \"b\".csv","position":"byte \udc80 12","payload":"ID   X\n"})"
      "\n");
  DeadLetter binary = letter("b");
  binary.payload = "\xff";
  binary.errors = {"a\x01\"b\\"};
  const fs::path other = folder / "e.ndjson";
  write(other, {binary});
  const auto json = test::Json::parse(test::read_file(other));
  REQUIRE(json);
  CHECK(json->at("payload_base64") == "/w==");
  CHECK(json->at("errors.0") == "a\x01\"b\\");
}

TEST_CASE("dead letter file: letters are listed by pipeline, partition and seq, until it is enough") {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "d.ndjson";
  DeadLetter other = letter("other", 9);
  other.pipeline = "o";
  write(path, {letter("c", 3), letter("d", 1, 1), other, letter("b", 20), letter("a", 1)});
  write(path, {letter("b", 2)});
  CHECK(ids(path) == "other a b c d ");
  CHECK(ids(path, "p") == "a b c d ");
  CHECK(ids(path, "none").empty());
  int seen = 0;
  CHECK(DeadLetterFile(path).list("p", [&](const DeadLetter&) { return ++seen < 2; }).has_value());
  CHECK(seen == 2);
}

TEST_CASE("dead letter file: a large file, with lines longer than what is read at once") {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "d.ndjson";
  std::vector<DeadLetter> letters;
  for (std::uint64_t i = 0; i < 300; ++i) {
    letters.push_back(letter(std::to_string(i), i));
    letters.back().payload = std::string(i % 50 == 7 ? 200'000 + i : i * 5, 'x');
  }
  write(path, letters);
  CHECK(all(path) == letters);
}

TEST_CASE("dead letter file: purge takes letters out for good") {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "d.ndjson";
  DeadLetterFile file(path);
  CHECK(file.purge(std::vector<std::string>{"a"}).value() == 0);
  CHECK(!fs::exists(path));
  write(path, {letter("a", 1), letter("b", 2), letter("c", 3)});
  write(path, {letter("a", 1)});  // both lines of it go
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
  CHECK(file.purge(std::vector<std::string>{"a", "none", "a"}).value() == 1);
  CHECK(ids(path) == "b c ");
  CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
  write(path, {letter("d", 4)});
  CHECK(ids(path) == "b c d ");
  CHECK(file.purge(std::vector<std::string>{"b", "c", "d"}).value() == 3);
  CHECK(test::read_file(path).empty());
}

TEST_CASE("dead letter file: what a writer that died has left is never glued to the next letter") {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "d.ndjson";
  write(path, {letter("a", 1), full()});
  const std::string good = test::read_file(path);
  write(path, {letter("long", 2)});
  const std::string more = test::read_file(path).substr(good.size());
  for (std::size_t left = 0; left < more.size(); ++left) {
    const bool whole = left + 1 == more.size();  // only its line end is missing: it is a letter
    test::write_file(path, good + more.substr(0, left));
    if (problem(path) != (whole ? "3" : "2")) FAIL("left " << left << ": " << problem(path));
    write(path, {letter("z", 9)});
    if (ids(path) != (whole ? "a long z i1 " : "a z i1 ")) FAIL("left " << left << ": " << ids(path));
  }
  test::write_file(path, "{\"v\":1,\"id\":\"" + std::string(10'000, 'x'));  // there is no other line
  write(path, {letter("z")});
  CHECK(ids(path) == "z ");
  test::write_file(path, good + "{\"v\"");  // purging removes it too
  CHECK(DeadLetterFile(path).purge(std::vector<std::string>{"a"}).value() == 1);
  CHECK(test::read_file(path) == good.substr(good.find('\n') + 1));
}

TEST_CASE("dead letter file: a damaged line is an error with its number and the reason") {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "d.ndjson";
  write(path, {full()});
  const std::string good = test::read_file(path);
  const auto with = [&](std::string_view from, std::string_view to) {
    test::write_file(path, good + replaced(good, from, to) + good);
    return problem(path);
  };
  CHECK(with("\"v\":3", " \"v\" : 3\t") == "1");
  CHECK(with("\"v\":3", "\"v\":1") == "1");
  CHECK(with("\"position\":\"byte \\udc80 12\"", "\"position\":null") == "1");
  test::write_file(path, replaced(good, "run\\n7", "\\u0072\\u07ff\\u0800\\u20AC\\ud83d\\ude00\\b\\f\\r\\t\\/"));
  CHECK(all(path)[0].run == "r\xdf\xbf\xe0\xa0\x80\xe2\x82\xac\xf0\x9f\x98\x80\b\f\r\t/");
  CHECK(lacks(with("\"v\":3", "\"v\":4"), {"d.ndjson, line 2, byte 7: ", "format 4", "newer version"}) == "");
  CHECK(lacks(with("\"seq\":", "\"seq\":x"), {"line 2", "whole number", "correct or remove the line"}) == "");
  for (const std::string_view number : {"\"seq\":-", "\"seq\":0", "\"seq\":9", "\"seq\":1.", "\"seq\":+"})
    CHECK(lacks(with("\"seq\":", number), {"line 2"}) == "");
  CHECK(lacks(with("4294967295", "4294967296"), {"up to 4294967295"}) == "");
  CHECK(lacks(with("\"load\"", "\"lord\""), {"a stage"}) == "");
  for (const std::string_view time : {"2023-13-14T", "2023-02-29T", "2023-11-14 ", "2023-11-14T24:13:20.123456Z\", \"",
                                      "20x3-11-14T", "2023-11-4T", "2262-04-12T", "1677-09-20T", "9999-01-01T"})
    CHECK(lacks(with("2023-11-14T", time), {"a time"}) == "");
  CHECK(lacks(with("T22:13:20", "T24:13:20"), {"a time"}) == "");
  CHECK(lacks(with("T22:13:20", "T22:60:20"), {"a time"}) == "");
  CHECK(lacks(with("T22:13:20", "T22:13:60"), {"a time"}) == "");
  CHECK(lacks(with("\"id\":\"i1\",", ""), {"\"id\" is missing"}) == "");
  CHECK(lacks(with("\"id\"", "\"ID\""), {"\"ID\" is not a member"}) == "");
  CHECK(lacks(with("\"run\":", "\"id\":"), {"\"id\" occurs twice"}) == "");
  CHECK(lacks(with("\"payload\":\"ID   X\\n\"", "\"payload_base64\":\"AA=\""), {"base64"}) == "");
  for (const std::string_view text : {"A===", "AAA", "AB==", "AAB=", "AA=A", "====", "AA==AAAA"})
    CHECK(lacks(with("\"payload\":\"ID   X\\n\"", "\"payload_base64\":\"" + std::string(text) + "\""), {"base64"}) ==
          "");
  CHECK(lacks(with("\"payload\":", "\"payload_base64\":\"\",\"payload\":"), {"two payloads"}) == "");
  for (const std::string_view text :
       {"\\x", "\\ud83d", "\\ud83d\\u0041", "\\ude00", "\\u12", "\\uxxxx", "\x80", "\xc0\xaf", "\xe0\x80\x80",
        "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf0\x80\x80\x80", "\xf5\x80\x80\x80", "\xf8", "\x01", "\xc3"})
    CHECK(lacks(with("run\\n7", text), {"line 2, byte "}) == "");
  CHECK(lacks(with("}\n", "}x\n"), {"end of the line"}) == "");
  CHECK(lacks(with("}\n", "\n"), {"expected '}'"}) == "");
  CHECK(lacks(with("{", "["), {"expected '{'"}) == "");
  CHECK(lacks(with("}\n", ",}\n"), {"line 2"}) == "");
  CHECK(lacks(with("\"\"", "7"), {"expected '\"'"}) == "");
  test::write_file(path, good + "\n" + good);
  CHECK(lacks(problem(path), {"line 2"}) == "");
  CHECK(!DeadLetterFile(path).purge(std::vector<std::string>{"i1"}));  // it does not lose what it cannot read
}

TEST_CASE("dead letter file: whatever is in the file, reading it ends with letters that can be written again") {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "d.ndjson";
  const fs::path copy = folder / "copy.ndjson";
  DeadLetter binary = letter("b");
  binary.payload = "\xff\x00\x01";
  write(path, {full(), binary});
  const std::string good = test::read_file(path);
  std::mt19937_64 random(7);
  int read = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = good;
    for (std::uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
      const std::size_t at = random() % bytes.size();
      constexpr std::string_view likely = "\"\\{}[],:u0d8/=\n\x80\xff";
      switch (random() % 3) {
        case 0: bytes[at] = likely[random() % likely.size()]; break;
        case 1: bytes.erase(at, 1 + random() % 3); break;
        default: bytes.insert(at, 1, likely[random() % likely.size()]);
      }
    }
    test::write_file(path, bytes);
    std::vector<DeadLetter> found;
    const auto listed = DeadLetterFile(path).list("", [&](const DeadLetter& one) {
      found.push_back(one);
      return true;
    });
    if (!listed || found.empty()) continue;
    ++read;
    fs::remove(copy);
    if (!DeadLetterFile(copy).write(found) || all(copy) != found) FAIL("not the same: " << bytes);
  }
  CHECK(read > 100);  // else the changes are too coarse to tell anything
}

TEST_CASE("dead letter file: what cannot be written or read is an error with the path") {
  const test::TemporaryFolder folder;
  const auto refused = DeadLetterFile(folder / "none/d").write(std::vector{letter("a")});
  REQUIRE(!refused);
  CHECK(lacks(refused.error().message(), {"none/d", "No such file"}) == "");
  CHECK(DeadLetterFile(folder / "none/d").write({}).has_value());
  CHECK(lacks(problem(folder.path()), {folder.path().string(), "directory"}) == "");
  CHECK(!DeadLetterFile(folder.path()).purge({}));
  const auto disk_full = DeadLetterFile("/dev/full").write(std::vector{letter("a")});
  REQUIRE(!disk_full);
  CHECK(lacks(disk_full.error().message(), {"/dev/full", "No space"}) == "");
}

TEST_CASE("dead letter file: several writers, and one that purges, lose nothing") {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "d.ndjson";
  constexpr int writers = 3, each = 60;
  std::vector<std::string> problems(writers + 1);
  {
    std::vector<std::jthread> threads;
    for (int w = 0; w < writers; ++w)
      threads.emplace_back([&, w] {
        for (int i = 0; i < each; ++i)
          if (const auto done = DeadLetterFile(path).write(std::vector{letter(std::to_string(w * each + i))}); !done)
            problems[static_cast<std::size_t>(w)] = done.error().message();
      });
    threads.emplace_back([&] {
      for (int i = 0; i < each; ++i) {
        const auto added = DeadLetterFile(path).write(std::vector{letter("gone")});
        const auto purged = DeadLetterFile(path).purge(std::vector<std::string>{"gone"});
        if (!added || !purged || *purged != 1) problems[writers] = "not purged";
      }
    });
  }
  for (const std::string& problem : problems) CHECK(problem == "");
  CHECK(all(path).size() == writers * each);
}

namespace {

/// Whether somebody waits for a lock (proc_locks(5)). Where the system does not say so, nobody is seen to wait.
bool somebody_waits_for_lock() {
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);)
    if (line.find("->") != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("dead letter file: G7 a letter that its writer takes back is not listed meanwhile") {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "d.ndjson";
  write(path, {letter("stays")});
  const auto size = static_cast<off_t>(fs::file_size(path));
  const int writer = ::open(path.c_str(), O_RDWR);  // one that is about to take back what it could not make durable
  REQUIRE(writer >= 0);
  write(path, {letter("taken back")});
  REQUIRE(::flock(writer, LOCK_EX) == 0);
  const std::jthread takes_back([writer, size] {
    for (int looks = 0; looks < 20'000 && !somebody_waits_for_lock(); ++looks) std::this_thread::yield();
    static_cast<void>(::ftruncate(writer, size));
    ::flock(writer, LOCK_UN);
    ::close(writer);
  });
  CHECK(ids(path) == "stays ");  // waits for the writer
}

TEST_CASE("dead letter file: after SIGKILL every letter whose write returned is there") {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "d.ndjson";
  int written[2];
  REQUIRE(::pipe(written) == 0);
  const pid_t child = ::fork();
  if (child == 0) {  // no assertions here
    ::alarm(60);
    for (std::uint64_t i = 0;; ++i) {
      if (!DeadLetterFile(path).write(std::vector{letter(std::to_string(i), i)})) ::_exit(1);
      static_cast<void>(::write(written[1], "x", 1));
    }
  }
  ::close(written[1]);
  char byte = 0;
  int told = 0;
  while (told < 40 && ::read(written[0], &byte, 1) == 1) ++told;
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  while (::read(written[0], &byte, 1) == 1) ++told;
  ::close(written[0]);
  CHECK(told >= 40);
  CHECK(static_cast<int>(all(path).size()) >= told);
  write(path, {letter("next")});
  CHECK(static_cast<int>(all(path).size()) > told);
}

}  // namespace dead_letter_file_test
