#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <etl/io/fingerprint.hpp>
#include <etl/io/glob.hpp>
#include <etl/io/gzip.hpp>
#include <etl/io/object_store_folder.hpp>
#include <etl/io/object_store_url.hpp>
#include <etl/io/sink.hpp>
#include <etl/io/source.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace object_store_url_test {

namespace fs = std::filesystem;
namespace io = etl::io;

namespace {

/// URLs "in-test://KEY" of objects in a folder.
struct Scheme {
  test::TemporaryFolder folder{};
  io::FolderStore store = io::FolderStore::open(folder.path()).value();
  Scheme() {
    io::add_store_scheme("in-test", [store = store](std::string_view url) -> etl::Result<io::StorePlace> {
      return io::StorePlace{.store = store, .key = std::string(url.substr(std::string_view("in-test://").size()))};
    });
  }
};

std::string read(const fs::path& what) {
  auto source = io::open_input(what);
  REQUIRE((source ? "" : source.error().message()) == std::string());
  return io::read_all(**source).value();
}

}  // namespace

TEST_CASE("Files may be named by URLs of objects", "[object_store]") {
  const Scheme scheme;
  CHECK(io::is_store_url("in-test://a"));
  CHECK(io::is_store_url("s3://bucket/key"));
  for (const char* const none : {"", "a", "/a/b", "://a", "s3:/a", "http://host/a", "file:///a", "a b://c"})
    CHECK_FALSE(io::is_store_url(none));

  auto out = io::create_output("in-test://d/a.csv.gz");
  REQUIRE(out);
  REQUIRE((*out)->write("a,b\n1,2\n"));
  CHECK_FALSE(scheme.store.head("d/a.csv.gz"));  // it appears at the end
  REQUIRE((*out)->finish());
  const auto object = scheme.store.head("d/a.csv.gz");
  REQUIRE(object);
  CHECK(read("in-test://d/a.csv.gz") == "a,b\n1,2\n");
  CHECK(io::size_of("in-test://d/a.csv.gz").value() == object->size);
  CHECK(io::can_be_read_again("in-test://d/a.csv.gz"));

  const auto print = io::fingerprint("in-test://d/a.csv.gz");
  REQUIRE(print);
  CHECK(*print == std::to_string(object->size) + " bytes, etag " + object->etag);
  REQUIRE(scheme.store.put("d/a.csv.gz", "other"));
  CHECK(io::fingerprint("in-test://d/a.csv.gz").value() != *print);

  CHECK(io::open_input("in-test://none").error().code == std::errc::no_such_file_or_directory);
  CHECK(io::size_of("in-test://none").error().code == io::StoreProblem::Missing);
  CHECK(io::open_input("in-test://").error().message() ==
        "'in-test://' names no object: write a key after it, or 'in-test://**' for all");
  CHECK(io::open_input("s3://bucket/key").error().message() ==
        "cannot open 's3://bucket/key': this program was built without the component s3 of etlpipe; build it with "
        "ETLPIPE_COMPONENTS that name s3");
}

TEST_CASE("Patterns may be URLs of objects", "[object_store]") {
  const Scheme scheme;
  for (const char* const key : {"2023/a.csv", "2024/01/a.csv.gz", "2024/01/b.csv", "2024/02/c.csv.gz", "2024/d.csv.gz",
                                "odd[1].csv", "x y?.csv"})
    REQUIRE(scheme.store.put(key, key));
  const auto glob = [](const std::vector<std::string>& patterns) {
    auto found = io::glob(patterns);
    REQUIRE((found ? "" : found.error().message()) == std::string());
    return *found;
  };
  using Paths = std::vector<fs::path>;
  CHECK(glob({"in-test://2024/**/*.csv.gz"}) ==
        Paths{"in-test://2024/01/a.csv.gz", "in-test://2024/02/c.csv.gz", "in-test://2024/d.csv.gz"});
  CHECK(glob({"in-test://2024/{01,03}/*"}) == Paths{"in-test://2024/01/a.csv.gz", "in-test://2024/01/b.csv"});
  CHECK(glob({"in-test://2023/a.csv", "in-test://202?/*.csv"}) == Paths{"in-test://2023/a.csv"});
  CHECK(glob({"in-test://odd[1].csv"}) == Paths{"in-test://odd[1].csv"});
  CHECK(glob({"in-test://x y?.csv"}) == Paths{"in-test://x y?.csv"});
  CHECK(glob({"in-test://**"}).size() == 7);

  test::TemporaryFolder files;
  test::write_file(files / "local.csv", "x");
  CHECK(glob({files.path().string() + "/*", "in-test://2023/*"}) == Paths{files / "local.csv", "in-test://2023/a.csv"});

  const auto problem = [](const std::vector<std::string>& patterns) { return io::glob(patterns).error().message(); };
  CHECK(problem({"in-test://2025/*", "no-such-file"}) ==
        "'in-test://2025/*' matches no object; 'no-such-file' matches no file");
  CHECK(problem({"in-test://2024/"}) ==
        "'in-test://2024/' is a folder: use 'in-test://2024/*' for its objects, "
        "'in-test://2024/**' for all below");
  CHECK(problem({"in-test://none"}).find("there is no such object") != std::string::npos);
}

TEST_CASE("Files may be named by file: URLs", "[object_store]") {
  test::TemporaryFolder folder;
  const std::string base = folder.path().string();
  test::write_file(folder / "a b%*.csv", "odd");
  test::write_file(folder / "a b%x.csv", "other");
  for (const std::string& url : {"file://" + base, "file:" + base, "file://localhost" + base}) {
    CAPTURE(url);
    CHECK(read(url + "/a%20b%25%2A.csv") == "odd");
    CHECK(io::size_of(url + "/a%20b%25%2A.csv").value() == 3);
    CHECK(io::can_be_read_again(url + "/a b%25x.csv"));
    CHECK(io::fingerprint(url + "/a%20b%25%2A.csv").value() == io::fingerprint(folder / "a b%*.csv").value());
    CHECK(io::glob(url + "/a%20b%25%2A.csv").value() == std::vector<fs::path>{folder / "a b%*.csv"});
    CHECK(io::glob(url + "/*").value().size() == 2);
  }
  auto out = io::create_output("file://" + base + "/made%2Bhere");
  REQUIRE(out);
  REQUIRE((*out)->finish());
  CHECK(fs::exists(folder / "made+here"));
  for (const char* const wrong : {"file://host/a", "file:///a%2", "file:///a%zz", "file:///a%00", "file://"}) {
    CAPTURE(wrong);
    CHECK(io::open_input(wrong).error().message().find("write file:///FOLDER/NAME") != std::string::npos);
    CHECK_FALSE(io::glob(wrong));
  }
}

TEST_CASE("A folder to stage in is a store, too", "[object_store]") {
  test::TemporaryFolder folder;
  const std::string base = folder.path().string();
  for (const std::string& where : {base + "/staging", "file://" + base + "/stag%69ng"}) {
    const auto place = io::open_store(where);
    REQUIRE(place);
    CHECK(place->key.empty());
    CHECK(place->store.name() == base + "/staging/");
  }
  const Scheme scheme;
  CHECK(io::open_store("in-test://stage/run-1")->key == "stage/run-1");
  CHECK(io::open_store("s3://bucket/x").error().code == etl::Errc::InvalidOptions);
}

}  // namespace object_store_url_test
