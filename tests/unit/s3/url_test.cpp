#include <filesystem>
#include <string>
#include <vector>

#include <etl/io/fingerprint.hpp>
#include <etl/io/glob.hpp>
#include <etl/io/object_store_url.hpp>
#include <etl/io/sink.hpp>
#include <etl/io/source.hpp>
#include <etl/s3/store.hpp>

#include "support/catch.hpp"
#include "unit/s3/support.hpp"

namespace url_test {

namespace io = etl::io;

TEST_CASE("S3: files may be named by s3:// URLs", "[s3]") {
  std::optional<std::size_t> cut;
  test::ScriptedS3* self = nullptr;
  test::ScriptedS3 server([&](const test::HttpServer::Request& request) -> std::optional<test::HttpServer::Reply> {
    if (request.method != "GET" || !cut || request.target.find("list-type") != std::string::npos) return std::nullopt;
    return test::HttpServer::cut(self->handle(request), *std::exchange(cut, std::nullopt));
  });
  self = &server;
  etl::s3::add_scheme(test::options_for(server.url()));

  for (const char* const url :
       {"s3://bucket/2024/01/a.csv.gz", "s3://bucket/2024/02/b.csv.gz", "s3://bucket/2024/c.csv"}) {
    auto out = io::create_output(url);
    REQUIRE(out);
    for (int i = 0; i < 10'000; ++i) REQUIRE((*out)->write(std::to_string(i) + "," + url + "\n"));
    REQUIRE((*out)->finish());
  }
  const auto files = io::glob("s3://bucket/2024/**/*.csv.gz");
  REQUIRE(files);
  REQUIRE(files->size() == 2);
  CHECK((*files)[1] == "s3://bucket/2024/02/b.csv.gz");

  cut = 5'000;
  const std::size_t before = server.requests().size();
  auto in = io::open_input(files->front());
  REQUIRE(in);
  CHECK((*in)->name() == "s3://bucket/2024/01/a.csv.gz");
  const auto text = io::read_all(**in);
  REQUIRE((text ? "" : text.error().message()) == std::string());
  CHECK(text->starts_with("0,s3://bucket/2024/01/a.csv.gz\n"));
  CHECK(text->ends_with("9999,s3://bucket/2024/01/a.csv.gz\n"));
  const auto requests = server.requests();
  REQUIRE(requests.size() == before + 2);
  CHECK(requests.back().header("Range") == "bytes=5000-");
  CHECK(io::fingerprint(files->front()).value().find(requests.back().header("If-Match")) != std::string::npos);
  CHECK(server.server().connections() < requests.size());  // they are kept

  const auto other = io::open_store("s3://other-bucket/stage/");
  REQUIRE(other);
  CHECK(other->store.name() == "s3://other-bucket/");
  CHECK(other->key == "stage/");
  CHECK(io::open_input("s3://a b/c").error().message() ==
        "'s3://a b/c': 'a b' is no name of a bucket; write s3://BUCKET/KEY");
}

}  // namespace url_test
