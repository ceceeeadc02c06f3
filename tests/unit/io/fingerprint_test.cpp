#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <string>

#include <etl/io/fingerprint.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace fingerprint_test {

namespace fs = std::filesystem;
using etl::io::fingerprint;

namespace {

/// Changes nothing but the contents.
void rewrite(const fs::path& path, const std::string& bytes) {
  const auto time = fs::last_write_time(path);
  test::write_file(path, bytes);
  fs::last_write_time(path, time);
}

}  // namespace

TEST_CASE("fingerprint: G17 of size, time and contents, on one line that a person can read") {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "a";
  test::write_file(path, "abc");
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = 0}, {.tv_sec = 1'700'000'000, .tv_nsec = 12'345'678}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  const std::string sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  CHECK(fingerprint(path).value() ==
        "3 bytes, modified 2023-11-14T22:13:20.012345678Z, sha256 of the first MiB " + sum + ", of the last " + sum);
  fs::rename(path, folder / "b");
  CHECK(fingerprint(folder / "b").value().starts_with("3 bytes"));
}

TEST_CASE("fingerprint: G17 what changes size, time, the first or the last MiB changes it") {
  const test::TemporaryFolder folder;
  const fs::path path = folder / "a";
  constexpr std::size_t mib = std::size_t{1} << 20;
  std::string bytes = test::flat_text(2 * mib + 10);
  test::write_file(path, bytes);
  const std::string before = fingerprint(path).value();
  CHECK(fingerprint(path).value() == before);
  for (const std::size_t at : {std::size_t{0}, mib - 1, mib + 10, bytes.size() - 1}) {
    std::string changed = bytes;
    changed[at] = '!';
    rewrite(path, changed);
    CHECK(fingerprint(path).value() != before);
  }
  bytes[mib + 5] = '!';  // between them: not looked at
  rewrite(path, bytes);
  CHECK(fingerprint(path).value() == before);
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::microseconds(1));
  CHECK(fingerprint(path).value() != before);
  test::write_file(path, "");
  CHECK(fingerprint(path).value().starts_with("0 bytes, "));
}

TEST_CASE("fingerprint: what cannot be read again is an error") {
  const test::TemporaryFolder folder;
  CHECK(fingerprint(folder / "none").error().context.find("none") != std::string::npos);
  CHECK(fingerprint(folder.path()).error().context.find("directory") != std::string::npos);
  CHECK(fingerprint("/dev/null").error().context.find("not a regular file") != std::string::npos);
}

}  // namespace fingerprint_test
