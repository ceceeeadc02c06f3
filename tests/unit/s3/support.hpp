#pragma once
/// Stores on the scripted and on the real server.

#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <string>

#include <etl/http/client.hpp>
#include <etl/s3/store.hpp>

#include "support/catch.hpp"
#include "support/scripted_s3.hpp"

namespace test {

inline constexpr const char* access_key = "AKIDEXAMPLE";
inline constexpr const char* secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Attempts follow each other at once.
constexpr etl::RetryPolicy at_once(std::size_t attempts) {
  return {.max_attempts = attempts, .initial_delay = std::chrono::nanoseconds(1)};
}

/// Of a scripted server.
inline etl::s3::StoreOptions options_for(const std::string& endpoint, std::size_t attempts = 3) {
  return {.bucket = "bucket",
          .endpoint = endpoint,
          .region = "us-east-1",
          .credentials = etl::s3::Credentials{access_key, secret_key, {}},
          .retry = at_once(attempts)};
}
inline etl::s3::Store store_on(const std::string& endpoint, std::size_t attempts = 3) {
  return etl::value(etl::s3::Store::open(options_for(endpoint, attempts)));
}

/// Settings of the real server (scripts/s3_for_tests.sh), which has the bucket "etl-tests"; nothing: there is none.
inline std::optional<etl::s3::StoreOptions> real_server() {
  const char* const file = std::getenv("ETLPIPE_S3");
  if (file == nullptr) return std::nullopt;
  std::map<std::string, std::string> settings;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    settings[line.substr(0, line.find('='))] = line.substr(line.find('=') + 1);
  const etl::s3::Credentials keys{settings["S3_ACCESS_KEY"], settings["S3_SECRET_KEY"], {}};
  const std::string endpoint = settings["S3_ENDPOINT"];
  // Made again it stays as it is.
  const auto client = etl::http::Client::make(
      {.auth = etl::http::Auth::aws_sigv4(keys.access_key, keys.secret_key, "us-east-1", "s3")});
  const auto made = client->put(endpoint + "/etl-tests", {});
  INFO("is the server of scripts/s3_for_tests.sh there? " << (made ? "" : made.error().message()));
  REQUIRE(made);
  return etl::s3::StoreOptions{
      .bucket = "etl-tests", .endpoint = endpoint, .region = "us-east-1", .credentials = keys, .retry = at_once(3)};
}

}  // namespace test
