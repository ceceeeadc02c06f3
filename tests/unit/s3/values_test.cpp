#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <etl/http/client.hpp>
#include <etl/http/error.hpp>
#include <etl/http/url.hpp>
#include <etl/s3/address.hpp>
#include <etl/s3/answers.hpp>
#include <etl/s3/credentials.hpp>
#include <etl/s3/store.hpp>

#include "support/catch.hpp"
#include "support/test_data.hpp"
#include "unit/io/support.hpp"
#include "unit/s3/support.hpp"

namespace values_test {

namespace fs = std::filesystem;
namespace http = etl::http;
namespace io = etl::io;
namespace s3 = etl::s3;

namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::strtoul(std::string(hex.substr(i, 2)).c_str(), nullptr, 16));
  return bytes;
}

/// The fields of a line of CSV with double quotes.
std::vector<std::string> fields_of(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"')
      fields.back() += line[i++];
    else if (line[i] == '"')
      quoted = !quoted;
    else if (line[i] == ',' && !quoted)
      fields.emplace_back();
    else if (line[i] != '\r')
      fields.back() += line[i];
  }
  return fields;
}

/// What the client signs: the request goes to a proxy, which sees the host's name that was asked for.
class Signing {
 public:
  [[nodiscard]] std::string authorization(http::Auth auth, http::Request request) {
    request.auth = std::move(auth);
    const auto client = etl::value(http::Client::make({.proxy = server_.url()}));
    REQUIRE(client.exchange(request));
    return server_.requests().back().header("Authorization");
  }

 private:
  test::HttpServer server_{[](const auto& r) {
    auto answer = test::HttpServer::answer(200, "");
    return r.method == "HEAD" ? test::HttpServer::cut(std::move(answer), 0, test::HttpServer::Then::Keep) : answer;
  }};
};

/// Environment variables, as they were at the end.
class Environment {
 public:
  explicit Environment(const std::map<std::string, std::string>& values) {
    for (const char* const name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
                                   "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3",
                                   "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "HOME"}) {
      const char* const before = ::getenv(name);
      before_[name] = before == nullptr ? std::nullopt : std::optional<std::string>(before);
      ::unsetenv(name);
    }
    for (const auto& [name, value] : values) ::setenv(name.c_str(), value.c_str(), 1);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() {
    for (const auto& [name, value] : before_)
      value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
  }

 private:
  std::map<std::string, std::optional<std::string>> before_{};
};

}  // namespace

TEST_CASE("S3: the URL of an object has the one form that can be signed", "[s3]") {
  const s3::Address path{.bucket = "b", .endpoint = "http://127.0.0.1:9000/", .region = "r"};
  CHECK(s3::object_url(path, "a/b") == "http://127.0.0.1:9000/b/a/b");
  CHECK(s3::object_url(path, "") == "http://127.0.0.1:9000/b/");
  CHECK(s3::object_url(path, "/a//b/") == "http://127.0.0.1:9000/b//a//b/");
  CHECK(s3::object_url(path, "A-z_0.9~") == "http://127.0.0.1:9000/b/A-z_0.9~");
  CHECK(s3::object_url(path, " +%*()'!?#&=;:@$\xC3\xBC") ==
        "http://127.0.0.1:9000/b/%20%2B%25%2A%28%29%27%21%3F%23%26%3D%3B%3A%40%24%C3%BC");
  CHECK(s3::object_url(path, "", {{"prefix", "a/b c"}, {"list-type", "2"}, {"max-keys", ""}}) ==
        "http://127.0.0.1:9000/b/?list-type=2&max-keys=&prefix=a%2Fb%20c");
  CHECK(s3::object_url(path, "k", {{"uploads", ""}}) == "http://127.0.0.1:9000/b/k?uploads=");

  const auto host = [](s3::Address address) { return s3::object_url(address, "k"); };
  CHECK(host({.bucket = "sales"}) == "https://sales.s3.us-east-1.amazonaws.com/k");
  CHECK(host({.bucket = "sales", .region = "cn-north-1"}) == "https://sales.s3.cn-north-1.amazonaws.com.cn/k");
  CHECK(host({.bucket = "my.sales"}) == "https://s3.us-east-1.amazonaws.com/my.sales/k");
  CHECK(host({.bucket = "sales", .style = s3::Style::Path}) == "https://s3.us-east-1.amazonaws.com/sales/k");
  CHECK(host({.bucket = "sales", .endpoint = "http://host:1", .style = s3::Style::VirtualHost}) ==
        "http://sales.host:1/k");
}

TEST_CASE("S3: s3:// URLs", "[s3]") {
  const auto at = s3::parse_location("s3://bucket/2024/**/*.csv.gz?x#y%20");
  REQUIRE(at);
  CHECK(at->bucket == "bucket");
  CHECK(at->key == "2024/**/*.csv.gz?x#y%20");
  CHECK(s3::parse_location("s3://bucket")->key.empty());
  CHECK(s3::parse_location("s3://bucket/")->key.empty());
  for (const char* const wrong : {"http://bucket/k", "s3:/bucket/k", "s3://", "s3:///k", "s3://a b/k", "s3://u@host/k"})
    CHECK(s3::parse_location(wrong).error().code == etl::Errc::InvalidOptions);
}

TEST_CASE("S3: settings come from the environment and from profiles", "[s3]") {
  test::TemporaryFolder folder;
  const std::string credentials = (folder / "credentials").string(), config = (folder / "config").string();
  test::write_file(credentials,
                   "# keys\n[default]\naws_access_key_id = AKD\naws_secret_access_key=a/b+c=\n\n[other]\r\n"
                   "aws_access_key_id=AKO\r\naws_secret_access_key = SKO\r\naws_session_token = TOK\r\n[half]\n"
                   "aws_access_key_id=AKH\n");
  test::write_file(config,
                   "[default]\nregion = eu-west-1\ns3 =\n  region = wrong\n[profile other]\nregion=eu-west-2\n"
                   "endpoint_url = http://localhost:9000\n[profile sso]\nsso_session = corp\n");
  const std::map<std::string, std::string> files = {{"AWS_SHARED_CREDENTIALS_FILE", credentials},
                                                    {"AWS_CONFIG_FILE", config}};
  const auto with = [&](std::map<std::string, std::string> more) { return more.merge(std::map(files)), more; };

  SECTION("the default profile") {
    const Environment environment(files);
    const auto found = s3::find_settings();
    REQUIRE(found);
    REQUIRE(found->credentials);
    CHECK(found->credentials->access_key == "AKD");
    CHECK(found->credentials->secret_key == "a/b+c=");
    CHECK(found->region == "eu-west-1");
    CHECK(found->endpoint.empty());
    const auto store = s3::Store::open({.bucket = "sales"});
    REQUIRE(store);
    CHECK(store->address().region == "eu-west-1");
  }
  SECTION("a named profile") {
    const bool by_variable = GENERATE(true, false);
    const Environment environment(by_variable ? with({{"AWS_PROFILE", "other"}}) : files);
    const auto found = s3::find_settings(by_variable ? "" : "other");
    REQUIRE(found);
    CHECK(found->credentials->access_key == "AKO");
    CHECK(found->credentials->session_token == "TOK");
    CHECK(found->region == "eu-west-2");
    CHECK(found->endpoint == "http://localhost:9000");
  }
  SECTION("the environment comes before profiles, but not before one that is named") {
    const Environment environment(with({{"AWS_ACCESS_KEY_ID", "AKE"},
                                        {"AWS_SECRET_ACCESS_KEY", "SKE"},
                                        {"AWS_SESSION_TOKEN", "TOE"},
                                        {"AWS_DEFAULT_REGION", "us-west-1"},
                                        {"AWS_ENDPOINT_URL", "http://a"},
                                        {"AWS_ENDPOINT_URL_S3", "http://b"}}));
    const auto found = s3::find_settings();
    REQUIRE(found);
    CHECK(found->credentials->access_key == "AKE");
    CHECK(found->credentials->session_token == "TOE");
    CHECK(found->region == "us-west-1");
    CHECK(found->endpoint == "http://b");
    CHECK(s3::find_settings("other")->credentials->access_key == "AKO");
  }
  SECTION("what is wrong is told, without secrets") {
    {
      const Environment environment(with({{"AWS_SECRET_ACCESS_KEY", "geheim"}}));
      const std::string text = s3::find_settings().error().message();
      CHECK(text.starts_with("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: one of"));
      CHECK(text.find("geheim") == std::string::npos);
    }
    const Environment environment(files);
    CHECK(s3::find_settings("half").error().message().starts_with("'" + credentials + "': profile 'half': one of"));
    CHECK(s3::find_settings("none").error().message().starts_with("there is no profile 'none' in '" + credentials));
    CHECK(s3::find_settings("sso").error().message().find("sso_session, which is not supported") != std::string::npos);
    test::write_file(credentials, "[default]\naws_access_key_id\n");
    CHECK(s3::find_settings().error().message() == "'" + credentials + "': line 2: there is no '='");
  }
  SECTION("nothing") {
    const Environment environment({{"HOME", folder.path().string()}});
    const auto found = s3::find_settings();
    REQUIRE(found);
    CHECK_FALSE(found->credentials);
    const auto store = s3::Store::open({.bucket = "sales"});
    CHECK(store.error().message().starts_with("S3: there are no credentials: set AWS_ACCESS_KEY_ID"));
    CHECK(s3::Store::open({.bucket = "sales", .credentials = s3::Credentials::anonymous()}));
  }
}

TEST_CASE("S3: answers that are none are errors", "[s3]") {
  for (const char* const xml :
       {"", "no XML", "<ListBucketResult>", "<html></html>", "<a><b></a></b>", "<ListBucketResult/>trailing",
        "<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult>&a;</ListBucketResult>"}) {
    CAPTURE(xml);
    CHECK_FALSE(s3::parse_objects(xml));
    CHECK_FALSE(s3::parse_uploads(xml));
    CHECK_FALSE(s3::parse_upload_id(xml));
    CHECK_FALSE(s3::parse_completed(xml));
    CHECK_FALSE(s3::parse_refusal(xml));
  }
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<a>";
  CHECK(s3::parse_refusal(deep).error().message().find("elements nested more than 32 deep") != std::string::npos);
  CHECK_FALSE(
      s3::parse_objects("<ListBucketResult><Contents><Key>k</Key><Size>x</Size></Contents></ListBucketResult>"));
  CHECK_FALSE(s3::parse_objects("<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>"));
  CHECK_FALSE(s3::parse_objects("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"));
  CHECK(s3::parse_objects("<ListBucketResult/>")->objects.empty());
  CHECK_FALSE(s3::parse_upload_id("<InitiateMultipartUploadResult/>"));
  CHECK_FALSE(s3::parse_uploads("<ListMultipartUploadsResult><Upload/></ListMultipartUploadsResult>"));
  CHECK(s3::parse_completed("<Error><Message>m</Message></Error>")->refusal.code == "UnknownError");
  CHECK(s3::completion_of(std::vector{io::UploadedPart{1, "\"a&b\""}}) ==
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part><PartNumber>1</PartNumber>"
        "<ETag>&quot;a&amp;b&quot;</ETag></Part></CompleteMultipartUpload>");
  const auto page = s3::parse_objects(
      "<x:ListBucketResult "
      "xmlns:x=\"urn:y\"><x:EncodingType>url</x:EncodingType><x:Contents><x:Key>a+b%2Bc%0A%zz</x:Key>"
      "<x:Size>7</x:Size><x:Owner><x:ID>o</x:ID></x:Owner></x:Contents></x:ListBucketResult>");
  REQUIRE(page);
  CHECK(page->objects[0].key == "a b+c\n%zz");
}

TEST_CASE("S3: recorded answers of AWS", "[s3]") {
  const auto data = test::data_folder();
  if (!data || !fs::exists(*data / "s3/responses")) return;
  const auto read = [&](const char* name) { return test::read_file(*data / "s3/responses" / name); };

  const auto page = s3::parse_objects(read("s3-list-objects.xml"));
  REQUIRE(page);
  REQUIRE(page->objects.size() == 2);
  CHECK(page->objects[0].key == "key1");
  CHECK(page->objects[0].size == 10000);
  CHECK(page->objects[0].etag == "\"1d921b22129502cbbe5cbaf2c8bac682\"");
  using namespace std::chrono_literals;
  CHECK(page->objects[1].modified == std::chrono::sys_days(2013y / 1 / 10) + 22h + 45min + 9s);
  CHECK(page->next.empty());

  const auto uploads = s3::parse_uploads(read("s3-list-multipart-uploads_2.xml"));
  REQUIRE(uploads);
  REQUIRE(uploads->uploads.size() == 3);
  CHECK(uploads->uploads[1].key == "my-movie.m2ts");
  CHECK(uploads->uploads[1].id == "VXBsb2FkIElEIGZvciBlbHZpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA");
  CHECK(uploads->uploads[0].started == std::chrono::sys_days(2010y / 11 / 10) + 20h + 48min + 33s);
  CHECK(uploads->next == "YW55IGlkZWEgd2h5IGVsdmluZydzIHVwbG9hZCBmYWlsZWQ\nmy-movie.m2ts");
  CHECK(s3::parse_uploads(read("s3-list-multipart-uploads.xml")));

  const auto denied = s3::parse_refusal(read("errors_s3-list-objects.xml"));
  REQUIRE(denied);
  CHECK(denied->code == "AccessDenied");
  CHECK(denied->message == "Access Denied");
  CHECK(denied->request_id == "9C7D5181867045BB");
  CHECK(s3::parse_refusal(read("errors_s3-create-bucket.xml"))->code == "BucketAlreadyOwnedByYou");
}

TEST_CASE("S3: times that are none, or that the clock cannot hold", "[s3]") {
  const auto started = [](std::string_view time) {
    const auto page = s3::parse_uploads(
        fmt::format("<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>i</UploadId><Initiated>{}</Initiated>"
                    "</Upload></ListMultipartUploadsResult>",
                    time));
    return etl::value(page).uploads.at(0).started.time_since_epoch();
  };
  using namespace std::chrono_literals;
  CHECK(started("1970-01-02T00:00:01.500Z") == 24h + 1500ms);
  for (const char* const time : {"9999-12-31T23:59:59.000Z", "7062-11-10T20:48:33.000Z", "-999-01-01T00:00:00Z",
                                 "2024-02-30T00:00:00Z", "2024-01-01T-1:00:00Z", "yesterday", ""})
    CHECK(started(time) == 0h);
}

TEST_CASE("S3: a signature of AWS's own examples", "[s3]") {
  // docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "GET Object" and "Get Bucket (List
  // Objects)".
  Signing signing;
  const auto auth =
      http::Auth::aws_sigv4("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3");
  const s3::Address address{
      .bucket = "examplebucket", .endpoint = "http://s3.amazonaws.com", .style = s3::Style::VirtualHost};
  const http::Headers headers = {{"X-Amz-Date", "20130524T000000Z"}};
  CHECK(signing
            .authorization(
                auth, {.url = s3::object_url(address, "", {{"prefix", "J"}, {"max-keys", "2"}}), .headers = headers})
            .ends_with("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

TEST_CASE("S3: a signature of what is seldom", "[s3]") {
  // A "+" in the query, a path that could be shortened, a port, a name twice, blanks, a secret that is longer than a
  // block of SHA-256. Expected: Python's hmac.
  Signing signing;
  const auto auth = http::Auth::aws_sigv4("key", std::string(100, 's'), "us-east-1", "s3", "token");
  const s3::Address address{
      .bucket = "examplebucket", .endpoint = "http://s3.amazonaws.com:8080", .style = s3::Style::VirtualHost};
  const http::Request request{.url = s3::object_url(address, "a/../b+c", {{"prefix", "a+b"}}),
                              .headers = {{"X-Amz-Date", "20130524T000000Z"},
                                          {"x-amz-meta-note", " two   blanks "},
                                          {"X-Amz-Meta-Note", "more"},
                                          {"User-Agent", "test"}}};
  CHECK(signing.authorization(auth, request) ==
        "AWS4-HMAC-SHA256 Credential=key/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-meta-note;x-amz-security-token, "
        "Signature=09d19dcdee19cb363da9af13e86eadb2d83358a425609324bd0a9c878506c2c5");
}

TEST_CASE("S3: a query is signed in its canonical order, with a sign of equality for each name", "[s3]") {
  Signing signing;
  const auto auth = http::Auth::aws_sigv4("key", "secret", "us-east-1", "execute-api");
  const auto signed_for = [&](const std::string& query) {
    return signing.authorization(
        auth, {.url = "http://api.example.com/items?" + query, .headers = {{"X-Amz-Date", "20130524T000000Z"}}});
  };
  const std::string canonical = signed_for("a=1&b=&b=2&b-c=3");
  CHECK(signed_for("b-c=3&b=2&a=1&b") == canonical);
  CHECK(signed_for("b=2&&b=&b-c=3&a=1&") == canonical);
  CHECK(signed_for("a=1&b=&b=2&b-c=4") != canonical);
}

TEST_CASE("S3: signatures of the examples in AWS's manual", "[s3]") {
  const auto data = test::data_folder();
  if (!data || !fs::exists(*data / "s3/aws_doc_examples.csv")) return;
  const s3::Address address{
      .bucket = "examplebucket", .endpoint = "http://s3.amazonaws.com", .style = s3::Style::VirtualHost};
  std::ifstream in(*data / "s3/aws_doc_examples.csv");
  std::string line;
  std::getline(in, line);
  Signing signing;
  std::size_t cases = 0;
  while (std::getline(in, line)) {
    const auto fields = fields_of(line);  // name, keys, region, service, time, canonical request, ..., signature
    REQUIRE(fields.size() == 9);
    CAPTURE(fields[0]);
    // What is signed has the method, the path, the query and the headers in lines.
    std::istringstream request_lines(from_hex(fields[6]));
    std::string method, path, query, header;
    std::getline(request_lines, method) && std::getline(request_lines, path) && std::getline(request_lines, query);
    http::Request request{.method = method};
    request.url = s3::object_url(address, path == "/test%24file.text" ? "test$file.text" : path.substr(1),
                                 query.empty() ? s3::Query{} : s3::Query{{"lifecycle", ""}});
    while (std::getline(request_lines, header) && !header.empty())
      if (!header.starts_with("host:"))
        request.headers.add(header.substr(0, header.find(':')), header.substr(header.find(':') + 1));
    if (method == "PUT") request.body = "Welcome to Amazon S3.";
    const auto auth = http::Auth::aws_sigv4(fields[1], fields[2], fields[3], fields[4]);
    CHECK(signing.authorization(auth, request).ends_with("Signature=" + fields[8]));
    ++cases;
  }
  CHECK(cases == 3);
}

TEST_CASE("S3: URLs are canonical by AWS's own suite of signatures", "[s3]") {
  const auto data = test::data_folder();
  if (!data || !fs::exists(*data / "s3/sigv4_suite")) return;
  // The suite is of a service that shortens paths. S3 does not, because "a/../b" is a key. Its signatures cannot be
  // compared, because the client always signs x-amz-content-sha256, as S3 wants it; path and query can.
  const std::set<std::string> shortened{"get-relative-normalized", "get-relative-relative-normalized",
                                        "get-slash-dot-slash-normalized", "get-slashes-normalized"};
  const s3::Address address{.bucket = "example", .endpoint = "http://amazonaws.com", .style = s3::Style::VirtualHost};
  std::size_t cases = 0;
  for (const auto& entry : fs::directory_iterator(*data / "s3/sigv4_suite")) {
    const std::string name = entry.path().filename();
    CAPTURE(name);
    if (shortened.contains(name)) continue;
    std::string line = test::read_file(entry.path() / "request.txt");
    line.resize(line.find('\n'));
    std::string target = line.substr(line.find(' ') + 2, line.rfind(' ') - line.find(' ') - 2);
    s3::Query query;
    if (const std::size_t mark = target.find('?'); mark != std::string::npos) {
      std::string part;
      for (std::istringstream rest(target.substr(mark + 1)); std::getline(rest, part, '&');) {
        std::string parameter = part.substr(0, part.find('='));
        for (std::size_t at = 0; (at = parameter.find('%', at)) != std::string::npos; ++at)
          parameter.replace(at, 3, from_hex(parameter.substr(at + 1, 2)));
        query.emplace_back(parameter, part.substr(part.find('=') + 1));
      }
      target.resize(mark);
    }
    std::istringstream canonical(test::read_file(entry.path() / "header-canonical-request.txt"));
    std::string method, path, parameters;
    std::getline(canonical, method) && std::getline(canonical, path) && std::getline(canonical, parameters);
    CHECK(s3::object_url(address, target, query) ==
          "http://example.amazonaws.com" + path + (parameters.empty() ? "" : "?") + parameters);
    ++cases;
  }
  CHECK(cases == 14);
}

TEST_CASE("S3: signatures are those of other programs", "[s3]") {
  const auto data = test::data_folder();
  if (!data || !fs::exists(*data / "s3/botocore_signed.csv")) return;
  std::ifstream in(*data / "s3/botocore_signed.csv");
  std::string line;
  std::getline(in, line);
  const auto names = fields_of(line);
  Signing signing;
  std::size_t cases = 0;
  while (std::getline(in, line)) {
    const auto fields = fields_of(line);
    REQUIRE(fields.size() == names.size());
    std::map<std::string, std::string> row;
    for (std::size_t i = 0; i < names.size(); ++i) row[names[i]] = fields[i];
    CAPTURE(line);
    const std::string key = from_hex(row["object_key_utf8_hex"]);
    s3::Query query;
    std::string seen;
    for (std::istringstream rest(row["query"]); std::getline(rest, seen, '&');) {
      std::string value = seen.substr(seen.find('=') + 1);
      for (std::size_t at = 0; (at = value.find('%', at)) != std::string::npos; ++at)
        value.replace(at, 3, from_hex(value.substr(at + 1, 2)));
      query.emplace_back(seen.substr(0, seen.find('=')), value);
    }
    const s3::Address address{.bucket = "bucket",
                              .endpoint = "http://" + row["host"].substr(row["host"].find('.') + 1),
                              .region = row["region"],
                              .style = s3::Style::VirtualHost};
    const std::string url = s3::object_url(address, key, query);
    CHECK(url.substr(0, url.find('?')) == "http://" + row["host"] + row["encoded_path"]);
    http::Request request{.method = row["method"], .url = url, .headers = {{"X-Amz-Date", row["timestamp"]}}};
    if (!row["body_utf8"].empty()) request.body = row["body_utf8"];
    request.headers.add("x-amz-content-sha256", row["x_amz_content_sha256"]);
    if (row["extra_headers"] != "{}") {
      REQUIRE(row["extra_headers"] == R"({"x-amz-meta-note": "  two  spaces "})");
      request.headers.add("x-amz-meta-note", "  two  spaces ");
    }
    const auto auth =
        http::Auth::aws_sigv4(row["access_key"], row["secret_key"], row["region"], "s3", row["session_token"]);
    CHECK(signing.authorization(auth, request) == row["authorization"]);
    ++cases;
  }
  CHECK(cases >= 15);
}

}  // namespace values_test
