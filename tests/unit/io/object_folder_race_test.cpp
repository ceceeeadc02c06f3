// Puts into a folder that another process removes at the worst moment.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <filesystem>
#include <string>
#include <system_error>

#include <etl/io/object_store_folder.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace fs = std::filesystem;
namespace io = etl::io;

namespace {

/// The next `times` calls of mkdir for a folder called `name` fail with `code`, and make nothing.
struct Removed {
  std::string name{};
  int code = 0;
  int times = 0;
};
Removed removed;

}  // namespace

/// In place of the C library's.
extern "C" int mkdir(const char* path, mode_t mode) noexcept {
  if (removed.times > 0 && fs::path(path).filename() == removed.name) {
    --removed.times;
    errno = removed.code;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

TEST_CASE("A put makes its folder again when another process has removed it", "[object_store]") {
  test::TemporaryFolder folder;
  const io::FolderStore store = io::FolderStore::open(folder.path()).value();
  // EEXIST: the folder existed, and was removed before it was looked at. ENOENT: the folder above was removed.
  for (const int code : {EEXIST, ENOENT}) {
    for (const std::string name : {"race", "in"}) {
      CAPTURE(code, name);
      removed = {.name = name, .code = code, .times = 3};
      const auto put = store.put("race/in/object", "bytes");
      CHECK(removed.times == 0);
      if (!put) FAIL_CHECK(put.error().message());
      CHECK(store.head("race/in/object"));
      CHECK(store.remove("race/in/object"));
    }
  }
}

TEST_CASE("A put whose folder is removed again and again fails", "[object_store]") {
  test::TemporaryFolder folder;
  const io::FolderStore store = io::FolderStore::open(folder.path()).value();
  removed = {.name = "race", .code = EEXIST, .times = INT_MAX};
  const auto put = store.put("race/object", "bytes");
  removed = {};
  REQUIRE_FALSE(put);
  CHECK(put.error().code == std::errc::no_such_file_or_directory);
  CHECK(put.error().message().find("cannot put '" + (folder / "race/object").string() + "'") == 0);
}
