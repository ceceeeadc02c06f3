#include <sys/stat.h>

#include <string>

#include <etl/io/mapped_file.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace mapped_file_test {

using etl::io::MappedFile;

TEST_CASE("mapped file: the bytes of a file, also after a move") {
  const test::TemporaryFolder folder;
  test::write_file(folder / "a.txt", "alpha");
  test::write_file(folder / "b.txt", "beta");
  MappedFile a = MappedFile::open(folder / "a.txt").value();
  MappedFile b = MappedFile::open(folder / "b.txt").value();
  CHECK(a.bytes() == "alpha");
  a = std::move(b);
  CHECK(a.bytes() == "beta");
  const MappedFile c = std::move(a);
  CHECK(c.bytes() == "beta");
}

TEST_CASE("mapped file: an empty one has no bytes") {
  const test::TemporaryFolder folder;
  test::write_file(folder / "empty", "");
  CHECK(MappedFile::open(folder / "empty").value().bytes().empty());
}

TEST_CASE("mapped file: what cannot be mapped says why") {
  const test::TemporaryFolder folder;
  const auto message = [](const std::filesystem::path& path) {
    const auto file = MappedFile::open(path);
    return file ? std::string("mapped") : file.error().message();
  };
  CHECK(message(folder / "missing") ==
        "cannot open '" + (folder / "missing").string() + "' for reading: No such file or directory");
  CHECK(message(folder.path()) == "cannot read '" + folder.path().string() + "': Is a directory; name a file in it");
  const std::string not_a_file = ": No such device; it is not a file on disk: stream it with open_file";
  CHECK(message("/dev/null") == "cannot map '/dev/null'" + not_a_file);
  CHECK(message("/proc/self/status") == "cannot map '/proc/self/status'" + not_a_file);
}

}  // namespace mapped_file_test
