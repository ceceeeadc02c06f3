// Waiting for tasks, against a server that tells a story, on virtual time.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/druid/ingest.hpp>
#include <etl/druid/watch.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/druid_recorded.hpp"
#include "support/http_server.hpp"
#include "support/json.hpp"
#include "support/test_data.hpp"

namespace watch_test {

namespace druid = etl::druid;
using namespace std::chrono_literals;
using druid::TaskOutcome;
using test::HttpServer;

namespace {

using Reply = HttpServer::Reply;
Reply ok(std::string_view body) { return HttpServer::answer(200, body); }
Reply status_reply(std::string_view state, std::string_view error = "") {
  return ok(R"({"task":"x","status":{"id":"x","dataSource":"sales","statusCode":")" + std::string(state) +
            R"(","duration":-1,"errorMsg":")" + std::string(error) + R"("}})");
}
Reply report_reply(std::string_view rows, std::string_view more = R"("segmentsPublished":1)") {
  return ok(
      R"({"ingestionStatsAndErrors":{"taskId":"x","payload":{"ingestionState":"COMPLETED","unparseableEvents":{)"
      R"("buildSegments":[{"input":"r","errorType":"unparseable","details":["bad time"]}]},"rowStats":{"buildSegments":{)" +
      std::string(rows) + "}}," + std::string(more) + "}}}");
}
/// What a broker says of the columns of a datasource.
const Reply columns_reply = ok(R"([["COLUMN_NAME","DATA_TYPE"],["VARCHAR","VARCHAR"],["__time","TIMESTAMP"]])");
const Reply no_columns = ok(R"([["COLUMN_NAME","DATA_TYPE"],["VARCHAR","VARCHAR"]])");
const Reply no_task = HttpServer::answer(404, "Cannot find any task with id: [x]");
const Reply no_answer{.bytes = "", .then = HttpServer::Then::Reset};

/// Answers each kind of question by the next of its replies; the last is repeated. The first kind in the order of
/// letters applies: "/status" before "/v1/task". The broker knows every datasource, unless a test says otherwise.
class Story {
 public:
  Story() : server_([this](const HttpServer::Request& r) { return next(r); }) {}
  /// `story.on("/status") = {...}` replaces the replies.
  struct On {
    Story& story;
    std::string end;
    void operator=(std::vector<Reply> replies) {
      const std::lock_guard lock(story.mutex_);
      story.told_[end] = 0;
      story.replies_[end] = std::move(replies);
    }
  };
  On on(std::string_view end) { return {*this, std::string(end)}; }
  [[nodiscard]] std::size_t asked(std::string_view end) const {
    std::size_t count = 0;
    for (const auto& request : server_.requests())
      if (request.target.find(end) != std::string::npos) ++count;
    return count;
  }
  [[nodiscard]] std::vector<HttpServer::Request> requests() const { return server_.requests(); }
  [[nodiscard]] druid::Client client() const {
    return etl::value(druid::Client::make({.url = server_.url(""), .proxy = ""}));
  }

 private:
  Reply next(const HttpServer::Request& request) {
    const std::lock_guard lock(mutex_);
    for (auto& [end, replies] : replies_) {
      if (request.target.find(end) == std::string::npos) continue;
      std::size_t& at = told_[end];
      return replies.at(std::min(at++, replies.size() - 1));
    }
    return HttpServer::answer(400, "not in the story");
  }
  std::mutex mutex_;
  std::map<std::string, std::vector<Reply>> replies_{{"/v2/sql", {columns_reply}}};
  std::map<std::string, std::size_t> told_{};
  HttpServer server_;
};

/// Virtual time, so that a watch of an hour takes no time.
druid::WatchOptions on_virtual_time(druid::WatchOptions options = {}) {
  options.executor = etl::Executor(std::make_shared<etl::testing::VirtualExecutor>());
  options.seed = 1;
  return options;
}

/// A task that ends well with these rows.
void good_end(Story& story, std::string_view rows) {
  story.on("/status") = {status_reply("RUNNING"), status_reply("SUCCESS")};
  story.on("/reports") = {report_reply(rows)};
  story.on("/loadstatus") = {ok(R"({"sales":0.0})"), ok(R"({"sales":100.0})")};
}

druid::Spec spec() {
  return {.data_source = "sales",
          .mode = druid::Replace{.intervals = {"2024/2025"}},
          .dimensions = druid::Dimensions::discovered(),
          .input = druid::InlineInput{"{}"},
          .format = druid::JsonFormat{}};
}

}  // namespace

TEST_CASE("druid watch: complete means all rows kept and queryable") {
  Story story;
  good_end(story, R"("processed":3)");
  const auto result = druid::watch(story.client(), "x", on_virtual_time({.rows_sent = 3}));
  CHECK(result.outcome == TaskOutcome::Complete);
  CHECK(result.loaded());
  CHECK(result.reason.empty());
  CHECK(result.report->rows.processed == 3);
  CHECK(story.asked("/loadstatus") == 2);
  CHECK(story.asked("/shutdown") == 0);
  CHECK(result.failed_polls == 0);
  CHECK(result.segments_time > 0ns);

  Story again;
  good_end(again, R"("processed":3)");
  CHECK(druid::watch(again.client(), "x", on_virtual_time({.wait_until_queryable = false})).loaded());
  CHECK(again.asked("/loadstatus") == 0);
  Story confirmed;
  good_end(confirmed, R"("processed":3)");
  confirmed.on("/reports") = {report_reply(R"("processed":3)", R"("segmentAvailabilityConfirmed":true)")};
  CHECK(druid::watch(confirmed.client(), "x", on_virtual_time()).loaded());
  CHECK(confirmed.asked("/loadstatus") == 0);
}

TEST_CASE("druid watch: success with rows that are missing is not complete") {
  const auto outcome = [](std::string_view rows, std::optional<std::uint64_t> sent,
                          std::string_view more = R"("segmentsPublished":1)") {
    Story story;
    good_end(story, rows);
    story.on("/reports") = {report_reply(rows, more)};
    return druid::watch(story.client(), "x", on_virtual_time({.rows_sent = sent}));
  };
  auto result = outcome(R"("processed":2)", 3);
  CHECK(result.outcome == TaskOutcome::Incomplete);
  CHECK(result.reason ==
        "3 rows were sent, and the task read 2 (2 processed, 0 kept with an error, 0 thrown away, 0 unparseable)");
  result = outcome(R"("processed":0)", std::nullopt);
  CHECK(result.outcome == TaskOutcome::Incomplete);
  CHECK(result.reason == "the task read no row; check that its input exists and can be read there");
  result = outcome(R"("unparseable":2)", 2);
  CHECK(result.outcome == TaskOutcome::Incomplete);
  CHECK(result.reason ==
        "no row was kept (0 processed, 0 kept with an error, 0 thrown away, 2 unparseable); the first: bad time");
  result = outcome(R"("processed":2)", 2, R"("segmentsPublished":0)");
  CHECK(result.reason == "2 rows were kept, and no segment was published");
  result = outcome(R"("processed":1,"thrownAway":1,"unparseable":1,"processedWithError":1)", 4);
  CHECK(result.outcome == TaskOutcome::CompleteWithRejects);
  CHECK(result.loaded());
  CHECK(result.reason == "1 processed, 1 kept with an error, 1 thrown away, 1 unparseable; the first: bad time");
  CHECK(outcome(R"("processed":0)", 0).outcome == TaskOutcome::Complete);
}

TEST_CASE("druid watch: failed polls and a change of the leader end nothing") {
  Story story;
  good_end(story, R"("processed":3)");
  std::vector<Reply> polls;
  for (int i = 0; i < 60; ++i) polls.push_back(HttpServer::answer(503, "no leader"));
  polls.insert(polls.end(), {no_answer, no_answer});  // the HTTP client itself repeats what a kept connection lost
  polls.push_back(no_task);                           // the new leader does not know yet
  polls.push_back(HttpServer::answer(500, "busy"));
  polls.push_back(status_reply("RUNNING"));
  polls.push_back(status_reply("SUCCESS"));
  story.on("/status") = polls;
  const auto result = druid::watch(story.client(), "x", on_virtual_time({.rows_sent = 3}));
  CHECK(result.outcome == TaskOutcome::Complete);
  CHECK(result.failed_polls == 63);
}

TEST_CASE("druid watch: what does not pass ends the watch, and says why") {
  Story unknown;
  unknown.on("/status") = {no_task};
  auto result = druid::watch(unknown.client(), "x", on_virtual_time());
  CHECK(result.outcome == TaskOutcome::Unknown);
  CHECK(result.error->code == druid::Problem::NoTask);
  CHECK(result.reason.find("Cannot find any task with id: [x]") != std::string::npos);
  CHECK(unknown.asked("/status") > 3);
  Story refused;
  refused.on("/status") = {HttpServer::answer(401, "")};
  result = druid::watch(refused.client(), "x", on_virtual_time());
  CHECK(result.outcome == TaskOutcome::Unknown);
  CHECK(refused.asked("/status") == 1);
}

TEST_CASE("druid watch: at the deadline the task is shut down, or left") {
  Story story;
  story.on("/status") = {status_reply("RUNNING")};
  story.on("/shutdown") = {HttpServer::answer(503, ""), ok(R"({"task":"x"})")};
  auto result = druid::watch(story.client(), "x", on_virtual_time({.deadline = 1h, .leave_running = true}));
  CHECK(result.outcome == TaskOutcome::LeftRunning);
  CHECK(result.reason == "the deadline has passed, and the task continues");
  CHECK(result.task_time >= 1h);
  CHECK(story.asked("/shutdown") == 0);
  const std::size_t before = story.asked("/status");
  CHECK(before > 3600 / 15);
  CHECK(before < 3600);

  result = druid::watch(story.client(), "x", on_virtual_time({.deadline = 1h}));
  CHECK(result.outcome == TaskOutcome::Unknown);
  CHECK(story.asked("/shutdown") == 2);

  Story ends;
  ends.on("/status") = {status_reply("RUNNING"), status_reply("FAILED", "Shutdown request from user")};
  ends.on("/shutdown") = {ok(R"({"task":"x"})")};
  ends.on("/reports") = {HttpServer::answer(404, "none")};
  result = druid::watch(ends.client(), "x", on_virtual_time({.deadline = 1ns}));
  CHECK(result.outcome == TaskOutcome::ShutDown);
  CHECK(result.reason == "the deadline has passed, and the task was shut down");
}

TEST_CASE("druid watch: a stop shuts the task down, and a task that is quicker counts as what it is") {
  std::stop_source stop;
  const auto stop_at_second = [&](const druid::WatchProgress& progress) {
    if (progress.polls == 2) stop.request_stop();
  };
  Story story;
  story.on("/status") = {status_reply("RUNNING"), status_reply("RUNNING"),
                         status_reply("FAILED", "Shutdown request from user")};
  story.on("/shutdown") = {ok(R"({"task":"x"})")};
  story.on("/reports") = {HttpServer::answer(404, "none")};
  auto result = druid::watch(story.client(), "x", on_virtual_time({.on_poll = stop_at_second}), stop.get_token());
  CHECK(result.outcome == TaskOutcome::ShutDown);
  CHECK(result.reason == "the watch was stopped, and the task was shut down");
  CHECK(story.asked("/shutdown") == 1);

  Story quick;
  stop = std::stop_source();
  quick.on("/status") = {status_reply("RUNNING"), status_reply("RUNNING"), status_reply("SUCCESS")};
  quick.on("/shutdown") = {ok(R"({"task":"x"})")};
  quick.on("/reports") = {report_reply(R"("processed":3)")};
  quick.on("/loadstatus") = {ok(R"({"sales":100.0})")};
  result =
      druid::watch(quick.client(), "x", on_virtual_time({.rows_sent = 3, .on_poll = stop_at_second}), stop.get_token());
  CHECK(result.outcome == TaskOutcome::Complete);
}

TEST_CASE("druid watch: a task that failed says why in one sentence") {
  Story story;
  story.on("/status") = {status_reply(
      "FAILED", R"(org.apache.druid.java.util.common.ISE: Failed to ge...27 characters omitted...\n\tat x)")};
  story.on("/reports") = {HttpServer::answer(404, "none")};
  auto result = druid::watch(story.client(), "x", on_virtual_time());
  CHECK(result.outcome == TaskOutcome::Failed);
  CHECK(result.reason == "Failed to ge...27 characters omitted...");
  CHECK_FALSE(druid::is_lock_conflict(result));
  story.on("/reports") = {report_reply(
      "", R"("errorMsg":"org.apache.druid.java.util.common.ISE: Failed to get locks for intervals[[a]]\n\tat x")")};
  result = druid::watch(story.client(), "x", on_virtual_time());
  CHECK(result.reason == "Failed to get locks for intervals[[a]]; the first: bad time");
  CHECK(druid::is_lock_conflict(result));
  story.on("/status") = {status_reply("FAILED", "Shutdown request from user")};
  story.on("/reports") = {HttpServer::answer(404, "none")};
  result = druid::watch(story.client(), "x", on_virtual_time());
  CHECK(result.outcome == TaskOutcome::ShutDown);
  CHECK(result.reason == "somebody shut the task down");
}

TEST_CASE("druid watch: a shutdown is one whatever the report says") {
  Story story;
  story.on("/status") = {status_reply("FAILED", "Shutdown request from user")};
  story.on("/reports") = {report_reply(R"("processed":3)", R"("errorMsg":"java.lang.InterruptedException\n\tat x")")};
  const auto result = druid::watch(story.client(), "x", on_virtual_time());
  CHECK(result.outcome == TaskOutcome::ShutDown);
  CHECK(result.reason == "somebody shut the task down");
}

TEST_CASE("druid watch: a report that comes late is awaited, and one that never comes is missing rows") {
  Story story;
  good_end(story, "");
  story.on("/reports") = {HttpServer::answer(404, "not yet"), ok(R"({"error":"Can't find chatHandler"})"),
                          report_reply(R"("processed":3)")};
  CHECK(druid::watch(story.client(), "x", on_virtual_time({.rows_sent = 3})).outcome == TaskOutcome::Complete);
  Story never;
  good_end(never, "");
  never.on("/reports") = {HttpServer::answer(404, "not yet")};
  const auto result = druid::watch(never.client(), "x", on_virtual_time({.rows_sent = 3}));
  CHECK(result.outcome == TaskOutcome::Incomplete);
  CHECK(result.reason ==
        "the task succeeded, and its report is missing, so its rows are not counted: no report came in time");
  CHECK(result.report_time >= 1min);
}

TEST_CASE("druid watch: a broker that does not know the datasource yet") {
  Story story;
  good_end(story, R"("processed":3)");
  const Reply page = HttpServer::answer(404, "<html><title>Error 404 Not Found</title></html>");
  std::size_t asked = 2;
  SECTION("it learns of it") { story.on("/v2/sql") = {no_columns, columns_reply}; }
  SECTION("it does not answer at first") { story.on("/v2/sql") = {HttpServer::answer(503, ""), columns_reply}; }
  SECTION("segments that the task has waited for") {
    story.on("/reports") = {report_reply(R"("processed":3)", R"("segmentAvailabilityConfirmed":true)")};
    story.on("/v2/sql") = {no_columns, columns_reply};
  }
  SECTION("there is no broker") {
    story.on("/v2/sql") = {page};
    asked = 1;
  }
  SECTION("the user may not query") {
    story.on("/v2/sql") = {HttpServer::answer(403, "{}")};
    asked = 1;
  }
  const auto result = druid::watch(story.client(), "x", on_virtual_time({.rows_sent = 3}));
  CHECK(result.outcome == TaskOutcome::Complete);
  CHECK(result.reason.empty());
  CHECK(story.asked("/v2/sql") == asked);
  CHECK(result.segments_time > 0ns);
}

TEST_CASE("druid watch: segments that cannot be queried in time") {
  Story story;
  good_end(story, R"("processed":3)");
  story.on("/loadstatus") = {ok(R"({"sales":50.0})")};
  auto result = druid::watch(story.client(), "x", on_virtual_time({.rows_sent = 3}));
  CHECK(result.outcome == TaskOutcome::NotQueryable);
  CHECK_FALSE(result.loaded());
  CHECK(result.reason == "the rows are published, and cannot all be queried yet: 50.0 % of the segments are loaded");
  CHECK(result.segments_time >= 5min);
  CHECK(story.asked("/v2/sql") == 0);
  story.on("/loadstatus") = {ok(R"({"sales":100.0})")};
  story.on("/v2/sql") = {no_columns};
  result = druid::watch(story.client(), "x", on_virtual_time({.rows_sent = 3}));
  CHECK(result.outcome == TaskOutcome::NotQueryable);
  CHECK(result.reason.ends_with("the broker does not know the datasource, or this user may not read it"));
  CHECK(result.segments_time >= 5min);
  CHECK(result.segments_time < 6min);
  story.on("/loadstatus") = {HttpServer::answer(403, "")};
  result = druid::watch(story.client(), "x", on_virtual_time({.rows_sent = 3}));
  CHECK(result.outcome == TaskOutcome::NotQueryable);
  CHECK(result.reason.find("403 Forbidden") != std::string::npos);
}

TEST_CASE("druid watch: every interval of a replace is asked for") {
  Story story;
  good_end(story, R"("processed":3)");
  story.on("&interval=2024%2F2025") = {ok(R"({"sales":100.0})")};
  story.on("&interval=2026%2F2027") = {Reply{"HTTP/1.1 204 No Content\r\n\r\n"}};
  story.on("/loadstatus") = {HttpServer::answer(400, "")};
  const auto result =
      druid::watch(story.client(), "x", on_virtual_time({.rows_sent = 3, .intervals = {"2024/2025", "2026/2027"}}));
  CHECK(result.outcome == TaskOutcome::Complete);
  CHECK(story.asked("interval=2024") >= 1);
}

TEST_CASE("druid watch: names of outcomes") {
  CHECK(druid::to_string(TaskOutcome::Complete) == "complete");
  CHECK(druid::to_string(TaskOutcome::Unknown) == "unknown");
}

TEST_CASE("druid ingest: a task is submitted under its id and watched") {
  Story story;
  good_end(story, R"("processed":1)");
  story.on("/v1/task") = {ok(R"({"task":"x"})")};
  const druid::IngestOptions options{.content = "digest", .watch = on_virtual_time({.rows_sent = 1})};
  const auto result = druid::ingest(story.client(), spec(), options);
  REQUIRE(result);
  CHECK(result->outcome == TaskOutcome::Complete);
  CHECK_FALSE(result->adopted);
  CHECK(result->id == druid::task_id(spec(), "digest", 0).value());
  CHECK(test::Json::parse(story.requests()[0].body).value().at("id") == result->id);
  bool asked = false;
  for (const auto& request : story.requests()) asked = asked || request.target.ends_with("interval=2024%2F2025");
  CHECK(asked);
}

TEST_CASE("druid ingest: a task of an earlier submission is adopted, and a failed one is not") {
  const Reply exists = HttpServer::answer(400, R"({"errorCode":"entryAlreadyExists"})");
  Story story;
  good_end(story, R"("processed":1)");
  story.on("/v1/task") = {no_answer, exists};
  const druid::IngestOptions options{.content = "digest", .watch = on_virtual_time()};
  auto result = druid::ingest(story.client(), spec(), options);
  REQUIRE(result);
  CHECK(result->outcome == TaskOutcome::Complete);
  CHECK(result->adopted);
  CHECK(result->id.ends_with("_0"));

  Story failed;
  good_end(failed, R"("processed":1)");
  failed.on("/v1/task") = {exists, exists, ok(R"({"task":"x"})")};
  failed.on("/status") = {status_reply("FAILED"), status_reply("FAILED"), status_reply("SUCCESS")};
  result = druid::ingest(failed.client(), spec(), options);
  REQUIRE(result);
  CHECK(result->outcome == TaskOutcome::Complete);
  CHECK_FALSE(result->adopted);
  CHECK(result->id.ends_with("_2"));
}

TEST_CASE("druid ingest: a stop leaves an adopted task to the process that has submitted it") {
  const Reply exists = HttpServer::answer(400, R"({"errorCode":"entryAlreadyExists"})");
  Story story;
  good_end(story, R"("processed":1)");
  story.on("/status") = {status_reply("RUNNING")};
  story.on("/shutdown") = {ok("{}")};
  story.on("/v1/task") = {exists};
  std::stop_source stop;
  druid::IngestOptions options{.content = "digest", .watch = on_virtual_time()};
  options.watch.on_poll = [&](const druid::WatchProgress& progress) {
    if (progress.polls == 3) stop.request_stop();
    if (progress.stage == druid::WatchStage::ShutDown) story.on("/status") = {status_reply("FAILED", "Canceled")};
  };
  const auto ingest = [&] { return etl::value(druid::ingest(story.client(), spec(), options, stop.get_token())); };

  SECTION("on a stop") {
    const auto result = ingest();
    CHECK(result.adopted);
    CHECK(result.outcome == TaskOutcome::LeftRunning);
    CHECK(result.reason ==
          "the watch was stopped, and the task continues, because another process, or an earlier start, has submitted "
          "it");
    CHECK(story.asked("/shutdown") == 0);
  }
  SECTION("at the deadline") {
    options.watch.on_poll = {};
    options.watch.deadline = 1min;
    CHECK(ingest().outcome == TaskOutcome::LeftRunning);
    CHECK(story.asked("/shutdown") == 0);
  }
  SECTION("unless the caller says otherwise") {
    options.stop_adopted = true;
    const auto result = ingest();
    CHECK(result.adopted);
    CHECK(result.outcome == TaskOutcome::ShutDown);
    CHECK(story.asked("/shutdown") == 1);
  }
  SECTION("a task whose submission was not answered is this process's own") {
    story.on("/v1/task") = {no_answer, exists};
    const auto result = ingest();
    CHECK(result.adopted);
    CHECK(result.outcome == TaskOutcome::ShutDown);
    CHECK(story.asked("/shutdown") == 1);
  }
  SECTION("a task of its own") {
    story.on("/v1/task") = {ok(R"({"task":"x"})")};
    CHECK(ingest().outcome == TaskOutcome::ShutDown);
    CHECK(story.asked("/shutdown") == 1);
  }
}

TEST_CASE("druid ingest: a success of before is enough for append, and repeated for replace") {
  const Reply exists = HttpServer::answer(400, R"({"errorCode":"entryAlreadyExists"})");
  const druid::IngestOptions options{.content = "digest", .watch = on_virtual_time()};
  for (const bool append : {false, true}) {
    Story story;
    good_end(story, R"("processed":1)");
    story.on("/status") = {status_reply("SUCCESS")};
    story.on("/v1/task") = {exists, ok(R"({"task":"x"})")};
    auto how = spec();
    if (append) how.mode = druid::Append{};
    const auto result = druid::ingest(story.client(), how, options);
    REQUIRE(result);
    CHECK(result->outcome == TaskOutcome::Complete);
    CHECK(result->adopted == append);
    CHECK(result->id.ends_with(append ? "_0" : "_1"));
  }
}

TEST_CASE("druid ingest: a task that finds its intervals locked is tried again with the next id") {
  Story story;
  good_end(story, R"("processed":1)");
  story.on("/v1/task") = {ok(R"({"task":"x"})")};
  story.on("/status") = {status_reply("FAILED", "org.apache.x.ISE: Failed to get locks for intervals[[a]]"),
                         status_reply("SUCCESS")};
  story.on("/reports") = {HttpServer::answer(404, "none"), report_reply(R"("processed":1)")};
  const druid::IngestOptions options{.content = "digest", .watch = on_virtual_time()};
  const auto result = druid::ingest(story.client(), spec(), options);
  REQUIRE(result);
  CHECK(result->outcome == TaskOutcome::Complete);
  CHECK(result->id.ends_with("_1"));
}

TEST_CASE("druid ingest: locks are awaited until the deadline, and then there is a remedy") {
  const auto locked = [] {
    return status_reply("FAILED",
                        "org.apache.x.ISE: Failed to get locks for intervals[[" + std::string(900, 'a') + "]]");
  };
  Story story;
  good_end(story, R"("processed":1)");
  story.on("/v1/task") = {ok(R"({"task":"x"})")};
  story.on("/reports") = {HttpServer::answer(404, "none")};
  std::size_t waits = 0;
  druid::IngestOptions options{.content = "digest", .watch = on_virtual_time()};
  options.on_locked = [&](std::chrono::nanoseconds) { ++waits; };
  SECTION("they are free after more than five attempts") {
    std::vector<HttpServer::Reply> replies(20, locked());
    replies.push_back(status_reply("SUCCESS"));
    story.on("/status") = replies;
    std::vector<HttpServer::Reply> reports(20, HttpServer::answer(404, "none"));
    reports.push_back(report_reply(R"("processed":1)"));
    story.on("/reports") = reports;
    const auto result = druid::ingest(story.client(), spec(), options);
    REQUIRE(result);
    CHECK(result->outcome == TaskOutcome::Complete);
    CHECK(result->id.ends_with("_20"));
    CHECK(waits == 20);
  }
  SECTION("the load is stopped meanwhile") {
    story.on("/status") = {locked()};
    std::stop_source stop;
    options.on_locked = [&](std::chrono::nanoseconds) { stop.request_stop(); };
    const auto result = druid::ingest(story.client(), spec(), options, stop.get_token());
    REQUIRE(result);
    CHECK(result->outcome == TaskOutcome::ShutDown);
    CHECK(result->reason == "stopped while other tasks had locked the times of the rows");
  }
  SECTION("they never are") {
    story.on("/status") = {locked()};
    options.watch.deadline = 10min;
    const auto result = druid::ingest(story.client(), spec(), options);
    REQUIRE(result);
    CHECK(result->outcome == TaskOutcome::Failed);
    CHECK(druid::is_lock_conflict(*result));
    CHECK(result->reason.find("allow more time by a longer deadline") != std::string::npos);
    CHECK(result->reason.size() < 500);
    CHECK(waits > 15);  // the delays are half of 30 s on average
    CHECK(waits < 100);
  }
}

namespace {

/// Records what happens to the inputs of tasks.
struct Inputs {
  std::vector<std::string> done{};

  [[nodiscard]] druid::TaskInput functions() {
    return {.name = [](unsigned attempt) -> druid::Input {
              return druid::LocalInput{.base_dir = "/stage/" + std::to_string(attempt)};
            },
            .make = [this](unsigned attempt) -> etl::Result<void> {
              done.push_back("make " + std::to_string(attempt));
              return {};
            },
            .remove = [this](unsigned attempt) { done.push_back("remove " + std::to_string(attempt)); }};
  }
};

}  // namespace

TEST_CASE("druid ingest: each task has an input of its own, which goes when no task reads it") {
  using Done = std::vector<std::string>;
  const Reply exists = HttpServer::answer(400, R"({"errorCode":"entryAlreadyExists"})");
  Story story;
  good_end(story, R"("processed":1)");
  story.on("/v1/task") = {ok(R"({"task":"x"})")};
  Inputs inputs;
  druid::IngestOptions options{.content = "digest", .input = inputs.functions(), .watch = on_virtual_time()};
  const auto ingest = [&] { return druid::ingest(story.client(), spec(), options); };
  const auto submissions = [&] {
    return std::ranges::count_if(story.requests(), [](const auto& one) { return one.target.ends_with("/v1/task"); });
  };

  SECTION("a new task, whose input is the caller's to remove") {
    story.on("/status") = {no_task, status_reply("SUCCESS")};
    CHECK(etl::value(ingest()).outcome == TaskOutcome::Complete);
    CHECK(inputs.done == Done{"make 0"});
  }
  SECTION("a task that runs is adopted, and its input is not made again") {
    CHECK(etl::value(ingest()).adopted);
    CHECK(inputs.done.empty());
    CHECK(submissions() == 0);
  }
  SECTION("a task that has ended gives its place to the next") {
    story.on("/status") = {status_reply("SUCCESS"), no_task, status_reply("SUCCESS")};
    auto first = spec();
    first.input = options.input.name(0);
    CHECK(etl::value(ingest()).id == druid::task_id(first, "digest", 1).value());
    CHECK(inputs.done == Done{"remove 0", "make 1"});
    const auto sent = test::Json::parse(story.requests().at(2).body).value();
    CHECK(sent.at("spec.ioConfig.inputSource.baseDir") == "/stage/1");
  }
  SECTION("another process submits the task meanwhile") {
    story.on("/v1/task") = {exists};
    story.on("/status") = {no_task, status_reply("RUNNING"), status_reply("SUCCESS")};
    CHECK(etl::value(ingest()).adopted);
    CHECK(inputs.done == Done{"make 0"});
  }
  SECTION("locks") {
    story.on("/status") = {no_task, status_reply("FAILED", "x.ISE: Failed to get locks for intervals[[a]]"), no_task,
                           status_reply("SUCCESS")};
    story.on("/reports") = {HttpServer::answer(404, "none"), report_reply(R"("processed":1)")};
    CHECK(etl::value(ingest()).outcome == TaskOutcome::Complete);
    CHECK(inputs.done == Done{"make 0", "remove 0", "make 1"});
  }
  SECTION("locks, and an input that can be moved") {
    const Reply locked = status_reply("FAILED", "x.ISE: Failed to get locks for intervals[[a]]");
    story.on("/status") = {no_task, locked, no_task, locked, no_task, status_reply("SUCCESS")};
    const Reply none = HttpServer::answer(404, "none");
    story.on("/reports") = {none, none, report_reply(R"("processed":1)")};
    options.input.move = [&](unsigned from, unsigned to) {
      inputs.done.push_back(fmt::format("move {} to {}", from, to));
      return to == 1;  // the second time it has to be made
    };
    CHECK(etl::value(ingest()).outcome == TaskOutcome::Complete);
    CHECK(inputs.done == Done{"make 0", "move 0 to 1", "move 1 to 2", "remove 1", "make 2"});
  }
  SECTION("locks, and another process that has a task of the next attempt") {
    story.on("/status") = {no_task, status_reply("FAILED", "x.ISE: Failed to get locks for intervals[[a]]"),
                           status_reply("RUNNING"), status_reply("SUCCESS")};
    story.on("/reports") = {HttpServer::answer(404, "none"), report_reply(R"("processed":1)")};
    CHECK(etl::value(ingest()).adopted);
    CHECK(inputs.done == Done{"make 0", "remove 0"});
  }
  SECTION("a task that Druid refuses") {
    story.on("/status") = {no_task};
    story.on("/v1/task") = {HttpServer::answer(400, R"({"error":"no"})")};
    CHECK_FALSE(druid::is_in_doubt(ingest().error()));
    CHECK(inputs.done == Done{"make 0", "remove 0"});
  }
  SECTION("a task that Druid refuses from this process, and has from another") {
    story.on("/status") = {no_task, status_reply("RUNNING")};
    story.on("/v1/task") = {HttpServer::answer(403, "{}")};
    CHECK_FALSE(druid::is_in_doubt(ingest().error()));
    CHECK(inputs.done == Done{"make 0"});
  }
  SECTION("a submission whose answer was lost stays in doubt, although no later one arrives") {
    story.on("/status") = {no_task};
    story.on("/v1/task") = {HttpServer::cut(ok(R"({"task":"x"})"), 3), HttpServer::answer(401, "{}")};
    const auto error = ingest().error();
    CHECK(druid::is_in_doubt(error));
    CHECK(error.message().find("401 Unauthorized") != std::string::npos);
    CHECK(inputs.done == Done{"make 0"});
  }
  SECTION("a gateway that gave up does not say what Druid did") {
    story.on("/status") = {no_task};
    story.on("/v1/task") = {HttpServer::answer(504, "")};
    CHECK(druid::is_in_doubt(ingest().error()));
    CHECK(inputs.done == Done{"make 0"});
  }
  SECTION("an input that cannot be made") {
    story.on("/status") = {no_task};
    options.input.make = [](unsigned) -> etl::Result<void> { return etl::fatal("disk full"); };
    CHECK(ingest().error().message() == "disk full");
    CHECK(submissions() == 0);
  }
}

TEST_CASE("druid ingest: what cannot be submitted is an error") {
  Story story;
  story.on("/v1/task") = {HttpServer::answer(400, R"({"error":"no such thing"})")};
  const druid::IngestOptions options{.content = "digest", .watch = on_virtual_time()};
  CHECK(druid::ingest(story.client(), spec(), options).error().message().ends_with("no such thing"));
  CHECK(story.requests().size() == 1);
  story.on("/v1/task") = {HttpServer::answer(503, "starting")};
  CHECK(druid::ingest(story.client(), spec(), options).error().message().starts_with("gave up after 5 attempts"));
  auto wrong = spec();
  wrong.data_source.clear();
  CHECK(druid::ingest(story.client(), wrong, options).error().code == etl::Errc::InvalidOptions);
}

TEST_CASE("druid watch: what a naive client gets wrong, by answers of several versions") {
  for (const test::DruidAnswers& recorded : test::DruidAnswers::all()) {
    INFO(recorded.version());
    Story story;
    story.on("/shutdown") = {recorded.reply("noop_shutdown")};
    story.on("/loadstatus") = {ok(R"({"client":0.0})"), ok(R"({"client":100.0})")};
    const auto watch = [&](std::string_view status, std::vector<std::string_view> reports,
                           druid::WatchOptions options) {
      std::vector<Reply> replies;
      for (const std::string_view one : reports) replies.push_back(recorded.reply(one));
      story.on("/status") = {recorded.reply(status)};
      story.on("/reports") = std::move(replies);
      return druid::watch(story.client(), "x", on_virtual_time(std::move(options)));
    };
    // SUCCESS although the folder of the rows is missing.
    auto result = watch("missing_folder_status", {"missing_folder_report"}, {});
    CHECK(result.outcome == TaskOutcome::Incomplete);
    CHECK(result.reason == "the task read no row; check that its input exists and can be read there");
    result = watch("missing_folder_status", {"missing_folder_report"}, {.rows_sent = 3});
    CHECK(result.reason.starts_with("3 rows were sent, and the task read 0"));
    // A report that is asked for too early; a row that was kept with null in place of a value; segments that come
    // later.
    result = watch("good_status", {"unknown_reports", "noop_report", "good_report"}, {.rows_sent = 3});
    CHECK(result.outcome == TaskOutcome::CompleteWithRejects);
    CHECK(result.reason.starts_with("1 processed, 1 kept with an error, 0 thrown away, 1 unparseable"));
    CHECK(story.asked("/loadstatus") == 2);
    CHECK(watch("good_status", {"good_report"}, {.rows_sent = 4}).outcome == TaskOutcome::Incomplete);
    // A shutdown shows as FAILED.
    result = watch("noop_status_after", {"noop_report_after"}, {});
    CHECK(result.outcome == TaskOutcome::ShutDown);
    CHECK(result.reason == "somebody shut the task down");
  }
}

TEST_CASE("druid watch: what a naive client gets wrong, by exchanges with a real server") {
  const auto data = test::data_folder();
  if (!data) return;
  const auto recorded = [&](std::string_view name) {
    return test::DruidExchange::read(*data / "druid" / "recorded" / (std::string(name) + ".txt")).reply();
  };
  const auto watch = [&](std::string_view status, const std::vector<Reply>& reports, druid::WatchOptions options = {}) {
    Story story;
    story.on("/status") = {recorded(status)};
    story.on("/reports") = reports;
    story.on("/shutdown") = {recorded("08_noop_shutdown")};
    // Every datasource of the recordings.
    story.on("/loadstatus") = {ok(R"({"sales":100.0,"badrow":100.0,"typed":100.0,"ar":100.0})")};
    return druid::watch(story.client(), "x", on_virtual_time(std::move(options)));
  };

  SECTION("SUCCESS of a task whose folder is missing, or of whose rows none can be parsed") {
    auto result = watch("05_no_such_folder_status", {recorded("05_no_such_folder_report")});
    CHECK(result.outcome == TaskOutcome::Incomplete);
    CHECK(result.reason == "the task read no row; check that its input exists and can be read there");
    result = watch("05_no_such_folder_status", {recorded("05_no_such_folder_report")}, {.rows_sent = 3});
    CHECK(result.reason.starts_with("3 rows were sent, and the task read 0"));
    result = watch("05_all_rows_bad_status", {recorded("05_all_rows_bad_report")});
    CHECK(result.outcome == TaskOutcome::Incomplete);
    CHECK(result.reason.starts_with("no row was kept"));
  }
  SECTION("a report that is asked for too early: 404, or 200 with an error") {
    const auto result = watch("03_bad_row_status", {recorded("07_unknown_task_reports"),
                                                    recorded("08_noop_report_running"), recorded("03_bad_row_report")});
    CHECK(result.outcome == TaskOutcome::CompleteWithRejects);
    REQUIRE(result.report->bad_rows.size() == 1);
    CHECK(result.report->bad_rows[0].line == 3);
    CHECK(result.report->bad_rows[0].input == "{t=not-a-time, product=plum, qty=1, price=1}");
    CHECK(result.polls >= 4);
  }
  SECTION("a lock conflict, which may pass") {
    const auto result = watch("15_lock_2_status_done", {recorded("07_unknown_task_reports")});
    CHECK(result.outcome == TaskOutcome::Failed);
    CHECK(druid::is_lock_conflict(result));
    CHECK(result.reason.find("\tat ") == std::string::npos);
  }
  SECTION("a task that was shut down shows as FAILED, and one whose process was killed is not that") {
    auto result = watch("08_noop_status_after_shutdown", {recorded("08_noop_report_after_shutdown")});
    CHECK(result.outcome == TaskOutcome::ShutDown);
    result = watch("22_mm_killed_status", {recorded("22_mm_killed_report")});
    CHECK(result.outcome == TaskOutcome::Failed);
    CHECK(result.reason.starts_with("Task execution process exited unsuccessfully with code[137]"));
  }
  SECTION("rows that were kept with a null in place of a value are no lost rows, and are told") {
    Story story;
    story.on("/status") = {recorded("10_local_folder_status")};
    story.on("/reports") = {recorded("13_typed_dimensions_report")};
    const auto result = druid::watch(story.client(), "x", on_virtual_time({.wait_until_queryable = false}));
    CHECK(result.outcome == TaskOutcome::CompleteWithRejects);
    CHECK(result.report->rows.processed_with_error > 0);
    CHECK(result.report->rows.unparseable == 0);
  }
  SECTION("a status of many tasks lags: one that was shut down still shows as running") {
    Story story;
    story.on("/taskStatus") = {recorded("08_taskStatus_bulk")};
    story.on("/status") = {recorded("08_noop_status_after_shutdown")};
    const std::vector<std::string> ids{"noop_1"};
    CHECK(story.client().statuses(ids).value().at(0).state == druid::TaskState::Running);
    CHECK(story.client().status("noop_1").value().state == druid::TaskState::Failed);
  }
  SECTION("a repeated id, and a malformed body that gives 500 with HTML") {
    Story story;
    story.on("/v1/task") = {recorded("04_repeated_id"), recorded("06_spec_not_json")};
    CHECK(story.client().submit(spec()).error().code == druid::Problem::TaskExists);
    const auto error = story.client().submit(spec()).error();
    CHECK(error.error_class == etl::ErrorClass::Rejected);
    CHECK(error.message().find('<') == std::string::npos);
  }
  SECTION("SUCCESS before the segments can be queried") {
    Story story;
    story.on("/status") = {recorded("03_bad_row_status")};
    story.on("/reports") = {recorded("03_bad_row_report")};
    story.on("/loadstatus") = {ok(R"({"badrow":0.0})"), ok(R"({"badrow":50.0})"), ok(R"({"badrow":100.0})")};
    CHECK(druid::watch(story.client(), "x", on_virtual_time()).loaded());
    CHECK(story.asked("/loadstatus") == 3);
  }
}

}  // namespace watch_test
