// Against a real server: files, ranges, TLS, passwords.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>

#include <etl/http/client.hpp>
#include <etl/http/download.hpp>
#include <etl/policy/retry.hpp>

#include "support/catch.hpp"
#include "support/nginx.hpp"

namespace nginx_test {

using namespace std::chrono_literals;
namespace http = etl::http;

TEST_CASE("http nginx: files, ranges, passwords, compression, limits, TLS and HTTP/2") {
  const test::Nginx nginx(
      "location /private/ { auth_basic x; auth_basic_user_file passwords; }\n"
      "location /zip/ { gzip on; gzip_types text/plain; gzip_min_length 0; }\n"
      "location /small/ { client_max_body_size 1k; proxy_pass http://127.0.0.1:1; }\n"
      "location /who { return 200 \"$ssl_client_verify\"; }\n"
      "location /moved { return 302 /file.txt; }\n");
  std::ofstream(nginx.folder() / "passwords") << "bob:{PLAIN}geheim\n";
  const auto www = nginx.folder() / "www";
  std::filesystem::create_directories(www / "private");
  std::filesystem::create_directories(www / "zip");
  std::ofstream(www / "file.txt") << "0123456789";
  std::ofstream(www / "private" / "file.txt") << "secret";
  std::ofstream(www / "zip" / "file.txt") << std::string(5000, 'z');
  const auto make = [](http::ClientOptions options = {}) {
    options.proxy = "";
    return http::Client::make(std::move(options)).value();
  };
  const http::Client client = make();

  // It listens when it is ready.
  const auto got = etl::retry({.max_attempts = 1000, .initial_delay = 10ms, .max_delay = 50ms},
                              [&] { return client.get(nginx.url("/moved")); });
  INFO((got ? "" : got.error().message()) << "\n" << nginx.log() << "\nis the package nginx-light installed?");
  REQUIRE(got);
  CHECK(got->body == "0123456789");

  const auto part = client.send({.url = nginx.url("/file.txt"), .range = http::Range{.first = 3, .last = 5}});
  CHECK(part.value().status == 206);
  CHECK(part.value().body == "345");
  CHECK(client.head(nginx.url("/file.txt")).value().headers.find("Content-Length") == "10");
  CHECK(client.get(nginx.url("/none")).error().code == std::errc::no_such_file_or_directory);

  CHECK(client.get(nginx.url("/private/file.txt")).error().code == std::errc::permission_denied);
  CHECK(make({.auth = http::Auth::basic("bob", "geheim")}).get(nginx.url("/private/file.txt")).value().body ==
        "secret");
  CHECK(make({.auth = http::Auth::basic("bob", "other")}).get(nginx.url("/private/file.txt")).error().code ==
        http::status_code(401));

  const auto zipped = client.get(nginx.url("/zip/file.txt"));
  CHECK(zipped.value().headers.find("Content-Encoding") == "gzip");
  CHECK(zipped.value().body == std::string(5000, 'z'));
  const auto refused = client.post(nginx.url("/small/x"), std::string(100'000, 'x'), "text/plain").error();
  CHECK(refused.code == http::status_code(413));

  const auto unknown = client.get(nginx.tls_url("/file.txt")).error();
  CHECK(unknown.code == http::Problem::Tls);
  CHECK(unknown.error_class == etl::ErrorClass::Fatal);
  const auto certificate = nginx.folder() / "cert.pem", key = nginx.folder() / "key.pem";
  const http::Client trusting = make({.tls = {.ca_file = certificate}});
  CHECK(trusting.get(nginx.tls_url("/file.txt")).value().version == "2");
  CHECK(trusting.get(nginx.tls_url("/who")).value().body == "NONE");
  const http::Client known =
      make({.tls = {.ca_file = certificate, .client_certificate = certificate, .client_key = key}, .http2 = false});
  CHECK(known.get(nginx.tls_url("/who")).value().body == "SUCCESS");
  CHECK(known.get(nginx.tls_url("/who")).value().version == "1.1");
  CHECK(make({.tls = {.verify = false}}).get(nginx.tls_url("/file.txt")).value().body == "0123456789");

  // A download that is stopped goes on.
  std::string large;
  while (large.size() < (std::size_t{4} << 20)) large += std::to_string(large.size()) + "\n";
  std::ofstream(www / "large.txt") << large;
  const auto to = nginx.folder() / "large.txt";
  std::stop_source stop;
  const auto stopped = http::download(trusting, nginx.tls_url("/large.txt"), to,
                                      {.progress = [&](auto, auto) { stop.request_stop(); }}, stop.get_token());
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == http::Problem::Stopped);
  const auto done = http::download(trusting, nginx.tls_url("/large.txt"), to);
  REQUIRE(done);
  CHECK(done->resumed > 0);
  CHECK(done->digest == etl::io::digest(etl::io::DigestKind::Sha256, large));
}

}  // namespace nginx_test
