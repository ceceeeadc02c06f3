#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <etl/observe/histogram.hpp>
#include <etl/report.hpp>
#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>

#include "support/catch.hpp"
#include "support/json.hpp"
#include "support/terminal.hpp"

namespace report_test {

using namespace std::chrono_literals;

namespace {

etl::RunReport sample() {
  etl::Histogram h;
  h.record(3ms);
  h.record(5ms);
  etl::RunReport r;
  r.pipeline = "orders";
  r.outcome = etl::Outcome::Failed;
  r.items = {.extracted = 1234567, .loaded = 1234000, .filtered = 500, .rejected = 7, .skipped = 0, .abandoned = 60};
  r.results = {.produced = 1234067, .committed = 1234000, .rejected = 7, .abandoned = 50, .in_doubt = 10};
  r.flushes = {.size = 1234, .bytes = 5, .timeout = 3, .source = 2, .close = 1};
  r.elapsed = 2s;
  r.load = etl::StageTimes(h);
  r.inline_batches = 17;
  r.max_queue_depth = 4;
  r.add_error({.error = etl::fatal("no \"route\"\n\tto\\host \x01"),
               .pipeline = "orders",
               .stage = etl::Stage::Load,
               .in_batch = true,
               .batch = 12,
               .partition = 3,
               .first_seq = 1000,
               .last_seq = 1999});
  r.add_error({.error = {.code = std::make_error_code(std::errc::io_error)}, .stage = etl::Stage::PostProcess});
  return r;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("report: the checker of this test knows JSON") {
  CHECK(test::Json::parse(R"({"a":{"b":[1,"x",-2.5e3]},"c":null})").has_value());
  CHECK(test::Json::parse(R"({"a":{"b":[1,"x"]}})")->at("a.b.1") == "x");
  for (const char* bad : {"", "{", "{}x", "{\"a\":}", "{\"a\":1,}", "[1,]", "{\"a\":nan}", "{\"a\":inf}", "{\"a\":01}",
                          "{a:1}", "{\"a\":1,\"a\":2}", "\"\n\"", "\"\\x\"", "{\"a\":1.}"}) {
    CAPTURE(bad);
    CHECK_FALSE(test::Json::parse(bad).has_value());
  }
}

TEST_CASE("report: JSON holds every figure and the errors (G1)") {
  const etl::RunReport r = sample();
  CAPTURE(r.json());
  const auto json = test::Json::parse(r.json());
  REQUIRE(json.has_value());
  const auto at = [&json](const char* path) {
    const auto it = json->find(path);
    return it == json->end() ? std::string("(missing)") : it->second;
  };
  CHECK(at("pipeline") == "orders");
  CHECK(at("outcome") == "Failed");
  CHECK(at("exit_code") == "1");
  CHECK(at("elapsed") == "2.000000000");
  CHECK(at("items.extracted") == "1234567");
  CHECK(at("items.loaded") == "1234000");
  CHECK(at("items.filtered") == "500");
  CHECK(at("items.rejected") == "7");
  CHECK(at("items.skipped") == "0");
  CHECK(at("items.abandoned") == "60");
  CHECK(at("results.produced") == "1234067");
  CHECK(at("results.committed") == "1234000");
  CHECK(at("results.rejected") == "7");
  CHECK(at("results.abandoned") == "50");
  CHECK(at("results.in_doubt") == "10");
  CHECK(at("flushes.size") == "1234");
  CHECK(at("flushes.bytes") == "5");
  CHECK(at("flushes.timeout") == "3");
  CHECK(at("flushes.source") == "2");
  CHECK(at("flushes.close") == "1");
  CHECK(at("inline_batches") == "17");
  CHECK(at("max_queue_depth") == "4");
  CHECK(at("times.load.count") == "2");
  CHECK(at("times.load.total") == "0.008000000");
  CHECK(at("times.load.max") == "0.005000000");
  CHECK(at("times.transform.count") == "0");
  CHECK(at("error_count") == "2");
  CHECK(at("errors.#") == "2");
  CHECK(at("errors.0.message") == "no \"route\"\n\tto\\host \x01");
  CHECK(at("errors.0.stage") == "load");
  CHECK(at("errors.0.class") == "fatal");
  CHECK(at("errors.0.batch") == "12");
  CHECK(at("errors.0.partition") == "3");
  CHECK(at("errors.0.first_seq") == "1000");
  CHECK(at("errors.0.last_seq") == "1999");
  CHECK(at("errors.1.batch") == "(missing)");
  CHECK(at("errors.1.stage") == "post_process");
  CHECK(test::Json::parse(etl::RunReport{}.json()).has_value());
}

TEST_CASE("report: JSON stays JSON in any locale and for any text") {
  etl::RunReport r;
  for (int c = 1; c < 128; ++c) r.pipeline += static_cast<char>(c);
  r.pipeline += "Gr\xc3\xbc\xc3\x9f";
  r.reason = "\"";
  const auto json = test::Json::parse(r.json());
  REQUIRE(json.has_value());
  CHECK(json->at("pipeline") == r.pipeline);
  CHECK(json->at("reason") == "\"");
}

TEST_CASE("report: JSON is UTF-8, whatever the bytes of a text") {
  const std::string no_character = "\xEF\xBF\xBD";
  const auto repaired = [](const std::string& text) {
    etl::RunReport r;
    r.reason = text;
    r.add_error({.error = etl::fatal(text), .stage = etl::Stage::Extract});
    const auto json = test::Json::parse(r.json());
    REQUIRE(json.has_value());
    CHECK(has(json->at("errors.0.message"), json->at("reason")));
    return json->at("reason");
  };
  for (const std::string good :
       {"Gr\u00fc\u00df\u00df", "\u0080\u07ff\u0800", "\ud7ff\ue000\uffff", "\U00010000\U0001f600\U0010ffff"})
    CHECK(repaired(good) == good);
  const std::pair<std::string, std::size_t> bad[] = {{"\xff", 1},
                                                     {"\x80", 1},
                                                     {"\xc0\x80", 2},
                                                     {"\xc1\xbf", 2},
                                                     {"\xc3", 1},
                                                     {"\xe0\x9f\xbf", 3},
                                                     {"\xe2\x82", 2},
                                                     {"\xed\xa0\x80", 3},
                                                     {"\xf0\x8f\xbf\xbf", 4},
                                                     {"\xf0\x9f\x98", 3},
                                                     {"\xf4\x90\x80\x80", 4},
                                                     {"\xf5\x80\x80\x80", 4}};
  for (const auto& [bytes, count] : bad) {
    std::string expected;
    for (std::size_t i = 0; i < count; ++i) expected += no_character;
    CHECK(repaired(bytes) == expected);
    CHECK(repaired("a" + bytes + "\"\n\u20ac") == "a" + expected + "\"\n\u20ac");
  }
}

TEST_CASE("report: the error that decided comes first, then other errors of the run, then rejected items (G1)") {
  etl::RunReport report;
  for (int i = 0; i < 20; ++i) {
    etl::ErrorRecord reject{.error = etl::rejected("item")};
    reject.rejected = true;
    report.add_error(std::move(reject));
  }
  report.add_error({.error = etl::fatal("noted")});
  report.add_error({.error = etl::fatal("decided")}, true);
  CHECK(report.error_count == 22);
  REQUIRE(report.errors.size() == etl::RunReport::max_errors);
  CHECK(report.errors[0].error.context == "decided");
  CHECK(report.errors[1].error.context == "noted");
  CHECK(report.errors[2].rejected);
}

TEST_CASE("report: text begins with the outcome, then what was loaded and what not, then what to do") {
  etl::RunReport r = sample();
  r.refused_pushes = 1;
  r.rejects_at = "dead letters of 'orders'";
  r.next_step = "correct the cause; then run it again";
  r.add_error({.error = etl::rejected("no number"),
               .stage = etl::Stage::Transform,
               .rejected = true,
               .in_batch = true,
               .batch = 0,
               .first_seq = 7,
               .last_seq = 7});
  CHECK(r.text() ==
        "orders: Failed in 2 s\n"
        "  1,234,000 loaded, 7 rejected, 500 filtered, 59 abandoned, 10 results in doubt; 617,284 items/s\n"
        "  1 push was refused, because the run was ending: the caller of push still has the item\n"
        "  rejected items are dead letters of 'orders'\n"
        "  errors:\n"
        "    load, batch 12, partition 3, items 1000-1999: no \"route\"\n\tto\\host \x01\n"
        "    post_process: Input/output error\n"
        "  rejected, the first ones:\n"
        "    transform, batch 0, item 7, rejected: no number\n"
        "  next: correct the cause; then run it again");
  CHECK(r.text({.colour = true}).rfind("orders: \x1b[31mFailed\x1b[0m in 2 s\n", 0) == 0);
}

TEST_CASE("report: a resumed run that finds nothing left still tells of the rejects of earlier runs") {
  etl::RunReport r{.pipeline = "orders", .resumed = true, .outcome = etl::Outcome::Completed};
  CHECK(r.text().find("loaded") == std::string::npos);
  r.earlier_rejects = 10;
  CHECK(r.text().find("10 rejected by earlier runs are set aside") != std::string::npos);
}

TEST_CASE("report: colours only where somebody sees them") {
  std::FILE* const file = std::tmpfile();
  CHECK_FALSE(etl::ReportStyle::of(file).colour);
  CHECK(etl::ReportStyle::of(file, true).verbose);
  CHECK_FALSE(etl::ReportStyle::of(nullptr).colour);
  std::fclose(file);
  const test::Terminal terminal;
  std::FILE* const stream = ::fdopen(::dup(terminal.device()), "w");
  const test::Variable term("TERM", "xterm");
  {
    const test::Variable no_color("NO_COLOR", "");
    CHECK(etl::ReportStyle::of(stream).colour);
  }
  {
    const test::Variable no_color("NO_COLOR", "1");
    CHECK_FALSE(etl::ReportStyle::of(stream).colour);
  }
  const test::Variable dumb("TERM", "dumb");
  CHECK_FALSE(etl::ReportStyle::of(stream).colour);
  std::fclose(stream);
}

TEST_CASE("report: of a run it says where rejected items are, how large batches were, and what to do next") {
  struct Numbers {
    int fail_at = -1;
    void extract(etl::Emitter<int>& out) const {
      for (int i = 0; i < 25; ++i)
        if (!out.push(i)) return;
    }
    etl::Result<int> transform(const int& i) const {
      if (i == 7) return etl::failure(etl::rejected("seven"));
      return i;
    }
    void load(std::span<const int> batch) const {
      if (std::ranges::count(batch, fail_at) > 0) throw std::runtime_error("disk full");
    }
  };
  etl::Options options{.batch_size = 10, .workers = 1, .errors = {.max_rejects = 1}};
  const etl::RunReport good = etl::run(Numbers{}, options);
  CHECK(good.batch_sizes.count == 3);
  CHECK(good.batch_sizes.max == 10);
  CHECK(good.batch_sizes.mean > 8.3);
  CHECK(good.rejects_at.empty());
  CHECK(good.next_step.empty());
  CHECK(has(good.text(), "\n  24 loaded, 1 rejected; "));
  CHECK(has(good.text(), "\n  rejected, the first ones:\n    transform, batch 0, item 7, rejected: seven"));
  CHECK_FALSE(has(good.text(), "errors"));
  options.errors.dead_letters = std::make_shared<etl::testing::MemoryDeadLetters>();
  options.name = "numbers";
  const etl::RunReport letters = etl::run(Numbers{}, options);
  CHECK(letters.rejects_at == "dead letters of 'numbers'");
  CHECK(letters.next_step == "correct the rejected items and replay their dead letters, or purge them");
  CHECK(etl::run(Numbers{.fail_at = 12}, options).next_step ==
        "correct the cause; then run it again: it begins at the start, because no progress is kept");
  options.errors.max_rejects = 0;
  CHECK(has(etl::run(Numbers{}, options).next_step, "correct the rejected items, or raise their limit"));
  etl::StopSource stopped;
  stopped.request_drain();
  CHECK(has(etl::run(Numbers{}, options, stopped.stop_token()).next_step, "run it again: it begins at the start"));
}

TEST_CASE("report: the verbose text has every figure") {
  const std::string text = sample().text({.verbose = true});
  CAPTURE(text);
  CHECK(text.rfind("orders: Failed", 0) == 0);
  CHECK(has(text, "sum of threads"));  // 8 ms of 2 s may be more than the run took
  CHECK(has(text, "1,234,567 extracted = 1,234,000 loaded + 500 filtered + 7 rejected + 60 abandoned"));
  CHECK(has(text, "1,234,067 produced = 1,234,000 committed + 7 rejected + 50 abandoned + 10 in doubt"));
  CHECK(has(text, "1,245 flushed"));
  CHECK(has(text, "3 by timeout"));
  CHECK(has(text, "17 run inline"));
  CHECK(has(text, "load"));
  CHECK_FALSE(has(text, "transform"));  // a stage that never ran has no line
  CHECK(has(text, "load, batch 12, partition 3, items 1000-1999: no \"route\""));
  CHECK_FALSE(has(text, "skipped"));
  CHECK(text.back() != '\n');
}

TEST_CASE("report: text of a run that never started gives the reason") {
  etl::RunReport r;
  r.pipeline = "b";
  r.outcome = etl::Outcome::NotRun;
  r.reason = "a failed";
  CHECK(r.text() == "b: NotRun (a failed)");
  CHECK(r.exit_code() == 7);
}

TEST_CASE("report: one line per error, with its place") {
  etl::ErrorRecord e{.error = etl::fatal("boom"), .stage = etl::Stage::Transform};
  CHECK(e.text() == "transform: boom");
  e.in_batch = true;
  e.batch = 4;
  e.first_seq = e.last_seq = 41;
  CHECK(e.text() == "transform, batch 4, item 41: boom");
  e.partition = 2;
  e.last_seq = 50;
  CHECK(e.text() == "transform, batch 4, partition 2, items 41-50: boom");
}

TEST_CASE("report: every outcome has its own name and exit code") {
  const etl::Outcome all[] = {
      etl::Outcome::Inconsistent,         etl::Outcome::Failed,    etl::Outcome::DrainTimeout, etl::Outcome::Cancelled,
      etl::Outcome::CompletedWithRejects, etl::Outcome::Completed, etl::Outcome::NotRun};
  const int codes[] = {6, 1, 5, 4, 3, 0, 7};
  for (std::size_t i = 0; i < std::size(all); ++i) {
    etl::RunReport r;
    r.outcome = all[i];
    CHECK(r.exit_code() == codes[i]);
    CHECK(r.ok() == (all[i] == etl::Outcome::Completed || all[i] == etl::Outcome::CompletedWithRejects));
    for (std::size_t j = 0; j < i; ++j) CHECK(etl::to_string(all[i]) != etl::to_string(all[j]));
  }
  etl::RunReport r;
  r.outcome = etl::Outcome::Failed;
  r.add_error({.error = {.code = etl::Errc::InvalidOptions}});
  CHECK(r.exit_code() == 2);
  r.errors[0].stage = etl::Stage::Load;  // what a load calls invalid options are not those of the run
  CHECK(r.exit_code() == 1);
}

TEST_CASE("report: the outcomes are ordered as G1 has them") {
  CHECK(etl::Outcome::Inconsistent < etl::Outcome::Failed);
  CHECK(etl::Outcome::Failed < etl::Outcome::DrainTimeout);
  CHECK(etl::Outcome::DrainTimeout < etl::Outcome::Cancelled);
  CHECK(etl::Outcome::Cancelled < etl::Outcome::CompletedWithRejects);
  CHECK(etl::Outcome::CompletedWithRejects < etl::Outcome::Completed);
}

TEST_CASE("report: throw_if_failed throws the first error with its place, and only on failure") {
  etl::RunReport good;
  CHECK_NOTHROW(good.throw_if_failed());
  good.outcome = etl::Outcome::CompletedWithRejects;
  CHECK_NOTHROW(good.throw_if_failed());
  try {
    sample().throw_if_failed();
    FAIL("did not throw");
  } catch (const etl::Exception& e) {
    CHECK(has(e.what(), "orders: Failed: load, batch 12"));
    CHECK(has(e.what(), "no \"route\""));
  }
  etl::RunReport cancelled;
  cancelled.outcome = etl::Outcome::Cancelled;
  CHECK_THROWS_AS(cancelled.throw_if_failed(), etl::Exception);
}

TEST_CASE("report: every error is counted, the first ones are kept") {
  etl::RunReport r;
  for (int i = 0; i < 100; ++i) r.add_error({.error = etl::fatal(std::to_string(i))});
  CHECK(r.error_count == 100);
  REQUIRE(r.errors.size() == etl::RunReport::max_errors);
  CHECK(r.errors.front().error.context == "0");
  CHECK(r.errors.back().error.context == "15");
}

TEST_CASE("report: the ledgers know when they balance (G2)") {
  CHECK(etl::ItemLedger{}.balanced());
  CHECK(etl::ItemLedger{.extracted = 15, .loaded = 1, .filtered = 2, .rejected = 3, .skipped = 4, .abandoned = 5}
            .balanced());
  CHECK_FALSE(etl::ItemLedger{.extracted = 1}.balanced());
  CHECK_FALSE(etl::ItemLedger{.loaded = 1}.balanced());
  CHECK(etl::ResultLedger{.produced = 10, .committed = 1, .rejected = 2, .abandoned = 3, .in_doubt = 4}.balanced());
  CHECK_FALSE(etl::ResultLedger{.produced = 1}.balanced());
  CHECK_FALSE(etl::ResultLedger{.in_doubt = 1}.balanced());
}

TEST_CASE("report: rates of a run that took no time are zero, not infinite") {
  etl::RunReport r;
  r.items.extracted = 10;
  CHECK(r.items_per_second() == 0.0);
  r.elapsed = 2s;
  CHECK(r.items_per_second() == 5.0);
}

}  // namespace report_test
