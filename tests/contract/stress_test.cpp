// Random options, faults and stops on real threads; for ThreadSanitizer too. Whatever happens, the books balance.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <etl/bucket.hpp>
#include <etl/manager.hpp>
#include <etl/run.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/faults.hpp"
#include "support/places.hpp"
#include "support/random.hpp"
#include "support/sanitized.hpp"
#include "support/scripted.hpp"
#include "support/sync.hpp"

namespace stress_test {

namespace {

using namespace std::chrono_literals;
using test::Fate;
using test::Fault;
using test::Random;
using test::Site;

etl::Options random_options(Random& random) {
  constexpr std::size_t batch_sizes[] = {1, 2, 7, 50, 1000};
  constexpr std::size_t workers[] = {1, 2, 3, 8};
  constexpr std::chrono::nanoseconds timeouts[] = {10us, 300us, 1s, etl::Options::never};
  etl::Options o;
  o.mode = random.chance(6) ? etl::Mode::Fused : etl::Mode::Parallel;
  o.batch_size = random.of(batch_sizes);
  o.timeout = random.of(timeouts);
  o.workers = random.of(workers);
  if (random.chance(2)) o.capacity = 1 + random.below(4);
  if (random.chance(4)) o.max_concurrent_loads = 1 + random.below(3);
  o.order = random.chance(3) ? etl::Order::Source : etl::Order::None;
  if (random.chance(10)) o.drain_deadline = 50us;
  o.errors.max_rejects = random.chance(4) ? random.below(5) : 100'000;
  if (random.chance(5)) o.errors.max_reject_ratio = 0.05;
  if (random.chance(3)) o.errors.unclassified = etl::Unclassified::Reject;
  o.inline_batches = random.chance(3) ? etl::Inline::WhenWaiting : etl::Inline::Adaptive;
  return o;
}

/// A script of which `seed` decides everything. It may ask `stop` for either level.
test::Script random_script(std::uint64_t seed, etl::StopSource& stop) {
  Random random(seed);
  const std::uint64_t items = random.below(random.chance(4) ? 3000 : 300);
  const std::uint64_t filter = random.chance(2) ? 3 + random.below(10) : 0,
                      reject = random.chance(3) ? 5 + random.below(40) : 0;
  const bool expands = random.chance(3);
  const std::uint64_t delay = random.chance(2) ? random.below(300) : 0;
  std::optional<std::pair<Site, std::uint64_t>> fault, stop_at;
  const Site sites[] = {Site::PreProcess, Site::Worker, Site::Extract, Site::Transform,
                        Site::Transform,  Site::Load,   Site::Load,    Site::PostProcess};
  const auto place = [&] {
    const Site s = random.of(sites);
    const bool per_item = s == Site::Extract || s == Site::Transform || s == Site::Load;
    return std::pair{s, per_item && items > 0 ? random.below(items) : 0};
  };
  if (random.chance(3)) fault = place();
  const Fault kind = random.of(test::all_faults);
  if (random.chance(3)) stop_at = place();
  const bool abandon = random.chance(2);
  test::Script script{.items = items, .at = {}, .fate = {}, .results = {}, .insist = random.chance(3)};
  script.at = [=, &stop](Site s, std::uint64_t n) -> etl::Result<void> {
    if (delay != 0 && (s == Site::Transform || s == Site::Extract)) test::spin(test::mixed(seed, n) % delay);
    if (stop_at && stop_at->first == s && stop_at->second == n) abandon ? stop.request_abandon() : stop.request_drain();
    if (fault && fault->first == s && fault->second == n) return test::fail(kind, "planned");
    return {};
  };
  script.fate = [=](std::uint64_t n) {
    const std::uint64_t dice = test::mixed(seed + 1, n);
    if (filter != 0 && dice % filter == 0) return Fate::Filter;
    if (reject != 0 && dice % reject == 1) return dice % 2 == 0 ? Fate::RejectByLoad : Fate::RejectByTransform;
    return Fate::Load;
  };
  if (expands)
    script.results = [=](std::uint64_t n) { return static_cast<std::uint32_t>(test::mixed(seed + 2, n) % 4); };
  return script;
}

std::uint64_t rounds(std::uint64_t small) { return test::soak() ? small * 200 : small; }

template <bool concurrent>
std::string one_run(std::uint64_t seed, test::Places& places) {
  Random random(seed);
  etl::StopSource stop;
  test::Scripted<concurrent> pipeline(random_script(seed, stop));
  const etl::Options o = random_options(random);
  const test::Place place = random.of(test::all_places);
  std::jthread from_outside;
  if (random.chance(5))
    from_outside = std::jthread([&stop, after = random.below(20000), abandon = random.chance(2)] {
      test::spin(after);
      abandon ? stop.request_abandon() : stop.request_drain();
    });
  const etl::RunReport r = places.run(place, pipeline, o, stop.stop_token());
  return test::audit(r, *pipeline.books, o);
}

}  // namespace

TEST_CASE("G2: stress: random runs on real threads [soak]", "[soak]") {
  test::Watchdog watchdog("random runs", std::chrono::hours(2));
  test::Places places;
  const std::uint64_t n = rounds(1000);
  for (std::uint64_t seed = 1; seed <= n; ++seed) {
    watchdog.at("seed " + std::to_string(seed));
    const std::string wrong = seed % 2 == 0 ? one_run<true>(seed, places) : one_run<false>(seed, places);
    CAPTURE(seed);
    REQUIRE(wrong == "");
  }
}

TEST_CASE("G2: stress: random runs in random virtual schedules [soak]", "[soak]") {
  test::Watchdog watchdog("random virtual runs", std::chrono::hours(2));
  const std::uint64_t n = rounds(test::fewer_if_sanitized(2000));
  for (std::uint64_t seed = 1; seed <= n; ++seed) {
    watchdog.at("seed " + std::to_string(seed));
    Random random(seed);
    etl::StopSource stop;
    test::Scripted<true> pipeline(random_script(seed, stop));
    etl::Options o = random_options(random);
    const auto clock = std::make_shared<etl::testing::VirtualExecutor>(seed);
    o.executor = etl::Executor(clock);
    if (random.chance(2)) {  // a slow source: timers fire
      pipeline.script.at = [&clock, seed, inner = pipeline.script.at](Site s, std::uint64_t i) {
        if (s == Site::Extract) clock->advance(std::chrono::microseconds(test::mixed(seed + 3, i) % 200));
        return inner(s, i);
      };
    }
    const etl::RunReport r = etl::run(pipeline, o, stop.stop_token());
    const std::string wrong = test::audit(r, *pipeline.books, o);
    clock->run_ready();
    CAPTURE(seed);
    REQUIRE(wrong == "");
    REQUIRE(clock->idle());
    if (o.order == etl::Order::Source && !pipeline.script.results) {
      // One partition in order: nothing is loaded behind something that was lost.
      bool lost = false;
      for (std::size_t i = 0; i < pipeline.script.items; ++i) {
        const bool should = pipeline.script.fate_of(i) == Fate::Load;
        if (should && lost && pipeline.books->loaded[i] != 0 && r.items.rejected == 0) FAIL("order of item " << i);
        if (should && pipeline.books->loaded[i] == 0) lost = true;
      }
    }
  }
}

TEST_CASE("G2: stress: buckets under many producers, stops and failures [soak]", "[soak]") {
  test::Watchdog watchdog("random buckets", std::chrono::hours(2));
  const std::uint64_t n = rounds(100);
  for (std::uint64_t seed = 1; seed <= n; ++seed) {
    watchdog.at("seed " + std::to_string(seed));
    Random random(seed);
    etl::Options o = random_options(random);
    o.mode = etl::Mode::Parallel;
    o.errors.max_rejects = 0;
    etl::StopSource stop;
    const std::uint64_t each = random.below(1500), threads_of_each_kind = 1 + random.below(3);
    const std::uint64_t fail_at = random.chance(4) ? random.below(each + 1) : ~std::uint64_t{0};
    std::atomic<std::uint64_t> accepted = 0, refused = 0, processed = 0, sum_in = 0, sum_out = 0;
    etl::RunReport r;
    {
      etl::Bucket<std::uint64_t> bucket(etl::concurrent([&](std::span<const std::uint64_t> batch) -> etl::Result<void> {
                                          for (const std::uint64_t v : batch)
                                            if (v == fail_at) return etl::failure(etl::fatal("planned"));
                                          processed += batch.size();
                                          for (const std::uint64_t v : batch) sum_out += v;
                                          return {};
                                        }),
                                        o, stop.stop_token());
      std::vector<std::jthread> threads;
      const auto count = [&](bool ok, std::uint64_t v) {
        (ok ? accepted : refused)++;
        if (ok) sum_in += v;
      };
      for (std::uint64_t t = 0; t < threads_of_each_kind; ++t) {
        threads.emplace_back([&] {
          for (std::uint64_t i = 0; i < each; ++i) count(bucket.push(i), i);
        });
        threads.emplace_back([&] {
          auto producer = bucket.producer();
          for (std::uint64_t i = 0; i < each; ++i) {
            count(i % 3 == 0 ? producer.fill([i](std::uint64_t& slot) { slot = i; }) : producer.push(i), i);
            if (i % 100 == 99) producer.flush();
          }
        });
        threads.emplace_back([&] {
          for (std::uint64_t i = 0; i < each; ++i) {
            std::uint64_t item = i;
            if (bucket.try_push(item)) count(true, i);
          }
        });
      }
      if (random.chance(2)) {
        test::spin(random.below(20000));
        const std::uint64_t how = random.below(3);
        if (how == 0) bucket.close();
        if (how == 1) stop.request_drain();
        if (how == 2) stop.request_abandon();
      }
      threads.clear();
      r = bucket.finish();
    }
    CAPTURE(seed, r.text());
    REQUIRE(test::unsound(r) == "");
    REQUIRE(r.items.extracted == accepted + refused);
    REQUIRE(r.items.loaded == processed);
    if (r.ok()) REQUIRE(processed == accepted);
    if (r.ok()) REQUIRE(sum_in == sum_out);
    if (r.outcome == etl::Outcome::Completed) REQUIRE(r.items.abandoned == 0);
  }
}

TEST_CASE("G1: stress: managers with random graphs, faults and stops [soak]", "[soak]") {
  test::Watchdog watchdog("random managers", std::chrono::hours(2));
  const std::uint64_t n = rounds(50);
  for (std::uint64_t seed = 1; seed <= n; ++seed) {
    watchdog.at("seed " + std::to_string(seed));
    Random random(seed);
    const std::size_t count = 1 + random.below(12);
    std::vector<std::unique_ptr<etl::StopSource>> own_stops;
    std::vector<std::unique_ptr<test::Scripted<true>>> pipelines;
    std::vector<etl::Options> options;
    etl::PipelineManager manager({.workers = 2},
                                 {.max_concurrent = 1 + random.below(4), .fail_fast = random.chance(3)});
    for (std::size_t i = 0; i < count; ++i) {
      own_stops.push_back(std::make_unique<etl::StopSource>());
      pipelines.push_back(std::make_unique<test::Scripted<true>>(random_script(seed * 1000 + i, *own_stops.back())));
      options.push_back(random_options(random));
      etl::AddOptions how{.options = options.back(), .after = {}, .priority = static_cast<int>(random.below(3))};
      for (std::size_t j = 0; j < i; ++j)
        if (random.chance(4)) how.after.push_back("p" + std::to_string(j));
      manager.add("p" + std::to_string(i), std::ref(*pipelines.back()), std::move(how));
    }
    etl::StopSource stop;
    std::jthread from_outside;
    if (random.chance(3))
      from_outside = std::jthread([&stop, after = random.below(50000), abandon = random.chance(2)] {
        test::spin(after);
        abandon ? stop.request_abandon() : stop.request_drain();
      });
    std::jthread watcher([&manager](std::stop_token token) {
      while (!token.stop_requested()) static_cast<void>(manager.status());
    });
    const etl::ManagerReport all = manager.run_all(stop.stop_token());
    watcher = {};
    REQUIRE(all.pipelines.size() == count);
    for (std::size_t i = 0; i < count; ++i) {
      const etl::RunReport& r = all.at("p" + std::to_string(i));
      CAPTURE(seed, i);
      if (r.outcome == etl::Outcome::NotRun) {
        REQUIRE_FALSE(r.reason.empty());
        REQUIRE(pipelines[i]->books->pre_calls == 0);
      } else {
        REQUIRE(test::audit(r, *pipelines[i]->books, options[i]) == "");
      }
    }
  }
}

}  // namespace stress_test
