// G3, G4, G8: whatever fails, wherever, on whatever threads: one outcome, balanced books, the hooks' promise, nothing
// hangs.
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>

#include <asio/io_context.hpp>
#include <etl/asio.hpp>
#include <etl/run.hpp>

#include "support/catch.hpp"
#include "support/faults.hpp"
#include "support/places.hpp"
#include "support/scripted.hpp"
#include "support/sync.hpp"

namespace failures_test {

namespace {

using test::Fault;
using test::Place;
using test::Site;

constexpr std::uint64_t items = 60;
constexpr std::size_t batch_size = 4;

struct Policy {
  const char* name;
  etl::Unclassified unclassified;
  std::uint64_t max_rejects;
};
constexpr Policy policies[] = {{"strict", etl::Unclassified::Fatal, 0},
                               {"reject within the budget", etl::Unclassified::Reject, 1000},
                               {"reject without a budget", etl::Unclassified::Reject, 0}};

struct Case {
  Site site = Site::Extract;
  std::uint64_t item = 0;
  Fault fault = Fault::StdException;
  Policy policy = policies[0];
  std::size_t workers = 1;  // 0: fused
  Place place = Place::OwnPool;

  [[nodiscard]] std::string text() const {
    return std::string(to_string(fault)) + " in " + std::string(to_string(site)) + " at item " + std::to_string(item) +
           ", " + policy.name + ", " + (workers == 0 ? "fused" : std::to_string(workers) + " workers") + ", " +
           std::string(to_string(place));
  }
};

etl::Stage stage_of(Site s) {
  switch (s) {
    case Site::PreProcess: return etl::Stage::PreProcess;
    case Site::Extract: return etl::Stage::Extract;
    case Site::Worker:
    case Site::Transform: return etl::Stage::Transform;
    case Site::Load: return etl::Stage::Load;
    case Site::PostProcess: break;
  }
  return etl::Stage::PostProcess;
}

/// What is not as it must be: empty for a good run.
template <bool concurrent>
std::string verdict(test::Places& places, const Case& c) {
  test::Scripted<concurrent> pipeline({.items = items, .at = test::fails_at(c.site, c.item, c.fault)});
  etl::Options options;
  options.batch_size = batch_size;
  options.timeout = etl::Options::never;
  options.workers = c.workers == 0 ? 3 : c.workers;
  options.mode = c.workers == 0 ? etl::Mode::Fused : etl::Mode::Parallel;
  options.capacity = 1;  // an extractor of 15 batches has to block
  options.errors = {.max_rejects = c.policy.max_rejects, .unclassified = c.policy.unclassified};
  options.retry = etl::RetryPolicy::none();
  options.name = "matrix";
  const etl::RunReport r = places.run(c.place, pipeline, options);

  std::string wrong = test::audit(r, *pipeline.books, options);
  const auto require = [&](bool ok, const char* what) {
    if (!ok) wrong.append(what).append("; ");
  };
  const bool per_item = c.site == Site::Transform || c.site == Site::Load;
  const bool rejects = per_item && test::rejects_items(c.fault, c.policy.unclassified);
  if (rejects && c.policy.max_rejects > 0) {
    const std::uint64_t lost = c.site == Site::Transform ? 1 : batch_size;
    require(r.outcome == etl::Outcome::CompletedWithRejects, "not CompletedWithRejects");
    require(r.items.rejected == lost, "wrong number of rejected items");
    require(r.items.loaded == items - lost, "not everything else was loaded");
  } else {
    require(r.outcome == etl::Outcome::Failed, "not Failed");
    require(r.exit_code() == 1, "wrong exit code");
    if (!r.errors.empty()) {
      const etl::ErrorRecord& e = r.errors.front();
      require(e.pipeline == "matrix", "error without the pipeline's name");
      if (c.site != Site::Worker) require(e.stage == stage_of(c.site), "error with the wrong stage");
      if (c.fault != Fault::NotAnException)
        require(e.error.message().find("fault in") != std::string::npos, "error without the user's text");
      require(!e.error.message().empty(), "error without a text");
      require(!rejects || e.error.code == etl::Errc::RejectBudget, "not the reject budget's error");
      if (per_item) {
        // A rejected load call names its first item: that is the one the budget had no room for.
        const std::uint64_t at = rejects && c.site == Site::Load ? c.item / batch_size * batch_size : c.item;
        require(e.in_batch && e.first_seq <= at && at <= e.last_seq, "error without its place");
        require(e.batch == c.item / batch_size, "error with the wrong batch");
      }
      if (c.fault == Fault::StdException && !rejects)
        require(e.error.exception != nullptr, "the exception itself is lost");
    }
    require(pipeline.books->loaded[c.item] == 0 || c.site == Site::PreProcess || c.site == Site::PostProcess ||
                c.site == Site::Worker,
            "the failing item was loaded");
    if (c.site == Site::PreProcess) require(r.items.extracted == 0, "extracted after a failed pre_process");
    if (c.site == Site::PostProcess) require(r.items.loaded == items, "post_process ran before everything was loaded");
    if (c.site != Site::PreProcess && c.site != Site::PostProcess)
      require(pipeline.books->told_outcome == etl::Outcome::Failed, "post_process was not told of the failure");
  }
  if (!wrong.empty()) wrong = c.text() + ": " + wrong + "\n";
  return wrong;
}

void try_all(Site site) {
  const test::Watchdog watchdog("the matrix of failures in " + std::string(to_string(site)));
  test::Places places;
  const bool has_items = site == Site::Extract || site == Site::Transform || site == Site::Load;
  std::string wrong;
  int cases = 0;
  const std::uint64_t where[] = {0, items / 2, items - 1};
  for (const std::uint64_t item : where)
    for (const Fault fault : test::all_faults)
      for (const Policy& policy : policies)
        for (const std::size_t workers : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{8}})
          for (const Place place : test::all_places) {
            if (!has_items && item != 0) continue;
            if (site == Site::Worker && (fault == Fault::ReturnedFatal || fault == Fault::ReturnedRejected)) continue;
            if (workers == 0 && place != Place::OwnPool && place != Place::InsideItsOwnThread) continue;
            const Case c{site, item, fault, policy, workers, place};
            wrong += ++cases % 2 == 0 ? verdict<true>(places, c) : verdict<false>(places, c);
            if (wrong.size() > 4000) FAIL(wrong);  // enough to see
          }
  CHECK(wrong == "");
  CHECK(cases > 200);
}

}  // namespace

TEST_CASE("G4: failures in pre_process, at every policy and place") { try_all(Site::PreProcess); }
TEST_CASE("G4: failures in worker(), at every policy and place") { try_all(Site::Worker); }
TEST_CASE("G4: failures in extract, at every item, policy and place") { try_all(Site::Extract); }
TEST_CASE("G4: failures in transform, at every item, policy and place") { try_all(Site::Transform); }
TEST_CASE("G4: failures in load, at every item, policy and place") { try_all(Site::Load); }
TEST_CASE("G4: failures in post_process, at every policy and place") { try_all(Site::PostProcess); }

TEST_CASE("G4: the exception itself is delivered on the caller's thread") {
  struct Special : std::runtime_error {
    using std::runtime_error::runtime_error;
    int detail = 7;
  };
  test::Scripted<true> pipeline({.at = [](Site s, std::uint64_t) -> etl::Result<void> {
    if (s == Site::Load) throw Special("special");
    return {};
  }});
  const etl::RunReport r = etl::run(pipeline, {.workers = 1});
  REQUIRE_FALSE(r.errors.empty());
  REQUIRE(r.errors[0].error.exception != nullptr);
  CHECK(r.errors[0].error.code == etl::Errc::UserException);
  CHECK(r.errors[0].error.error_class == etl::ErrorClass::Fatal);
  try {
    std::rethrow_exception(r.errors[0].error.exception);
  } catch (const Special& e) {
    CHECK(e.detail == 7);
  }
  CHECK_THROWS_AS(r.throw_if_failed(), etl::Exception);
}

TEST_CASE("G4: a callable that asks a failed result for its value fails with that result's error") {
  const etl::Result<int> no_file = etl::failure(
      {.code = std::make_error_code(std::errc::no_such_file_or_directory), .context = "cannot open 'a.csv'"});
  test::Scripted<true> opens({.at = [&](Site s, std::uint64_t) -> etl::Result<void> {
    if (s == Site::Extract) static_cast<void>(no_file.value());
    return {};
  }});
  const etl::RunReport failed = etl::run(opens, {.workers = 1});
  REQUIRE_FALSE(failed.errors.empty());
  CHECK(failed.errors[0].error.message() == "cannot open 'a.csv'");
  CHECK(failed.errors[0].error.code == std::errc::no_such_file_or_directory);
  CHECK(failed.errors[0].error.exception != nullptr);

  const etl::Result<int> bad = etl::failure(etl::rejected("no number"));
  test::Scripted<true> parses({.items = 10, .at = [&](Site s, std::uint64_t i) -> etl::Result<void> {
                                 if (s == Site::Transform && i == 4) static_cast<void>(bad.value());
                                 return {};
                               }});
  const etl::RunReport rejects = etl::run(parses, {.workers = 1, .errors = {.max_rejects = 1}});
  CHECK(rejects.outcome == etl::Outcome::CompletedWithRejects);  // its class is kept
  CHECK(rejects.items.rejected == 1);
}

TEST_CASE("G4: every worker fails at once, and a blocked extractor comes free") {
  const test::Watchdog watchdog("all workers fail");
  for (const std::size_t workers : {std::size_t{1}, std::size_t{2}, std::size_t{8}}) {
    for (int round = 0; round < 20; ++round) {
      test::Scripted<true> pipeline({.items = 500, .at = [](Site s, std::uint64_t) {
                                       return s == Site::Load ? test::fail(Fault::StdException, "down")
                                                              : etl::Result<void>();
                                     }});
      const etl::Options options{.batch_size = 2, .workers = workers, .capacity = workers};
      const etl::RunReport r = etl::run(pipeline, options);
      CHECK(r.outcome == etl::Outcome::Failed);
      CHECK(test::audit(r, *pipeline.books, options) == "");
      CHECK(r.items.loaded == 0);
      CHECK(r.items.extracted < 500);  // extraction stopped at once, not at the end of the source
    }
  }
}

TEST_CASE("G4: an extractor that goes on pushing after a failure is refused at once, and counted (G11)") {
  const test::Watchdog watchdog("pushes after a failure");
  test::Scripted<true> pipeline(
      {.items = 300, .at = test::fails_at(Site::Transform, 5, Fault::StdException), .insist = true});
  const etl::Options options{.batch_size = 3, .workers = 2, .capacity = 1};
  const etl::RunReport r = etl::run(pipeline, options);
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(r.items.extracted == 300);
  CHECK(pipeline.books->refused > 0);
  CHECK(test::audit(r, *pipeline.books, options) == "");
}

TEST_CASE("G4: extract that waits on its stop token is woken by a failure elsewhere") {
  const test::Watchdog watchdog("a waiting source");
  std::mutex mutex;
  std::condition_variable_any changed;
  struct Waits {
    std::mutex& mutex;
    std::condition_variable_any& changed;
    bool woken = false;
    void extract(etl::Emitter<int>& out) {
      out.push(1);
      out.flush();
      std::unique_lock lock(mutex);
      changed.wait(lock, out.stop_token(), [] { return false; });
      woken = out.stop_token().stop_requested();
    }
    void load(std::span<const int>) const { throw std::runtime_error("no"); }
  } waits{mutex, changed};
  const etl::RunReport r = etl::run(waits, {.workers = 1, .inline_batches = etl::Inline::Never});
  CHECK(waits.woken);
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(r.items.extracted == 1);
  CHECK(test::unsound(r) == "");
}

TEST_CASE("G4: two failures: the first decides, both are counted") {
  // Two workers are both in load before either fails.
  const test::Watchdog watchdog("two failures");
  test::Gate one, two;
  std::atomic<int> inside = 0;
  test::Scripted<true> pipeline({.items = 100, .at = [&](Site s, std::uint64_t n) -> etl::Result<void> {
                                   if (s != Site::Load) return {};
                                   if (inside.fetch_add(1) == 0) {
                                     one.open();
                                     two.wait();
                                   } else {
                                     two.open();
                                     one.wait();
                                   }
                                   return test::fail(Fault::StdException, "number " + std::to_string(n));
                                 }});
  const etl::Options options{.batch_size = 1, .workers = 2, .inline_batches = etl::Inline::Never};
  const etl::RunReport r = etl::run(pipeline, options);
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(r.error_count == 2);
  CHECK(test::audit(r, *pipeline.books, options) == "");
}

TEST_CASE("G4: a sink that does not know leaves results in doubt, never completed (G2)") {
  for (const bool thrown : {false, true}) {
    for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
      test::Scripted<true> pipeline({.items = 40, .at = [thrown](Site s, std::uint64_t n) -> etl::Result<void> {
                                       if (s != Site::Load || n != 17) return {};
                                       etl::Error e{.code = etl::Errc::OutcomeUnknown,
                                                    .context = "connection lost in commit"};
                                       if (thrown) throw etl::Exception(e);
                                       return etl::failure(e);
                                     }});
      const etl::Options options{.mode = mode, .batch_size = 5, .timeout = etl::Options::never, .workers = 2};
      const etl::RunReport r = etl::run(pipeline, options);
      CHECK(r.outcome == etl::Outcome::Failed);
      CHECK(r.results.in_doubt == 5);
      CHECK(r.items.abandoned >= 5);
      CHECK(test::audit(r, *pipeline.books, options) == "");
    }
  }
}

TEST_CASE("G8: a failing post_process is reported beside the first error, never instead of it") {
  for (const Site first : {Site::Extract, Site::Transform, Site::Load}) {
    test::Scripted<true> pipeline({.at = [first](Site s, std::uint64_t n) -> etl::Result<void> {
      if ((s == first && n == 3) || s == Site::PostProcess)
        return test::fail(Fault::StdException, "fault in " + std::string(to_string(s)));
      return {};
    }});
    const etl::Options options{.batch_size = 2, .workers = 2};
    const etl::RunReport r = etl::run(pipeline, options);
    CHECK(r.outcome == etl::Outcome::Failed);
    CHECK(r.error_count == 2);
    REQUIRE(r.errors.size() == 2);
    CHECK(r.errors[0].stage == stage_of(first));
    CHECK(r.errors[1].stage == etl::Stage::PostProcess);
    CHECK(test::audit(r, *pipeline.books, options) == "");
  }
}

TEST_CASE("G8: post_process is told the outcome and both ledgers, whatever the outcome") {
  struct Told {
    std::uint64_t fail_at = 100, reject_at = 100;
    etl::RunReport told{};
    int calls = 0;
    void extract(etl::Emitter<std::uint64_t>& out) {
      for (std::uint64_t i = 0; i < 10; ++i)
        if (!out.push(i)) return;
    }
    etl::Result<std::uint64_t> transform(const std::uint64_t& n) const {
      if (n == fail_at) return etl::failure(etl::fatal("fatal"));
      if (n == reject_at) return etl::failure(etl::rejected("rejected"));
      return n;
    }
    void load(std::span<const std::uint64_t>) const {}
    void post_process(const etl::RunReport& r) {
      told = r;
      ++calls;
    }
  };
  for (const auto& [fail_at, reject_at, outcome] : {std::tuple{100u, 100u, etl::Outcome::Completed},
                                                    {100u, 4u, etl::Outcome::CompletedWithRejects},
                                                    {4u, 100u, etl::Outcome::Failed}}) {
    Told p{.fail_at = fail_at, .reject_at = reject_at};
    const etl::RunReport r = etl::run(p, {.name = "told", .batch_size = 3, .workers = 2, .errors = {.max_rejects = 5}});
    CHECK(p.calls == 1);
    CHECK(p.told.outcome == outcome);
    CHECK(r.outcome == outcome);
    CHECK(p.told.items == r.items);
    CHECK(p.told.results == r.results);
    CHECK(p.told.pipeline == "told");
  }
}

TEST_CASE("G8: invalid options: no user callable is called, and the report says what is wrong") {
  test::Scripted<true> pipeline({});
  const etl::RunReport r = etl::run(pipeline, {.batch_size = 0, .workers = 0});
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(r.exit_code() == 2);
  REQUIRE_FALSE(r.errors.empty());
  CHECK(r.errors[0].error.code == etl::Errc::InvalidOptions);
  CHECK(r.errors[0].stage == etl::Stage::Configure);
  CHECK(r.errors[0].error.message().find("batch_size") != std::string::npos);
  CHECK(r.errors[0].error.message().find("workers") != std::string::npos);
  CHECK(pipeline.books->pre_calls == 0);
  CHECK(pipeline.books->offered == 0);
  CHECK(pipeline.books->post_calls == 0);
  CHECK(pipeline.books->workers_made == 0);
  CHECK(test::unsound(r) == "");
}

TEST_CASE("G3: a run leaves no thread and no task behind, on any place and after any end") {
  const test::Watchdog watchdog("nothing left behind");
  for (const Fault fault : {Fault::StdException, Fault::ReturnedRejected}) {
    asio::io_context io;
    for (int i = 0; i < 3; ++i) {
      test::Scripted<true> pipeline({.items = 50, .at = test::fails_at(Site::Load, 20, fault)});
      const etl::Options options{.batch_size = 3,
                                 .workers = 2,
                                 .errors = {.max_rejects = 100},
                                 .executor = etl::Executor(asio::any_io_executor(io.get_executor()))};
      const etl::RunReport r = etl::run(pipeline, options);  // nobody runs the io_context: the caller does the work
      CHECK(test::audit(r, *pipeline.books, options) == "");
      const std::weak_ptr<test::Books> books = pipeline.books;
      CHECK(books.use_count() == 1);
    }
    // What was posted does nothing any more, and no timer keeps the service from ending.
    io.run();
    SUCCEED();
  }
}

}  // namespace failures_test
