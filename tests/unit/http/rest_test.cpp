// Pages and events as sources, and a service as a sink.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <etl/etl.hpp>
#include <etl/http/events.hpp>
#include <etl/http/pages.hpp>
#include <etl/http/sink.hpp>
#include <etl/testing/memory_stores.hpp>

#include "support/catch.hpp"
#include "support/http_server.hpp"
#include "support/sync.hpp"

namespace rest_test {

using namespace std::chrono_literals;
namespace http = etl::http;
using test::HttpServer;
using Then = HttpServer::Then;

namespace {

const http::Client client = http::Client::make({.proxy = ""}).value();
constexpr etl::RetryPolicy quickly{.max_attempts = 3, .initial_delay = 1ns};

/// The records of all pages from a position on, and the positions.
struct Read {
  std::vector<std::string> records{};
  std::vector<etl::Position> positions{};
  std::optional<etl::Error> error{};
};
Read read(const http::PagesOptions& options, const std::optional<etl::Position>& from = {}) {
  Read all;
  auto pages = http::Pages::make(client, options, from);
  if (!pages) return {.error = pages.error()};
  for (;;) {
    auto page = pages->next();
    if (!page) return all.error = page.error(), all;
    if (!*page) return all;
    for (const auto record : (*page)->records) all.records.emplace_back(record);
    all.positions.push_back((*page)->after);
  }
}
/// The value of a query parameter, or "".
std::string parameter(const std::string& target, const std::string& name) {
  const std::size_t at = target.find(name + "=");
  return at == std::string::npos ? ""
                                 : target.substr(at + name.size() + 1, target.find('&', at) - at - name.size() - 1);
}

/// Seven numbers, three a page, in whatever way the request pages.
HttpServer::Reply numbers(const HttpServer::Request& r, const HttpServer* server) {
  std::uint64_t first = 0;
  const std::string offset = parameter(r.target, "offset"), page = parameter(r.target, "page"),
                    after = parameter(r.target, "after");
  if (!offset.empty()) first = std::stoul(offset);
  if (!page.empty()) first = (std::stoul(page) - 1) * 3;
  if (!after.empty()) first = std::stoul(after.substr(1));
  std::string list, headers;
  for (std::uint64_t i = first; i < std::min<std::uint64_t>(first + 3, 7); ++i)
    list += (list.empty() ? "" : " , ") + std::to_string(i) + ".00";
  std::string next = "null";
  if (first + 3 < 7) {
    const std::string cursor = "c" + std::to_string(first + 3);
    next = "\"" + cursor + "\"";
    if (r.target.starts_with("/url")) next = "\"?token=geheim&after=" + cursor + "\"";
    if (r.target.starts_with("/two")) next = "\"?apikey=streng&key=geheim&after=" + cursor + "\"";
    headers = "X-Next: " + cursor + "\r\nLink: <http://other/>; title=\"; rel=next, <x>; rel=next\"; rel=\"prev\", <" +
              server->url("/link?token=geheim&after=" + cursor) + ">; title=\"a,b\"; REL=\"last Next\"\r\n";
  }
  return HttpServer::answer(200, "{\"next\": " + next + ", \"da/ta\": [{\"x\": [" + list + "]}] }", headers);
}

}  // namespace

TEST_CASE("http pages: every way of paging gives every record once, from any page on") {
  const HttpServer* self = nullptr;
  HttpServer server([&](const HttpServer::Request& r) { return numbers(r, self); });
  self = &server;
  const auto options = [&](const std::string& target, http::Paging paging) {
    return http::PagesOptions{
        .request = {.url = server.url(target)}, .records = "/da~1ta/0/x", .paging = std::move(paging)};
  };
  const std::vector<http::PagesOptions> all{
      options("/?offset=9", http::Paging::offset()),
      options("/?size=3", http::Paging::number("page")),
      options("/", http::Paging::cursor("after", "/next")),
      options("/", http::Paging::cursor_in_header("after", "x-next")),
      options("/link?token=geheim", http::Paging::link()),
      options("/two?key=geheim&apikey=streng", http::Paging::next_url("/next")),
      options("/url?token=geheim", http::Paging::next_url("/next")),
  };
  const std::vector<std::string> expected{"0.00", "1.00", "2.00", "3.00", "4.00", "5.00", "6.00"};
  for (const auto& one : all) {
    CAPTURE(static_cast<int>(one.paging.kind()));
    const Read whole = read(one);
    REQUIRE_FALSE(whole.error);
    CHECK(whole.records == expected);
    REQUIRE(whole.positions.size() >= 3);
    CHECK(whole.positions[0].text().find("geheim") == std::string::npos);
    CHECK(whole.positions[0].text().find("streng") == std::string::npos);
    CHECK(read(one, whole.positions[0]).records == std::vector<std::string>(expected.begin() + 3, expected.end()));
    CHECK(read(one, whole.positions[1]).records == std::vector<std::string>{"6.00"});
    CHECK(server.requests().back().target.find("***") == std::string::npos);
    CHECK(read(one, whole.positions.back()).records.empty());
    CHECK(read(one, etl::Position("5")).error->code == etl::Errc::CheckpointMismatch);
  }
  CHECK(parameter(server.requests().back().target, "token") == "geheim");
  CHECK(read(options("/", http::Paging::none())).records.size() == 3);
  CHECK(read(all[0], etl::Position("1 >c3")).error->code == etl::Errc::CheckpointMismatch);
}

TEST_CASE("http pages: what cannot go on is an error that says why") {
  std::string body = "[]", headers;
  HttpServer server([&](const auto&) { return HttpServer::answer(200, body, headers); });
  const auto error = [&](http::Paging paging, std::string records = "") {
    return read({.request = {.url = server.url("/?key=geheim")},
                 .records = std::move(records),
                 .paging = std::move(paging)})
        .error.value()
        .message();
  };
  const std::string where = "GET " + server.url("/?key=***");
  body = R"({"data": [1], "next": 5})";
  CHECK(error(http::Paging::cursor("after", "/next"), "/data")
            .ends_with("the cursor of the next page is the same as the cursor of this page"));
  CHECK(error(http::Paging::none()) == where + ": there is no array at '': " + body);
  CHECK(error(http::Paging::none(), "/rows") == where + ": there is nothing at '/rows': " + body);
  CHECK(error(http::Paging::none(), "rows").find("does not begin with '/'") != std::string::npos);
  CHECK(error(http::Paging::none(), "/~2").find("neither 0 nor 1") != std::string::npos);
  const std::string deep = std::string(200, '[') + R"("]\"")" + std::string(200, ']');
  body = "[ " + deep + " ,1e400]";
  CHECK(read({.request = {.url = server.url()}}).records == std::vector<std::string>{deep, "1e400"});
  body = "<html>busy</html>";
  CHECK(error(http::Paging::none()).find("the answer is no JSON: syntax error: <html>busy</html>") !=
        std::string::npos);
  body = "[1]";
  headers = "Link: </?key=geheim>; rel=next\r\n";
  CHECK(error(http::Paging::link()).ends_with("the next page is this page again"));
  headers = "Link: <http://localhost:1/?a=1>; rel=next\r\n";
  CHECK(error(http::Paging::link()).find("on another server, http://localhost:1/?a=1") != std::string::npos);
}

TEST_CASE("http pages: the end in other words, an empty page, and pages in a circle") {
  std::map<std::string, std::string> bodies;  // by cursor
  HttpServer server(
      [&](const HttpServer::Request& r) { return HttpServer::answer(200, bodies.at(parameter(r.target, "a"))); });
  const http::PagesOptions by_cursor{
      .request = {.url = server.url()}, .records = "/data", .paging = http::Paging::cursor("a", "/next")};
  http::PagesOptions by_url = by_cursor;
  by_url.paging = http::Paging::next_url("/next");
  bodies[""] = R"({"data": [1], "next": false})";
  CHECK(read(by_cursor).records == std::vector<std::string>{"1"});
  CHECK(read(by_url).records == std::vector<std::string>{"1"});
  bodies[""] = R"({"data": null, "next": "b"})";
  bodies["b"] = R"({"data": [2], "next": null})";
  CHECK(read(by_cursor).records == std::vector<std::string>{"2"});
  bodies[""] = R"({"data": [1], "next": {"href": "b"}})";
  CHECK(read(by_url).error.value().message().find("but it is: {\"href\": \"b\"}") != std::string::npos);
  for (const http::PagesOptions& one : {by_cursor, by_url}) {
    const std::string lead = one.paging.kind() == http::Paging::Kind::Url ? "/?a=" : "";
    const std::string names = "abcdefg";
    bodies[""] = R"({"data": [0], "next": ")" + lead + R"(a"})";
    for (std::size_t i = 0; i < names.size(); ++i)  // the last leads back to c
      bodies[names.substr(i, 1)] =
          R"({"data": [1], "next": ")" + lead + (i + 1 < names.size() ? names.substr(i + 1, 1) : "c") + R"("})";
    const auto seen = read(one);
    REQUIRE(seen.error);
    CHECK(seen.error->message().find("the pages form a circle") != std::string::npos);
    CHECK(seen.records.size() < 30);
  }
  CHECK(read(by_cursor, etl::Position("1 ")).error->code == etl::Errc::CheckpointMismatch);
}

namespace {

/// Texts of JSON into memory.
struct Numbers {
  using position = std::string;
  http::PagesOptions options;
  std::mutex mutex{};
  std::multiset<std::string> loaded{};
  std::optional<std::size_t> fail_after{};

  [[nodiscard]] static std::string fingerprint() { return "numbers"; }
  etl::Result<void> extract(etl::Emitter<std::string_view>& out) const { return http::extract(client, options, out); }
  static std::string transform(const std::string_view& json) { return std::string(json); }
  void load(std::span<const std::string> batch) {
    for (const std::string& one : batch) {
      if (fail_after && loaded.size() >= *fail_after) throw std::runtime_error("killed");
      loaded.insert(one);
    }
  }
};

}  // namespace

TEST_CASE("http pages: a run that failed goes on at its page, busy servers are waited for") {
  const HttpServer* self = nullptr;
  std::atomic<int> calls = 0;
  HttpServer server([&](const HttpServer::Request& r) {
    if (++calls % 2 == 1) return HttpServer::answer(503, "busy", "Retry-After: 0\r\n");
    return numbers(r, self);
  });
  self = &server;
  Numbers pipeline{.options = {.request = {.url = server.url()},
                               .records = "/da~1ta/0/x",
                               .paging = http::Paging::cursor("after", "/next"),
                               .retry = quickly},
                   .fail_after = 4};
  const auto store = std::make_shared<etl::testing::MemoryCheckpoints>();
  etl::Options options{.name = "numbers", .batch_size = 1, .workers = 1};
  options.delivery.checkpoints = store;
  REQUIRE(etl::run(pipeline, options).outcome == etl::Outcome::Failed);
  pipeline.fail_after.reset();
  const std::size_t before = server.requests().size();
  const auto report = etl::run(pipeline, options);
  REQUIRE(report.outcome == etl::Outcome::Completed);
  CHECK(parameter(server.requests()[before].target, "after") == "c3");
  CHECK(pipeline.loaded.size() >= 7);
  CHECK(std::set<std::string>(pipeline.loaded.begin(), pipeline.loaded.end()).size() == 7);
}

TEST_CASE("http pages: an incremental run loads the records that have come since") {
  std::atomic<int> have = 0;
  HttpServer server([&](const HttpServer::Request& r) {
    const std::string page = parameter(r.target, "page"), offset = parameter(r.target, "offset");
    const int first = !page.empty() ? 3 * (std::stoi(page) - 1) : offset.empty() ? 0 : std::stoi(offset);
    const int end = r.target.starts_with("/all") ? have.load() : std::min(have.load(), first + 3);
    std::string records;
    for (int i = first; i < end; ++i) records += (i > first ? "," : "") + std::to_string(i);
    return HttpServer::answer(200, "{\"data\": [" + records + "], \"next\": " +
                                       (end < have ? "\"" + std::to_string(end) + "\"" : "null") + "}");
  });
  const std::pair<std::string, http::Paging> kinds[] = {{"/all", http::Paging::none()},
                                                        {"/", http::Paging::offset()},
                                                        {"/", http::Paging::number()},
                                                        {"/", http::Paging::cursor("offset", "/next")}};
  for (const auto& [path, paging] : kinds) {
    CAPTURE(static_cast<int>(paging.kind()));
    Numbers pipeline{.options = {.request = {.url = server.url(path)}, .records = "/data", .paging = paging}};
    etl::Options options{.name = "numbers", .workers = 1};
    options.delivery.checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>();
    options.delivery.incremental = true;
    for (const int now : {0, 4, 4, 5, 6, 12}) {
      have = now;
      REQUIRE(etl::run(pipeline, options).outcome == etl::Outcome::Completed);
      std::multiset<std::string> all;
      for (int i = 0; i < now; ++i) all.insert(std::to_string(i));
      CHECK(pipeline.loaded == all);
    }
  }
}

TEST_CASE("http pages: a stop ends a run that waits for a page") {
  const test::Watchdog watchdog("a stop does not wake a source of pages");
  test::Gate arrived;
  HttpServer server([&](const auto&) { return arrived.open(), HttpServer::Reply{"", Then::Hang}; });
  Numbers pipeline{.options = {.request = {.url = server.url()}}};
  std::stop_source stop;
  std::thread stopper([&] { arrived.wait(), stop.request_stop(); });
  const auto report = etl::run(pipeline, {}, stop.get_token());
  stopper.join();
  CHECK(report.outcome == etl::Outcome::Cancelled);
}

namespace {

/// Sends the numbers below 10 to a sink.
struct Sending {
  const http::Sink& sink;
  std::vector<int> extract() const { return {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; }
  etl::Result<void> load(std::span<const int> batch, etl::BatchContext& context) const {
    return sink.write(batch, [](int n, std::string& out) { out += std::to_string(n); }, context);
  }
};
struct SendingWithKey : Sending {
  [[nodiscard]] static std::string fingerprint() { return "ten"; }
  etl::Result<void> load(std::span<const int> batch, etl::BatchContext& context, const etl::IdempotencyKey& key) const {
    return sink.write(batch, [](int n, std::string& out) { out += std::to_string(n); }, context, key);
  }
};
etl::Options ten_at_once() {
  etl::Options options{.batch_size = 10, .workers = 1};
  options.retry = quickly;
  options.errors.max_rejects = 10;
  return options;
}

}  // namespace

TEST_CASE("http sink: a batch is an array or lines, and its repetition has its key") {
  std::atomic<int> calls = 0;
  HttpServer server(
      [&](const auto&) { return ++calls == 1 ? HttpServer::Reply{"", Then::Reset} : HttpServer::answer(200, "ok"); });
  const auto sink = http::Sink::make(client, {.request = {.method = "PUT", .url = server.url()}}).value();
  const auto report = etl::run(SendingWithKey{{sink}}, ten_at_once());
  CHECK(report.outcome == etl::Outcome::Completed);
  const auto seen = server.requests();
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].method == "PUT");
  CHECK(seen[1].body == "[0,1,2,3,4,5,6,7,8,9]");
  CHECK(seen[1].header("Content-Type") == "application/json");
  CHECK(seen[0].header("Idempotency-Key").size() == 32);
  CHECK(seen[0].header("Idempotency-Key") == seen[1].header("Idempotency-Key"));

  const auto lines = http::Sink::make(client, {.request = {.method = "POST", .url = server.url()},
                                               .form = http::SinkOptions::Form::Ndjson})
                         .value();
  CHECK(etl::run(Sending{lines}, ten_at_once()).outcome == etl::Outcome::Completed);
  CHECK(server.requests().back().body == "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
  CHECK(server.requests().back().header("Content-Type") == "application/x-ndjson");
  CHECK(server.requests().back().header("Idempotency-Key") == "(none)");
}

TEST_CASE("http sink: without a key a lost answer leaves the batch in doubt") {
  HttpServer server([](const auto&) { return HttpServer::Reply{"", Then::Reset}; });
  const auto sink = http::Sink::make(client, {.request = {.method = "POST", .url = server.url()}}).value();
  const auto report = etl::run(Sending{sink}, ten_at_once());
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(report.results.in_doubt == 10);
  CHECK(server.requests().size() == 1);
}

TEST_CASE("http sink: without a key an answer of success that is too large leaves the batch in doubt") {
  HttpServer server([&](const auto&) { return HttpServer::answer(200, std::string(100, 'x')); });
  const auto small = http::Client::make({.max_body = 10, .proxy = ""}).value();
  const auto sink = http::Sink::make(small, {.request = {.method = "POST", .url = server.url()}}).value();
  CHECK(etl::run(Sending{sink}, ten_at_once()).results.in_doubt == 10);
  CHECK(server.requests().size() == 1);
}

TEST_CASE("http sink: without a key an answer of a gateway leaves the batch in doubt") {
  int status = 0;
  std::atomic<int> calls = 0;
  HttpServer server([&](const auto&) { return HttpServer::answer(++calls % 2 == 1 ? status : 200, ""); });
  const auto sink = http::Sink::make(client, {.request = {.method = "POST", .url = server.url()}}).value();
  for (status = 502; status <= 504; ++status) {
    CAPTURE(status);
    calls = 0;
    const auto report = etl::run(Sending{sink}, ten_at_once());
    CHECK(report.results.in_doubt == (status == 503 ? 0 : 10));
    calls = 0;
    CHECK(etl::run(SendingWithKey{{sink}}, ten_at_once()).outcome == etl::Outcome::Completed);
  }
}

TEST_CASE("http sink: what is too large is halved, down to the item that is") {
  HttpServer server([](const HttpServer::Request& r) {
    const bool too_large = r.body.size() > 9 || r.body.find('7') != std::string::npos;
    return too_large ? HttpServer::answer(413, "at most 9 bytes, and no 7") : HttpServer::answer(201, "");
  });
  const auto sink = http::Sink::make(client, {.request = {.method = "POST", .url = server.url()}}).value();
  const auto report = etl::run(SendingWithKey{{sink}}, ten_at_once());
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.items.rejected == 1);
  std::map<std::string, std::string> keys;  // by what was taken
  std::set<std::string> different;
  for (const auto& r : server.requests())
    if (r.body.size() <= 9 && r.body.find('7') == std::string::npos) {
      keys[r.body] = r.header("Idempotency-Key");
      different.insert(keys[r.body]);
      CHECK(keys[r.body].size() == 32);
    }
  CHECK(different.size() == 4);
  for (const std::string taken : {"[0,1]", "[2,3,4]", "[5,6]", "[8,9]"}) CHECK(keys.contains(taken));
}

TEST_CASE("http sink: a redirect that would drop the body is an error that names the address (G2)") {
  std::atomic<int> status = 0;
  HttpServer server([&](const HttpServer::Request& r) {
    return r.target == "/rows" ? HttpServer::answer(status, "", "Location: /rows/\r\n") : HttpServer::answer(200, "[]");
  });
  const auto sink = http::Sink::make(client, {.request = {.method = "POST", .url = server.url("/rows")}}).value();
  for (const int drops : {301, 302, 303}) {
    CAPTURE(drops);
    status = drops;
    const auto report = etl::run(SendingWithKey{{sink}}, ten_at_once());
    CHECK(report.outcome == etl::Outcome::Failed);
    CHECK(report.items.loaded == 0);
    const auto& error = report.errors.at(0).error;
    CHECK(error.code == http::Problem::Redirect);
    CHECK(error.message().find("it would drop the body; if its address is correct, use " + server.url("/rows/")) !=
          std::string::npos);
    CHECK(server.requests().back().target == "/rows");
  }
  status = 308;
  CHECK(etl::run(SendingWithKey{{sink}}, ten_at_once()).outcome == etl::Outcome::Completed);
  CHECK(server.requests().back().body == "[0,1,2,3,4,5,6,7,8,9]");
}

TEST_CASE("http sink: a redirect to another host keeps the key, whatever its header is called (G16)") {
  HttpServer service([](const auto&) { return HttpServer::answer(200, "[]"); });
  HttpServer front(
      [&](const auto&) { return HttpServer::answer(308, "", "Location: " + service.url("/rows") + "\r\n"); });
  for (const std::string name : {"Idempotency-Key", "X-Client-Token"}) {
    CAPTURE(name);
    const http::SinkOptions options{.request = {.method = "POST", .url = front.url("/rows")}, .key_header = name};
    const auto sink = http::Sink::make(client, options).value();
    REQUIRE(etl::run(SendingWithKey{{sink}}, ten_at_once()).outcome == etl::Outcome::Completed);
    CHECK(front.requests().back().header(name).size() == 32);
    CHECK(service.requests().back().header(name) == front.requests().back().header(name));
  }
}

TEST_CASE("http sink: without a key nothing is sent again over a connection that was kept") {
  for (const auto then : {Then::Close, Then::Reset}) {
    std::atomic<int> calls = 0;
    HttpServer server(
        [&](const auto&) { return ++calls == 2 ? HttpServer::Reply{"", then} : HttpServer::answer(201, ""); });
    const auto sink = http::Sink::make(client, {.request = {.method = "POST", .url = server.url()}}).value();
    auto options = ten_at_once();
    options.batch_size = 5;
    const auto report = etl::run(Sending{sink}, options);
    CHECK(report.outcome == etl::Outcome::Failed);
    CHECK(report.results.in_doubt == 5);
    REQUIRE(server.requests().size() == 2);
    CHECK(server.requests()[1].connection == server.requests()[0].connection);
    // With a key the service knows what it has taken.
    calls = 0;
    CHECK(etl::run(SendingWithKey{{sink}}, options).outcome == etl::Outcome::Completed);
    CHECK(server.requests().size() == 5);
  }
}

namespace {

/// A service that takes few items at once, refuses any request with the number 7, and takes each key once.
class Limited {
 public:
  std::size_t most = 4;
  bool refuses = true;
  int busy_at = 0;  ///< this request is answered with 503, and all are small enough from then on

  HttpServer::Reply operator()(const HttpServer::Request& request) {
    std::vector<int> numbers;
    for (const char c : request.body)
      if (c >= '0' && c <= '9') numbers.push_back(c - '0');
    if (numbers.size() > most) return HttpServer::answer(413, "too many");
    if (++calls_ == busy_at) return most = 10, HttpServer::answer(503, "busy");
    if (refuses && std::ranges::count(numbers, 7) > 0) return HttpServer::answer(422, "no 7");
    const std::string key = request.header("Idempotency-Key");
    if (key != "(none)" && !keys_.insert(key).second) return HttpServer::answer(200, "known");
    for (const int n : numbers) ++taken_[n];
    return HttpServer::answer(201, "");
  }
  /// "0123" and so on, a number for each time it was taken.
  [[nodiscard]] std::string taken() const {
    std::string all;
    for (const auto& [n, times] : taken_)
      for (int i = 0; i < times; ++i) all += std::to_string(n);
    return all;
  }

 private:
  int calls_ = 0;
  std::set<std::string> keys_{};
  std::map<int, int> taken_{};
};

}  // namespace

TEST_CASE("http sink: a refused part of a batch that was too large costs its own items only (G2 G6 G16)") {
  for (const bool keyed : {false, true})
    for (const bool bisects : {false, true}) {
      CAPTURE(keyed, bisects);
      Limited service;
      HttpServer server([&](const HttpServer::Request& r) { return service(r); });
      const auto sink = http::Sink::make(client, {.request = {.method = "POST", .url = server.url()}}).value();
      auto options = ten_at_once();
      if (bisects) options.errors.isolation = etl::Isolation::Bisect;
      const auto report = keyed ? etl::run(SendingWithKey{{sink}}, options) : etl::run(Sending{sink}, options);
      INFO(report.text());
      CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
      // Ten at once are too many, and so are five: they are sent as 01, 234, 56 and 789.
      CHECK(service.taken() == (bisects ? "012345689" : "0123456"));
      CHECK(report.items.loaded == service.taken().size());
      CHECK(report.items.rejected == 10 - service.taken().size());
    }
}

TEST_CASE("http sink: an item of a part is repeated under the key that it had in the part (G16)") {
  std::map<std::string, std::set<std::string>> keys;  // by what was sent
  HttpServer server([&](const HttpServer::Request& r) {
    keys[r.body].insert(r.header("Idempotency-Key"));
    if (r.body.size() > 3) return HttpServer::answer(413, "one at a time");
    const bool busy = r.body == "[4]" && keys.size() < 15;
    return HttpServer::answer(200, busy ? R"([{"status": 503}])" : R"([{"status": 200}])");
  });
  const auto sink = http::Sink::make(client, {.request = {.method = "POST", .url = server.url()},
                                              .results = http::ItemResults{.array = ""}})
                        .value();
  CHECK(etl::run(SendingWithKey{{sink}}, ten_at_once()).outcome == etl::Outcome::Completed);
  CHECK(std::ranges::count(server.requests(), "[4]", &HttpServer::Request::body) == 2);
  for (const auto& [body, its_keys] : keys) CHECK(its_keys.size() == 1);
}

TEST_CASE("http sink: with a key, 409 says that the first request is still at work (G16)") {
  for (const bool rejects : {false, true}) {
    CAPTURE(rejects);
    std::atomic<int> calls = 0;
    HttpServer server([&](const auto&) { return HttpServer::answer(++calls == 1 ? 409 : 200, ""); });
    const auto sink =
        http::Sink::make(client, {.request = {.method = "POST", .url = server.url()}, .conflict_rejects = rejects})
            .value();
    const auto report = etl::run(SendingWithKey{{sink}}, ten_at_once());
    CHECK(report.items.rejected == (rejects ? 10 : 0));
    const auto seen = server.requests();
    REQUIRE(seen.size() == (rejects ? 1 : 2));
    CHECK(seen.front().header("Idempotency-Key") == seen.back().header("Idempotency-Key"));
  }
}

TEST_CASE("http sink: the next attempt at a batch that was too large sends the same parts (G16)") {
  Limited service;
  service.refuses = false;
  service.busy_at = 3;
  HttpServer server([&](const HttpServer::Request& r) { return service(r); });
  const auto sink = http::Sink::make(client, {.request = {.method = "POST", .url = server.url()}}).value();
  const auto report = etl::run(SendingWithKey{{sink}}, ten_at_once());
  INFO(report.text());
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(service.taken() == "0123456789");
}

TEST_CASE("http sink: an outcome for each item rejects and retries these items") {
  std::atomic<int> calls = 0;
  HttpServer server([&](const HttpServer::Request&) {
    if (++calls > 1) return HttpServer::answer(200, R"({"items": [{"index": {"status": 200}}]})");
    std::string entries;
    for (int i = 0; i < 10; ++i)
      entries += std::string(i == 0 ? "" : ",") + (i == 3   ? R"({"index": {"status": 422, "why": "no such thing"}})"
                                                   : i == 5 ? R"({"index": {"status": 429}})"
                                                            : R"({"index": {"status": 201}})");
    return HttpServer::answer(207, "{\"items\": [" + entries + "]}");
  });
  const auto make = [&](std::optional<http::ItemResults> results) {
    return http::Sink::make(client, {.request = {.method = "POST", .url = server.url()}, .results = std::move(results)})
        .value();
  };
  const auto sink = make(http::ItemResults{.array = "/items", .status = "/index/status", .error = "/index/why"});
  const auto report = etl::run(Sending{sink}, ten_at_once());
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.items.rejected == 1);
  CHECK(report.items.loaded == 9);
  CHECK(server.requests().back().body == "[5]");
  REQUIRE_FALSE(report.errors.empty());
  CHECK(report.errors.front().error.message().ends_with("422 Unprocessable Content: no such thing"));

  calls = 0;
  const auto unknown = make({});
  const auto failed = etl::run(Sending{unknown}, ten_at_once());
  CHECK(failed.outcome == etl::Outcome::Failed);
  CHECK(failed.results.in_doubt == 10);  // some of them are stored
  CHECK(failed.errors.front().error.message().find("set `results`") != std::string::npos);
  calls = 1;
  const auto other = make(http::ItemResults{.array = "/items", .status = "/index/status"});
  CHECK(etl::run(Sending{other}, ten_at_once())
            .errors.front()
            .error.message()
            .find("must have 10 entries at '/items' and has 1") != std::string::npos);
  CHECK_FALSE(http::Sink::make(client, {.request = {.url = server.url()}, .results = http::ItemResults{.array = "x"}}));
}

TEST_CASE("http events: lines of every kind, and a new connection goes on after the last id") {
  std::atomic<int> calls = 0;
  HttpServer server([&](const HttpServer::Request&) {
    const std::string type = "Content-Type: text/event-stream; charset=utf-8\r\n";
    switch (++calls) {
      case 1:
        return HttpServer::answer(200,
                                  "\xef\xbb\xbfretry: 1\n: comment\n\nid: 1\nevent: add\ndata: a\rdata:b\r\ndata\n\n"
                                  "data: second\n\nid\n\nid: 7\ndata: third\n\nid: 8\ndata: not complete\n",
                                  type);
      case 2: return HttpServer::answer(503, "busy");
      case 3: return HttpServer::cut(HttpServer::answer(200, "id: 9\ndata: fourth\n\ndata: x\n\n", type), 22);
      case 4: return HttpServer::answer(200, "data: fifth\n\n", type);
      default: return HttpServer::Reply{"HTTP/1.1 204 No Content\r\n\r\n"};
    }
  });
  auto events =
      http::Events::make(client, {.request = {.url = server.url()}, .retry = quickly}, etl::Position("0")).value();
  std::vector<std::string> all;
  for (;;) {
    const auto event = events.next();
    REQUIRE(event);
    if (!*event) break;
    all.push_back((*event)->type + "/" + (*event)->data + "/" + (*event)->id);
  }
  CHECK(all == std::vector<std::string>{"add/a\nb\n/1", "message/second/1", "message/third/7", "message/fourth/9",
                                        "message/fifth/9"});
  const auto seen = server.requests();
  REQUIRE(seen.size() == 5);
  CHECK(seen[0].header("Last-Event-ID") == "0");
  CHECK(seen[1].header("Last-Event-ID") == "7");
  CHECK(seen[3].header("Last-Event-ID") == "9");
  CHECK(seen[0].header("Accept") == "text/event-stream");
}

TEST_CASE("http events: a run that keeps progress is not resumed after events without ids (G14)") {
  struct Log {
    http::EventOptions options;
    std::vector<std::string> loaded{};
    static std::string fingerprint() { return "log"; }
    etl::Result<void> extract(etl::Emitter<http::Event>& out) const {
      return http::extract_events(client, options, out);
    }
    void load(std::span<const http::Event> batch) {
      for (const auto& event : batch) loaded.push_back(event.data);
    }
  };
  std::string events = "id: 1\ndata: a\n\nid: 2\ndata: b\n\n";
  std::atomic<int> calls = 0;
  HttpServer server([&](const auto&) {
    return ++calls % 2 == 1 ? HttpServer::answer(200, events, "Content-Type: text/event-stream\r\n")
                            : HttpServer::Reply{"HTTP/1.1 204 No Content\r\n\r\n"};
  });
  Log log{.options = {.request = {.url = server.url()}, .pause = 1ms}};
  etl::Options options{.name = "log", .workers = 1};
  options.delivery.checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>();
  options.delivery.incremental = true;
  CHECK(etl::run(log, options).outcome == etl::Outcome::Completed);
  for (const std::string_view more : {"data: c\n\n", "id: 3\ndata: c\n\ndata: d\n\n"}) {
    events = more;
    calls = 0;
    const auto report = etl::run(log, options);
    CHECK(report.outcome == etl::Outcome::Failed);
    CHECK(report.errors.at(0).error.message().find("an event has no id of its own") != std::string::npos);
  }
  calls = 0;
  log.loaded.clear();
  CHECK(etl::run(log).outcome == etl::Outcome::Completed);
  CHECK(log.loaded == std::vector<std::string>{"c", "d"});
}

TEST_CASE("http events: the largest size holds, too, for an event that comes as a whole") {
  std::string data(100, 'a');
  HttpServer server([&](const auto&) {
    return HttpServer::answer(200, "data: " + data + "\n\n", "Content-Type: text/event-stream\r\n");
  });
  const http::EventOptions options{.request = {.url = server.url()}, .max_event = 100};
  CHECK(http::Events::make(client, options).value().next().value()->data == data);
  data += 'a';
  const auto refused = http::Events::make(client, options).value().next();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message().ends_with("an event has more than 100 bytes"));
}

TEST_CASE("http events: a pipeline ends by a stop, and what is no event stream is told") {
  const test::Watchdog watchdog("a stop does not wake a source of events");
  struct Log {
    const http::EventOptions& options;
    std::stop_source& stop;
    std::vector<std::string> loaded{};
    etl::Result<void> extract(etl::Emitter<http::Event>& out) const {
      return http::extract_events(client, options, out);
    }
    void load(std::span<const http::Event> batch) {
      for (const auto& event : batch) loaded.push_back(event.data);
      stop.request_stop();
    }
  };
  HttpServer server([](const HttpServer::Request& r) {
    if (r.target != "/") return HttpServer::answer(200, "{}", "Content-Type: application/json\r\n");
    return HttpServer::Reply{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\ndata: tw",
                             Then::Hang};
  });
  std::stop_source stop;
  http::EventOptions options{.request = {.url = server.url()}};
  Log log{options, stop};
  CHECK(etl::run(log, {.batch_size = 1}, stop.get_token()).outcome == etl::Outcome::Cancelled);
  CHECK(log.loaded == std::vector<std::string>{"one"});
  options.request.url = server.url("/other");
  const auto error = http::Events::make(client, options).value().next().error();
  CHECK(error.message().ends_with("the answer is 'application/json', not an event stream"));
}

}  // namespace rest_test
