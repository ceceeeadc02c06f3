// Requests against a server that answers rightly and wrongly.
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include <etl/http/client.hpp>
#include <etl/policy/retry.hpp>

#include "support/catch.hpp"
#include "support/http_server.hpp"
#include "support/sync.hpp"

namespace client_test {

using namespace std::chrono_literals;
namespace http = etl::http;
using test::HttpServer;
using Then = HttpServer::Then;

namespace {

/// No proxy of the machine's environment stands between client and server.
http::ClientOptions direct(http::ClientOptions options = {}) {
  options.proxy = "";
  return options;
}
http::Client make(http::ClientOptions options = {}) { return http::Client::make(direct(std::move(options))).value(); }

/// Answers with method, target, the header `X` and the body of the request.
HttpServer::Reply echo(const HttpServer::Request& r) {
  return HttpServer::answer(200, r.method + " " + r.target + " " + r.header("X") + " " + r.body, "ETag: \"e\"\r\n");
}

}  // namespace

TEST_CASE("http: methods, headers and bodies arrive, on one kept connection") {
  HttpServer server(echo);
  const http::Client client = make({.headers = {{"X", "all"}, {"Y", ""}}});
  const auto got = client.get(server.url("/a/../b?c=%7e"));
  REQUIRE(got);
  CHECK(got->status == 200);
  CHECK(got->body == "GET /a/../b?c=%7e all ");
  CHECK(got->headers.find("etag") == "\"e\"");
  CHECK(got->url == server.url("/a/../b?c=%7e"));
  CHECK(got->version == "1.1");
  CHECK(client.put(server.url(), "put").value().body == "PUT / all put");
  CHECK(client.post(server.url(), http::Body::view("posted"), "text/plain").value().body == "POST / all posted");
  CHECK(client.remove(server.url("/x")).value().body == "DELETE /x all ");
  CHECK(client.send({.method = "PATCH", .url = server.url(), .headers = {{"x", "own"}}}).value().body ==
        "PATCH / own ");
  CHECK(client.send({.method = "DELETE", .url = server.url(), .body = "why"}).value().body == "DELETE / all why");
  const auto seen = server.requests();
  CHECK(seen[0].header("Y").empty());
  CHECK(seen[0].header("User-Agent") == "etlpipe");
  CHECK(seen[0].header("Accept-Encoding").find("gzip") != std::string::npos);
  CHECK(seen[2].header("Content-Type") == "text/plain");
  CHECK(seen[4].header("Content-Length") == "0");
  // Each over the connection that was kept, except PATCH without a body: libcurl would not ask before it repeats it.
  CHECK(server.connections() == 2);
  CHECK(seen[4].connection != seen[3].connection);
}

TEST_CASE("http: the server gets each path as it is written") {
  HttpServer server(echo);
  const http::Client client = make();
  for (const std::string path :
       {"/.", "/a/../b", "/a/./b/..", "/%2e%2E/b", "/a/.%2e/b", "/a//b", "/a/...", "/a?q=/../b"}) {
    CAPTURE(path);
    const auto got = client.get(server.url(path));
    REQUIRE(got);
    CHECK(got->body == "GET " + path + " (none) ");
  }
}

TEST_CASE("http: HEAD has headers and no body") {
  HttpServer server([](const auto&) { return HttpServer::cut(HttpServer::answer(200, "12345"), 0, Then::Keep); });
  const auto head = make().head(server.url());
  REQUIRE(head);
  CHECK(head->headers.find("Content-Length") == "5");
  CHECK(head->body.empty());
}

TEST_CASE("http: a body comes from a part of a file, and from a stream with and without size") {
  const auto path = std::filesystem::temp_directory_path() / ("etl_http_body_" + std::to_string(::getpid()));
  std::ofstream(path) << "0123456789";
  HttpServer server(echo);
  const http::Client client = make();
  const auto sent = [&](http::Body body) { return client.put(server.url(), std::move(body)).value().body; };
  CHECK(sent(http::Body::file(path)) == "PUT / (none) 0123456789");
  CHECK(sent(http::Body::file({.path = path, .offset = 3, .size = 4})) == "PUT / (none) 3456");
  CHECK(sent(http::Body::file({.path = path, .offset = 8})) == "PUT / (none) 89");
  const auto open = [] { return etl::Result<etl::io::Source>(etl::io::from_memory("stream")); };
  CHECK(sent(http::Body::stream({.open = open, .size = 6})) == "PUT / (none) stream");
  CHECK(sent(http::Body::stream({.open = open})) == "PUT / (none) stream");
  CHECK(server.requests().back().header("Transfer-Encoding") == "chunked");

  const auto refused = [&](http::Body body) { return client.put(server.url(), std::move(body)).error(); };
  CHECK(refused(http::Body::stream({.open = open, .size = 7})).message() ==
        "the body to send ends after 6 bytes of 7: it has changed since the request began");
  CHECK(refused(http::Body::file({.path = path, .offset = 11})).code == http::Problem::Body);
  CHECK(refused(http::Body::file("/no/such")).message() ==
        "cannot read '/no/such' to send it: No such file or directory");
  std::filesystem::remove(path);
}

TEST_CASE("http: an answer that is not 2xx is an error by its class, with the wait that the server asks for") {
  HttpServer server([](const HttpServer::Request& r) {
    return HttpServer::answer(std::stoi(r.target.substr(1)), "the reason", "Retry-After: 3\r\n");
  });
  const http::Client client = make();
  const auto error = client.get(server.url("/503")).error();
  CHECK(error.message() == "GET " + server.url("/503") + ": 503 Service Unavailable: the reason");
  CHECK(error.error_class == etl::ErrorClass::Transient);
  CHECK(error.retry_after == 3s);
  CHECK(client.get(server.url("/429")).error().retry_after == 3s);
  CHECK(client.get(server.url("/422")).error().error_class == etl::ErrorClass::Rejected);
  CHECK(client.get(server.url("/404")).error().error_class == etl::ErrorClass::Fatal);
  CHECK(client.exchange({.url = server.url("/404")}).value().body == "the reason");
}

TEST_CASE("http: a connection that breaks, a short body and nonsense are told apart") {
  HttpServer server([](const HttpServer::Request& r) -> HttpServer::Reply {
    if (r.target == "/short") return HttpServer::cut(HttpServer::answer(200, "0123456789"), 4);
    if (r.target == "/chunk") return {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", Then::Close};
    if (r.target == "/nonsense") return {"what?\r\n\r\n", Then::Close};
    if (r.target == "/close") return {"", Then::Close};
    if (r.target == "/gzip") return HttpServer::answer(200, "no gzip", "Content-Encoding: gzip\r\n");
    return {"HTTP/1.1 200 OK\r\nContent-Le", Then::Reset};
  });
  const http::Client client = make();
  const auto problem = [&](const char* target) { return client.get(server.url(target)).error(); };
  CHECK(problem("/short").code == http::Problem::Incomplete);
  CHECK(problem("/short").message().find("6 bytes ") != std::string::npos);  // remaining, or missing: libcurl's words
  CHECK(problem("/chunk").code == http::Problem::Incomplete);
  CHECK(problem("/reset").code == http::Problem::Reset);
  CHECK(problem("/close").code == http::Problem::Reset);
  for (const char* target : {"/short", "/chunk", "/reset", "/close"}) {
    CHECK(problem(target).error_class == etl::ErrorClass::Transient);
    CHECK(http::is_in_doubt(problem(target)));
  }
  CHECK(problem("/nonsense").code == http::Problem::Protocol);
  CHECK(problem("/gzip").code == http::Problem::Protocol);
}

TEST_CASE("http: nobody listens") {
  std::string url;
  {
    url = HttpServer([](const auto&) { return HttpServer::Reply{}; }).url();
  }
  const auto error = make().get(url).error();
  CHECK(error.code == http::Problem::Connect);
  CHECK(error.error_class == etl::ErrorClass::Transient);
  CHECK_FALSE(http::is_in_doubt(error));
  const auto unknown = make().get("http://" + std::string(64, 'x') + ".invalid/").error();  // no server is asked for it
  CHECK(unknown.code == http::Problem::Resolve);
}

TEST_CASE("http: a kept connection that the server has closed costs nothing") {
  HttpServer server([](const HttpServer::Request& r) {
    return HttpServer::Reply{HttpServer::answer(200, r.body).bytes, Then::Close};
  });
  const http::Client client = make();
  for (int i = 0; i < 3; ++i) CHECK(client.put(server.url(), "again").value().body == "again");
  CHECK(server.connections() == 3);
}

TEST_CASE("http: time-outs of the whole request and of a server that stalls") {
  HttpServer server([](const auto&) { return HttpServer::cut(HttpServer::answer(200, "0123456789"), 5, Then::Hang); });
  const auto stalled = make({.timeouts = {.stall = 30ms}}).get(server.url()).error();
  CHECK(stalled.code == http::Problem::Timeout);
  CHECK(stalled.message().ends_with("no answer in time: no data for 30 ms"));
  CHECK(stalled.error_class == etl::ErrorClass::Transient);
  CHECK(make({.timeouts = {.total = 30ms}}).get(server.url()).error().code == http::Problem::Timeout);
}

TEST_CASE("http: a stop ends a call that waits for an answer, for a body, or reads one") {
  const test::Watchdog watchdog("a stop does not wake a request");
  test::Gate arrived;
  const auto hang = [](std::size_t size) {
    return HttpServer::cut(HttpServer::answer(200, "0123456789"), size, Then::Hang);
  };
  HttpServer server([&](const HttpServer::Request& r) {
    if (r.target == "/first") return HttpServer::answer(200, "");
    arrived.open();
    return r.target == "/body" ? hang(5) : HttpServer::Reply{"", Then::Hang};
  });
  const http::Client client = make({.timeouts = {.connect = 0ms, .stall = 0ms}});  // nothing else wakes it
  for (const char* target : {"/nothing", "/body"}) {
    REQUIRE(client.get(server.url("/first")));  // the timers of a new connection would wake it, too
    std::stop_source stop;
    std::optional<etl::Error> error;
    std::thread caller([&] { error = client.get(server.url(target), stop.get_token()).error(); });
    arrived.wait();
    stop.request_stop();
    caller.join();
    REQUIRE(error);
    CHECK(error->code == http::Problem::Stopped);
    CHECK(error->code == std::errc::operation_canceled);
  }
  REQUIRE(client.get(server.url("/first")));
  std::stop_source stop;
  auto opened = client.open({.url = server.url("/body")}, stop.get_token());
  REQUIRE(opened);
  std::string buffer(100, '\0');
  for (std::size_t got = 0; got < 5;) got += opened->body->read(buffer).value();
  std::thread stopper([&] { stop.request_stop(); });
  CHECK(opened->body->read(buffer).error().code == http::Problem::Stopped);
  CHECK(opened->body->read(buffer).error().code == http::Problem::Stopped);
  stopper.join();
  std::stop_source before;
  before.request_stop();
  CHECK(client.get(server.url(), before.get_token()).error().code == http::Problem::Stopped);
}

TEST_CASE("http: a source can be interrupted from another thread") {
  const test::Watchdog watchdog("a source cannot be interrupted");
  HttpServer server([](const auto&) { return HttpServer::cut(HttpServer::answer(200, "0123456789"), 0, Then::Hang); });
  auto opened = make({.timeouts = {.connect = 0ms, .stall = 0ms}}).open({.url = server.url()});
  REQUIRE(opened);
  CHECK(opened->head.headers.find("Content-Length") == "10");
  CHECK(opened->body->size_hint() == 10);
  std::thread other([&] { opened->body->interrupt(); });
  std::string buffer(100, '\0');
  CHECK(opened->body->read(buffer).error().code == std::errc::operation_canceled);
  other.join();
}

TEST_CASE("http: a large body is read as it comes, whatever the reader's pace") {
  const std::string large(std::size_t{5} << 20, 'x');
  HttpServer server([&](const HttpServer::Request& r) {
    return r.target == "/cut" ? HttpServer::cut(HttpServer::answer(200, large), large.size() - 1)
                              : HttpServer::answer(200, large);
  });
  const http::Client client = make();
  auto opened = client.open({.url = server.url()});
  REQUIRE(opened);
  CHECK(etl::io::read_all(*opened->body).value() == large);
  opened = client.open({.url = server.url("/cut")});
  REQUIRE(opened);
  CHECK(etl::io::read_all(*opened->body).error().code == http::Problem::Incomplete);
  CHECK(opened->body->consumed() == large.size() - 1);
  HttpServer breaking([](const auto&) { return HttpServer::cut(HttpServer::answer(200, "0123456789"), 5); });
  for (int i = 0; i < 20; ++i) {  // head, bytes and end may arrive together
    opened = client.open({.url = breaking.url()});
    REQUIRE(opened);
    std::string five(5, '\0');
    CHECK(opened->body->read(five).value() == 5);
    CHECK(opened->body->read(five).error().code == http::Problem::Incomplete);
  }
  HttpServer refusing([](const auto&) { return HttpServer::answer(404, "gone"); });
  CHECK(client.open({.url = refusing.url()}).error().message().ends_with("404 Not Found: gone"));
}

TEST_CASE("http: no more is taken than the limit, told before or not") {
  HttpServer server([](const HttpServer::Request& r) {
    if (r.target == "/length") return HttpServer::answer(200, "12345678901");
    return HttpServer::Reply{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n12345678901", Then::Close};
  });
  const http::Client client = make({.max_body = 10});
  for (const char* target : {"/length", "/unknown"}) {
    const auto error = client.get(server.url(target)).error();
    CHECK(error.code == http::Problem::TooLarge);
    CHECK(error.message().ends_with("the answer is too large: more than 10 bytes"));
    CHECK(client.send({.url = server.url(target), .max_body = 11}).value().body.size() == 11);
  }
}

TEST_CASE("http: a compressed body is inflated, and the limit is that of what comes out") {
  using namespace std::string_literals;
  // 200 times "a"
  const std::string gzip =
      "\037\213\010\000\000\000\000\000\002\377\113\114\034\036\000\000\130\360\232\131\310\000\000\000"s;
  HttpServer server([&](const auto&) { return HttpServer::answer(200, gzip, "Content-Encoding: gzip\r\n"); });
  CHECK(make().get(server.url()).value().body == std::string(200, 'a'));
  CHECK(make({.max_body = 100}).get(server.url()).error().code == http::Problem::TooLarge);
  CHECK(make().send({.url = server.url(), .decompress = false}).value().body == gzip);
  CHECK(server.requests().back().header("Accept-Encoding") == "(none)");
}

TEST_CASE("http: a gzip body that ends too early is not complete, whatever its Content-Length") {
  using namespace std::string_literals;
  // 200 times "a"
  const std::string gzip =
      "\037\213\010\000\000\000\000\000\002\377\113\114\034\036\000\000\130\360\232\131\310\000\000\000"s;
  std::string body, coding = "gzip";
  HttpServer server([&](const auto&) { return HttpServer::answer(200, body, "Content-Encoding: " + coding + "\r\n"); });
  const http::Client client = make();
  for (std::size_t size = 1; size < gzip.size(); ++size) {
    CAPTURE(size);
    body = gzip.substr(0, size);
    const auto got = client.get(server.url());
    REQUIRE_FALSE(got);
    CHECK(got.error().code == http::Problem::Incomplete);
    CHECK(got.error().error_class == etl::ErrorClass::Transient);
  }
  body = gzip + gzip;
  CHECK(client.get(server.url()).value().body == std::string(400, 'a'));
  body = "";
  CHECK(client.get(server.url()).value().body.empty());
  body = "no gzip";
  CHECK(client.get(server.url()).error().code == http::Problem::Protocol);
  coding = "br";
  CHECK(client.get(server.url()).error().message().ends_with("Content-Encoding 'br', but only gzip was requested"));
}

TEST_CASE("http: the head and the body go to callbacks, which may end the request") {
  HttpServer server(
      [](const HttpServer::Request& r) { return HttpServer::answer(r.target == "/no" ? 409 : 200, "body"); });
  const http::Client client = make();
  std::string taken;
  http::Request request{.url = server.url(), .range = http::Range{.first = 5, .last = 9}};
  request.on_head = [&](const http::Response& head) -> etl::Result<void> {
    taken += std::to_string(head.status) + ":";
    return {};
  };
  request.on_body = [&](std::string_view bytes) -> etl::Result<void> {
    taken += bytes;
    return {};
  };
  REQUIRE(client.send(request));
  CHECK(taken == "200:body");
  CHECK(server.requests().back().header("Range") == "bytes=5-9");
  request.url = server.url("/no");
  CHECK(client.send(request).error().message().ends_with("409 Conflict: body"));
  CHECK(taken == "200:body409:");
  request.url = server.url();
  request.on_body = [](std::string_view) -> etl::Result<void> { return etl::failure(etl::rejected("enough")); };
  CHECK(client.send(request).error().message() == "enough");
  request.on_body = [](std::string_view) -> etl::Result<void> { throw std::runtime_error("thrown"); };
  CHECK_THROWS_AS(client.send(request), std::runtime_error);
}

TEST_CASE("http: redirects keep what they must, and credentials only on their origin") {
  HttpServer other(echo);
  HttpServer server([&](const HttpServer::Request& r) {
    const int status = std::atoi(r.target.c_str() + 1);
    if (r.target == "/loop") return HttpServer::answer(302, "", "Location: loop\r\n");
    if (r.target == "/nowhere") return HttpServer::answer(302, "no place");
    if (status == 0) return echo(r);
    const bool away = r.target.find("away") != std::string::npos;
    return HttpServer::answer(status, "moved", "Location: " + (away ? other.url("/there") : "here") + "\r\n");
  });
  const http::Client client = make({.auth = http::Auth::header("X-Api-Key", "geheim"), .headers = {{"Cookie", "c"}}});
  const auto moved = [&](const char* method, const char* target) {
    return client
        .send({.method = method,
               .url = server.url(target),
               .headers = {{"Content-Type", "text/plain"}, {"X", "1"}, {"Authorization", "geheim"}},
               .body = std::string_view(method) == "GET" ? http::Body() : http::Body("b")})
        .value()
        .body;
  };
  CHECK(moved("GET", "/301") == "GET /here 1 ");
  CHECK(moved("POST", "/302") == "GET /here 1 ");
  CHECK(server.requests().back().header("Content-Type") == "(none)");
  CHECK(moved("PUT", "/303") == "GET /here 1 ");
  CHECK(moved("PUT", "/302") == "PUT /here 1 b");
  CHECK(moved("POST", "/307") == "POST /here 1 b");
  CHECK(moved("POST", "/308/away") == "POST /there 1 b");
  for (const char* name : {"X-Api-Key", "Cookie", "Authorization"}) {
    CHECK(server.requests().back().header(name) != "(none)");
    CHECK(other.requests().back().header(name) == "(none)");
  }
  const auto basic = client.send({.url = server.url("/302/away"), .auth = http::Auth::basic("u", "geheim")});
  CHECK(server.requests().back().header("Authorization") == "Basic dTpnZWhlaW0=");
  CHECK(other.requests().back().header("Authorization") == "(none)");
  CHECK(basic.value().url == other.url("/there"));

  const auto loop = client.get(server.url("/loop")).error();
  CHECK(loop.code == http::Problem::Redirect);
  CHECK(loop.message().find("too many redirects") != std::string::npos);
  CHECK(client.get(server.url("/nowhere")).error().code == http::status_code(302));
  const auto kept = client.exchange({.url = server.url("/307"), .max_redirects = 0});
  CHECK(kept.value().headers.find("Location") == "here");
}

TEST_CASE("http: credentials of every kind, and of the URL") {
  HttpServer server([](const HttpServer::Request& r) { return HttpServer::answer(200, r.header("Authorization")); });
  const auto sent = [&](http::Auth auth) { return make({.auth = std::move(auth)}).get(server.url()).value().body; };
  CHECK(sent(http::Auth::basic("bob", "pw")) == "Basic Ym9iOnB3");
  CHECK(sent(http::Auth::bearer("t0")) == "Bearer t0");
  CHECK(sent(http::Auth::header("Authorization", "Own x")) == "Own x");
  CHECK(sent({}) == "(none)");
  std::string with_user = server.url();
  with_user.insert(with_user.find("127"), "bob:pw@");
  CHECK(make().get(with_user).value().body == "Basic Ym9iOnB3");
  const auto signed_with = sent(http::Auth::aws_sigv4("AKID", "secret", "eu-1", "s3", "session"));
  CHECK(signed_with.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"));
  CHECK(signed_with.find(
            "/eu-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,") !=
        std::string::npos);
  CHECK(server.requests().back().header("x-amz-security-token") == "session");
  CHECK(server.requests().back().header("x-amz-content-sha256") ==
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const http::Client client = make({.auth = http::Auth::aws_sigv4("AKID", "secret", "eu-1", "s3")});
  REQUIRE(client.put(server.url(), http::Body::stream({.open = [] {
                       return etl::Result<etl::io::Source>(etl::io::from_memory("abc"));
                     }})));
  CHECK(server.requests().back().header("x-amz-content-sha256") == "UNSIGNED-PAYLOAD");
  CHECK(server.requests().back().method == "PUT");
  const auto injected = client.send({.url = server.url(), .headers = {{"X", "a\r\nY: b"}}});
  CHECK(injected.error().code == etl::Errc::InvalidOptions);
}

TEST_CASE("http: a proxy gets what is for it, and its refusal is its own") {
  HttpServer proxy([](const HttpServer::Request& r) {
    return r.method == "CONNECT" ? HttpServer::answer(407, "") : HttpServer::answer(200, r.target);
  });
  std::string with_user = proxy.url("");
  with_user.insert(with_user.find("127"), "bob:geheim@");
  const auto client = http::Client::make({.auth = http::Auth::bearer("t0"), .proxy = with_user}).value();
  CHECK(client.get("http://host.invalid/x").value().body == "http://host.invalid/x");
  CHECK(proxy.requests().back().header("Proxy-Authorization") == "Basic Ym9iOmdlaGVpbQ==");
  const auto refused = client.get("https://host.invalid/x").error();
  CHECK(refused.code == http::status_code(407));
  CHECK(refused.error_class == etl::ErrorClass::Fatal);
  CHECK(refused.message() ==
        "GET https://host.invalid/x: no connection: the proxy answers 407 Proxy Authentication Required");
  CHECK(proxy.requests().back().header("Authorization") == "(none)");
}

TEST_CASE("http: the retry policy waits as the server asks") {
  int calls = 0;
  HttpServer server([&](const auto&) {
    return ++calls < 3 ? HttpServer::answer(503, "busy", "Retry-After: 0\r\n") : HttpServer::answer(200, "done");
  });
  const http::Client client = make();
  const auto done = etl::retry({.max_attempts = 3, .initial_delay = 1ns}, [&] { return client.get(server.url()); });
  CHECK(done.value().body == "done");
}

TEST_CASE("http: one client serves many threads") {
  HttpServer server(echo);
  const http::Client client = make();
  std::vector<std::thread> threads;
  std::vector<int> good(4);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        const std::string body = std::to_string(t) + "/" + std::to_string(i);
        const auto put = client.put(server.url(), body);
        good[static_cast<std::size_t>(t)] += put && put->body.ends_with(" " + body) ? 1 : 0;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(good == std::vector<int>(4, 25));
  CHECK(server.connections() <= 4);
}

}  // namespace client_test
