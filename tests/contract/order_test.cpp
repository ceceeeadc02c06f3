// G18: Order::Source loads in source order while transforms run in parallel.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <etl/run.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/places.hpp"
#include "support/random.hpp"
#include "support/scripted.hpp"
#include "support/sync.hpp"

namespace order_test {

namespace {

using test::Fate;
using test::Site;

struct Numbered {
  std::uint32_t partition = 0;
  std::uint64_t seq = 0;
};

/// Several partitions; transforms of varying length; a sink that remembers what came, by partition.
struct Partitioned {
  std::uint32_t parts = 1;
  std::uint64_t items = 1000;  // of each partition
  std::uint64_t seed = 1;
  mutable std::mutex mutex{};
  mutable std::map<std::uint32_t, std::vector<std::uint64_t>> loaded{};
  mutable std::vector<std::string> complaints{};
  mutable test::Crowd transforms{};

  std::vector<std::uint32_t> partitions() const {
    std::vector<std::uint32_t> all(parts);
    for (std::uint32_t i = 0; i < parts; ++i) all[i] = i;
    return all;
  }
  void extract(std::uint32_t part, etl::Emitter<Numbered>& out) const {
    for (std::uint64_t i = 0; i < items; ++i)
      if (!out.push({part, i})) return;
  }
  void transform(const Numbered& n, etl::Out<Numbered>& out) const {
    const test::Crowd::Visit visit(transforms);
    const std::uint64_t dice = test::mixed(seed, n.seq * 31 + n.partition);
    test::spin(dice % 4 == 0 ? dice % 2000 : 0);
    if (dice % 10 == 1) return;                        // filtered
    if (dice % 50 == 2) return out.reject("unlucky");  // rejected
    for (std::uint64_t k = 0; k < 1 + dice % 3; ++k) out.push(n);
  }
  void load(std::span<const Numbered> batch, etl::BatchContext& context) const {
    const std::lock_guard lock(mutex);
    for (const Numbered& n : batch) {
      if (n.partition != context.partition()) complaints.push_back("a result in a batch of another partition");
      loaded[n.partition].push_back(n.seq);
    }
  }
};

}  // namespace

TEST_CASE("G18: Order::Source: each partition is loaded in the order of its source") {
  const test::Watchdog watchdog("ordered partitions");
  for (const std::uint32_t parts : {1u, 3u, 8u}) {
    for (const std::size_t batch_size : {std::size_t{1}, std::size_t{7}, std::size_t{100}}) {
      for (const std::size_t workers : {std::size_t{1}, std::size_t{2}, std::size_t{8}}) {
        Partitioned p{.parts = parts, .items = 3000 / parts, .seed = parts * 100 + batch_size};
        etl::Options o;
        o.batch_size = batch_size;
        o.workers = workers;
        o.extractors = parts;
        o.order = etl::Order::Source;
        o.errors.max_rejects = 100000;
        const etl::RunReport r = etl::run(p, o);
        CAPTURE(parts, batch_size, workers, r.text());
        CHECK(test::unsound(r) == "");
        CHECK(r.outcome == etl::Outcome::CompletedWithRejects);
        CHECK(p.complaints.empty());
        CHECK(p.loaded.size() == parts);
        for (const auto& [part, seqs] : p.loaded) CHECK(std::is_sorted(seqs.begin(), seqs.end()));
        CHECK(static_cast<std::size_t>(p.transforms.most()) <= workers);
      }
    }
  }
}

TEST_CASE("G18: Order::Source with a load that is not const") {
  struct Serial {
    std::vector<std::uint64_t> loaded{};
    void extract(etl::Emitter<std::uint64_t>& out) {
      for (std::uint64_t i = 0; i < 5000; ++i)
        if (!out.push(i)) return;
    }
    std::uint64_t transform(const std::uint64_t& n) const {
      test::spin(test::mixed(9, n) % 500);
      return n;
    }
    void load(std::span<const std::uint64_t> batch) { loaded.insert(loaded.end(), batch.begin(), batch.end()); }
  } p;
  const etl::RunReport r = etl::run(p, {.batch_size = 10, .workers = 8, .order = etl::Order::Source});
  CHECK(r.outcome == etl::Outcome::Completed);
  REQUIRE(p.loaded.size() == 5000);
  CHECK(std::is_sorted(p.loaded.begin(), p.loaded.end()));
}

TEST_CASE("G18: in every schedule of the virtual executor") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Partitioned p{.parts = 1, .items = 200, .seed = seed};
    etl::Options o;
    o.batch_size = 1 + seed % 7;
    o.workers = 1 + seed % 5;
    o.extractors = 1;
    o.order = etl::Order::Source;
    o.errors.max_rejects = 1000;
    o.inline_batches = seed % 3 == 0 ? etl::Inline::Adaptive : etl::Inline::Never;
    o.executor = etl::Executor(std::make_shared<etl::testing::VirtualExecutor>(seed));
    const etl::RunReport r = etl::run(p, o);
    CAPTURE(seed, r.text());
    CHECK(test::unsound(r) == "");
    CHECK(std::is_sorted(p.loaded[0].begin(), p.loaded[0].end()));
    CHECK(r.results.committed == p.loaded[0].size());
  }
}

TEST_CASE("G18: under Order::Source two transforms do run at once") {
  const test::Watchdog watchdog("two transforms at once");
  struct Meets {
    mutable std::latch both{2};
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 2; ++i) out.push(i);
    }
    int transform(const int& n) const {
      both.arrive_and_wait();  // returns only when both are here
      return n;
    }
    void load(std::span<const int>) const {}
  } p;
  const etl::RunReport r =
      etl::run(p, {.batch_size = 1, .workers = 2, .order = etl::Order::Source, .inline_batches = etl::Inline::Never});
  CHECK(r.outcome == etl::Outcome::Completed);
}

TEST_CASE("G18: a worker never waits for its turn: it parks its batch and takes the next") {
  const test::Watchdog watchdog("a worker waits for its turn");
  // The transform of batch 0 ends only after that of batch 3. With two workers the other one has to do 1, 2 and 3
  // meanwhile.
  struct Parks {
    mutable test::Gate third{};
    std::vector<int> loaded{};
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 6; ++i) out.push(i);
    }
    int transform(const int& n) const {
      if (n == 0) third.wait();
      if (n == 3) third.open();
      return n;
    }
    void load(std::span<const int> batch) { loaded.insert(loaded.end(), batch.begin(), batch.end()); }
  } p;
  const etl::RunReport r = etl::run(p, {.batch_size = 1,
                                        .workers = 2,
                                        .capacity = 6,
                                        .order = etl::Order::Source,
                                        .inline_batches = etl::Inline::Never});
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(p.loaded == std::vector<int>{0, 1, 2, 3, 4, 5});
}

TEST_CASE("G18: a non-const load never holds a worker up either") {
  const test::Watchdog watchdog("workers queue up for a load");
  // The first load ends only after three more transforms: with two workers the other one must not wait for the load.
  struct Busy {
    mutable std::latch transformed{3};
    int loads = 0;
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 6; ++i) out.push(i);
    }
    int transform(const int& n) const {
      if (n > 0 && n < 4) transformed.count_down();
      return n;
    }
    void load(std::span<const int> batch) {
      if (batch.front() == 0) transformed.wait();
      ++loads;
    }
  } p;
  // Batch 0 is loaded first only in source order.
  const etl::RunReport r = etl::run(p, {.batch_size = 1,
                                        .workers = 2,
                                        .capacity = 6,
                                        .order = etl::Order::Source,
                                        .inline_batches = etl::Inline::Never});
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(p.loads == 6);
}

TEST_CASE("G18: after a failure what was loaded is a prefix of the source") {
  const test::Watchdog watchdog("failures in order");
  for (const Site site : {Site::Transform, Site::Load}) {
    for (std::uint64_t at = 0; at < 60; at += 3) {
      test::Scripted<true> pipeline({.items = 60, .at = [=](Site s, std::uint64_t n) -> etl::Result<void> {
                                       if (s == Site::Transform) test::spin(test::mixed(at, n) % 300);
                                       if (s == site && n == at) return etl::failure(etl::fatal("stop here"));
                                       return {};
                                     }});
      const etl::Options o{.batch_size = 4, .timeout = etl::Options::never, .workers = 8, .order = etl::Order::Source};
      const etl::RunReport r = etl::run(pipeline, o);
      CHECK(r.outcome == etl::Outcome::Failed);
      CHECK(test::audit(r, *pipeline.books, o) == "");
      const auto& loaded = pipeline.books->loaded;
      for (std::uint64_t n = 1; n < 60; ++n)
        if (loaded[n] > loaded[n - 1]) FAIL("item " << n << " was loaded, " << n - 1 << " was not");
      for (std::uint64_t n = at / 4 * 4; n < 60; ++n)
        if (loaded[n] != 0) FAIL("item " << n << " was loaded behind the failure at " << at);
    }
  }
}

TEST_CASE("G18: after an abandon what was loaded is a prefix of the source") {
  const test::Watchdog watchdog("abandons in order");
  for (std::uint64_t at = 0; at < 60; at += 2) {
    etl::StopSource stop;
    test::Scripted<true> pipeline({.items = 60, .at = [&stop, at](Site s, std::uint64_t n) -> etl::Result<void> {
                                     if (s == Site::Transform) {
                                       test::spin(test::mixed(at, n) % 300);
                                       if (n == at) stop.request_abandon();
                                     }
                                     return {};
                                   }});
    const etl::Options o{.batch_size = 4, .timeout = etl::Options::never, .workers = 4, .order = etl::Order::Source};
    const etl::RunReport r = etl::run(pipeline, o, stop.stop_token());
    CHECK(test::audit(r, *pipeline.books, o) == "");
    const auto& loaded = pipeline.books->loaded;
    for (std::uint64_t n = 1; n < 60; ++n)
      if (loaded[n] > loaded[n - 1]) FAIL("item " << n << " was loaded, " << n - 1 << " was not");
  }
}

TEST_CASE("G18: Order::Source on every kind of executor, a starved one included") {
  const test::Watchdog watchdog("order on a starved executor");
  test::Places places;
  for (const test::Place place : test::all_places) {
    test::Scripted<false> pipeline(
        {.items = 300, .fate = [](std::uint64_t n) { return n % 9 == 0 ? Fate::Filter : Fate::Load; }});
    etl::Options o;
    o.batch_size = 5;
    o.workers = 4;
    o.order = etl::Order::Source;
    const etl::RunReport r = places.run(place, pipeline, o);
    CHECK(r.outcome == etl::Outcome::Completed);
    CHECK(test::audit(r, *pipeline.books, o) == "");
  }
}

}  // namespace order_test
