// G9, G10, G11: drain, abandon, deadline; a stop at every step.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <latch>
#include <memory>
#include <mutex>
#include <ranges>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <etl/bucket.hpp>
#include <etl/policy/retry.hpp>
#include <etl/policy/waiter.hpp>
#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/faults.hpp"
#include "support/places.hpp"
#include "support/scripted.hpp"
#include "support/sync.hpp"

namespace stopping_test {

namespace {

using namespace std::chrono_literals;
using test::Site;

constexpr std::uint64_t items = 24;

enum class Level { Drain, Abandon };

/// Runs a pipeline of which step number `k`, whichever that is, asks for the stop. Returns whether there were as many
/// steps.
struct Attempt {
  std::string wrong;
  bool reached = false;
  etl::Outcome outcome = etl::Outcome::NotRun;
};

template <bool concurrent>
Attempt stop_at_step(std::uint64_t k, Level level, etl::Options options, bool insist) {
  etl::StopSource source;
  std::atomic<std::uint64_t> step = 0;
  std::atomic<bool> asked = false;
  std::atomic<int> transforms_after = 0, loads_after = 0;  // calls that began when the abandon had been asked for
  std::mutex mutex;
  std::uint64_t last_load_first = ~std::uint64_t{0};
  test::Script script{.items = items, .at = {}, .fate = {}, .results = {}, .insist = insist};
  script.at = [&](Site s, std::uint64_t n) -> etl::Result<void> {
    if (level == Level::Abandon && asked) {
      if (s == Site::Transform) ++transforms_after;
      const std::lock_guard lock(mutex);
      if (s == Site::Load && n % options.batch_size == 0 && n != last_load_first) ++loads_after;
    }
    if (s == Site::Load && n % options.batch_size == 0) {
      const std::lock_guard lock(mutex);
      last_load_first = n;
    }
    if (step.fetch_add(1) == k) {
      level == Level::Drain ? source.request_drain() : source.request_abandon();
      asked = true;
    }
    return {};
  };
  test::Scripted<concurrent> pipeline(script);
  const etl::RunReport r = etl::run(pipeline, options, source.stop_token());
  Attempt attempt{.wrong = test::audit(r, *pipeline.books, options), .reached = asked, .outcome = r.outcome};
  const auto require = [&attempt, &r](bool ok, const char* what) {
    if (!ok) attempt.wrong.append(what).append(": ").append(r.text()).append("; ");
  };
  const test::Books& b = *pipeline.books;
  require(r.errors.empty(), "a stop is no error");
  require(r.outcome == etl::Outcome::Cancelled || r.outcome == etl::Outcome::Completed,
          "neither Cancelled nor Completed");
  if (b.refused > 0) require(r.outcome == etl::Outcome::Cancelled, "refused pushes, yet not Cancelled");
  if (level == Level::Drain)
    require(r.items.loaded == r.items.extracted - b.refused, "a drain lost what was extracted");
  if (!asked) require(r.outcome == etl::Outcome::Completed, "stopped by nothing");
  if (b.told_outcome != r.outcome) require(false, "post_process was told another outcome");
  const bool one_thread = options.mode == etl::Mode::Fused;
  if (level == Level::Abandon && one_thread) {
    require(loads_after == 0, "a load began after the abandon");
    require(static_cast<std::size_t>(transforms_after) <= options.batch_size,
            "another batch was transformed after the abandon");
  }
  return attempt;
}

void stop_everywhere(Level level, etl::Options options, bool insist) {
  const test::Watchdog watchdog("a stop at every step");
  options.batch_size = 5;
  options.timeout = etl::Options::never;
  std::uint64_t k = 0;
  int cancelled = 0;
  for (;; ++k) {
    const Attempt attempt =
        k % 2 == 0 ? stop_at_step<true>(k, level, options, insist) : stop_at_step<false>(k, level, options, insist);
    CAPTURE(k);
    CHECK(attempt.wrong == "");
    cancelled += attempt.outcome == etl::Outcome::Cancelled ? 1 : 0;
    if (!attempt.reached || k > 500) break;
  }
  CHECK(k > 2 * items);  // extract and transform of each item at least
  CHECK(k < 500);
  CHECK(cancelled > 0);
}

etl::Options with_workers(std::size_t n) {
  etl::Options o;
  o.workers = n;
  o.capacity = 2;
  return o;
}

}  // namespace

TEST_CASE("G10: a drain at every step of a run") {
  for (const std::size_t workers : {std::size_t{1}, std::size_t{2}, std::size_t{8}})
    stop_everywhere(Level::Drain, with_workers(workers), false);
  etl::Options fused;
  fused.mode = etl::Mode::Fused;
  stop_everywhere(Level::Drain, fused, false);
}

TEST_CASE("G10: an abandon at every step of a run") {
  for (const std::size_t workers : {std::size_t{1}, std::size_t{2}, std::size_t{8}})
    stop_everywhere(Level::Abandon, with_workers(workers), false);
  etl::Options fused;
  fused.mode = etl::Mode::Fused;
  stop_everywhere(Level::Abandon, fused, false);
}

TEST_CASE("G11: a stop at every step of a run whose source does not listen") {
  for (const Level level : {Level::Drain, Level::Abandon}) {
    stop_everywhere(level, with_workers(1), true);
    stop_everywhere(level, with_workers(3), true);
    etl::Options fused;
    fused.mode = etl::Mode::Fused;
    stop_everywhere(level, fused, true);
  }
}

TEST_CASE("G10: a stop at every step in every order of a virtual scheduler") {
  for (const Level level : {Level::Drain, Level::Abandon}) {
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
      etl::Options o = with_workers(2);
      o.executor = etl::Executor(std::make_shared<etl::testing::VirtualExecutor>(seed));
      o.order = seed % 2 == 0 ? etl::Order::None : etl::Order::Source;
      o.inline_batches = seed < 2 ? etl::Inline::Never : etl::Inline::Adaptive;
      CAPTURE(seed);
      stop_everywhere(level, o, false);
    }
  }
}

TEST_CASE("G10: a stop asked for before the run: nothing is loaded, and the hooks keep their promise (G8)") {
  for (const Level level : {Level::Drain, Level::Abandon}) {
    for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
      etl::StopSource source;
      level == Level::Drain ? source.request_drain() : source.request_abandon();
      test::Scripted<true> pipeline({});
      const etl::Options options{.mode = mode, .workers = 2};
      const etl::RunReport r = etl::run(pipeline, options, source.stop_token());
      CHECK(r.outcome == etl::Outcome::Cancelled);
      CHECK(r.items.loaded == 0);
      CHECK(test::audit(r, *pipeline.books, options) == "");
      CHECK(pipeline.books->pre_calls == 0);
    }
  }
}

TEST_CASE("G10: no partition is begun after a stop") {
  struct Parts {
    etl::StopSource* stop;
    std::vector<int>* begun;
    std::vector<int> partitions() const { return {0, 1, 2, 3}; }
    void extract(int part, etl::Emitter<int>& out) const {
      begun->push_back(part);
      if (part == 1) stop->request_drain();
      out.push(part);
    }
    void load(std::span<const int>) {}
  };
  etl::StopSource stop;
  std::vector<int> begun;
  const auto report = etl::run(Parts{&stop, &begun}, {.workers = 1, .extractors = 1}, stop.stop_token());
  CHECK(report.outcome == etl::Outcome::Cancelled);
  CHECK(begun == std::vector<int>{0, 1});
}

TEST_CASE("G10: a plain std::stop_token drains") {
  std::stop_source source;
  test::Scripted<true> pipeline({.items = 100, .at = [&source](Site s, std::uint64_t n) {
                                   if (s == Site::Extract && n == 50) source.request_stop();
                                   return etl::Result<void>();
                                 }});
  const etl::Options options{.batch_size = 7, .workers = 2};
  const etl::RunReport r = etl::run(pipeline, options, source.get_token());
  CHECK(r.outcome == etl::Outcome::Cancelled);
  CHECK(r.items == etl::ItemLedger{.extracted = 51, .loaded = 50, .abandoned = 1});
  CHECK(test::audit(r, *pipeline.books, options) == "");
}

TEST_CASE("G10: a stop that comes after the end of the source leaves the run Completed") {
  etl::StopSource source;
  test::Gate extracted;
  struct Late {
    test::Gate& extracted;
    etl::StopSource& source;
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 10; ++i) out.push(i);
    }
    void load(std::span<const int>) const {}
    void post_process() { source.request_drain(); }
  } late{extracted, source};
  const etl::RunReport r = etl::run(late, {.workers = 1}, source.stop_token());
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(r.items.loaded == 10);
}

TEST_CASE("G10: a drain while the last batch is loaded asks for nothing more, so the run is Completed (G1)") {
  struct Last {
    using position = std::uint64_t;
    etl::StopSource& source;
    std::string fingerprint() const { return "x"; }
    void extract(etl::Emitter<int, position>& out) {
      for (int i = 0; i < 5; ++i)
        if (!out.push(i)) return;
    }
    void load(std::span<const int>) { source.request_drain(); }
    void post_process(const etl::RunReport& report) { CHECK(report.outcome == etl::Outcome::Completed); }
  };
  for (const etl::Mode mode : {etl::Mode::Fused, etl::Mode::Parallel})
    for (const bool keeps_progress : {false, true}) {
      CAPTURE(static_cast<int>(mode), keeps_progress);
      etl::StopSource source;
      Last last{source};
      etl::Options options{.name = "x", .mode = mode, .batch_size = 100};
      if (keeps_progress) options.delivery.checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>();
      const etl::RunReport r = etl::run(last, options, source.stop_token());
      CHECK(r.outcome == etl::Outcome::Completed);
      CHECK(r.items.loaded == 5);
    }
}

TEST_CASE("G10: an abandon while the last batch of a fused run is loaded is Cancelled") {
  struct Last {
    etl::StopSource& source;
    bool fails;
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 5; ++i)
        if (!out.push(i)) return;
    }
    etl::Result<void> load(std::span<const int>) {
      source.request_abandon();
      if (fails) return etl::transient("not now");
      return {};
    }
  };
  for (const bool fails : {false, true}) {
    etl::StopSource source;
    Last last{source, fails};
    const etl::RunReport r = etl::run(last, {.mode = etl::Mode::Fused, .batch_size = 100}, source.stop_token());
    CHECK(r.outcome == etl::Outcome::Cancelled);  // something was in flight
    CHECK(r.items.loaded == (fails ? 0U : 5U));
    CHECK(r.items.abandoned == (fails ? 5U : 0U));
  }
}

TEST_CASE("G10: a source blocked in push is woken by either level") {
  const test::Watchdog watchdog("a blocked push");
  for (const Level level : {Level::Drain, Level::Abandon}) {
    for (int round = 0; round < 10; ++round) {
      // load holds the only worker until the source has been refused: the source has to block before that, and cannot
      // help.
      struct Blocks {
        test::Gate& loading;
        test::Gate& refused;
        std::atomic<int>& accepted;
        void extract(etl::Emitter<int>& out) {
          for (int i = 0; out.push(i); ++i) {
            accepted = i + 1;
            if (i == 1) loading.wait();
          }
          refused.open();
        }
        void load(std::span<const int>) const {
          loading.open();
          refused.wait();
        }
      };
      test::Gate loading, refused;
      std::atomic<int> accepted = 0;
      etl::StopSource source;
      std::jthread stopper([&] {
        while (accepted < 3) std::this_thread::yield();  // the fourth push fills the bucket, and waits
        level == Level::Drain ? source.request_drain() : source.request_abandon();
      });
      const etl::RunReport r = etl::run(
          Blocks{loading, refused, accepted},
          {.batch_size = 2, .workers = 1, .capacity = 2, .inline_batches = etl::Inline::Never}, source.stop_token());
      CHECK(r.outcome == etl::Outcome::Cancelled);
      CHECK(test::unsound(r) == "");
      CHECK(r.items.extracted == static_cast<std::uint64_t>(accepted) + 1);
      CHECK(r.items.extracted <= 7);  // two batches in the bucket, one open, one refused
      if (level == Level::Drain) CHECK(r.items.loaded == static_cast<std::uint64_t>(accepted));
      if (level == Level::Abandon) CHECK(r.items.loaded <= 2);  // what was in load
    }
  }
}

TEST_CASE("G10: a source that waits on its stop token is woken") {
  const test::Watchdog watchdog("a waiting source");
  struct Waits {
    test::Gate& waiting;
    void extract(etl::Emitter<int>& out) {
      out.push(1);
      std::mutex mutex;
      std::condition_variable_any never;
      std::unique_lock lock(mutex);
      waiting.open();
      never.wait(lock, out.stop_token(), [] { return false; });
    }
    void load(std::span<const int>) const {}
  };
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    test::Gate waiting;
    etl::StopSource source;
    std::jthread stopper([&] {
      waiting.wait();
      source.request_drain();
    });
    const etl::RunReport r = etl::run(Waits{waiting}, {.mode = mode, .workers = 1}, source.stop_token());
    CHECK(r.outcome == etl::Outcome::Cancelled);
    CHECK(r.items == etl::ItemLedger{.extracted = 1, .loaded = 1});
  }
}

TEST_CASE("G10: pre_process gets a token that the drain stops") {
  const test::Watchdog watchdog("a waiting pre_process");
  struct Prepares {
    etl::StopSource& source;
    bool before = true, after = false;
    void pre_process(std::stop_token token) {
      before = token.stop_requested();
      source.request_drain();
      after = token.stop_requested();
    }
    void extract(etl::Emitter<int>& out) { out.push(1); }
    void load(std::span<const int>) const {}
  };
  etl::StopSource source;
  Prepares p{source};
  const etl::RunReport r = etl::run(p, {.workers = 1}, source.stop_token());
  CHECK_FALSE(p.before);
  CHECK(p.after);
  CHECK(r.outcome == etl::Outcome::Cancelled);
  CHECK(r.items.loaded == 0);
}

TEST_CASE("G10: the token that load holds is stopped at the second level only") {
  const test::Watchdog watchdog("the token of load");
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    struct Cooperative {
      etl::StopSource& source;
      mutable std::atomic<int> drained_calls = 0;
      mutable std::atomic<bool> stopped_by_drain = false, stopped_by_abandon = false;
      explicit Cooperative(etl::StopSource& s) : source(s) {}
      void extract(etl::Emitter<int>& out) {
        for (int i = 0; i < 1000; ++i)
          if (!out.push(i)) return;
      }
      void load(std::span<const int> batch, etl::BatchContext& context) const {
        if (batch.front() == 0) {
          source.request_drain();
          stopped_by_drain = context.stop_token().stop_requested();
        } else {
          ++drained_calls;
          if (context.stop_token().stop_requested()) stopped_by_drain = true;
        }
        if (batch.front() == 20) {
          source.request_abandon();
          stopped_by_abandon = context.stop_token().stop_requested();
        }
      }
    };
    etl::StopSource source;
    Cooperative p(source);
    const etl::RunReport r =
        etl::run(p, {.mode = mode, .batch_size = 20, .workers = 1, .capacity = 4}, source.stop_token());
    CHECK(r.outcome == etl::Outcome::Cancelled);
    CHECK_FALSE(p.stopped_by_drain);
    if (p.drained_calls > 0) CHECK(p.stopped_by_abandon);
    CHECK(test::unsound(r) == "");
  }
}

TEST_CASE("G10: at the abandon the batch that is in load may finish, the queued ones are released") {
  const test::Watchdog watchdog("abandon during load");
  struct Holds {
    test::Gate& refused;
    etl::StopSource& source;
    mutable std::atomic<int> load_calls = 0;
    Holds(test::Gate& g, etl::StopSource& s) : refused(g), source(s) {}
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 8; ++i) out.push(i);  // four batches fit
      source.request_abandon();
      refused.open();
    }
    void load(std::span<const int>) const {
      ++load_calls;
      refused.wait();
    }
  };
  test::Gate refused;
  etl::StopSource source;
  Holds p(refused, source);
  const etl::RunReport r = etl::run(
      p, {.batch_size = 2, .workers = 1, .capacity = 8, .inline_batches = etl::Inline::Never}, source.stop_token());
  CHECK(r.outcome == etl::Outcome::Cancelled);
  CHECK(p.load_calls <= 1);
  CHECK(r.items.loaded == static_cast<std::uint64_t>(2 * p.load_calls));
  CHECK(r.items.abandoned == 8 - r.items.loaded);
  CHECK(test::unsound(r) == "");
}

// --- the deadline, on the virtual clock ----------------------------------------------------------

namespace {

/// Loads take time of the virtual clock.
struct Slow {
  etl::testing::VirtualExecutor& clock;
  std::chrono::nanoseconds per_load{};
  etl::StopSource* stop_after_extract = nullptr;
  int count = 10;
  mutable std::vector<bool> stopped{};  // what each load's token said at its end
  mutable std::vector<std::chrono::nanoseconds> began{};
  etl::TimePoint start{};

  void extract(etl::Emitter<int>& out) {
    for (int i = 0; i < count; ++i)
      if (!out.push(i)) return;
    start = clock.now();
    if (stop_after_extract != nullptr) {
      stop_after_extract->request_drain();
      out.push(-1);
    }
  }
  void load(std::span<const int>, etl::BatchContext& context) const {
    began.push_back(clock.now() - start);
    clock.advance(per_load);
    stopped.push_back(context.stop_token().stop_requested());
  }
};

}  // namespace

TEST_CASE("G9: after the drain deadline the rest is abandoned and the outcome is DrainTimeout") {
  for (const bool by_stop : {false, true}) {
    const auto clock = std::make_shared<etl::testing::VirtualExecutor>(1);
    etl::StopSource source;
    Slow p{.clock = *clock, .per_load = 10s, .stop_after_extract = by_stop ? &source : nullptr};
    const etl::RunReport r = etl::run(p,
                                      {.batch_size = 1,
                                       .workers = 1,
                                       .capacity = 20,
                                       .inline_batches = etl::Inline::Never,
                                       .executor = etl::Executor(clock)},
                                      source.stop_token());
    CAPTURE(r.text());
    CHECK(r.outcome == etl::Outcome::DrainTimeout);
    CHECK(r.exit_code() == 5);
    CHECK(r.items.loaded == 3);  // begun at 0, 10 and 20 s: the last one may finish
    CHECK(r.items.abandoned == (by_stop ? 8u : 7u));
    CHECK(p.stopped == std::vector<bool>{false, false, true});  // G10: the sink is told at the deadline
    CHECK(test::unsound(r) == "");
    clock->run_ready();    // what was posted finds nothing to do
    CHECK(clock->idle());  // G3: no timer left
  }
}

TEST_CASE("G9: within the deadline everything is loaded, and the timer goes with the run") {
  for (const auto deadline : {std::chrono::nanoseconds(100s), etl::Options::never}) {
    const auto clock = std::make_shared<etl::testing::VirtualExecutor>(2);
    etl::StopSource source;
    Slow p{.clock = *clock, .per_load = 9s, .stop_after_extract = &source};
    const etl::RunReport r = etl::run(p,
                                      {.batch_size = 1,
                                       .workers = 1,
                                       .capacity = 20,
                                       .drain_deadline = deadline,
                                       .inline_batches = etl::Inline::Never,
                                       .executor = etl::Executor(clock)},
                                      source.stop_token());
    CHECK(r.outcome == etl::Outcome::Cancelled);
    CHECK(r.items.loaded == 10);
    clock->run_ready();  // what was posted finds nothing to do
    CHECK(clock->idle());
  }
}

TEST_CASE("G9: the deadline counts from the end of intake, not from the start of the run") {
  const auto clock = std::make_shared<etl::testing::VirtualExecutor>(3);
  struct LongSource {
    etl::testing::VirtualExecutor& clock;
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 10; ++i) {
        out.push(i);
        clock.advance(1h);
      }
    }
    void load(std::span<const int>) const { clock.advance(1s); }
  };
  const etl::RunReport r =
      etl::run(LongSource{*clock},
               {.batch_size = 3, .timeout = etl::Options::never, .workers = 1, .executor = etl::Executor(clock)});
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(r.items.loaded == 10);
}

TEST_CASE("G9: a failure also has a deadline for what is at work, and stays Failed (G1)") {
  const auto clock = std::make_shared<etl::testing::VirtualExecutor>(4);
  test::Scripted<true> pipeline({.items = 40, .at = [&clock](Site s, std::uint64_t n) -> etl::Result<void> {
                                   if (s == Site::Load) clock->advance(20s);
                                   if (s == Site::Transform && n == 17)
                                     return test::fail(test::Fault::StdException, "broken");
                                   return {};
                                 }});
  const etl::Options options{
      .batch_size = 2, .timeout = etl::Options::never, .workers = 1, .executor = etl::Executor(clock)};
  const etl::RunReport r = etl::run(pipeline, options);
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(test::audit(r, *pipeline.books, options) == "");
  clock->run_ready();  // what was posted finds nothing to do
  CHECK(clock->idle());
}

// --- G11: after close ------------------------------------------------------------------------------

TEST_CASE("G11: a push into a closed bucket is false and counted, try_push is false and not counted") {
  etl::Bucket<int> bucket([](std::span<const int>) {}, {.workers = 1});
  CHECK(bucket.push(1));
  bucket.close();
  CHECK_FALSE(bucket.push(2));
  CHECK_FALSE(bucket.push(3));
  int item = 4;
  CHECK_FALSE(bucket.try_push(item));
  CHECK(item == 4);
  const etl::RunReport r = bucket.finish();
  CHECK(r.items == etl::ItemLedger{.extracted = 3, .loaded = 1, .abandoned = 2});
  CHECK(test::unsound(r) == "");
}

TEST_CASE("G11: producers racing with close: what was accepted is loaded, what was not is counted") {
  const test::Watchdog watchdog("pushes racing with close");
  for (int round = 0; round < 30; ++round) {
    std::atomic<std::uint64_t> loaded = 0, accepted = 0, refused = 0;
    etl::Bucket<std::uint64_t> bucket([&loaded](std::span<const std::uint64_t> batch) { loaded += batch.size(); },
                                      {.batch_size = 3, .workers = 2});
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        if (t % 2 == 0) {
          for (std::uint64_t i = 0; i < 400; ++i) (bucket.push(i) ? accepted : refused)++;
        } else {
          auto producer = bucket.producer();
          for (std::uint64_t i = 0; i < 400; ++i) (producer.push(i) ? accepted : refused)++;
        }
      });
    while (accepted < 20u * static_cast<unsigned>(round)) std::this_thread::yield();
    bucket.close();
    threads.clear();
    const etl::RunReport r = bucket.finish();
    CHECK(test::unsound(r) == "");
    CHECK(loaded == accepted);
    CHECK(r.items.loaded == accepted);
    CHECK(r.items.abandoned == refused);
    CHECK(r.items.extracted == 1600);
  }
}

TEST_CASE("G10: a list of partitions without an end is extracted until the stop") {
  const test::Watchdog watchdog("partitions without an end");
  struct Endless {
    etl::StopSource& stop;
    std::atomic<int> loaded = 0;
    [[nodiscard]] auto partitions() const { return std::views::iota(std::uint64_t{0}); }
    [[nodiscard]] etl::Result<void> extract(std::uint64_t partition, etl::Emitter<std::uint64_t>& out) const {
      out.push(partition);
      if (partition == 50) stop.request_drain();
      return {};
    }
    void load(std::span<const std::uint64_t> batch) { loaded += static_cast<int>(batch.size()); }
  };
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    etl::StopSource stop;
    Endless endless{stop};
    const etl::RunReport report = etl::run(endless, {.mode = mode, .extractors = 3}, stop.stop_token());
    CHECK(test::unsound(report) == "");
    CHECK(report.outcome == etl::Outcome::Cancelled);
    CHECK(endless.loaded >= 50);
  }
}

namespace {

/// Its transform and post_process wait for their token.
struct Waits {
  struct Seen {
    std::latch transforming{1};
    std::atomic<bool> transform_stopped = false;
    std::atomic<bool> post_stopped = false;
  };
  struct Scratch {
    int items = 0;
  };
  Seen* seen;
  Scratch worker() const { return {}; }
  void extract(etl::Emitter<int>& out) const {
    out.push(1);
    out.flush();
  }
  void transform(const int& item, etl::Out<int>& out, std::stop_token stop, Scratch& scratch) const {
    ++scratch.items;
    seen->transforming.count_down();
    test::Gate stopped;
    const std::stop_callback open(stop, [&stopped] { stopped.open(); });
    stopped.wait();
    seen->transform_stopped = stop.stop_requested();
    out.push(item);
  }
  void load(std::span<const int>) const {}
  void post_process(const etl::RunReport&, std::stop_token stop) const { seen->post_stopped = stop.stop_requested(); }
};
struct Plain {
  bool* stopped;
  void extract(etl::Emitter<int>& out) const { out.push(1); }
  int transform(const int& item, const std::stop_token& stop) const { return stop.stop_requested() ? 0 : item + 1; }
  void load(std::span<const int> batch) const {
    if (batch[0] != 2) throw std::runtime_error("stopped");
  }
  void post_process(const etl::RunReport&, const std::stop_token& stop) const { *stopped = stop.stop_requested(); }
};

}  // namespace

TEST_CASE("G10: transform and post_process may take a token, which the second level of a stop stops") {
  const test::Watchdog watchdog("transform with a token");
  Waits::Seen seen;
  etl::StopSource stopper;
  std::thread person([&] {
    seen.transforming.wait();
    stopper.request_drain();  // not yet
    stopper.request_abandon();
  });
  const etl::RunReport report =
      etl::run(Waits{&seen}, {.workers = 1, .inline_batches = etl::Inline::Never}, stopper.stop_token());
  person.join();
  CHECK(seen.transform_stopped);
  CHECK(seen.post_stopped);
  CHECK(report.outcome == etl::Outcome::Cancelled);
  bool stopped = true;
  CHECK(etl::run(Plain{&stopped}, {.workers = 1}).outcome == etl::Outcome::Completed);
  CHECK_FALSE(stopped);
}

TEST_CASE("G10: a stop that ends the attempts of a source or of pre_process is no failure of theirs") {
  // Waits for an hour after the first attempt, in which the stop comes.
  struct Waits {
    etl::StopSource* source;
    bool first;
    etl::Result<void> ask(const std::stop_token& stop) const {
      const etl::RetryPolicy policy{.max_attempts = 5, .initial_delay = 1h, .max_delay = 1h};
      return etl::retry(
          policy,
          [&]() -> etl::Result<void> {
            source->request_drain();
            return etl::failure(etl::transient("503"));
          },
          etl::Waiter(stop));
    }
    etl::Result<void> pre_process(std::stop_token stop) { return first ? ask(stop) : etl::Result<void>(); }
    etl::Result<void> extract(etl::Emitter<int>& out) {
      out.push(1);
      return ask(out.stop_token());
    }
    void load(std::span<const int>) {}
  };
  for (const bool first : {true, false})
    for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
      etl::StopSource source;
      const auto report = etl::run(Waits{.source = &source, .first = first}, {.mode = mode}, source.stop_token());
      CHECK(report.outcome == etl::Outcome::Cancelled);
      CHECK(report.items.loaded == (first ? 0 : 1));
      REQUIRE(report.errors.size() == 1);
      CHECK(report.errors[0].error.message().find("stopped after 1 attempt") != std::string::npos);
    }
  // Without a stop it is one.
  struct Fails {
    void extract(etl::Emitter<int>&) { throw etl::Exception(etl::transient("503")); }
    void load(std::span<const int>) {}
  };
  CHECK(etl::run(Fails()).outcome == etl::Outcome::Failed);
}

}  // namespace stopping_test
