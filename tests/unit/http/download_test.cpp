// Downloads that break off, go on, and are checked.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <etl/http/download.hpp>
#include <etl/io/digest.hpp>

#include "support/catch.hpp"
#include "support/http_server.hpp"

namespace download_test {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace http = etl::http;
using test::HttpServer;
using Then = HttpServer::Then;

namespace {

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A folder of its own, and a target in it.
struct Folder {
  fs::path folder = fs::temp_directory_path() / ("etl_http_download_" + std::to_string(::getpid()));
  fs::path to = folder / "file.dat";
  fs::path part = folder / "file.dat.part";
  Folder() {
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  ~Folder() { fs::remove_all(folder); }
  [[nodiscard]] std::ptrdiff_t files() const {
    return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
  }
};

/// A server of one file. Answers ranges, compares If-Range, and cuts answers as it is told.
struct FileServer {
  std::string data = "0123456789";
  std::string etag = "\"v1\"";
  std::vector<std::size_t> cuts{};  ///< bytes of the body after which the first answers are cut
  int status = 0;                   ///< in place of every answer, unless 0
  HttpServer server{[this](const HttpServer::Request& r) { return reply(r); }};

  HttpServer::Reply reply(const HttpServer::Request& r) {
    if (status != 0) return HttpServer::answer(status, "no");
    const std::string range = r.header("Range"), if_range = r.header("If-Range");
    const std::string tag = etag.empty() ? "" : "ETag: " + etag + "\r\n";
    HttpServer::Reply reply = HttpServer::answer(200, data, tag);
    if (range.starts_with("bytes=") && (if_range == "(none)" || if_range == etag)) {
      const std::size_t first = std::stoul(range.substr(6));
      const std::string all = std::to_string(data.size());
      if (first >= data.size())
        reply = HttpServer::answer(416, "", "Content-Range: bytes */" + all + "\r\n");
      else
        reply = HttpServer::answer(206, data.substr(first),
                                   tag + "Content-Range: bytes " + std::to_string(first) + "-" +
                                       std::to_string(data.size() - 1) + "/" + all + "\r\n");
    }
    if (cuts.empty()) return reply;
    reply = HttpServer::cut(reply, cuts.front());
    cuts.erase(cuts.begin());
    return reply;
  }
};

const http::Client client = http::Client::make({.proxy = ""}).value();
constexpr etl::RetryPolicy once{.max_attempts = 1};
constexpr etl::RetryPolicy quickly{.max_attempts = 2, .initial_delay = 1ns};
std::string sha256(const std::string& text) { return etl::io::digest(etl::io::DigestKind::Sha256, text); }

}  // namespace

TEST_CASE("download: a file appears when all of it is there") {
  const Folder at;
  std::ofstream(at.to) << "old";
  FileServer file;
  std::uint64_t told = 0, of = 0;
  const auto done = http::download(client, file.server.url(), at.to,
                                   {.size = 10,
                                    .digest = http::ExpectedDigest{.hex = sha256("0123456789")},
                                    .progress = [&](auto now, auto all) { told = now, of = all.value_or(0); }});
  REQUIRE(done);
  CHECK(done->size == 10);
  CHECK(done->digest == sha256("0123456789"));
  CHECK(done->resumed == 0);
  CHECK(content(at.to) == "0123456789");
  CHECK(at.files() == 1);
  CHECK((told == 10 && of == 10));
}

TEST_CASE("download: attempts go on where the last one ended, and count only when nothing came") {
  const Folder at;
  FileServer file;
  file.cuts = {3, 2, 1, 0};  // with 2 attempts in a row
  const auto done = http::download(client, file.server.url(), at.to, {.retry = quickly});
  REQUIRE(done);
  CHECK(content(at.to) == "0123456789");
  const auto seen = file.server.requests();
  REQUIRE(seen.size() == 5);
  CHECK(seen[0].header("Range") == "(none)");
  CHECK(seen[1].header("Range") == "bytes=3-");
  CHECK(seen[2].header("Range") == "bytes=5-");
  CHECK(seen[4].header("Range") == "bytes=6-");
  CHECK(seen[4].header("If-Range") == "\"v1\"");
}

TEST_CASE("download: a part of another version is not appended, also where the server ignores If-Range") {
  // What the first answer says of the file, and what all later answers say of the new file.
  const auto texts =
      GENERATE(std::pair("ETag: \"v1\"\r\n", "ETag: \"v2\"\r\n"), std::pair("ETag: \"v1\"\r\n", "ETag: W/\"v2\"\r\n"),
               std::pair("Last-Modified: Mon, 01 Jan 2024 10:00:00 GMT\r\nDate: Mon, 01 Jan 2024 11:00:00 GMT\r\n",
                         "Last-Modified: Mon, 01 Jan 2024 10:30:00 GMT\r\nDate: Mon, 01 Jan 2024 11:00:00 GMT\r\n"),
               std::pair("ETag: \"v1\"\r\n", ""));
  const char *const before = texts.first, *const after = texts.second;
  const bool longer = *after == '\0';  // only its size shows that it has changed
  const std::string next = longer ? "abcdefghijk" : "abcdefghij";
  const Folder at;
  bool first = true;
  HttpServer server([&](const HttpServer::Request& r) {
    if (std::exchange(first, false)) return HttpServer::cut(HttpServer::answer(200, "0123456789", before), 3);
    const std::string range = r.header("Range"), all = std::to_string(next.size());
    if (range == "(none)") return HttpServer::answer(200, next, after);
    return HttpServer::answer(
        206, next.substr(3),
        std::string(after) + "Content-Range: bytes 3-" + std::to_string(next.size() - 1) + "/" + all + "\r\n");
  });
  const bool another_call = !longer && GENERATE(true, false);
  if (another_call) REQUIRE_FALSE(http::download(client, server.url(), at.to, {.retry = once}));
  const auto done = http::download(client, server.url(), at.to, {.retry = another_call ? once : quickly});
  REQUIRE(done);
  CHECK(content(at.to) == next);
  CHECK(done->resumed == 0);
}

TEST_CASE("download: a server that gives only a part of the rest is asked for what is missing") {
  const Folder at;
  int calls = 0;
  std::string total = "10";
  HttpServer server([&](const HttpServer::Request& r) {
    const std::string tag = "ETag: \"v1\"\r\n", range = r.header("Range");
    if (range == "(none)") return HttpServer::cut(HttpServer::answer(200, "0123456789", tag), 3);
    const std::size_t first = std::stoul(range.substr(6)), size = std::min<std::size_t>(2, 10 - first);
    ++calls;
    return HttpServer::answer(206, std::string("0123456789").substr(first, size),
                              tag + "Content-Range: bytes " + std::to_string(first) + "-" +
                                  std::to_string(first + size - 1) + "/" + total + "\r\n");
  });
  SECTION("all of it comes") {
    const bool known = GENERATE(true, false);
    if (!known) total = "*";
    REQUIRE(http::download(client, server.url(), at.to, {.retry = quickly}));
    CHECK(content(at.to) == "0123456789");
    CHECK(calls == 4);
  }
  SECTION("no more attempts are left") {
    REQUIRE_FALSE(http::download(client, server.url(), at.to, {.retry = once}));
    const auto done = http::download(client, server.url(), at.to, {.retry = once});
    REQUIRE_FALSE(done);
    CHECK(done.error().code == http::Problem::Incomplete);
    CHECK(done.error().message().ends_with(": 5 bytes of 10"));
    CHECK_FALSE(fs::exists(at.to));
  }
  SECTION("every answer says another size, so no part fits to the one before") {
    total = "4";
    const auto done = http::download(client, server.url(), at.to, {.retry = quickly});
    REQUIRE_FALSE(done);
    CHECK(done.error().code == http::Problem::Incomplete);
    CHECK_FALSE(fs::exists(at.to));
  }
}

TEST_CASE("download: after a part without the size of the file the server is asked for more, until there is none") {
  const auto check = [](const HttpServer::Reply& at_end, std::optional<std::uint64_t> size, std::size_t requests) {
    const Folder at;
    const std::string data = "0123456789", tag = "ETag: \"v1\"\r\n";
    HttpServer server([&](const HttpServer::Request& r) -> HttpServer::Reply {
      const std::string range = r.header("Range");
      if (range == "(none)")
        return {"HTTP/1.1 200 OK\r\n" + tag + "Transfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n", Then::Close};
      const std::size_t first = std::stoul(range.substr(6));
      if (first >= data.size()) return at_end;
      return HttpServer::answer(
          206, data.substr(first, 2),
          tag + "Content-Range: bytes " + std::to_string(first) + "-" + std::to_string(first + 1) + "/*\r\n");
    });
    const auto done = http::download(client, server.url(), at.to, {.size = size, .retry = quickly});
    REQUIRE(done);
    CHECK(done->size == 10);
    CHECK(content(at.to) == data);
    CHECK(server.requests().size() == requests);
  };
  check(HttpServer::answer(416, "", "Content-Range: bytes */10\r\n"), {}, 5);
  check(HttpServer::answer(416, ""), {}, 5);
  check(HttpServer::answer(206, "", "Content-Range: bytes 10-9/*\r\n"), {}, 5);
  check(HttpServer::answer(500, "no"), 10, 4);  // nothing is asked for if the size is known
}

TEST_CASE("download: the next call goes on, unless the file has changed") {
  const Folder at;
  FileServer file;
  file.cuts = {4};
  REQUIRE_FALSE(http::download(client, file.server.url(), at.to, {.retry = once}));
  CHECK_FALSE(fs::exists(at.to));
  CHECK(content(at.part) == "0123");
  SECTION("it is the same") {
    const auto done = http::download(client, file.server.url(), at.to, {.retry = once});
    REQUIRE(done);
    CHECK(done->resumed == 4);
    CHECK(content(at.to) == "0123456789");
    CHECK(at.files() == 1);
  }
  SECTION("it has changed") {
    file.data = "abcdef";
    file.etag = "\"v2\"";
    const auto done = http::download(client, file.server.url(), at.to, {.retry = once});
    REQUIRE(done);
    CHECK(done->resumed == 0);
    CHECK(content(at.to) == "abcdef");
  }
  SECTION("the part is of another boot, or of an unknown place") {
    std::ofstream(at.part.string() + ".from") << "etlpipe download 1\nother\n\n\"v1\"\n";
    REQUIRE(http::download(client, file.server.url(), at.to, {.retry = once}));
    CHECK(file.server.requests().back().header("Range") == "(none)");
  }
  SECTION("it was complete when the call before was killed") {
    std::ofstream(at.part) << "0123456789";
    REQUIRE(http::download(client, file.server.url(), at.to, {.retry = once}));
    CHECK(file.server.requests().size() == 2);
    CHECK(content(at.to) == "0123456789");
  }
  SECTION("it is shorter now") {
    file.data = "ab";
    file.etag = "\"v1\"";
    REQUIRE(http::download(client, file.server.url(), at.to, {.retry = once}));
    CHECK(content(at.to) == "ab");
  }
}

TEST_CASE("download: without a strong validator it begins anew, with a digest it goes on") {
  const Folder at;
  FileServer file;
  file.etag = "W/\"weak\"";
  file.cuts = {4};
  REQUIRE_FALSE(http::download(client, file.server.url(), at.to, {.retry = once}));
  const bool with_digest = GENERATE(false, true);
  http::DownloadOptions options{.retry = once};
  if (with_digest) options.digest = {.hex = sha256("0123456789")};
  REQUIRE(http::download(client, file.server.url(), at.to, options));
  CHECK(file.server.requests().back().header("Range") == (with_digest ? "bytes=4-" : "(none)"));
  CHECK(content(at.to) == "0123456789");
}

TEST_CASE("download: a wrong digest leaves nothing, and bytes of two versions are fetched once more") {
  const Folder at;
  FileServer file;
  const auto options = [&](const std::string& text) {
    return http::DownloadOptions{.digest = http::ExpectedDigest{.hex = sha256(text)}, .retry = once};
  };
  SECTION("the server has another file") {
    const auto done = http::download(client, file.server.url(), at.to, options("other"));
    REQUIRE_FALSE(done);
    CHECK(done.error().code == http::Problem::Content);
    CHECK(done.error().message().find("the digest is " + sha256("0123456789") + " and must be") != std::string::npos);
    CHECK_FALSE(fs::exists(at.to));
    CHECK(fs::file_size(at.part) == 0);
    CHECK(file.server.requests().size() == 1);
  }
  SECTION("each attempt breaks off") {
    file.cuts = {5, 5, 5, 5, 5, 5, 5, 5};
    http::DownloadOptions own = options("other");
    own.retry = quickly;
    CHECK(http::download(client, file.server.url(), at.to, own).error().code == http::Problem::Content);
    CHECK(file.server.requests().size() == 4);
  }
  SECTION("the part was of another file") {
    std::ofstream(at.part) << "abcd";
    const auto done = http::download(client, file.server.url(), at.to, options("0123456789"));
    REQUIRE(done);
    CHECK(done->resumed == 0);
    CHECK(content(at.to) == "0123456789");
    CHECK(file.server.requests().size() == 2);
  }
}

TEST_CASE("download: a size that differs is told before the bytes come, or with the first too many") {
  const Folder at;
  FileServer file;
  const auto error = http::download(client, file.server.url(), at.to, {.size = 11, .retry = once}).error();
  CHECK(error.message() == "GET " + file.server.url() + ": the file has 10 bytes and must have 11");
  HttpServer without_length([](const auto&) {
    return HttpServer::Reply{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n0123456789", Then::Close};
  });
  CHECK(http::download(client, without_length.url(), at.to, {.size = 9}).error().message().find("more than the 9") !=
        std::string::npos);
  CHECK(http::download(client, without_length.url(), at.to, {.size = 11}).error().code == http::Problem::Content);
  CHECK_FALSE(fs::exists(at.to));
}

TEST_CASE("download: the next mirror goes on where the first one failed") {
  const Folder at;
  FileServer first, second;
  first.cuts = {6, 0};
  http::DownloadOptions options{.digest = http::ExpectedDigest{.hex = sha256("0123456789")}, .retry = once};
  const std::vector<std::string> mirrors{first.server.url("/?token=geheim"), second.server.url()};
  SECTION("it has the rest") {
    const auto done = http::download(client, mirrors, at.to, options);
    REQUIRE(done);
    CHECK(done->url == second.server.url());
    CHECK(second.server.requests().front().header("Range") == "bytes=6-");
    CHECK(second.server.requests().front().header("If-Range") == "(none)");
    CHECK(content(at.to) == "0123456789");
  }
  SECTION("it has not") {
    second.status = 404;
    const auto error = http::download(client, mirrors, at.to, options).error();
    CHECK(error.error_class == etl::ErrorClass::Transient);
    CHECK(error.message().find("no mirror has it: GET " + first.server.url("/?token=***")) != std::string::npos);
    CHECK(error.message().find("404 Not Found: no") != std::string::npos);
  }
}

TEST_CASE("download: a file that is being downloaded is refused") {
  const Folder at;
  FileServer file;
  std::optional<etl::Error> second;
  const auto within = [&](std::uint64_t, std::optional<std::uint64_t>) {
    if (const auto done = http::download(client, file.server.url(), at.to); !done) second = done.error();
  };
  REQUIRE(http::download(client, file.server.url(), at.to, {.progress = within}));
  REQUIRE(second);
  CHECK(second->message().ends_with("another download has it"));
  CHECK(content(at.to) == "0123456789");
}

TEST_CASE("download: what is not the mirror's fault ends it") {
  const Folder at;
  FileServer file;
  const std::vector<std::string> mirrors{file.server.url(), file.server.url("/2")};
  std::stop_source stop;
  stop.request_stop();
  CHECK(http::download(client, mirrors, at.to, {}, stop.get_token()).error().code == http::Problem::Stopped);
  CHECK(http::download(client, mirrors, at.folder / "none" / "f").error().message() ==
        "cannot open '" + (at.folder / "none" / "f.part").string() + "': No such file or directory");
  CHECK(http::download(client, std::vector<std::string>{}, at.to).error().code == etl::Errc::InvalidOptions);
  CHECK(file.server.requests().empty());
}

}  // namespace download_test
