// The client against a server that answers as servers of Druid do.
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <etl/druid/client.hpp>
#include <etl/http/error.hpp>

#include "support/catch.hpp"
#include "support/druid_recorded.hpp"
#include "support/http_server.hpp"
#include "support/json.hpp"
#include "support/test_data.hpp"

namespace client_test {

namespace druid = etl::druid;
namespace fs = std::filesystem;
using druid::Problem;
using test::HttpServer;

namespace {

druid::Client make(const HttpServer& server, druid::ClientOptions options = {}) {
  if (options.url.empty()) options.url = server.url("");
  options.proxy = "";
  return etl::value(druid::Client::make(std::move(options)));
}

/// Always the same answer.
HttpServer::Handler always(int status, std::string body, std::string headers = "") {
  return [=](const auto&) { return HttpServer::answer(status, body, headers); };
}

druid::Spec spec() {
  return {.data_source = "sales",
          .mode = druid::Append{},
          .timestamp = {.column = "t"},
          .dimensions = druid::Dimensions::discovered(),
          .input = druid::InlineInput{"t\n2024-01-01\n"},
          .format = druid::CsvFormat{},
          .id = "sales_1"};
}

constexpr std::string_view jetty_page =
    "<html>\n<head>\n<title>Error 500 javax.servlet.ServletException: com.fasterxml.jackson.core.JsonParseException: "
    "Unexpected character (&apos;b&apos; (code 98))\n at [Source: (x); line: "
    "1]</title>\n</head>\n<body>...</body></html>";

}  // namespace

TEST_CASE("druid client: a task is submitted and watched, with credentials and nothing but JSON") {
  HttpServer server([](const HttpServer::Request& r) {
    if (r.method == "POST" && r.target == "/druid/indexer/v1/task")
      return HttpServer::answer(200, R"({"task":"sales_1"})");
    if (r.target == "/druid/indexer/v1/task/a%2Fb%20c/status")
      return HttpServer::answer(200,
                                R"({"task":"a/b c","status":{"id":"a/b c","statusCode":"SUCCESS","status":"SUCCESS",)"
                                R"("runnerStatusCode":"NONE","duration":608,"dataSource":"sales","errorMsg":null}})");
    return HttpServer::answer(200, R"({"version":"33.0.0","modules":[]})");
  });
  const druid::Client client = make(server, {.auth = etl::http::Auth::basic("me", "pass")});
  CHECK(client.submit(spec()).value() == "sales_1");
  const druid::TaskStatus status = client.status("a/b c").value();
  CHECK(status.state == druid::TaskState::Success);
  CHECK(status.duration == std::chrono::milliseconds(608));
  CHECK(status.data_source == "sales");
  CHECK(client.version().value() == "33.0.0");
  const auto seen = server.requests();
  CHECK(seen[0].header("Content-Type") == "application/json");
  CHECK(seen[0].header("Authorization") == "Basic bWU6cGFzcw==");
  CHECK(test::Json::parse(seen[0].body).value().at("id") == "sales_1");
  CHECK(make(server, {.auth = etl::http::Auth::bearer("token")}).version());
  CHECK(server.requests().back().header("Authorization") == "Bearer token");
  CHECK(make(server, {.url = "http://u:p@" + server.url("").substr(7) + "/"}).version());
  CHECK(server.requests().back().header("Authorization") == "Basic dTpw");
  CHECK(server.requests().back().target == "/status");
}

TEST_CASE("druid client: a wrong spec is not sent, and wrong options are told") {
  HttpServer server(always(200, "{}"));
  auto wrong = spec();
  wrong.data_source = "a/b";
  CHECK(make(server).submit(wrong).error().code == etl::Errc::InvalidOptions);
  CHECK(server.requests().empty());
  CHECK(druid::Client::make({}).error().message() ==
        "client of Druid: url is empty; give one such as http://localhost:8888");
  const auto error = druid::Client::make({.url = "localhost:8888", .broker_url = "http://h/?a=b"}).error();
  CHECK(error.code == etl::Errc::InvalidOptions);
  CHECK(error.message().find("url 'localhost:8888': ") != std::string::npos);
  CHECK(error.message().find("broker_url 'http://h/?a=b' has a query; leave it out") != std::string::npos);
}

TEST_CASE("druid client: an id that exists has a code of its own, in all versions") {
  const std::vector<std::pair<int, std::string>> answers{
      {400,
       R"({"error":"druidException","errorCode":"entryAlreadyExists","errorMessage":"Task[sales_1] already exists"})"},
      {400, R"({"error":"Task [sales_1] already exists."})"},
      {500, R"({"taskId":"x","state":"FAILED","error":{"error":"druidException","errorMessage":"Server error [400 Bad )"
            R"(Request]; body: {\"error\":\"Task [query-x] already exists.\"}"}})"}};
  for (const auto& [status, body] : answers) {
    HttpServer server(always(status, body));
    const auto error = make(server).submit(spec()).error();
    CHECK(error.code == Problem::TaskExists);
    CHECK(error.error_class == etl::ErrorClass::Rejected);
  }
}

TEST_CASE("druid client: a page about a Java exception is a request that Druid cannot use") {
  HttpServer server(always(500, std::string(jetty_page), "Content-Type: text/html\r\n"));
  const auto error = make(server).submit_json("{bad").error();
  CHECK(error.error_class == etl::ErrorClass::Rejected);
  CHECK(error.code == etl::http::status_code(500));
  CHECK(error.message().ends_with("500 Internal Server Error: Unexpected character ('b' (code 98))"));
  HttpServer busy(always(503, "no leader", "Retry-After: 3\r\n"));
  CHECK(make(busy).status("x").error().error_class == etl::ErrorClass::Transient);
  CHECK(make(busy).status("x").error().retry_after == std::chrono::seconds(3));
  HttpServer proxy(always(500, "<html><title>500 Internal Server Error</title></html>"));
  CHECK(make(proxy).status("x").error().error_class == etl::ErrorClass::Transient);
}

TEST_CASE("druid client: missing rights are told") {
  const std::vector<std::pair<int, std::string>> answers{
      {401, R"({"error":"Unauthorized request","errorMessage":null})"},
      {401, "<html><title>Error 401 User authentication failed.</title></html>"},
      {403, R"({"Access-Check-Result":"Unauthorized"})"},
      {403, R"({"Access-Check-Result":"Allowed:false, Message:"})"},
      {403, R"({"Access-Check-Result":""})"}};
  for (const auto& [status, body] : answers) {
    HttpServer server(always(status, body));
    const auto error = make(server, {.auth = etl::http::Auth::basic("me", "secret")}).submit(spec()).error();
    CHECK(error.code == std::errc::permission_denied);
    CHECK(error.error_class == etl::ErrorClass::Fatal);
    CHECK(error.message().find("secret") == std::string::npos);
    CHECK(error.message().find('<') == std::string::npos);
  }
}

TEST_CASE("druid client: an answer that is not Druid's is told without the credentials that it repeats") {
  HttpServer echo(
      [](const HttpServer::Request& r) { return HttpServer::answer(200, "got " + r.header("Authorization")); });
  for (const auto& auth : {etl::http::Auth::basic("me", "geheim"), etl::http::Auth::bearer("geheim-token")}) {
    const druid::Client client = make(echo, {.auth = auth});
    std::vector<etl::Error> errors{client.status("x").error(),      client.report("x").error(),
                                   client.submit(spec()).error(),   client.sql({.sql = "x"}).error(),
                                   client.load_status("x").error(), client.has_data_source("x").error(),
                                   client.version().error()};
    for (const auto& error : errors) {
      INFO(error.message());
      CHECK(error.code == Problem::Answer);
      CHECK(error.error_class == etl::ErrorClass::Fatal);
      CHECK(error.message().find("bWU6Z2VoZWlt") == std::string::npos);
      CHECK(error.message().find("geheim") == std::string::npos);
      CHECK(error.message().find(echo.url("/")) != std::string::npos);
    }
  }
}

TEST_CASE("druid client: it follows to the leader with its credentials, and nowhere else") {
  HttpServer leader([](const HttpServer::Request& r) {
    return HttpServer::answer(200, r.method == "POST" ? R"({"task":"sales_1"})" : R"({"version":"37.0.0"})");
  });
  std::string place = leader.url("/druid/indexer/v1/task");
  HttpServer other([&](const auto&) { return HttpServer::answer(307, "", "Location: " + place + "\r\n"); });
  const druid::Client client = make(other, {.auth = etl::http::Auth::bearer("token")});
  CHECK(client.submit(spec()).value() == "sales_1");
  CHECK(leader.requests().back().header("Authorization") == "Bearer token");
  CHECK(leader.requests().back().method == "POST");
  CHECK_FALSE(leader.requests().back().body.empty());

  place = leader.url("/login");
  const auto error = client.submit(spec()).error();
  CHECK(error.code == etl::http::Problem::Redirect);
  CHECK(error.error_class == etl::ErrorClass::Fatal);
  CHECK(error.message().find("does not lead to another server of Druid") != std::string::npos);
  CHECK(leader.requests().size() == 1);

  place = other.url("/druid/indexer/v1/task");
  const auto circle = client.submit(spec()).error();
  CHECK(circle.error_class == etl::ErrorClass::Transient);
  CHECK(circle.message().find("name one another as leader") != std::string::npos);
}

TEST_CASE("druid client: tasks, reports and parts of the interface that do not exist") {
  HttpServer none(always(404, "Cannot find any task with id: [nope]", "Content-Type: text/plain\r\n"));
  CHECK(make(none).status("nope").error().code == Problem::NoTask);
  CHECK(make(none).status("nope").error().error_class == etl::ErrorClass::Fatal);
  CHECK(make(none).shut_down("nope").error().code == Problem::NoTask);
  CHECK(make(none).report("nope").error().code == Problem::NoReport);
  CHECK(make(none).report("nope").error().error_class == etl::ErrorClass::Transient);
  HttpServer early(always(200, R"({"error":"Can't find chatHandler for handler[noop_1]"})"));
  CHECK(make(early).report("noop_1").error().code == Problem::NoReport);
  CHECK(make(early).report("noop_1").error().message() ==
        "task 'noop_1' has no report of an ingestion: Can't find chatHandler for handler[noop_1]");
  HttpServer page(always(200, "<html><title>Error 500 java.lang.ClassCastException: class A is no B</title></html>"));
  CHECK(make(page).report("x").error().code == Problem::NoReport);
  CHECK(make(page).report("x").error().message() == "task 'x' has no report of an ingestion: class A is no B");
  CHECK(make(page).status("x").error().message().ends_with("check the URL: class A is no B"));
  HttpServer broker(always(404, ""));
  const auto error = make(broker).status("x").error();
  CHECK(error.code == Problem::NotForwarded);
  CHECK(error.message().find("druid.router.managementProxy.enabled=true") != std::string::npos);
  HttpServer other(always(200, "<html>hello</html>"));
  CHECK(make(other).status("x").error().code == Problem::Answer);
  HttpServer strange(always(200, R"({"task":"x","status":{"state":"SUCCESS"}})"));
  CHECK(make(strange).status("x").error().code == Problem::Answer);
}

TEST_CASE("druid client: many statuses by one request, as older versions write them") {
  HttpServer server(always(200, R"({"b":{"id":"b","status":"FAILED","duration":5,"errorMsg":"no"},)"
                                R"("a":{"id":"a","status":"RUNNING","duration":-1,"errorMsg":null}})"));
  const std::vector<std::string> ids{"a", "nope", "b"};
  const auto statuses = make(server).statuses(ids).value();
  REQUIRE(statuses.size() == 2);
  CHECK(statuses[0].id == "a");
  CHECK(statuses[0].state == druid::TaskState::Running);
  CHECK_FALSE(statuses[0].duration);
  CHECK(statuses[1].state == druid::TaskState::Failed);
  CHECK(statuses[1].error == "no");
  CHECK(server.requests()[0].body == R"(["a","nope","b"])");
  CHECK(make(server).statuses({}).value().empty());
  CHECK(server.requests().size() == 1);
}

TEST_CASE("druid client: reports of one task and of several, of old and new versions") {
  std::string body = R"({"ingestionStatsAndErrors":{"taskId":"x","payload":{"ingestionState":"COMPLETED",)"
                     R"("unparseableEvents":{"determinePartitions":[{"input":"{a}"}],"buildSegments":[{"input":"{a}",)"
                     R"("errorType":"unparseable","details":["no time"],"timeOfExceptionMillis":1}]},"rowStats":{)"
                     R"("determinePartitions":{"processed":9},"buildSegments":{"processed":3,"processedBytes":117,)"
                     R"("processedWithError":1,"thrownAway":2,"unparseable":1}},"errorMsg":null}}})";
  HttpServer server([&](const auto&) { return HttpServer::answer(200, body); });
  const druid::Client client = make(server);
  auto report = client.report("x").value();
  CHECK(report.rows.processed == 3);
  CHECK(report.rows.kept() == 4);
  CHECK(report.rows.read() == 7);
  REQUIRE(report.bad_rows.size() == 1);
  CHECK(report.bad_rows[0].details == std::vector<std::string>{"no time"});
  CHECK_FALSE(report.segments_published);
  CHECK_FALSE(report.segments_available);
  body =
      R"({"ingestionStatsAndErrors":{"taskId":"x","payload":{"ingestionState":"COMPLETED","unparseableEvents":{},)"
      R"("rowStats":{"totals":{"buildSegments":{"processed":72,"thrownAway":3,"thrownAwayByReason":{"FILTERED":3}}}},)"
      R"("segmentAvailabilityConfirmed":true,"segmentsPublished":3}}})";
  report = client.report("x").value();
  CHECK(report.rows.read() == 75);
  CHECK(report.rows.thrown_away_by_reason.at(0).first == "FILTERED");
  CHECK(report.segments_published == 3U);
  CHECK(report.segments_available);
  body = R"({"ingestionStatsAndErrors":{"payload":{"ingestionState":"DETERMINE_PARTITIONS","unparseableEvents":{)"
         R"("determinePartitions":["row"],"buildSegments":[]},"rowStats":{"determinePartitions":{"processed":1,)"
         R"("unparseable":1},"buildSegments":{"processed":0}},"errorMsg":"Max parse exceptions[0] exceeded"}}})";
  report = client.report("x").value();
  CHECK(report.rows.unparseable == 1);
  CHECK(report.bad_rows.at(0).details.at(0) == "row");
  CHECK(report.error == "Max parse exceptions[0] exceeded");
}

TEST_CASE("druid client: datasources and how much of them can be queried") {
  HttpServer server([](const HttpServer::Request& r) {
    if (r.target == "/druid/coordinator/v1/metadata/datasources") return HttpServer::answer(200, R"(["ar","sales"])");
    if (r.target == "/druid/coordinator/v1/datasources/sales/loadstatus?forceMetadataRefresh=true&interval=2024%2F2025")
      return HttpServer::answer(200, R"({"sales":87.5})");
    if (r.target.starts_with("/druid/coordinator/v1/datasources/none/loadstatus"))
      return HttpServer::Reply{"HTTP/1.1 204 No Content\r\n\r\n"};
    return HttpServer::answer(500, "{}");
  });
  const druid::Client client = make(server, {.url = "http://127.0.0.1:1", .coordinator_url = server.url("/")});
  CHECK(client.has_data_source("sales").value());
  CHECK_FALSE(client.has_data_source("sale").value());
  CHECK(client.load_status("sales", "2024/2025").value() == 87.5);
  CHECK_FALSE(client.load_status("none").value());
  CHECK(client.status("x").error().code == etl::http::Problem::Connect);
}

TEST_CASE("druid client: SQL as a table and as lines") {
  std::string body =
      R"([["t","n","x"],["TIMESTAMP","BIGINT","VARCHAR"],["2024-01-01T00:00:00.000Z",3,null],["b",1.5,"y"]])";
  HttpServer server([&](const auto&) { return HttpServer::answer(200, body); });
  const druid::Client client = make(server);
  const druid::Table table = client.sql({.sql = "SELECT ?", .parameters = {std::string("a"), 1, 2.5, true}}).value();
  REQUIRE(table.columns.size() == 3);
  CHECK(table.columns[1].name == "n");
  CHECK(table.columns[1].type == "BIGINT");
  REQUIRE(table.rows.size() == 2);
  CHECK(table.rows[0][1] == "3");
  CHECK_FALSE(table.rows[0][2]);
  CHECK(table.rows[1][2] == "y");
  const auto sent = test::Json::parse(server.requests()[0].body).value();
  CHECK(sent.at("parameters.0.type") == "VARCHAR");
  CHECK(sent.at("parameters.1.value") == "1");
  CHECK(sent.at("parameters.3.value") == "true");

  const auto lines = [&] {
    const auto source = client.open_sql({.sql = "SELECT 1"});
    REQUIRE(source);
    return etl::io::read_all(**source);
  };
  body = "{\"a\":1}\n{\"a\":2}\n\n";
  CHECK(lines().value() == body);
  body = "\n";
  CHECK(lines().value() == body);
  for (const char* cut : {"{\"a\":1}\n", "{\"a\":1}\n{\"a\"", ""}) {
    body = cut;
    CHECK(lines().error().code == etl::http::Problem::Incomplete);
    CHECK(lines().error().error_class == etl::ErrorClass::Transient);
  }
  body = "[1";
  CHECK(client.sql({.sql = "SELECT 1"}).error().code == Problem::Answer);
  HttpServer wrong(always(400, R"({"error":"druidException","errorMessage":"Object 'nope' not found"})"));
  CHECK(make(wrong)
            .sql({.sql = "SELECT 1 FROM nope"})
            .error()
            .message()
            .ends_with("400 Bad Request: Object 'nope' not found"));
  CHECK(make(wrong)
            .open_sql({.sql = "SELECT 1 FROM nope"})
            .error()
            .message()
            .ends_with("400 Bad Request: Object 'nope' not found"));
  HttpServer none(always(404, "<html><head><title>Error 404 Not Found</title></head></html>"));
  CHECK(make(none).columns("sales").error().code == Problem::NotForwarded);
  CHECK(make(none).status("x").error().code == Problem::NotForwarded);
}

TEST_CASE("druid: the first sentence of what went wrong") {
  using druid::first_sentence;
  CHECK(
      first_sentence("org.apache.druid.java.util.common.ISE: Failed to get locks for [a]\n\tat org.x.Y(Z.java:1)\n") ==
      "Failed to get locks for [a]");
  CHECK(first_sentence("java.util.concurrent.ExecutionException: java.lang.RuntimeException: no room\n\tat x") ==
        "no room");
  CHECK(first_sentence("java.lang.NullPointerException\n\tat x") == "java.lang.NullPointerException");
  CHECK(first_sentence("java.lang.OutOfMemoryError: ") == "java.lang.OutOfMemoryError: ");
  CHECK(first_sentence("Shutdown request from user") == "Shutdown request from user");
  CHECK(first_sentence("Status 404: x") == "Status 404: x");
  CHECK(first_sentence(jetty_page) == "Unexpected character ('b' (code 98))");
  CHECK(first_sentence(R"({"error":{"errorMessage":"inner"}})") == "inner");
  CHECK(first_sentence(R"({"error":"Plan validation failed","errorMessage":"org.apache.calcite.X: bad"})") == "bad");
  CHECK(first_sentence(R"({"error":"druidException","errorMessage":"Received \"(\", acceptable: [\"A\", \"B)") ==
        R"(Received "(", acceptable: ["A", "B)");
  CHECK(first_sentence(R"({"error":"too lo)") == "too lo");
  CHECK(first_sentence(R"({"other":"x)") == R"({"other":"x)");
  CHECK(first_sentence("").empty());
  CHECK(first_sentence("{}").empty());
  CHECK(first_sentence(std::string(600, 'x')).size() == 503);
}

TEST_CASE("druid client: answers of several versions, recorded by tests/druid/record.py") {
  std::set<std::string> versions;
  for (const test::DruidAnswers& recorded : test::DruidAnswers::all()) {
    INFO(recorded.version());
    std::string name;
    const HttpServer server([&](const auto&) { return recorded.reply(name); });
    const druid::Client client = make(server);
    const auto playing = [&](std::string_view what) -> const druid::Client& {
      name = what;
      return client;
    };
    const std::string version = playing("version").version().value();
    CHECK(version == recorded.version());
    versions.insert(version);

    CHECK(playing("good_submit").submit(spec()).value() == "good");
    CHECK(playing("good_status").status("good").value().state == druid::TaskState::Success);
    const auto report = playing("good_report").report("good").value();
    CHECK(report.rows.processed == 1);
    CHECK(report.rows.processed_with_error == 1);
    CHECK(report.rows.unparseable == 1);
    REQUIRE(report.bad_rows.size() == 2);
    CHECK(report.bad_rows[0].kind != report.bad_rows[1].kind);
    CHECK(playing("repeated").submit(spec()).error().code == Problem::TaskExists);
    CHECK(playing("missing_folder_status").status("x").value().state == druid::TaskState::Success);
    CHECK(playing("missing_folder_report").report("x").value().rows.read() == 0);
    for (const char* wrong : {"not_json", "empty_body", "unknown_type", "no_data_source"}) {
      INFO(wrong);
      const auto error = playing(wrong).submit_json("{}").error();
      CHECK(error.error_class == etl::ErrorClass::Rejected);
      CHECK(error.code != Problem::TaskExists);
      CHECK(error.message().find('<') == std::string::npos);
      CHECK(error.message().find("{\"") == std::string::npos);
      CHECK(error.message().find("\tat ") == std::string::npos);
    }
    CHECK(playing("unknown_status").status("x").error().code == Problem::NoTask);
    CHECK(playing("unknown_reports").report("x").error().code == Problem::NoReport);
    CHECK(playing("unknown_shutdown").shut_down("x").error().code == Problem::NoTask);

    CHECK(playing("noop_status").status("x").value().state == druid::TaskState::Running);
    for (const char* early : {"noop_report", "noop_report_after"}) {
      CHECK(playing(early).report("x").error().code == Problem::NoReport);
      CHECK(client.report("x").error().error_class == etl::ErrorClass::Transient);
    }
    CHECK(playing("noop_shutdown").shut_down("x"));
    CHECK(playing("noop_shutdown_again").shut_down("x"));
    const auto after = playing("noop_status_after").status("x").value();
    CHECK(after.state == druid::TaskState::Failed);
    CHECK(druid::first_sentence(after.error) == "Shutdown request from user");
    const auto bulk = playing("bulk").statuses(std::vector<std::string>{"good", "unknown", "noop"}).value();
    REQUIRE(bulk.size() == 2);
    CHECK(bulk[0].state == druid::TaskState::Success);

    CHECK(playing("load_status").load_status("client").value().has_value());
    CHECK_FALSE(playing("load_status_unknown").load_status("none").value().has_value());
    CHECK(playing("datasources").has_data_source("client").value());
    CHECK_FALSE(client.has_data_source("other").value());
    if (recorded.status("sql") == 200) {
      const auto table = playing("sql").sql({.sql = "SELECT 1"}).value();
      CHECK(table.columns.at(0).name == "n");
      CHECK(table.rows.at(0).at(1) == "a");
      CHECK(playing("sql_unknown_table").sql({.sql = "x"}).error().message().find("'none' not found") !=
            std::string::npos);
      CHECK(client.open_sql({.sql = "x"}).error().message().find("{\"") == std::string::npos);
      CHECK(playing("sql_syntax").open_sql({.sql = "x"}).error().message().find("{\"") == std::string::npos);
    } else {
      CHECK(playing("sql").sql({.sql = "SELECT 1"}).error().code == Problem::NotForwarded);
    }
  }
  CHECK(versions == std::set<std::string>{"27.0.0", "33.0.0", "37.0.0"});
}

TEST_CASE("druid client: answers of real servers, versions 27 and 33") {
  const auto data = test::data_folder();
  if (!data) return;
  std::map<std::string, int> seen;
  for (const auto& entry : fs::directory_iterator(*data / "druid" / "recorded")) {
    if (entry.path().extension() != ".txt") continue;
    const auto exchange = test::DruidExchange::read(entry.path());
    if (exchange.body.ends_with(" bytes in all>")) continue;  // recorded in part
    INFO(entry.path().filename().string() << "\n"
                                          << exchange.target << " " << exchange.status << "\n"
                                          << exchange.body);
    const HttpServer server([&](const auto&) { return exchange.reply(); });
    const druid::Client client = make(server);
    const bool good = exchange.status == 200;
    const std::string name = entry.path().stem().string();
    if (exchange.target.starts_with("/druid/indexer/v1/task/") && exchange.target.ends_with("/status")) {
      const auto status = client.status("x");
      CHECK(status.has_value() == good);
      if (status && status->state == druid::TaskState::Failed)
        CHECK_FALSE(druid::first_sentence(status->error).empty());
      if (status) CHECK(exchange.target.find(status->id) != std::string::npos);
      ++seen["status"];
    } else if (exchange.target.ends_with("/reports") && name.find("msq") == std::string::npos) {
      const auto report = client.report("x");
      if (report) CHECK_FALSE(report->ingestion_state.empty());
      if (!report) CHECK(report.error().code == Problem::NoReport);
      CHECK(report.has_value() == (exchange.body.find("ingestionState") != std::string::npos));
      ++seen["report"];
    } else if (exchange.method == "POST" && exchange.target == "/druid/indexer/v1/task") {
      const auto task = client.submit_json(exchange.request_body);
      CHECK(task.has_value() == good);
      if (!task) {
        CHECK(task.error().error_class != etl::ErrorClass::Transient);
        CHECK(task.error().message().find("\tat ") == std::string::npos);
        CHECK(task.error().message().find('<') == std::string::npos);
        CHECK((task.error().code == Problem::TaskExists) == (name == "04_repeated_id"));
      }
      ++seen["submit"];
    } else if (exchange.target.ends_with("/shutdown") && exchange.target.find("/task/") != std::string::npos) {
      CHECK(client.shut_down("x").has_value() == good);
      ++seen["shutdown"];
    } else if (exchange.target.find("/loadstatus") != std::string::npos) {
      CHECK(client.load_status("sales").has_value());
      ++seen["loadstatus"];
    } else if (name == "08_taskStatus_bulk") {
      CHECK(client.statuses(std::vector<std::string>{"sales_1", "noop_1", "nope"}).value().size() == 2);
      ++seen["bulk"];
    } else if (exchange.target == "/druid/v2/sql" && !good) {
      const auto error = client.sql({.sql = "SELECT 1"}).error();
      CHECK(error.message().find('<') == std::string::npos);
      CHECK(error.error_class != etl::ErrorClass::Transient);
      ++seen["sql error"];
    } else if (name == "02_sql_objectLines") {
      const auto source = client.open_sql({.sql = "SELECT 1"});
      REQUIRE(source);
      CHECK(etl::io::read_all(**source));
      ++seen["lines"];
    }
  }
  CHECK(seen["status"] > 40);
  CHECK(seen["report"] > 20);
  CHECK(seen["submit"] > 40);
  CHECK(seen["shutdown"] > 3);
  CHECK(seen["loadstatus"] == 1);
  CHECK(seen["sql error"] > 4);
  CHECK(seen["lines"] == 1);
}

}  // namespace client_test
