// G12: when a batch is flushed, and why. All on a virtual clock.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <etl/bucket.hpp>
#include <etl/run.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace flushing_test {

namespace {

using namespace std::chrono_literals;
using etl::testing::VirtualExecutor;
using Batch = std::vector<int>;

struct Loaded {
  std::chrono::nanoseconds at{};  // since the start
  Batch items;
};

/// A source that follows a timetable, and a sink that notes when it got what.
struct Timetable {
  std::shared_ptr<VirtualExecutor> clock;
  std::function<void(Timetable&, etl::Emitter<int>&)> source;
  std::vector<Loaded> loads{};
  etl::TimePoint start{};
  bool ok = true;

  void extract(etl::Emitter<int>& out) {
    start = clock->now();
    source(*this, out);
  }
  void load(std::span<const int> batch) { loads.push_back({clock->now() - start, Batch(batch.begin(), batch.end())}); }
  void pass(std::chrono::nanoseconds d) const { clock->advance(d); }
};

Timetable timetable(std::function<void(Timetable&, etl::Emitter<int>&)> source, std::uint64_t seed = 0) {
  return {.clock = std::make_shared<VirtualExecutor>(seed), .source = std::move(source)};
}

etl::Options options_for(const Timetable& t, std::size_t workers = 1) {
  etl::Options o;
  o.batch_size = 100;
  o.timeout = 1s;
  o.workers = workers;
  o.inline_batches = etl::Inline::Never;
  o.executor = etl::Executor(t.clock);
  return o;
}

}  // namespace

TEST_CASE("G12: by size: full batches, and the rest at the end of the source") {
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    Timetable t = timetable([](Timetable&, etl::Emitter<int>& out) {
      for (int i = 0; i < 10; ++i) out.push(i);
    });
    etl::Options o = options_for(t);
    o.mode = mode;
    o.batch_size = 4;
    const etl::RunReport r = etl::run(t, o);
    REQUIRE(t.loads.size() == 3);
    CHECK(t.loads[0].items == Batch{0, 1, 2, 3});
    CHECK(t.loads[1].items == Batch{4, 5, 6, 7});
    CHECK(t.loads[2].items == Batch{8, 9});
    CHECK(r.flushes.size == 2);
    CHECK(r.flushes.source == 1);
    CHECK(r.flushes.total() == 3);
  }
}

TEST_CASE("G12: a source of exactly full batches flushes nothing at its end") {
  Timetable t = timetable([](Timetable&, etl::Emitter<int>& out) {
    for (int i = 0; i < 8; ++i) out.push(i);
  });
  etl::Options o = options_for(t);
  o.batch_size = 4;
  const etl::RunReport r = etl::run(t, o);
  CHECK(t.loads.size() == 2);
  CHECK(r.flushes.size == 2);
  CHECK(r.flushes.total() == 2);
}

TEST_CASE("G12: by bytes") {
  struct Weighs {
    std::vector<std::vector<std::size_t>> loads{};
    std::vector<std::size_t> weights;
    void extract(etl::Emitter<std::size_t>& out) {
      for (const std::size_t w : weights) out.push(w);
    }
    void load(std::span<const std::size_t> batch) { loads.emplace_back(batch.begin(), batch.end()); }
    std::size_t bytes(const std::size_t& w) const { return w; }
  };
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    Weighs p{.weights = {30, 30, 30, 30, 30, 500, 1, 1, 99, 40, 0, 0, 0}};
    const etl::RunReport r = etl::run(
        p, {.mode = mode, .batch_size = 100, .batch_bytes = 100, .timeout = etl::Options::never, .workers = 1});
    CHECK(r.outcome == etl::Outcome::Completed);
    CHECK(r.items.loaded == p.weights.size());
    CHECK(r.flushes.bytes == 3);
    CHECK(r.flushes.source == 1);
    CHECK(r.flushes.total() == 4);
    // A batch is flushed when it holds 100 bytes: so less than 100 without its last item.
    REQUIRE(p.loads.size() == 4);
    CHECK(p.loads[0] == std::vector<std::size_t>{30, 30, 30, 30});
    CHECK(p.loads[1] == std::vector<std::size_t>{30, 500});
    CHECK(p.loads[2] == std::vector<std::size_t>{1, 1, 99});
    CHECK(p.loads[3] == std::vector<std::size_t>{40, 0, 0, 0});
  }
}

TEST_CASE("G12: an item that is being weighed is not handed over by the timeout") {
  struct Slow {
    std::shared_ptr<VirtualExecutor> clock = std::make_shared<VirtualExecutor>();
    std::vector<std::vector<std::string>> loads{};
    mutable bool waited = false;
    mutable bool changed = false;
    void extract(etl::Emitter<std::string>& out) const {
      out.push("the first of them, which opens the batch");
      out.push("slow: the timeout comes while it is weighed");
      out.push("the last");
    }
    [[nodiscard]] std::string transform(std::string&& item) const { return std::move(item); }
    [[nodiscard]] std::size_t bytes(const std::string& item) const {
      const std::size_t size = item.size();
      if (item.starts_with("slow") && !std::exchange(waited, true)) clock->advance(2s);
      if (item.size() != size) changed = true;  // a worker has it
      return size;
    }
    void load(std::span<const std::string> batch) { loads.emplace_back(batch.begin(), batch.end()); }
  };
  Slow p;
  const etl::RunReport r = etl::run(p, {.batch_size = 100,
                                        .batch_bytes = 1000,
                                        .timeout = 1s,
                                        .workers = 1,
                                        .inline_batches = etl::Inline::Never,
                                        .executor = etl::Executor(p.clock)});
  CHECK(r.outcome == etl::Outcome::Completed);
  CHECK(r.items.loaded == 3);
  CHECK_FALSE(p.changed);
  REQUIRE(p.loads.size() == 2);
  CHECK(p.loads[0].size() == 1);
  CHECK(p.loads[1].size() == 2);
}

TEST_CASE("G12: size and bytes together: whichever comes first") {
  struct Weighs {
    std::vector<std::size_t> loads{};
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 12; ++i) out.push(i);
    }
    void load(std::span<const int> batch) { loads.push_back(batch.size()); }
    std::size_t bytes(const int& n) const { return n < 6 ? 1 : 50; }
  };
  Weighs p;
  const etl::RunReport r =
      etl::run(p, {.batch_size = 3, .batch_bytes = 100, .timeout = etl::Options::never, .workers = 1});
  CHECK(p.loads == std::vector<std::size_t>{3, 3, 2, 2, 2});
  CHECK(r.flushes.size == 2);
  CHECK(r.flushes.bytes == 3);
  CHECK(r.flushes.total() == 5);
}

TEST_CASE("G12: by timeout after the first item, not after the last, nor by a ticking clock") {
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    Timetable t = timetable(
        [](Timetable& self, etl::Emitter<int>& out) {
          self.pass(700ms);  // an empty bucket has no timer
          out.push(1);       // at 0.7 s
          self.pass(600ms);
          out.push(2);       // at 1.3 s
          self.pass(399ms);  // 1.699 s
          self.ok = self.ok && self.loads.empty();
          self.pass(2ms);  // 1.701 s
          self.ok = self.ok && self.loads.size() == 1;
          out.push(3);
          self.pass(999ms);
          self.ok = self.ok && self.loads.size() == 1;
          self.pass(2ms);
          self.ok = self.ok && self.loads.size() == 2;
          self.pass(10s);
        },
        seed);
    const etl::RunReport r = etl::run(t, options_for(t, 4));
    CHECK(t.ok);
    REQUIRE(t.loads.size() == 2);
    CHECK(t.loads[0].items == Batch{1, 2});
    CHECK(t.loads[0].at == 1700ms);
    CHECK(t.loads[1].items == Batch{3});
    CHECK(t.loads[1].at == 2701ms);
    CHECK(r.flushes.timeout == 2);
    CHECK(r.flushes.total() == 2);
  }
}

TEST_CASE("G12: a batch that was flushed by size leaves no timeout for the next one") {
  Timetable t = timetable([](Timetable& self, etl::Emitter<int>& out) {
    out.push(1);
    self.pass(900ms);
    out.push(2);  // full
    self.pass(50ms);
    out.push(3);  // at 0.95 s, so due at 1.95 s and not at 1 s
    self.pass(990ms);
    self.ok = self.loads.size() == 1;
    self.pass(20ms);
    self.ok = self.ok && self.loads.size() == 2;
  });
  etl::Options o = options_for(t);
  o.batch_size = 2;
  const etl::RunReport r = etl::run(t, o);
  CHECK(t.ok);
  REQUIRE(t.loads.size() == 2);
  CHECK(t.loads[1].at == 1950ms);
  CHECK(r.flushes.size == 1);
  CHECK(r.flushes.timeout == 1);
}

TEST_CASE("G12: slow input is never split over the workers") {
  // An item each 10 ms, a timeout of 1 s, eight idle workers: a hundred items in each batch but the last.
  Timetable t = timetable([](Timetable& self, etl::Emitter<int>& out) {
    for (int i = 0; i < 1050; ++i) {
      out.push(i);
      self.pass(10ms);
    }
  });
  etl::Options o = options_for(t, 8);
  o.batch_size = 5000;
  const etl::RunReport r = etl::run(t, o);
  CHECK(r.flushes.timeout == 10);
  CHECK(r.flushes.source == 1);
  REQUIRE(t.loads.size() == 11);
  int next = 0;
  for (std::size_t i = 0; i < 11; ++i) {
    CHECK(t.loads[i].items.size() == (i < 10 ? 100u : 50u));
    for (const int n : t.loads[i].items)
      if (n != next++) FAIL("item " << n << " out of place");
  }
}

TEST_CASE("G12: every item is loaded within the timeout, whatever the rhythm of the source") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::vector<std::chrono::nanoseconds> pushed;
    test::Random random(seed);
    Timetable t = timetable(
        [&](Timetable& self, etl::Emitter<int>& out) {
          for (int i = 0; i < 200; ++i) {
            pushed.push_back(self.clock->now() - self.start);
            out.push(i);
            self.pass(std::chrono::milliseconds(random.below(random.chance(10) ? 3000 : 100)));
          }
          self.pass(2s);
        },
        seed);
    etl::Options o = options_for(t, 2);
    o.batch_size = 10;
    const etl::RunReport r = etl::run(t, o);
    CAPTURE(seed);
    CHECK(r.outcome == etl::Outcome::Completed);
    CHECK(r.flushes.source + r.flushes.close == 0);
    CHECK(r.flushes.total() == t.loads.size());
    for (const Loaded& l : t.loads) {
      const auto age = l.at - pushed[static_cast<std::size_t>(l.items.front())];
      if (age > 1s) FAIL("an item waited for " << age.count() << " ns");
      if (l.items.size() < 10 && age < 1s) FAIL("flushed too early");
    }
  }
}

TEST_CASE("G12: no timeout: a partial batch waits for the end") {
  Timetable t = timetable([](Timetable& self, etl::Emitter<int>& out) {
    out.push(1);
    self.pass(1000h);
    self.ok = self.loads.empty();
  });
  etl::Options o = options_for(t);
  o.timeout = etl::Options::never;
  const etl::RunReport r = etl::run(t, o);
  CHECK(t.ok);
  CHECK(r.flushes.source == 1);
  CHECK(r.flushes.timeout == 0);
}

TEST_CASE("G12: in fused mode the timeout is checked at each push") {
  Timetable t = timetable([](Timetable& self, etl::Emitter<int>& out) {
    out.push(1);
    self.pass(600ms);
    out.push(2);
    self.ok = self.loads.empty();
    self.pass(600ms);
    self.ok = self.ok && self.loads.empty();  // nobody looks between pushes
    out.push(3);
    self.ok = self.ok && self.loads.size() == 1;
    self.pass(100ms);
    out.push(4);
    self.ok = self.ok && self.loads.size() == 1;
  });
  etl::Options o = options_for(t);
  o.mode = etl::Mode::Fused;
  const etl::RunReport r = etl::run(t, o);
  CHECK(t.ok);
  CHECK(r.items.loaded == 4);
  CHECK(r.flushes.timeout == 1);
  CHECK(r.flushes.total() == 2);
}

TEST_CASE("G12: in fused mode also for a source that was fast before") {
  Timetable t = timetable([](Timetable& self, etl::Emitter<int>& out) {
    for (int i = 0; i < 50; ++i) out.push(i);  // at once
    self.pass(2s);
    out.push(50);
    self.ok = self.loads.size() == 1;
  });
  etl::Options o = options_for(t);
  o.mode = etl::Mode::Fused;
  const etl::RunReport r = etl::run(t, o);
  CHECK(t.ok);
  CHECK(r.items.loaded == 51);
  CHECK(r.flushes.timeout == 1);
}

TEST_CASE("G12: the source may flush, which is counted as its doing") {
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    Timetable t = timetable([](Timetable&, etl::Emitter<int>& out) {
      out.flush();  // nothing there
      out.push(1);
      out.push(2);
      out.flush();
      out.flush();
      out.push(3);
    });
    etl::Options o = options_for(t);
    o.mode = mode;
    const etl::RunReport r = etl::run(t, o);
    REQUIRE(t.loads.size() == 2);
    CHECK(t.loads[0].items == Batch{1, 2});
    CHECK(t.loads[1].items == Batch{3});
    CHECK(r.flushes.source == 2);
    CHECK(r.flushes.total() == 2);
  }
}

TEST_CASE("G12: a drain flushes the partial batch") {
  etl::StopSource stop;
  Timetable t = timetable([&stop](Timetable&, etl::Emitter<int>& out) {
    out.push(1);
    out.push(2);
    stop.request_drain();
    out.push(3);
  });
  const etl::RunReport r = etl::run(t, options_for(t), stop.stop_token());
  REQUIRE(t.loads.size() == 1);
  CHECK(t.loads[0].items == Batch{1, 2});
  CHECK(r.flushes.total() == 1);
  CHECK(r.flushes.size + r.flushes.bytes + r.flushes.timeout == 0);
  CHECK(r.outcome == etl::Outcome::Cancelled);
}

TEST_CASE("G12: one open batch per producer handle of a bucket, each with its own limits") {
  const auto clock = std::make_shared<VirtualExecutor>(5);
  std::mutex mutex;
  std::vector<Batch> loads;
  etl::Bucket<int> bucket(
      [&](std::span<const int> batch) {
        const std::lock_guard lock(mutex);
        loads.emplace_back(batch.begin(), batch.end());
      },
      {.batch_size = 3, .timeout = 1s, .workers = 2, .executor = etl::Executor(clock)});
  {
    auto a = bucket.producer();
    auto b = bucket.producer();
    CHECK(a.push(1));
    CHECK(b.push(10));
    CHECK(a.push(2));
    CHECK(b.push(11));
    clock->run_ready();
    CHECK(loads.empty());  // four items, yet no batch of three
    CHECK(a.push(3));
    clock->run_ready();
    REQUIRE(loads.size() == 1);
    CHECK(loads[0] == Batch{1, 2, 3});
    clock->advance(500ms);
    CHECK(a.push(4));
    clock->advance(501ms);  // b's first item is 1.001 s old, a's 0.501 s
    REQUIRE(loads.size() == 2);
    CHECK(loads[1] == Batch{10, 11});
    clock->advance(500ms);
    REQUIRE(loads.size() == 3);
    CHECK(loads[2] == Batch{4});
    CHECK(b.push(12));
    b.flush();
    clock->run_ready();
    REQUIRE(loads.size() == 4);
    CHECK(loads[3] == Batch{12});
    CHECK(a.push(5));
  }  // a producer that goes flushes
  clock->run_ready();
  REQUIRE(loads.size() == 5);
  CHECK(loads[4] == Batch{5});
  const etl::RunReport r = bucket.finish();
  CHECK(r.flushes.size == 1);
  CHECK(r.flushes.timeout == 2);
  CHECK(r.flushes.total() == 5);
  CHECK(r.items.loaded == 8);
  clock->run_ready();  // what was posted finds nothing to do
  CHECK(clock->idle());
}

TEST_CASE("G12: close flushes the partial batch of the shared intake") {
  const auto clock = std::make_shared<VirtualExecutor>(6);
  std::vector<Batch> loads;
  etl::Bucket<int> bucket([&](std::span<const int> batch) mutable { loads.emplace_back(batch.begin(), batch.end()); },
                          {.batch_size = 100, .timeout = 1h, .workers = 2, .executor = etl::Executor(clock)});
  for (int i = 0; i < 5; ++i) CHECK(bucket.push(i));
  clock->run_ready();
  CHECK(loads.empty());
  bucket.close();
  const etl::RunReport r = bucket.finish();
  REQUIRE(loads.size() == 1);
  CHECK(loads[0] == Batch{0, 1, 2, 3, 4});
  CHECK(r.flushes.close == 1);
  CHECK(r.flushes.total() == 1);
  CHECK(r.outcome == etl::Outcome::Completed);
}

TEST_CASE("G12: the shared intake flushes by timeout as well") {
  const auto clock = std::make_shared<VirtualExecutor>(7);
  std::vector<Batch> loads;
  etl::Bucket<int> bucket([&](std::span<const int> batch) mutable { loads.emplace_back(batch.begin(), batch.end()); },
                          {.batch_size = 100, .timeout = 1s, .workers = 2, .executor = etl::Executor(clock)});
  CHECK(bucket.push(1));
  clock->advance(600ms);
  CHECK(bucket.push(2));
  clock->advance(399ms);
  CHECK(loads.empty());
  clock->advance(2ms);
  REQUIRE(loads.size() == 1);
  CHECK(loads[0] == Batch{1, 2});
  const etl::RunReport r = bucket.finish();
  CHECK(r.flushes.timeout == 1);
}

}  // namespace flushing_test
