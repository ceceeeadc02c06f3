// G1, G2: one outcome, the first that applies; two ledgers that balance on every exit path.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <etl/run.hpp>

#include "support/catch.hpp"
#include "support/faults.hpp"
#include "support/json.hpp"
#include "support/scripted.hpp"
#include "support/sync.hpp"

namespace outcomes_test {

namespace {

using test::Fate;
using test::Fault;
using test::Site;

etl::RunReport run_and_audit(test::Script script, etl::Options options, etl::StopToken stop = {}) {
  test::Scripted<true> pipeline(std::move(script));
  etl::RunReport r = etl::run(pipeline, options, std::move(stop));
  CHECK(test::audit(r, *pipeline.books, options) == "");
  CHECK(test::Json::parse(r.json()).has_value());
  if (pipeline.books->post_calls == 1) CHECK(pipeline.books->told_outcome == r.outcome);
  return r;
}

const etl::Options small{
    .batch_size = 4, .timeout = etl::Options::never, .workers = 2, .errors = {.max_rejects = 1000}};

std::vector<etl::Options> settings() {
  std::vector<etl::Options> all;
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused})
    for (const std::size_t batch_size : {std::size_t{1}, std::size_t{7}, std::size_t{1000}})
      for (const std::size_t workers : {std::size_t{1}, std::size_t{4}})
        for (const etl::Inline inline_batches : {etl::Inline::Adaptive, etl::Inline::Never})
          for (const etl::Order order : {etl::Order::None, etl::Order::Source}) {
            etl::Options o;
            o.mode = mode;
            o.batch_size = batch_size;
            o.timeout = etl::Options::never;
            o.workers = workers;
            o.order = order;
            o.errors.max_rejects = 1000;
            o.inline_batches = inline_batches;
            all.push_back(o);
          }
  return all;
}

}  // namespace

TEST_CASE("G1: a whole source is Completed, and every figure is exact (G2)") {
  for (const etl::Options& o : settings()) {
    const etl::RunReport r = run_and_audit({.items = 100}, o);
    CAPTURE(r.text());
    CHECK(r.outcome == etl::Outcome::Completed);
    CHECK(r.ok());
    CHECK(r.exit_code() == 0);
    CHECK(r.items == etl::ItemLedger{.extracted = 100, .loaded = 100});
    CHECK(r.results == etl::ResultLedger{.produced = 100, .committed = 100});
    CHECK(r.errors.empty());
    CHECK(r.error_count == 0);
    CHECK(r.flushes.total() == (100 + o.batch_size - 1) / o.batch_size);
  }
}

TEST_CASE("G2: filtered, expanded and rejected items are each counted once, by the worst") {
  for (const etl::Options& o : settings()) {
    // By n % 5: 0 filtered, 1 rejected by transform, 2 rejected by load, 3 and 4 loaded (with n % 3 + 1 results).
    const etl::RunReport r =
        run_and_audit({.items = 100,
                       .fate =
                           [](std::uint64_t n) {
                             constexpr Fate fates[] = {Fate::Filter, Fate::RejectByTransform, Fate::RejectByLoad,
                                                       Fate::Load, Fate::Load};
                             return fates[n % 5];
                           },
                       .results = [](std::uint64_t n) { return static_cast<std::uint32_t>(n % 3 + 1); }},
                      o);
    std::uint64_t loaded_results = 0, load_rejected_results = 0;
    for (std::uint64_t n = 0; n < 100; ++n) {
      if (n % 5 >= 3) loaded_results += n % 3 + 1;
      if (n % 5 == 2) load_rejected_results += n % 3 + 1;
    }
    CAPTURE(r.text());
    CHECK(r.outcome == etl::Outcome::CompletedWithRejects);
    CHECK(r.exit_code() == 3);
    CHECK(r.items == etl::ItemLedger{.extracted = 100, .loaded = 40, .filtered = 20, .rejected = 40});
    CHECK(r.results.committed == loaded_results);
    CHECK(r.results.rejected >= load_rejected_results);
    CHECK(r.results.abandoned == 0);
  }
}

TEST_CASE("G2: an item of which load rejects only one of several results counts as rejected") {
  struct Expands {
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 10; ++i) out.push(i);
    }
    void transform(const int& n, etl::Out<int>& out) const {
      for (int k = 0; k < 3; ++k) out.push(n * 10 + k);
    }
    void load(std::span<const int> batch, etl::BatchContext& context) const {
      for (std::size_t i = 0; i < batch.size(); ++i)
        if (batch[i] == 41) context.reject(i, "not 41");
    }
  };
  for (const std::size_t batch_size : {std::size_t{1}, std::size_t{2}, std::size_t{4}, std::size_t{100}}) {
    const etl::RunReport r =
        etl::run(Expands{}, {.batch_size = batch_size, .workers = 2, .errors = {.max_rejects = 1}});
    CAPTURE(batch_size, r.text());
    CHECK(test::unsound(r) == "");
    CHECK(r.outcome == etl::Outcome::CompletedWithRejects);
    CHECK(r.items == etl::ItemLedger{.extracted = 10, .loaded = 9, .rejected = 1});
    CHECK(r.results == etl::ResultLedger{.produced = 30, .committed = 29, .rejected = 1});
  }
}

TEST_CASE("G2: an item of which load rejects several results draws once on the budget, and is told once") {
  // Item 4 has three results, all rejected: in one load call, in two, or in three.
  struct Expands {
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 6; ++i) out.push(i);
    }
    void transform(const int& n, etl::Out<int>& out) const {
      for (int k = 0; k < 3; ++k) out.push(n);
    }
    void load(std::span<const int> batch, etl::BatchContext& context) const {
      for (std::size_t i = 0; i < batch.size(); ++i)
        if (batch[i] == 4) context.reject(i, "not 4");
    }
  };
  for (const std::size_t batch_size :
       {std::size_t{6}, std::size_t{5}, std::size_t{2}, std::size_t{1}, std::size_t{18}}) {
    std::vector<std::uint64_t> told;
    const etl::RunReport r =
        etl::run(Expands{}, {.batch_size = batch_size,
                             .workers = 1,
                             .errors = {.max_rejects = 1, .on_reject = [&told](const etl::Rejection& rejection) {
                                          told.push_back(rejection.seq);
                                        }}});
    CAPTURE(batch_size, r.text());
    CHECK(test::unsound(r) == "");
    CHECK(r.outcome == etl::Outcome::CompletedWithRejects);
    CHECK(r.items == etl::ItemLedger{.extracted = 6, .loaded = 5, .rejected = 1});
    CHECK(r.results == etl::ResultLedger{.produced = 18, .committed = 15, .rejected = 3});
    CHECK(told == std::vector<std::uint64_t>{4});
  }
}

TEST_CASE("G2: a batch that expands is loaded in calls of at most batch_size") {
  for (const std::size_t batch_size : {std::size_t{1}, std::size_t{3}, std::size_t{10}}) {
    etl::Options o = small;
    o.batch_size = batch_size;
    const etl::RunReport r =
        run_and_audit({.items = 50, .results = [](std::uint64_t n) { return static_cast<std::uint32_t>(n % 7); }}, o);
    CHECK(r.outcome == etl::Outcome::Completed);
    CHECK(r.items.filtered == 8);  // n % 7 == 0
    CHECK(r.items.loaded == 42);
  }
}

TEST_CASE("G1: an empty source is Completed, so is one where everything is filtered") {
  for (const etl::Options& o : settings()) {
    const etl::RunReport none = run_and_audit({.items = 0}, o);
    CHECK(none.outcome == etl::Outcome::Completed);
    CHECK(none.items == etl::ItemLedger{});
    CHECK(none.flushes.total() == 0);
    const etl::RunReport filtered = run_and_audit({.items = 30, .fate = [](std::uint64_t) { return Fate::Filter; }}, o);
    CHECK(filtered.outcome == etl::Outcome::Completed);
    CHECK(filtered.items == etl::ItemLedger{.extracted = 30, .filtered = 30});
    CHECK(filtered.results == etl::ResultLedger{});
  }
}

TEST_CASE("G1: the reject budget is exact") {
  for (const bool by_load : {false, true}) {
    const auto script = [by_load] {
      return test::Script{.items = 60, .fate = [by_load](std::uint64_t n) {
                            return n % 10 != 3 ? Fate::Load : by_load ? Fate::RejectByLoad : Fate::RejectByTransform;
                          }};
    };
    for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
      etl::Options o = small;
      o.mode = mode;
      o.errors.max_rejects = 6;
      CHECK(run_and_audit(script(), o).outcome == etl::Outcome::CompletedWithRejects);
      o.errors.max_rejects = 5;
      const etl::RunReport r = run_and_audit(script(), o);
      CHECK(r.outcome == etl::Outcome::Failed);
      CHECK(r.exit_code() == 1);
      REQUIRE_FALSE(r.errors.empty());
      CHECK(r.errors[0].error.code == etl::Errc::RejectBudget);
      CHECK(r.errors[0].error.message().find("does not like item") != std::string::npos);  // the cause
    }
  }
}

TEST_CASE("G1: the reject ratio is checked at the end, also of a short source") {
  const auto fate = [](std::uint64_t n) { return n % 4 == 0 ? Fate::RejectByTransform : Fate::Load; };
  etl::Options o = small;
  o.errors.max_reject_ratio = 0.25;
  CHECK(run_and_audit({.items = 100, .fate = fate}, o).outcome == etl::Outcome::CompletedWithRejects);
  o.errors.max_reject_ratio = 0.24;
  const etl::RunReport r = run_and_audit({.items = 100, .fate = fate}, o);
  CHECK(r.outcome == etl::Outcome::Failed);
  REQUIRE_FALSE(r.errors.empty());
  CHECK(r.errors[0].error.code == etl::Errc::RejectBudget);

  // Exactly as many as allowed, whatever is rounded.
  for (const std::uint64_t percent : std::initializer_list<std::uint64_t>{7, 14, 28, 29, 55, 57, 58}) {
    o.errors.max_reject_ratio = static_cast<double>(percent) / 100;
    const auto some = [percent](std::uint64_t n) { return n < percent ? Fate::RejectByTransform : Fate::Load; };
    CHECK(run_and_audit({.items = 100, .fate = some}, o).outcome == etl::Outcome::CompletedWithRejects);
    const auto more = [percent](std::uint64_t n) { return n <= percent ? Fate::RejectByTransform : Fate::Load; };
    CHECK(run_and_audit({.items = 100, .fate = more}, o).outcome == etl::Outcome::Failed);
  }
}

TEST_CASE("G7: each limit on rejects holds where it is given, and with neither none is allowed") {
  const auto fate = [](std::uint64_t n) { return n % 4 == 0 ? Fate::RejectByTransform : Fate::Load; };
  etl::Options o = small;
  o.errors = {.max_reject_ratio = 0.25};  // no count
  CHECK(run_and_audit({.items = 100, .fate = fate}, o).outcome == etl::Outcome::CompletedWithRejects);
  o.errors = {.max_rejects = 24, .max_reject_ratio = 0.25};
  CHECK(run_and_audit({.items = 100, .fate = fate}, o).outcome == etl::Outcome::Failed);
  o.errors = {.max_rejects = 25};
  CHECK(run_and_audit({.items = 100, .fate = fate}, o).outcome == etl::Outcome::CompletedWithRejects);
  o.errors = {};
  const etl::RunReport r = run_and_audit({.items = 100, .fate = fate}, o);
  CHECK(r.outcome == etl::Outcome::Failed);
  REQUIRE_FALSE(r.errors.empty());
  // Two workers may both reject an item before one of them ends the run: then the number is 2.
  CHECK(r.errors[0].error.message().find(" rejected, 0 allowed by errors.max_rejects") != std::string::npos);
}

TEST_CASE("G1: the reject ratio stops a long source early, but not before item 1000") {
  // The first 500 items are all rejected: within 0.4 of the first 10,000, and not looked at before item 1000.
  etl::Options o = small;
  o.batch_size = 10;
  o.errors.max_rejects = 1'000'000;
  o.errors.max_reject_ratio = 0.6;
  const auto early = [](std::uint64_t n) { return n < 500 ? Fate::RejectByTransform : Fate::Load; };
  CHECK(run_and_audit({.items = 10'000, .fate = early}, o).outcome == etl::Outcome::CompletedWithRejects);
  const auto always = [](std::uint64_t) { return Fate::RejectByTransform; };
  const etl::RunReport r = run_and_audit({.items = 100'000, .fate = always}, o);
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(r.items.extracted < 50'000);
}

TEST_CASE("G2: every reject is told to on_reject, with its place and description, one at a time") {
  struct Seen {
    etl::Stage stage;
    std::uint64_t seq;
    std::string why, description, pipeline;
  };
  struct Describes {
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 100; ++i)
        if (!out.push(i)) return;
    }
    void transform(const int& n, etl::Out<int>& out) const {
      if (n % 10 == 1) return out.reject("ends in one");
      out.push(n);
    }
    void load(std::span<const int> batch, etl::BatchContext& context) const {
      for (std::size_t i = 0; i < batch.size(); ++i)
        if (batch[i] % 10 == 2) context.reject(i, "ends in two");
    }
    std::string describe(const int& n) const { return "row " + std::to_string(n); }
  };
  for (const std::size_t workers : {std::size_t{1}, std::size_t{8}}) {
    std::vector<Seen> seen;
    test::Crowd crowd;
    const etl::RunReport r =
        etl::run(Describes{},
                 {.name = "describes",
                  .batch_size = 3,
                  .workers = workers,
                  .errors = {.max_rejects = 20, .on_reject = [&](const etl::Rejection& rejection) {
                               const test::Crowd::Visit visit(crowd);
                               seen.push_back({rejection.stage, rejection.seq, rejection.error.message(),
                                               std::string(rejection.description), std::string(rejection.pipeline)});
                             }}});
    CHECK(test::unsound(r) == "");
    CHECK(r.items.rejected == 20);
    CHECK(crowd.most() == 1);
    REQUIRE(seen.size() == 20);
    for (const Seen& s : seen) {
      CHECK(s.pipeline == "describes");
      CHECK(s.description == "row " + std::to_string(s.seq));
      CHECK((s.seq % 10 == 1 || s.seq % 10 == 2));
      CHECK(s.stage == (s.seq % 10 == 1 ? etl::Stage::Transform : etl::Stage::Load));
      CHECK(s.why == (s.seq % 10 == 1 ? "ends in one" : "ends in two"));
    }
  }
}

TEST_CASE("G2: on_reject comes before anything of its batch is loaded") {
  struct Rejects {
    std::vector<std::string>* log;
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 4; ++i) out.push(i);
    }
    etl::Result<int> transform(const int& n) const {
      if (n == 2) return etl::failure(etl::rejected("two"));
      return n;
    }
    void load(std::span<const int>) { log->push_back("load"); }
  };
  std::vector<std::string> log;
  const etl::RunReport r =
      etl::run(Rejects{&log},
               {.batch_size = 4, .workers = 1, .errors = {.max_rejects = 1, .on_reject = [&log](const etl::Rejection&) {
                                                            log.push_back("reject");
                                                          }}});
  CHECK(r.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(log == std::vector<std::string>{"reject", "load"});
}

TEST_CASE("G4: an exception from on_reject fails the run") {
  for (const Fate fate : {Fate::RejectByTransform, Fate::RejectByLoad}) {
    etl::Options o = small;
    o.errors.on_reject = [](const etl::Rejection&) { throw std::runtime_error("no room for rejects"); };
    const etl::RunReport r =
        run_and_audit({.items = 50, .fate = [fate](std::uint64_t n) { return n == 20 ? fate : Fate::Load; }}, o);
    CHECK(r.outcome == etl::Outcome::Failed);
    REQUIRE_FALSE(r.errors.empty());
    CHECK(r.errors[0].error.message().find("no room for rejects") != std::string::npos);
  }
}

namespace {

/// Adds up what `on_batch` is told.
struct Told {
  etl::ItemLedger items{};
  etl::ResultLedger results{};
  std::set<std::uint64_t> batches{}, first_seqs{};
  std::atomic<int> calls = 0;
  bool in_order = true;

  etl::BatchHandler handler() {
    return [this](const etl::SettledBatch& b) {
      const bool alone = ++calls == 1;
      const bool new_batch = batches.insert(b.batch).second && first_seqs.insert(b.first_seq).second;
      in_order = in_order && alone && new_batch && b.pipeline == "told" && b.latency.count() >= 0 && b.items.balanced();
      items.extracted += b.items.extracted;
      items.loaded += b.items.loaded;
      items.filtered += b.items.filtered;
      items.rejected += b.items.rejected;
      results.produced += b.results.produced;
      results.committed += b.results.committed;
      results.rejected += b.results.rejected;
      --calls;
    };
  }
  void check(const etl::RunReport& r, std::uint64_t last_seq) const {
    CAPTURE(r.text());
    CHECK(in_order);
    CHECK(items == r.items);
    CHECK(results == r.results);
    CHECK(batches.size() == r.flushes.total());
    CHECK(*first_seqs.rbegin() == last_seq);
  }
};

}  // namespace

TEST_CASE("G2: on_batch hears of every batch once, one call at a time, and its counts add up to the report's") {
  for (etl::Options o : settings()) {
    Told told;
    o.name = "told";
    o.on_batch = told.handler();
    const auto fate = [](std::uint64_t n) { return std::array{Fate::Filter, Fate::RejectByLoad, Fate::Load}[n % 3]; };
    told.check(run_and_audit({.items = 100, .fate = fate}, o), (99 / o.batch_size) * o.batch_size);
  }
  struct ByKey {  // parts of its batches are loaded apart
    void extract(etl::Emitter<int>& out) const {
      for (int i = 0; i < 100; ++i)
        if (!out.push(i)) return;
    }
    int key(const int& n) const { return n % 7; }
    int transform(const int& n) const { return n; }
    void load(std::span<const int>) const {}
  };
  Told told;
  etl::Options o = small;
  o.name = "told";
  o.order = etl::Order::ByKey;
  o.on_batch = told.handler();
  told.check(etl::run(ByKey{}, o), 96);
}

TEST_CASE("G4: an exception from on_batch fails the run, and its batch stays loaded") {
  etl::Options o = small;
  o.workers = 1;
  o.on_batch = [](const etl::SettledBatch& b) {
    if (b.batch == 3) throw std::runtime_error("the metrics are full");
  };
  const etl::RunReport r = run_and_audit({.items = 100}, o);
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(r.items.loaded >= 16);
  CHECK(r.errors.front().error.message().find("on_batch has failed: the metrics are full") != std::string::npos);
}

TEST_CASE("G10: on_batch may ask for the end of the run, also while other batches wait for their turn to load") {
  struct Endless {
    std::atomic<int>* at_work;
    void extract(etl::Emitter<int>& out) const {
      while (out.push(1)) {}
    }
    int transform(const int& n) const { return ++*at_work, n; }
    void load(std::span<const int>) {  // not const: one call at a time
      while (*at_work < 4) std::this_thread::yield();
    }
  };
  const test::Watchdog watchdog("an abandon in on_batch");
  for (int i = 0; i < 20; ++i) {
    std::atomic<int> at_work = 0;
    etl::StopSource stop;
    etl::Options o{.batch_size = 1, .workers = 4, .inline_batches = etl::Inline::Never};
    std::uint64_t told = 0;
    o.on_batch = [&](const etl::SettledBatch& batch) {
      told += batch.items.loaded + batch.items.abandoned;
      stop.request_abandon();
    };
    const auto report = etl::run(Endless{&at_work}, o, stop.stop_token());
    CHECK(report.outcome == etl::Outcome::Cancelled);
    CHECK(report.items.balanced());
    CHECK(told >= 4);  // also of those that waited for their turn to load
  }
}

TEST_CASE("G1: the error that decided the outcome comes first, however many items were rejected") {
  struct Away final : etl::CheckpointStore {
    int saves = 0;
    etl::Result<std::optional<etl::Checkpoint>> find(const std::string&) override { return std::nullopt; }
    etl::Result<void> save(const std::string&, const etl::Checkpoint&) override {
      return ++saves == 1 ? etl::Result<void>() : etl::failure(etl::fatal("the database is away"));
    }
    etl::Result<void> reset(const std::string&) override { return {}; }
  };
  struct Bad {
    bool posts;
    std::string fingerprint() const { return "bad"; }
    void extract(etl::Emitter<int>& out) const {
      for (int i = 0; i < 40; ++i) out.push(i);
    }
    etl::Result<int> transform(const int&) const { return etl::failure(etl::rejected("bad")); }
    void load(std::span<const int>) const {}
    etl::Result<void> post_process() {
      if (posts) return etl::failure(etl::fatal("the letter is not sent"));
      return {};
    }
  };
  for (const bool posts : {false, true}) {
    etl::Options o{.name = "bad", .errors = {.max_rejects = 100}};
    if (!posts) o.delivery = {.checkpoints = std::make_shared<Away>(), .save_every = etl::Options::never};
    const auto report = etl::run(Bad{posts}, o);
    CHECK(report.outcome == etl::Outcome::Failed);
    CHECK(report.errors.at(0).error.context == (posts ? "the letter is not sent" : "the database is away"));
    CHECK(report.errors.size() == etl::RunReport::max_errors);
    CHECK(report.error_count == 41);
  }
}

TEST_CASE("G1: a failure outranks a stop, a stop outranks rejects") {
  etl::StopSource stop;
  const auto stop_and_fail = [&stop](Site s, std::uint64_t n) -> etl::Result<void> {
    if (s == Site::Extract && n == 10) stop.request_drain();
    if (s == Site::Load && n == 9) return test::fail(Fault::StdException, "the last batch");  // flushed by the drain
    return {};
  };
  const etl::RunReport failed = run_and_audit({.items = 30, .at = stop_and_fail}, small, stop.stop_token());
  CHECK(failed.outcome == etl::Outcome::Failed);

  etl::StopSource second;
  const etl::RunReport cancelled =
      run_and_audit({.items = 30,
                     .at =
                         [&second](Site s, std::uint64_t n) {
                           if (s == Site::Extract && n == 10) second.request_drain();
                           return etl::Result<void>();
                         },
                     .fate = [](std::uint64_t n) { return n == 2 ? Fate::RejectByTransform : Fate::Load; }},
                    small, second.stop_token());
  CHECK(cancelled.outcome == etl::Outcome::Cancelled);
  CHECK(cancelled.exit_code() == 4);
  CHECK(cancelled.items.rejected == 1);
}

TEST_CASE("G8: post_process failing after a stop is reported, and leaves the run Cancelled") {
  etl::StopSource stop;
  const etl::RunReport r = run_and_audit({.items = 30,
                                          .at = [&stop](Site s, std::uint64_t n) -> etl::Result<void> {
                                            if (s == Site::Extract && n == 10) stop.request_drain();
                                            if (s == Site::PostProcess)
                                              return test::fail(Fault::StdException, "cannot tidy up");
                                            return {};
                                          }},
                                         small, stop.stop_token());
  CHECK(r.outcome == etl::Outcome::Cancelled);
  REQUIRE(r.errors.size() == 1);
  CHECK(r.errors[0].stage == etl::Stage::PostProcess);
}

TEST_CASE("G1: the report carries names, times and rates") {
  etl::Options o = small;
  o.name = "measured";
  const etl::RunReport r = run_and_audit({.items = 40}, o);
  CHECK(r.pipeline == "measured");
  CHECK(r.elapsed.count() > 0);
  CHECK(r.items_per_second() > 0);
  CHECK(r.pre_process.count == 1);
  CHECK(r.post_process.count <= 1);
  CHECK(r.transform.count == 10);
  CHECK(r.load.count == 10);
  CHECK(r.load.max <= r.elapsed);
  CHECK(r.load.p50 <= r.load.p99);
  CHECK(r.load.p99 <= r.load.max);
  CHECK(r.max_queue_depth <= o.effective_capacity());
  CHECK(r.inline_batches <= 10);
}

TEST_CASE("G7: the reject ratio is checked from item 1000 on, not from the next") {
  test::Script script{.items = 10'000};
  script.fate = [](std::uint64_t n) { return n >= 500 && n < 1000 ? Fate::RejectByTransform : Fate::Load; };
  etl::Options o{.mode = etl::Mode::Fused, .batch_size = 500, .timeout = etl::Options::never};
  o.errors = {.max_rejects = 1000, .max_reject_ratio = 0.3};  // at item 1000 it is exceeded, at the end it is not
  const etl::RunReport r = run_and_audit(script, o);
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(r.errors.at(0).error.code == etl::Errc::RejectBudget);
  CHECK(r.items.extracted <= 1001);
}

TEST_CASE("G4: the error that has failed the run comes first, before those of rejected items") {
  test::Script script{.items = 100, .at = test::fails_at(Site::Load, 50, Fault::ThrownFatal)};
  script.fate = [](std::uint64_t n) { return n % 5 == 0 && n < 50 ? Fate::RejectByTransform : Fate::Load; };
  etl::Options o = small;
  o.mode = etl::Mode::Fused;
  const etl::RunReport r = run_and_audit(script, o);
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(r.items.rejected == 10);
  CHECK(r.errors.at(0).stage == etl::Stage::Load);
}

}  // namespace outcomes_test
