// On a real server that checks signatures, where there is one (ETLPIPE_S3), and on the scripted one.

#include <chrono>
#include <string>

#include <etl/io/object_store_stream.hpp>
#include <etl/s3/store.hpp>

#include "support/catch.hpp"
#include "support/object_store_suite.hpp"
#include "unit/s3/support.hpp"

namespace io = etl::io;
namespace s3 = etl::s3;

TEST_CASE("A bucket is an object store", "[s3]") {
  SECTION("of the scripted server") {
    test::ScriptedS3 server;
    for (const auto& check : test::store_checks<s3::Store>()) {
      DYNAMIC_SECTION(check.name) { check.run(test::store_on(server.url()), "some/where/"); }
    }
  }
  SECTION("of a real server") {
    const auto options = test::real_server();
    const std::string run = std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
    for (const auto& check : test::store_checks<s3::Store>()) {
      DYNAMIC_SECTION(check.name) {
        if (options) check.run(etl::value(s3::Store::open(*options)), run + "/");
      }
    }
  }
}

TEST_CASE("A real server refuses wrong signatures, and errors show no secret", "[s3]") {
  auto options = test::real_server();
  if (!options) return;
  const std::string secret = options->credentials->secret_key;
  const auto refused = [&] {
    const auto made = etl::value(s3::Store::open(*options)).put("refused", "bytes");
    REQUIRE_FALSE(made);
    CHECK(made.error().error_class == etl::ErrorClass::Fatal);
    CHECK(made.error().code == std::errc::permission_denied);
    const std::string text = made.error().message();
    CAPTURE(text);
    CHECK(text.find(secret) == std::string::npos);
    CHECK(text.find("Signature=") == std::string::npos);
    CHECK(text.find("request id tx") != std::string::npos);
    CHECK(text.find("/etl-tests/refused: 403 Forbidden") != std::string::npos);
    return text;
  };
  SECTION("of a wrong secret") {
    options->credentials->secret_key = "wrong-secret-key";
    const std::string text = refused();
    CHECK(text.find("SignatureDoesNotMatch") != std::string::npos);
    CHECK(text.find("check the secret key") != std::string::npos);
    CHECK(text.find("wrong-secret-key") == std::string::npos);
  }
  SECTION("of an unknown key") {
    options->credentials->access_key = "nobody";
    CHECK(refused().find("InvalidAccessKeyId") != std::string::npos);
  }
  SECTION("of a clock that is wrong") {
    options->http.headers = {{"X-Amz-Date", "20200101T000000Z"}};
    const std::string text = refused();
    CHECK(text.find("RequestTimeTooSkewed") != std::string::npos);
    CHECK(text.find("set the clock") != std::string::npos);
  }
  SECTION("and no signature at all") {
    options->credentials = s3::Credentials::anonymous();
    CHECK(refused().find("AccessDenied") != std::string::npos);
  }
}

TEST_CASE("A bucket that is not there is told", "[s3]") {
  auto options = test::real_server();
  if (!options) return;
  options->bucket = "no-such-bucket";
  const s3::Store store = etl::value(s3::Store::open(*options));
  for (const auto& error : {store.list().error(), store.put("k", "x").error(), store.get("k").error()}) {
    CHECK(error.code == io::StoreProblem::Missing);
    CHECK(error.message().find("NoSuchBucket") != std::string::npos);
  }
}
