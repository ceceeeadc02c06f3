// Units: cut once at ends of records, and opened without what is before them.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <etl/io/gzip.hpp>
#include <etl/io/sink.hpp>
#include <etl/jobs/split.hpp>

#include "support/sanitized.hpp"
#include "unit/jobs/support.hpp"

namespace split_test {

using namespace test;  // NOLINT(google-build-using-namespace)

namespace {

/// Records of several lines, each ended by "//", hard to compress.
std::string records(std::uint64_t count) {
  std::string text;
  std::uint64_t state = 7;
  for (std::uint64_t i = 0; i < count; ++i) {
    text += fmt::format("ID   {}\n", i);
    for (int line = 0; line < 4; ++line) {
      for (int word = 0; word < 6; ++word)
        text += fmt::format("{:x} ", state = state * 6364136223846793005U + 1442695040888963407U);
      text += '\n';
    }
    text += "//\n";
  }
  return text;
}

std::string gzip(std::string_view text) {
  const TempFolder folder;
  auto sink = ok(etl::io::create_output(folder / "x.gz"));
  ok(sink->write(text));
  ok(sink->finish());
  return ok(etl::io::read_all(*ok(etl::io::open_file(folder / "x.gz"))));
}

/// The most memory that this process has had, in bytes.
std::uint64_t most_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return 1024 * std::stoull(line.substr(6));
  throw std::runtime_error("no VmHWM in /proc/self/status");
}

std::vector<jobs::UnitPlace> split(const std::string& path, const jobs::SplitOptions& options) {
  std::vector<jobs::UnitPlace> all;
  ok(jobs::split(path, 3, options, [&](jobs::UnitPlace unit) {
    all.push_back(std::move(unit));
    return etl::Result<void>();
  }));
  return all;
}

/// The bytes of each unit, read on their own; checks that they follow each other and that lines are counted.
std::string joined(const std::string& path, const std::vector<jobs::UnitPlace>& units) {
  std::string all;
  std::uint64_t line = 1;
  for (const jobs::UnitPlace& unit : units) {
    CHECK(unit.input == 3);
    CHECK(unit.begin == all.size());
    CHECK(unit.first_line == line);
    const auto source = ok(jobs::open_unit(path, unit));
    const std::string bytes = ok(etl::io::read_all(*source));
    CHECK(bytes.size() == unit.end - unit.begin);
    CHECK(bytes.starts_with("ID "));
    CHECK(bytes.ends_with("//\n"));
    line += static_cast<std::uint64_t>(std::ranges::count(bytes, '\n'));
    all += bytes;
  }
  return all;
}

}  // namespace

TEST_CASE("a plain file is cut where records end, and its units are the file", "[jobs]") {
  const TempFolder folder;
  const std::string text = records(30000), path = (folder / "plain").string();
  write_file(path, text);
  const auto units = split(path, {.records = etl::io::RecordSplitter("//"), .unit_bytes = 1 << 20});
  CHECK(units.size() >= 4);
  CHECK((joined(path, units) == text));  // not shown: it is long
  CHECK(split(path, {.records = etl::io::RecordSplitter("//"), .unit_bytes = 1 << 20}) == units);
  CHECK(split(path, {.records = etl::io::RecordSplitter("//"), .unit_bytes = 1 << 30}).size() == 1);
}

TEST_CASE("a unit of a gzip file begins at a restart point, so that all units cost what the file costs", "[jobs]") {
  const TempFolder folder;
  const std::string text = records(40000), path = (folder / "x").string();
  const std::string half = text.substr(0, text.size() / 2), rest = text.substr(text.size() / 2);
  const std::string packed =
      GENERATE(0, 1) == 0 ? gzip(text) : gzip(half) + gzip(rest) + gzip("") + std::string(100, '\0');
  write_file(path, packed);
  const auto units = split(path, {.records = etl::io::RecordSplitter("//"), .unit_bytes = 1 << 20});
  REQUIRE(units.size() >= 5);
  CHECK(units[0].restart.find(' ') != std::string::npos);
  CHECK((joined(path, units) == text));  // not shown: it is long
  std::uint64_t read = 0;
  for (const jobs::UnitPlace& unit : units) {
    const auto source = ok(jobs::open_unit(path, unit));
    (void)ok(etl::io::read_all(*source));
    read += source->consumed();
  }
  // Each unit inflates from its restart point, at most some 300 KB before it, and reads ahead by one buffer.
  CHECK(read < packed.size() + units.size() * (1 << 20));
  CHECK(read < packed.size() * units.size() / 2);
}

TEST_CASE("G3: a reader of a unit can end at once, and leaves no thread that reads it", "[jobs]") {
  const TempFolder folder;
  const std::string text = records(5000), path = (folder / "x").string();
  for (const std::string& bytes : {text, gzip(text)}) {
    write_file(path, bytes);
    const auto units = split(path, {.records = etl::io::RecordSplitter("//"), .unit_bytes = 1 << 20});
    REQUIRE(units.size() >= 2);
    for (const jobs::UnitPlace& unit : units) CHECK(ok(jobs::open_unit(path, unit))->interrupt());
  }
}

TEST_CASE("where units end does not depend on compression, nor on how many bytes a read gives", "[jobs]") {
  const TempFolder folder;
  const std::string text = records(20000), plain = (folder / "plain").string(), packed = (folder / "packed").string();
  write_file(plain, text);
  std::string members;
  for (std::size_t at = 0; at < text.size(); at += 1999) members += gzip(std::string_view(text).substr(at, 1999));
  const jobs::SplitOptions options{.records = etl::io::RecordSplitter("//"), .unit_bytes = 300'000};
  const auto wanted = split(plain, options);
  REQUIRE(wanted.size() > 10);
  for (const std::string& bytes : {gzip(text), members}) {
    write_file(packed, bytes);
    auto units = split(packed, options);
    for (jobs::UnitPlace& unit : units) unit.restart.clear();
    CHECK(units == wanted);
  }
}

TEST_CASE("lines are counted whether they end with LF, CR LF or CR", "[jobs]") {
  const TempFolder folder;
  const std::string path = (folder / "x").string(), end = GENERATE("\n", "\r\n", "\r");
  std::string text;
  for (int i = 0; i < 30'000; ++i) text += std::string(static_cast<std::size_t>(i % 7), 'x') + end;
  write_file(path, text);
  const auto units = split(path, {.unit_bytes = 20'000});
  REQUIRE(units.size() > 5);
  for (const jobs::UnitPlace& unit : units)
    CHECK(unit.first_line ==
          1 + static_cast<std::uint64_t>(std::ranges::count(text.substr(0, unit.begin), end.back())));
}

TEST_CASE("a damaged or truncated gzip file is an error of the split that names the place", "[jobs]") {
  const TempFolder folder;
  const std::string packed = gzip(records(5000)), path = (folder / "x").string();
  const auto error = [&](const std::string& bytes) {
    write_file(path, bytes);
    return error_of(jobs::split(path, 0, {}, [](const jobs::UnitPlace&) { return etl::Result<void>(); })).message();
  };
  CHECK(lacks(error(packed.substr(0, packed.size() / 2)), {path, "truncated"}).empty());
  std::string wrong = packed;
  wrong[wrong.size() - 6] = static_cast<char>(~wrong[wrong.size() - 6]);  // of the CRC-32
  CHECK(lacks(error(wrong), {path, "damaged"}).empty());
  CHECK(has(error_of(jobs::split((folder / "none").string(), 0, {},
                                 [](const jobs::UnitPlace&) { return etl::Result<void>(); }))
                .message(),
            "No such file"));
}

TEST_CASE("a file is never in memory as a whole, neither when it is cut nor when its units are read", "[jobs]") {
  constexpr std::uint64_t mib = 1 << 20, size = fewer_if_sanitized(512) * mib, line = mib / 4;
  const TempFolder folder;
  const std::string path = (folder / "x").string();
  if (GENERATE(false, true)) {
    auto sink = ok(etl::io::create_output(folder / "x.gz"));
    std::string text(line, '\0');
    text.back() = '\n';
    for (std::uint64_t at = 0; at < size; at += line) ok(sink->write(text));
    ok(sink->finish());
    std::filesystem::rename(folder / "x.gz", path);
  } else {
    write_file(path, "");
    std::filesystem::resize_file(path, size);  // a hole: it takes no room
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    for (std::uint64_t end = line; end <= size; end += line) file.seekp(static_cast<std::streamoff>(end - 1)).put('\n');
  }
  [[maybe_unused]] const std::uint64_t before = most_memory();
  const auto units = split(path, {.unit_bytes = 4 * mib});
  std::vector<char> buffer(1 << 16);
  std::uint64_t read = 0;
  for (const jobs::UnitPlace& unit : units) {
    const auto source = ok(jobs::open_unit(path, unit));
    while (const std::size_t got = ok(source->read(buffer))) read += got;
  }
  CHECK(read == size);
  CHECK(units.back().first_line > size / line - 5 * mib / line);
#ifndef ETLPIPE_TEST_SANITIZED  // a sanitizer keeps memory that is freed
  CHECK(most_memory() - before < size / 4);
#endif
}

TEST_CASE("an empty file has no unit, a record without an end belongs to the last one", "[jobs]") {
  const TempFolder folder;
  const std::string path = (folder / "x").string();
  write_file(path, "");
  CHECK(split(path, {}).empty());
  write_file(path, "one\ntwo");
  const auto units = split(path, {.unit_bytes = 2});
  REQUIRE(units.size() == 2);
  CHECK(ok(etl::io::read_all(*ok(jobs::open_unit(path, units[1])))) == "two");
  write_file(path, "one");
  CHECK(has(error_of(etl::io::read_all(*ok(jobs::open_unit(path, units[1])))).message(), "has changed"));
  write_file(path, std::string(3 << 20, 'x'));
  const auto error = error_of(jobs::split(path, 0, {.unit_bytes = 10, .max_record = 2 << 20},
                                          [](const jobs::UnitPlace&) { return etl::Result<void>(); }));
  CHECK(lacks(error.message(), {path, "line 1", "longer than 2097152"}).empty());
}

TEST_CASE("a restart point of nonsense is refused", "[jobs]") {
  const TempFolder folder;
  const std::string path = (folder / "x").string();
  write_file(path, gzip("one\ntwo\n"));
  for (const char* const bad : {"gzip1 ", "gzip2 1 2 3 00", "gzip1 1 0 0 zz", "gzip1 10 0 5 00"})
    CHECK(has(error_of(jobs::open_unit(path, {.begin = 4, .end = 8, .restart = bad})).message(), "restart point"));
}

}  // namespace split_test
