#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <etl/http/error.hpp>
#include <etl/io/digest.hpp>
#include <etl/io/object_store_stream.hpp>
#include <etl/s3/store.hpp>

#include "support/catch.hpp"
#include "support/object_store_suite.hpp"
#include "unit/s3/support.hpp"

namespace io = etl::io;
namespace s3 = etl::s3;
namespace http = etl::http;
using io::StoreProblem;
using test::HttpServer;
using test::ScriptedS3;
using Request = HttpServer::Request;
using Answer = std::optional<HttpServer::Reply>;

namespace {

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::size_t count(const ScriptedS3& server, std::string_view method, std::string_view part) {
  const auto requests = server.requests();
  return static_cast<std::size_t>(
      std::ranges::count_if(requests, [&](const Request& r) { return r.method == method && has(r.target, part); }));
}

HttpServer::Reply slow_down() { return ScriptedS3::refusal(503, "SlowDown"); }

}  // namespace

TEST_CASE("S3: what the server refuses for the moment is asked again", "[s3]") {
  int calls = 0, refusals = 2;
  std::string code = "SlowDown";
  int status = 503;
  ScriptedS3 server([&](const Request&) -> Answer {
    return ++calls <= refusals ? Answer(ScriptedS3::refusal(status, code)) : std::nullopt;
  });
  const s3::Store store = test::store_on(server.url(), 3);
  SECTION("SlowDown") {}
  SECTION("InternalError") {
    status = 500;
    code = "InternalError";
  }
  SECTION("RequestTimeout, which is 400") {
    status = 400;
    code = "RequestTimeout";
  }
  SECTION("OperationAborted, which is 409") {
    status = 409;
    code = "OperationAborted";
  }
  CHECK(store.put("k", "bytes"));
  CHECK(calls == 3);
  calls = 0;
  CHECK(test::store_suite::get(store, "k") == "bytes");
  CHECK(calls == 3);
  calls = 0;
  refusals = 100;
  const auto refused = store.put("k", "bytes");
  REQUIRE_FALSE(refused);
  CHECK(calls == 3);
  CHECK(refused.error().error_class == etl::ErrorClass::Transient);
  CHECK(has(refused.error().message(), code + ": It is so; request id REQ1"));
  CHECK(has(refused.error().message(), "gave up after 3 attempts"));
}

TEST_CASE("S3: what stays refused is not asked again", "[s3]") {
  int calls = 0;
  ScriptedS3 server([&](const Request&) -> Answer { return ++calls, ScriptedS3::refusal(403, "AccessDenied"); });
  const auto refused = test::store_on(server.url()).put("k", "bytes");
  CHECK(calls == 1);
  CHECK(refused.error().error_class == etl::ErrorClass::Fatal);
  CHECK(http::status_of(refused.error()) == 403);
}

TEST_CASE("S3: errors have code, message and request id, and no secret", "[s3]") {
  std::string token = "session/token+with=odd", echoed = std::string(test::secret_key) + " " + token;
  ScriptedS3 server([&](const Request& request) -> Answer {
    // Servers repeat a lot.
    return ScriptedS3::refusal(
        403, "SignatureDoesNotMatch",
        "<StringToSign>" + request.header("Authorization") + "</StringToSign><X>" + echoed + "</X>");
  });
  s3::StoreOptions options = test::options_for(server.url());
  options.credentials->session_token = token;
  const s3::Store store = etl::value(s3::Store::open(options));
  const auto refused = store.put("a b", "bytes");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message() == "PUT " + server.url() +
                                         "/bucket/a%20b: 403 Forbidden: these credentials do not allow this request: "
                                         "SignatureDoesNotMatch: It is so (check the "
                                         "secret key and the region); request id REQ1");
  const Request sent = server.requests().back();
  CHECK(sent.header("x-amz-security-token") == token);
  CHECK(has(sent.header("Authorization"), "x-amz-security-token"));

  ScriptedS3 odd([&](const Request&) -> Answer {
    return HttpServer::answer(403, "no XML, and " + echoed, "x-amz-request-id: R2\r\n");
  });
  options.endpoint = odd.url();
  const std::string text = etl::value(s3::Store::open(options)).put("k", "x").error().message();
  CAPTURE(text);
  CHECK(has(text, "no XML, and *** ***"));
  CHECK(has(text, "request id R2"));
}

TEST_CASE("S3: a part that fails three times ends the upload, and none stays", "[s3]") {
  std::mutex mutex;
  int failures = 0, most = 3;
  ScriptedS3 server([&](const Request& request) -> Answer {
    const std::lock_guard lock(mutex);
    if (request.method == "PUT" && has(request.target, "partNumber=2&") && failures < most)
      return ++failures, slow_down();
    return std::nullopt;
  });
  const io::AnyObjectStore store = test::store_on(server.url(), 3);
  const std::string bytes = test::store_suite::bytes_of(1000);
  const auto write = [&] {
    const io::Sink sink = io::create_object(store, "k", {.part_size = 300, .parallel = 2});
    auto written = sink->write(bytes);
    auto finished = sink->finish();
    return written ? finished : written;
  };
  SECTION("and after two failures it goes on") {
    most = 2;
    REQUIRE(write());
    CHECK((test::store_suite::get(store, "k") == bytes));
    CHECK(count(server, "PUT", "partNumber=2&") == 3);
  }
  SECTION("with three attempts") {
    const auto failed = write();
    REQUIRE_FALSE(failed);
    CHECK(has(failed.error().message(), "SlowDown"));
    CHECK(has(failed.error().message(), "gave up after 3 attempts"));
    CHECK(store.head("k").error().code == StoreProblem::Missing);
    CHECK(store.uploads()->uploads.empty());
    CHECK(count(server, "DELETE", "uploadId=upload~1000") == 1);
  }
}

TEST_CASE("S3: a body that is cut half-way is read on from there", "[s3]") {
  const std::string bytes = test::store_suite::bytes_of(100'000);
  int cuts = 0, most = 3;
  auto then = HttpServer::Then::Close;
  SECTION("when the connection ends") {}
  SECTION("when it breaks") { then = HttpServer::Then::Reset; }
  ScriptedS3 server([&](const Request& request) -> Answer {
    if (request.method != "GET" || cuts == most) return std::nullopt;
    ++cuts;
    const std::string range = request.header("Range");
    const std::size_t first = range == "(none)" ? 0 : std::strtoul(range.c_str() + 6, nullptr, 10);
    auto whole = HttpServer::answer(
        range == "(none)" ? 200 : 206, std::string_view(bytes).substr(first),
        "ETag: \"" + io::digest(io::DigestKind::Md5, bytes) + "\"\r\n" +
            (range == "(none)" ? "" : "Content-Range: bytes " + std::to_string(first) + "-99999/100000\r\n"));
    return HttpServer::cut(std::move(whole), 20'000, then);
  });
  const io::AnyObjectStore store = test::store_on(server.url());
  REQUIRE(store.put("k", bytes));
  const auto read = [&] {
    auto opened = io::open_object(store, "k", {.offset = 0, .if_match = {}, .retry = test::at_once(3)});
    REQUIRE(opened);
    return io::read_all(*opened->bytes);
  };
  const auto all = read();
  REQUIRE((all ? "" : all.error().message()) == std::string());
  CHECK((*all == bytes));
  const Request last = server.requests().back();
  CHECK(last.header("If-Match") == '"' + io::digest(io::DigestKind::Md5, bytes) + '"');
  if (then == HttpServer::Then::Close) CHECK(last.header("Range") == "bytes=60000-");

  // The object becomes another while it is read.
  cuts = 0;
  most = 1;
  auto opened = io::open_object(store, "k", {.offset = 0, .if_match = {}, .retry = test::at_once(3)});
  REQUIRE(opened);
  REQUIRE(store.put("k", "others"));
  const auto changed = io::read_all(*opened->bytes);
  REQUIRE_FALSE(changed);
  CHECK(changed.error().code == StoreProblem::Changed);
}

TEST_CASE("S3: bytes that are damaged are noticed", "[s3]") {
  std::optional<std::string> damage;
  ScriptedS3 server([&](const Request& request) -> Answer {
    if (request.method != "GET" || !damage) return std::nullopt;
    return HttpServer::answer(200, *damage,
                              "ETag: \"e\"\r\nx-amz-checksum-sha256: " +
                                  std::string("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=") + "\r\n");
  });
  const io::AnyObjectStore store = test::store_on(server.url());
  REQUIRE(store.put("k", "abc"));
  const Request put = server.requests().back();
  CHECK(put.header("x-amz-checksum-sha256") == "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
  CHECK(put.header("x-amz-content-sha256") == io::digest(io::DigestKind::Sha256, "abc"));
  CHECK(store.head("k")->sha256 == io::digest(io::DigestKind::Sha256, "abc"));
  const auto read = [&] { return io::read_all(*io::open_object(store, "k")->bytes); };
  CHECK(read().value() == "abc");
  damage = "abd";
  CHECK(read().error().code == StoreProblem::Digest);

  // On the way there: the server sees another digest, and the store sends them again.
  int calls = 0;
  ScriptedS3 noisy([&](const Request&) -> Answer {
    return ++calls == 1 ? Answer(ScriptedS3::refusal(400, "XAmzContentSHA256Mismatch")) : std::nullopt;
  });
  CHECK(test::store_on(noisy.url()).put("k", "abc"));
  CHECK(calls == 2);
}

TEST_CASE("S3: a bucket of another region is asked there", "[s3]") {
  std::string region = "eu-central-1";
  const auto right = [&](const Request& request) {
    return has(request.header("Authorization"), "/" + region + "/s3/");
  };
  SECTION("as the header says") {
    ScriptedS3 server([&](const Request& request) -> Answer {
      if (right(request)) return std::nullopt;
      auto answer = ScriptedS3::refusal(301, "PermanentRedirect", "<Endpoint>elsewhere</Endpoint>",
                                        "x-amz-bucket-region: " + region + "\r\n");
      return request.method == "HEAD" ? HttpServer::cut(std::move(answer), 0, HttpServer::Then::Keep) : answer;
    });
    const s3::Store store = test::store_on(server.url(), 1);
    CHECK(store.head("k").error().code == StoreProblem::Missing);
    CHECK(store.put("k", "bytes"));
    CHECK(server.requests().size() == 3);  // it is known from then on
    CHECK(store.address().region == region);
  }
  SECTION("as the body says") {
    ScriptedS3 server([&](const Request& request) -> Answer {
      if (right(request)) return std::nullopt;
      return ScriptedS3::refusal(400, "AuthorizationHeaderMalformed", "<Region>" + region + "</Region>");
    });
    const s3::Store store = test::store_on(server.url(), 1);
    CHECK(store.put("k", "bytes"));
    CHECK(test::store_suite::get(store, "k") == "bytes");
  }
  SECTION("and a redirect for the moment is followed, signed anew") {
    ScriptedS3 other;
    ScriptedS3 server([&](const Request& request) -> Answer {
      return ScriptedS3::refusal(307, "TemporaryRedirect", "", "Location: " + other.url() + request.target + "\r\n");
    });
    const s3::Store store = test::store_on(server.url(), 1);
    CHECK(store.put("k", "bytes"));
    CHECK(test::store_suite::get(store, "k") == "bytes");
    CHECK(other.requests().size() == 2);
    CHECK(other.requests()[0].header("Authorization") != server.requests()[0].header("Authorization"));
    CHECK(store.address().endpoint == server.url());
  }
  SECTION("but not in a circle") {
    int calls = 0;
    ScriptedS3 server([&](const Request&) -> Answer {
      return ScriptedS3::refusal(301, "PermanentRedirect", "<Region>r" + std::to_string(++calls) + "</Region>");
    });
    const auto refused = test::store_on(server.url(), 1).put("k", "bytes");
    REQUIRE_FALSE(refused);
    CHECK(calls == 4);
    CHECK(has(refused.error().message(), "PermanentRedirect"));
  }
}

TEST_CASE("S3: an answer that is lost is no failure of what was done", "[s3]") {
  // The server does it, and the connection breaks before it says so.
  std::string lost;
  int losses = 0;
  std::atomic<bool> hides = false;  // the first HEAD finds no object
  ScriptedS3* self = nullptr;
  ScriptedS3 server([&](const Request& request) -> Answer {
    if (request.method == "HEAD" && hides.exchange(false)) return HttpServer::answer(404, "");
    if (lost.empty() || losses > 0 || !has(request.method + " " + request.target, lost)) return std::nullopt;
    ++losses;
    auto answer = self->handle(request);
    return HttpServer::Reply{answer.bytes.substr(0, 0), HttpServer::Then::Reset};
  });
  self = &server;
  const s3::Store store = test::store_on(server.url());
  SECTION("a put of a new object") {
    lost = "PUT /bucket/k";
    const auto made = store.put("k", "bytes", {.if_none_match = true});
    REQUIRE((made ? "" : made.error().message()) == std::string());
    CHECK(losses == 1);
    CHECK(made->size == 5);
  }
  SECTION("but not of one that another has put") {
    REQUIRE(store.put("k", "bytes", {.if_none_match = true}));
    lost = "PUT /bucket/k";
    CHECK(store.put("k", "bytes", {.if_none_match = true}).error().code == StoreProblem::Exists);
  }
  SECTION("an upload that was completed") {
    const auto upload = store.begin_upload("k");
    const auto one = store.put_part(*upload, 1, "one"), two = store.put_part(*upload, 2, "two");
    lost = "POST /bucket/k?uploadId";
    const auto made = store.complete_upload(*upload, std::vector{*one, *two});
    REQUIRE((made ? "" : made.error().message()) == std::string());
    CHECK(losses == 1);
    CHECK(test::store_suite::get(store, "k") == "onetwo");
  }
  SECTION("an upload of a new object that was completed") {
    const auto upload = store.begin_upload("k");
    const auto part = store.put_part(*upload, 1, "one");
    lost = "POST /bucket/k?uploadId";
    const auto made = store.complete_upload(*upload, std::vector{*part}, {.if_none_match = true});
    REQUIRE((made ? "" : made.error().message()) == std::string());
    CHECK(losses == 1);
    CHECK(made->size == 3);
    CHECK(store.complete_upload(*upload, std::vector{*part}, {.if_none_match = true}));  // called again
  }
  SECTION("but not an upload of the same bytes that another has completed") {
    const auto upload = store.begin_upload("k"), other = store.begin_upload("k");
    const auto part = store.put_part(*upload, 1, "one"), same = store.put_part(*other, 1, "one");
    REQUIRE(store.complete_upload(*other, std::vector{*same}));
    hides = true;  // the other was a moment later than the look before the completion
    const auto made = store.complete_upload(*upload, std::vector{*part}, {.if_none_match = true});
    CHECK_FALSE(hides);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == StoreProblem::Exists);
  }
}

TEST_CASE("S3: an error that comes with status 200 is one", "[s3]") {
  int calls = 0;
  ScriptedS3 server([&](const Request& request) -> Answer {
    if (request.method != "POST" || !has(request.target, "uploadId=") || ++calls > 1) return std::nullopt;
    auto refusal = ScriptedS3::refusal(200, "InternalError");
    return refusal;
  });
  const s3::Store store = test::store_on(server.url());
  const auto upload = store.begin_upload("k");
  const auto part = store.put_part(*upload, 1, "one");
  CHECK(store.complete_upload(*upload, std::vector{*part}));
  CHECK(calls == 2);
}

TEST_CASE("S3: a copy that fails with status 200 has failed", "[s3]") {
  int calls = 0;
  std::string code = "InternalError";
  ScriptedS3 server([&](const Request& request) -> Answer {
    if (request.header("x-amz-copy-source") == "(none)" || (++calls > 1 && code == "InternalError"))
      return std::nullopt;
    return ScriptedS3::refusal(200, code);
  });
  const s3::Store store = test::store_on(server.url());
  REQUIRE(store.put("a/b c", "bytes"));
  CHECK(store.copy("a/b c", "copy"));  // the second time
  CHECK(calls == 2);
  CHECK(server.requests().back().header("x-amz-copy-source").ends_with("/a/b%20c"));
  CHECK(test::store_suite::get(store, "copy") == "bytes");
  code = "AccessDenied";
  const auto refused = store.copy("a/b c", "other");
  REQUIRE_FALSE(refused);
  CHECK(has(refused.error().message(), "AccessDenied"));
  CHECK(store.copy("", "x").error().code == StoreProblem::Key);
  CHECK(store.copy("x", "").error().code == StoreProblem::Key);
}

TEST_CASE("S3: what the store cannot do it refuses", "[s3]") {
  ScriptedS3 server([&](const Request& request) -> Answer {
    if (request.header("Range") != "(none)") return HttpServer::answer(200, "whole", "ETag: \"e\"\r\n");
    return std::nullopt;
  });
  const s3::Store store = test::store_on(server.url());
  for (const auto& error : {store.put("", "x").error(), store.get("").error(), store.head("").error(),
                            store.remove("").error(), store.begin_upload("").error()})
    CHECK(error.code == StoreProblem::Key);
  CHECK(server.requests().empty());
  REQUIRE(store.put("k", "whole"));
  CHECK(has(store.get("k", {.offset = 1}).error().message(), "sent the whole object, but a part was requested"));
  CHECK(store.list({.most = 0}).error().code == etl::Errc::InvalidOptions);
  const auto upload = store.begin_upload("k");
  const auto part = store.put_part(*upload, 1, "x");
  CHECK(store.complete_upload(*upload, {}).error().code == StoreProblem::Part);
  CHECK(store.complete_upload(*upload, std::vector{*part}, {.sha256 = std::string(64, 'a')}).error().code ==
        etl::Errc::InvalidOptions);
  CHECK(store.complete_upload(*upload, std::vector{*part}, {.if_none_match = true}).error().code ==
        StoreProblem::Exists);
}

TEST_CASE("S3: a stop wakes a call that waits", "[s3]") {
  std::stop_source stop;
  std::function<HttpServer::Reply()> answer;
  etl::RetryPolicy patient = test::at_once(3);
  SECTION("for an answer") {
    answer = [] { return HttpServer::Reply{"", HttpServer::Then::Hang}; };
  }
  SECTION("for the next attempt") {
    patient = {
        .max_attempts = 3, .initial_delay = std::chrono::hours(1), .max_delay = std::chrono::hours(1), .jitter = false};
    answer = slow_down;
  }
  ScriptedS3 server([&](const Request&) -> Answer {
    std::jthread([&] { stop.request_stop(); }).join();
    return answer();
  });
  s3::StoreOptions options = test::options_for(server.url());
  options.retry = patient;
  CHECK_FALSE(etl::value(s3::Store::open(options)).put("k", "x", {}, stop.get_token()));
}

TEST_CASE("S3: pages of a server that knows version 1 only", "[s3]") {
  ScriptedS3 server([&](const Request& request) -> Answer {
    const bool first = !has(request.target, "marker=");
    const std::string key = first ? "a" : "b";
    return HttpServer::answer(200, "<ListBucketResult><IsTruncated>" + std::string(first ? "true" : "false") +
                                       "</IsTruncated><Contents><Key>" + key +
                                       "</Key><Size>1</Size></Contents></ListBucketResult>");
  });
  const s3::Store store = test::store_on(server.url());
  CHECK(test::store_suite::keys(store, "") == std::vector<std::string>{"a", "b"});
  CHECK(server.requests()[1].target == "/bucket/?encoding-type=url&marker=a&max-keys=1000&prefix=");
}

TEST_CASE("S3: bad options are named, all of them", "[s3]") {
  s3::StoreOptions options = test::options_for("http://u:geheim@host/path");
  options.bucket = "a/b";
  options.region = "x y";
  options.retry.max_attempts = 0;
  const std::string text = s3::Store::open(options).error().message();
  CAPTURE(text);
  CHECK(text.starts_with("S3: bucket: 'a/b' is no name of a bucket; endpoint: "));
  CHECK(has(text, "region: 'x y'"));
  CHECK(has(text, "attempts"));
  CHECK_FALSE(has(text, "geheim"));
  CHECK(test::store_on("http://127.0.0.1:1").name() == "s3://bucket/");
}
