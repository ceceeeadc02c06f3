// The code of docs/guide/objects.md.
#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>

#include <etl/io/object_store_folder.hpp>
#include <etl/io/object_store_stream.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"
#include "unit/s3/support.hpp"

namespace guide_test {

namespace {

etl::Result<void> archive(const etl::io::AnyObjectStore& store, const std::filesystem::path& file,
                          const std::stop_token& stop) {
  // Whole or not at all: parts are sent four at a time, and dropped when one of them fails.
  return etl::io::put_file(store, "archive/" + file.filename().string(), file, {.put = {.if_none_match = true}}, stop);
}

etl::Result<std::uint64_t> bytes_below(const etl::io::AnyObjectStore& store, const std::string& prefix) {
  std::uint64_t bytes = 0;
  const auto listed = etl::io::for_each_object(store, prefix, [&](const etl::io::ObjectInfo& object) {
    bytes += object.size;
    return etl::Result<void>();
  });
  if (!listed) return etl::failure(listed.error());
  return bytes;
}

}  // namespace

TEST_CASE("S3: the guide's code does what it says", "[s3]") {
  test::TemporaryFolder folder;
  test::write_file(folder / "orders.csv", "a,b\n1,2\n");
  test::ScriptedS3 server;
  const etl::io::AnyObjectStore stores[] = {etl::value(etl::io::FolderStore::open(folder / "store")),
                                            test::store_on(server.url())};
  for (const auto& store : stores) {
    REQUIRE(archive(store, folder / "orders.csv", {}));
    CHECK(archive(store, folder / "orders.csv", {}).error().code == etl::io::StoreProblem::Exists);
    CHECK(bytes_below(store, "archive/").value() == 8);
  }
}

}  // namespace guide_test
