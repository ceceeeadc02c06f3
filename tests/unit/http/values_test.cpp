// URLs, header fields, and what errors say.
#include <chrono>
#include <string>
#include <system_error>

#include <etl/http/client.hpp>

#include "support/catch.hpp"

namespace values_test {

using namespace std::chrono_literals;
namespace http = etl::http;

TEST_CASE("http: a URL is kept as it is written, without user info and fragment") {
  const auto url = http::Url::parse("HTTPS://bob:s%40crEt@Host.example:8443/a/../b%2f~?x=1&token=abc#part").value();
  CHECK(url.scheme() == "https");
  CHECK(url.host() == "host.example");
  CHECK(url.port() == 8443);
  CHECK(url.path() == "/a/../b%2f~");
  CHECK(url.query() == "x=1&token=abc");
  CHECK(url.user() == "bob");
  CHECK(url.password() == "s@crEt");
  CHECK(url.text().find("bob") == std::string::npos);
  CHECK(url.text().find("#part") == std::string::npos);
  CHECK(url.shown().ends_with(":8443/a/../b%2f~?x=1&token=***"));

  CHECK(http::Url::parse("http://[::1]:81").value().host() == "[::1]");
  CHECK(http::Url::parse("http://h").value().port() == 80);
  CHECK(http::Url::parse("http://h").value().path() == "/");
  CHECK(http::Url::parse("http://h?a=b").value().query() == "a=b");
}

TEST_CASE("http: a URL that cannot be read is an error that shows no secret") {
  for (const std::string text : {"", "host/path", "ftp://h/", "http://", "http://u:geheim@h:port/", "http://h/a b",
                                 "http://u:geheim@h /?key=geheim", "http://h:99999/?key=geheim", "http://h/\r\nX: y"}) {
    CAPTURE(text);
    const auto url = http::Url::parse(text);
    REQUIRE_FALSE(url);
    CHECK(url.error().code == etl::Errc::InvalidOptions);
    CHECK(url.error().message().find("geheim") == std::string::npos);
    CHECK(url.error().message().find("https://host/path") != std::string::npos);
  }
}

TEST_CASE("http: query parameters are added encoded, and replaced") {
  const auto url = http::Url::parse("http://h/p?page=1&size=5").value();
  CHECK(url.with("a b", "c/d&e~").text() == "http://h/p?page=1&size=5&a%20b=c%2Fd%26e~");
  CHECK(url.with_instead("page", "2").text() == "http://h/p?page=2&size=5");
  CHECK(url.with_instead("size", "").text() == "http://h/p?page=1&size=");
  CHECK(url.with_instead("pag", "2").text() == "http://h/p?page=1&size=5&pag=2");
  CHECK(http::Url::parse("http://h/p").value().with("x", "1").text() == "http://h/p?x=1");
  CHECK(http::Url::parse("http://h/p?").value().with_instead("x", "1").query() == "x=1");
}

TEST_CASE("http: references are resolved, and user info stays with its origin") {
  const auto url = http::Url::parse("http://u:p@h:8080/a/b?c=d").value();
  CHECK(url.resolve("e?f").value().text() == "http://h:8080/a/e?f");
  CHECK(url.resolve("/x").value().text() == "http://h:8080/x");
  CHECK(url.resolve("?next=2").value().text() == "http://h:8080/a/b?next=2");
  CHECK(url.resolve("/x").value().user() == "u");
  const auto other = url.resolve("http://other/x").value();
  CHECK(other.text() == "http://other/x");
  CHECK(other.user().empty());
  CHECK_FALSE(url.same_origin(other));
  CHECK(url.resolve("//h:8080/y").value().same_origin(url));
  CHECK_FALSE(url.resolve("https://h:8080/y").value().same_origin(url));
  CHECK_FALSE(url.resolve("mailto:x"));
}

TEST_CASE("http: header fields are found in any case") {
  http::Headers headers{{"Link", "<a>"}, {"X", "1"}};
  headers.add("link", "<b>");
  CHECK(headers.find("LINK") == "<a>");
  CHECK(headers.joined("link") == "<a>, <b>");
  headers.set("LINK", "<c>");
  CHECK(headers.joined("Link") == "<c>");
  headers.remove("x");
  CHECK_FALSE(headers.contains("X"));
  for (const char* name :
       {"Authorization", "X-Api-Key", "Cookie", "access_token", "X-Amz-Signature", "sig", "client_secret"})
    CHECK(http::is_secret_name(name));
  for (const char* name : {"page", "keyword", "Content-Type", "design", "signal", "author"})
    CHECK_FALSE(http::is_secret_name(name));
}

TEST_CASE("http: a URL with a blank is shown as it is, on one line and without its query") {
  CHECK(http::Url::parse("http://h/a b?key=geheim").error().message().starts_with("URL 'http://h/a b?...': it has a"));
  CHECK(http::Url::parse("http://u:pw@h/a\nb").error().message().starts_with("URL 'http://h/a b': it has a"));
}

TEST_CASE("http: classes of statuses") {
  using etl::ErrorClass;
  for (const int status : {408, 425, 429, 500, 501, 502, 503, 504, 505, 511, 599})
    CHECK(http::class_of(status) == ErrorClass::Transient);
  for (const int status : {400, 409, 413, 415, 422}) CHECK(http::class_of(status) == ErrorClass::Rejected);
  for (const int status : {304, 401, 403, 404, 405, 410}) CHECK(http::class_of(status) == ErrorClass::Fatal);
}

TEST_CASE("http: Retry-After in seconds and as a date") {
  const auto now = std::chrono::system_clock::from_time_t(1445412420);  // Wed, 21 Oct 2015 07:27:00 GMT
  CHECK(http::retry_after("120", now) == 120s);
  CHECK(http::retry_after("0", now) == 0s);
  CHECK(http::retry_after("Fri, 31 Dec 9999 23:59:59 GMT", now) == 24h);
  CHECK(http::retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now) == 60s);
  CHECK(http::retry_after("Wednesday, 21-Oct-15 07:28:00 GMT", now) == 60s);
  CHECK(http::retry_after("Wed Oct 21 07:28:00 2015", now) == 60s);
  CHECK(http::retry_after("Wed, 21 Oct 2015 07:26:00 GMT", now) == 0s);
  CHECK(http::retry_after("99999999999999999999", now) == 24h);
  CHECK_FALSE(http::retry_after("soon", now));
  CHECK_FALSE(http::retry_after("", now));
  CHECK_FALSE(http::retry_after("-5", now));
}

TEST_CASE("http: an error of an answer names request, status and remedy, and no secret") {
  const auto client =
      http::Client::make({.auth = http::Auth::bearer("tok-client"), .headers = {{"X-Api-Key", "key-client"}}}).value();
  const http::Request request{.method = "POST",
                              .url = "https://u:pw-url@h/items?api_key=key-url&n=1",
                              .headers = {{"Cookie", "sid=cookie"}},
                              .auth = http::Auth::basic("user", "pw-auth")};
  http::Response response{.status = 429, .headers = {{"Retry-After", "7"}}};
  response.body =
      "pw-url key-url sid=cookie pw-auth tok-client key-client Basic dXNlcjpwdy1hdXRo\r\n" + std::string(4000, 'x');
  const etl::Error error = client.error_of(request, response);
  CHECK(error.message().starts_with("POST https://h/items?api_key=***&n=1: 429 Too Many Requests: "));
  for (const char* secret : {"pw-url", "key-url", "cookie", "pw-auth", "tok-client", "key-client", "dXNlcjpwdy1hdXRo"})
    CHECK(error.message().find(secret) == std::string::npos);
  CHECK(error.message().size() < 1200);
  CHECK(error.message().ends_with("xxx..."));
  CHECK(error.retry_after == 7s);
  CHECK(http::status_of(error) == 429);

  response.status = 401;
  const etl::Error refused = client.error_of(request, response, "no such user");
  CHECK(refused.message().ends_with("401 Unauthorized: check user and password, or the token: no such user"));
  CHECK(refused.retry_after == 0s);
  CHECK(refused.code == std::errc::permission_denied);
  CHECK(http::status_code(404) == std::errc::no_such_file_or_directory);
  CHECK(std::error_code(http::Problem::Timeout) == std::errc::timed_out);
}

TEST_CASE("http: options that cannot work are refused, all at once") {
  const auto client = http::Client::make(
      {.tls = {.ca_file = "/no/such.pem"}, .timeouts = {.stall = -1ms}, .proxy = "http://u:geheim@ho st:x"});
  REQUIRE_FALSE(client);
  CHECK(client.error().code == etl::Errc::InvalidOptions);
  CHECK(client.error().message() ==
        "HTTP client: tls: there is no '/no/such.pem'; timeouts: one is negative; proxy: 'http://ho st:x' is no URL");
}

}  // namespace values_test
