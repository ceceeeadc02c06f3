// The code of docs/guide/http.md.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include <unistd.h>

#include <etl/etl.hpp>
#include <etl/http/client.hpp>
#include <etl/http/download.hpp>
#include <etl/http/events.hpp>
#include <etl/policy/retry.hpp>
#include <etl/policy/waiter.hpp>

#include "support/catch.hpp"
#include "support/http_server.hpp"

namespace guide_test {

namespace {

etl::Result<std::string> fetch(const std::string& url, const std::string& token, const std::stop_token& stop) {
  const auto client = etl::http::Client::make({.auth = etl::http::Auth::bearer(token)});
  if (!client) return etl::failure(client.error());
  const auto answer = etl::retry({.max_attempts = 5}, [&] { return client->get(url, stop); }, etl::Waiter(stop));
  if (!answer) return etl::failure(answer.error());
  return answer->body;
}

etl::Result<std::uint64_t> fetch_file(const etl::http::Client& client, const std::vector<std::string>& mirrors,
                                      const std::string& sha256, const std::filesystem::path& to) {
  const auto done = etl::http::download(client, mirrors, to, {.digest = etl::http::ExpectedDigest{.hex = sha256}});
  if (!done) return etl::failure(done.error());
  return done->size;
}

struct Changes {
  using position = std::string;
  const etl::http::Client& client;
  const etl::http::EventOptions& changes;
  etl::Result<void> extract(etl::Emitter<etl::http::Event>& out) const {
    return etl::http::extract_events(client, changes, out);
  }
  void load(std::span<const etl::http::Event> batch) { count += batch.size(); }
  std::size_t count = 0;
};

}  // namespace

TEST_CASE("http guide: its code does what it says") {
  test::HttpServer server([](const test::HttpServer::Request& r) {
    if (r.target == "/events") return test::HttpServer::Reply{"HTTP/1.1 204 None\r\n\r\n"};
    return test::HttpServer::answer(200, r.header("Authorization"));
  });
  CHECK(fetch(server.url(), "t", {}).value() == "Bearer t");
  const auto client = etl::http::Client::make({.proxy = ""}).value();
  const auto to = std::filesystem::temp_directory_path() / ("etl_http_guide_" + std::to_string(::getpid()));
  const std::string none = etl::io::digest(etl::io::DigestKind::Sha256, "(none)");
  CHECK(fetch_file(client, {server.url()}, none, to).value() == 6);
  std::filesystem::remove(to);
  const etl::http::EventOptions options{.request = {.url = server.url("/events")}};
  Changes changes{client, options};
  CHECK(etl::run(changes).outcome == etl::Outcome::Completed);
}

}  // namespace guide_test
