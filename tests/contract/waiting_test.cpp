// G4, G9, G10, G12, G16: whatever a run waits for, a failure, a stop, the deadline and the clock reach it.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <etl/bucket.hpp>
#include <etl/delivery/replay.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/policy/circuit_breaker.hpp>
#include <etl/policy/rate_limit.hpp>
#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/sync.hpp"

namespace waiting_test {

using namespace std::chrono_literals;
using etl::testing::MemoryCheckpoints;
using etl::testing::VirtualExecutor;

namespace {

/// Numbers from 0, one a batch unless said otherwise; each load is given to `sink`, each step of the source to
/// `source`.
struct Numbers {
  int count = 2;
  std::function<void(int, etl::Emitter<int>&)> source{};
  std::function<etl::Result<void>(std::span<const int>, etl::BatchContext&)> sink{};

  std::function<void(int)> on_transform{};

  std::string fingerprint() const { return "numbers"; }
  int transform(const int& n) const {
    if (on_transform) on_transform(n);
    return n;
  }
  void extract(etl::Emitter<int>& out) const {
    for (int i = 0; i < count; ++i) {
      if (!out.push(i)) return;
      if (source) source(i, out);
    }
    if (source) source(count, out);
  }
  etl::Result<void> load(std::span<const int> batch, etl::BatchContext& context) const {
    return sink ? sink(batch, context) : etl::Result<void>();
  }
};

struct Timed {
  std::shared_ptr<VirtualExecutor> clock;
  etl::Options options{.batch_size = 1, .workers = 2};
  explicit Timed(std::uint64_t seed = 3) : clock(std::make_shared<VirtualExecutor>(seed)) {
    options.executor = etl::Executor(clock);
    options.inline_batches = etl::Inline::Never;
    options.name = "numbers";
  }
  [[nodiscard]] std::chrono::nanoseconds passed() const { return clock->now().time_since_epoch(); }
};

}  // namespace

TEST_CASE("G4: a failure elsewhere ends every wait of a load at once") {
  for (const std::string waits_for : {"back-off", "retry-after", "breaker", "rate limit"})
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      CAPTURE(waits_for, seed);
      Timed t(seed);
      t.options.drain_deadline = etl::Options::never;
      t.options.retry = {.max_attempts = 50, .initial_delay = 1h, .max_delay = 1h, .jitter = false};
      const auto breaker = std::make_shared<etl::CircuitBreaker>(etl::BreakerPolicy{.failures = 1, .reset = 1h});
      if (waits_for == "breaker") {
        t.options.circuit_breaker = breaker;  // it is open, and batch 0 waits for its reset
        REQUIRE_FALSE(breaker->call([] { throw std::runtime_error("down"); }, etl::Waiter({}, t.options.executor)));
      }
      if (waits_for == "rate limit")
        t.options.rate_limit =
            std::make_shared<etl::RateLimiter>(etl::Rates{.items_per_second = 1.0 / 3600, .burst = 3600s});
      if (waits_for == "retry-after") t.options.retry.initial_delay = 1s;
      Numbers pipeline;
      pipeline.on_transform = [&](int n) {
        if (n == 1) throw std::runtime_error("broken");
      };
      pipeline.sink = [&](std::span<const int>, etl::BatchContext&) -> etl::Result<void> {
        etl::Error error = etl::transient("server is down");
        if (waits_for == "retry-after") error.retry_after = 1h;
        return etl::failure(std::move(error));
      };
      const auto report = etl::run(pipeline, t.options);
      CHECK(report.outcome == etl::Outcome::Failed);
      CHECK(report.errors.at(0).text().find("broken") != std::string::npos);
      CHECK(report.items.abandoned == report.items.extracted);
      CHECK(t.passed() < 10min);
    }
}

TEST_CASE("G9: after a drain the attempts at a load use the time that is left") {
  for (const bool in_time : {false, true}) {
    CAPTURE(in_time);
    Timed t;
    t.options.drain_deadline = in_time ? 1h : 10s;
    t.options.retry = {.max_attempts = 10, .initial_delay = 7s, .max_delay = 7s, .jitter = false};
    etl::StopSource stop;
    int calls = 0;
    const auto report = etl::run(Numbers{.count = 1,
                                         .sink = [&](std::span<const int>, etl::BatchContext&) -> etl::Result<void> {
                                           stop.request_drain();
                                           if (++calls == 4) return {};
                                           return etl::failure(etl::transient("server is down"));
                                         }},
                                 t.options, stop.stop_token());
    CHECK(calls == (in_time ? 4 : 2));
    CHECK(report.items.loaded == (in_time ? 1 : 0));
    CHECK(report.outcome == (in_time ? etl::Outcome::Completed : etl::Outcome::DrainTimeout));
    CHECK(t.passed() < 1min);
  }
}

TEST_CASE("G9 G10: the deadline and an abandon reach a cooperative load after a failure as well") {
  for (const bool abandons : {false, true}) {
    CAPTURE(abandons);
    Timed t;
    t.options.drain_deadline = abandons ? 1h : 5s;
    etl::StopSource stop;
    bool begun = false;
    const auto report =
        etl::run(Numbers{.sink = [&](std::span<const int> batch, etl::BatchContext& context) -> etl::Result<void> {
                   if (batch[0] == 0) {
                     begun = true;
                     for (int i = 0; i < 100'000 && !context.stop_token().stop_requested(); ++i) {
                       t.clock->advance(100ms);
                       if (abandons && i == 20) stop.request_abandon();
                     }
                     if (!context.stop_token().stop_requested())
                       return etl::failure(etl::fatal("was never told to stop"));
                     return {};
                   }
                   while (!begun) t.clock->yield();
                   throw std::runtime_error("broken");
                 }},
                 t.options, stop.stop_token());
    CHECK(report.outcome == etl::Outcome::Failed);
    CHECK(report.error_count == 1);
    CHECK(t.passed() < 20s);
  }
}

TEST_CASE("G4: a failure elsewhere ends what a load waits for before it sends anything, but not its work") {
  Timed t;
  bool begun = false, wait_ended = false, work_ended = true;
  const auto report =
      etl::run(Numbers{.sink = [&](std::span<const int> batch, etl::BatchContext& context) -> etl::Result<void> {
                 if (batch[0] == 0) {
                   begun = true;
                   for (int i = 0; i < 1'000 && !context.wait_stop_token().stop_requested(); ++i) t.clock->advance(1ms);
                   wait_ended = context.wait_stop_token().stop_requested();
                   work_ended = context.stop_token().stop_requested();
                   return etl::failure(etl::transient("no connection was free"));
                 }
                 while (!begun) t.clock->yield();
                 throw std::runtime_error("broken");
               }},
               t.options);
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(wait_ended);
  CHECK_FALSE(work_ended);
  CHECK(report.errors.at(0).text().find("broken") != std::string::npos);
}

namespace {

/// One thread, a clock that stands still until it is moved, and timers that never fire, as those of an executor that is
/// busy or stopped.
class Still final : public etl::ExecutorBackend {
 public:
  void post(std::shared_ptr<etl::Task> task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_all();
  }
  std::unique_ptr<etl::Timer> make_timer() override { return std::make_unique<Never>(); }
  [[nodiscard]] etl::TimePoint now() const noexcept override { return etl::TimePoint(std::chrono::nanoseconds(now_)); }
  void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& signal, etl::TimePoint until) override {
    waits_ = true;
    waits_.notify_all();
    if (until == etl::TimePoint::max())
      signal.wait(lock);
    else
      signal.wait_for(lock, 1ms);
  }
  [[nodiscard]] std::uint64_t seed() const override { return 0; }

  void advance(std::chrono::nanoseconds by) { now_ += by.count(); }
  /// Until a thread waits within the library.
  void await_wait() const { waits_.wait(false); }
  void forget_waits() { waits_ = false; }
  /// Until the thread has ended its task.
  void await_idle() const { busy_.wait(true); }

 private:
  struct Never final : etl::Timer {
    void arm(etl::TimePoint, std::shared_ptr<etl::Task>) override {}
  };
  void work(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [&] { return !tasks_.empty(); })) {
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      busy_ = true;
      lock.unlock();
      task->run();
      busy_ = false;
      busy_.notify_all();
      lock.lock();
    }
  }

  std::atomic<std::int64_t> now_ = 0;
  std::atomic<bool> waits_ = false;
  std::atomic<bool> busy_ = false;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::shared_ptr<etl::Task>> tasks_;
  std::jthread thread_{[this](const std::stop_token& stop) { work(stop); }};
};

}  // namespace

TEST_CASE("a run does not wait for a timer of its executor while its own thread could load") {
  const test::Watchdog watchdog("the thread of the run loads what a worker has left to it");
  const auto still = std::make_shared<Still>();
  const etl::Options options{.batch_size = 1,
                             .workers = 1,
                             .capacity = 4,
                             .inline_batches = etl::Inline::WhenWaiting,
                             .executor = etl::Executor(still)};
  std::atomic<bool> first_loaded = false, second_begun = false;
  const auto report =
      etl::run(Numbers{.count = 8,
                       .source =
                           [&](int i, etl::Emitter<int>&) {
                             if (i == 1) second_begun.wait(false);
                             if (i != 0) return;
                             first_loaded.wait(false);
                             still->await_idle();
                             still->advance(1ms);  // the next item comes late, so a worker is woken for it
                             still->forget_waits();
                           },
                       .sink = [&](std::span<const int> batch, etl::BatchContext&) -> etl::Result<void> {
                         still->advance(1us);  // a batch that costs too little to wake a worker for
                         if (batch[0] == 0) first_loaded = true, first_loaded.notify_all();
                         if (batch[0] == 1) {
                           second_begun = true;
                           second_begun.notify_all();
                           still->await_wait();  // the queue is full
                         }
                         return {};
                       }},
               options);
  CHECK(report.items.loaded == 8);
}

namespace {

/// Runs no task and no timer, as an executor that is stopped or whose threads are busy.
class Stopped final : public etl::ExecutorBackend {
 public:
  void post(std::shared_ptr<etl::Task> task) override {
    if (on_post) on_post();
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  std::unique_ptr<etl::Timer> make_timer() override { return std::make_unique<Never>(); }
  [[nodiscard]] etl::TimePoint now() const noexcept override { return etl::Clock::now(); }
  std::function<void()> on_post{};
  void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& signal, etl::TimePoint until) override {
    if (until != etl::TimePoint::max()) return static_cast<void>(signal.wait_until(lock, until));
    waits_ = true;
    waits_.notify_all();
    signal.wait(lock);
  }
  [[nodiscard]] std::uint64_t seed() const override { return 0; }
  /// Until a thread waits in the library without a limit.
  void await_wait() const { waits_.wait(false); }
  void forget_waits() { waits_ = false; }

 private:
  struct Never final : etl::Timer {
    void arm(etl::TimePoint, std::shared_ptr<etl::Task>) override {}
  };
  std::atomic<bool> waits_ = false;
  std::mutex mutex_;
  std::vector<std::shared_ptr<etl::Task>> tasks_;
};

/// Two partitions. While the first runs a batch itself, the second fills the queue and waits. Then the first ends.
struct EndsWhileTheOtherWaits {
  std::shared_ptr<Stopped> executor = std::make_shared<Stopped>();
  mutable std::atomic<int> pushed = 0;
  mutable std::atomic<bool> fill = false;

  std::vector<std::string> partitions() const { return {"first", "second"}; }
  void extract(const std::string& partition, etl::Emitter<int>& out) const {
    if (partition == "first") {
      for (int i = 0; !fill && out.push(i); ++i) pushed = i + 1;
    } else {
      fill.wait(false);
      for (int i = 0; i < 10; ++i)
        if (!out.push(-1)) return;
    }
  }
  void load(std::span<const int> batch) const {
    if (batch[0] != pushed || fill) return;  // otherwise `push` has given this batch to its own thread
    executor->forget_waits();
    fill = true;
    fill.notify_all();
    executor->await_wait();
  }
};

}  // namespace

TEST_CASE(
    "G3: of several extractors the last one loads what the others leave in the queue, if the executor stands still") {
  const test::Watchdog watchdog("the last extractor loads the queue");
  const EndsWhileTheOtherWaits pipeline;
  const auto report = etl::run(
      pipeline,
      {.batch_size = 1, .workers = 1, .capacity = 5, .extractors = 2, .executor = etl::Executor(pipeline.executor)});
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(report.items.loaded == report.items.extracted);
  CHECK(report.items.loaded > 10);
}

TEST_CASE("G10: a drain loads all open batches, although the executor stands still") {
  const test::Watchdog watchdog("the thread of the run loads what the drain has cut");
  const auto executor = std::make_shared<Stopped>();
  struct Open {
    std::atomic<int>* open;
    std::vector<std::string> partitions() const { return {"first", "second", "third"}; }
    void extract(const std::string&, etl::Emitter<int>& out) const {
      for (int i = 0; i < 5; ++i)
        if (!out.push(i)) return;
      ++*open;
      open->notify_all();
      while (out.wait_for(1h)) {}
    }
    void load(std::span<const int>) const {}
  };
  std::atomic<int> open = 0;
  etl::StopSource stop;
  std::thread stopping([&] {
    for (int n = open; n < 3; n = open) open.wait(n);
    // The first batch that the drain cuts is posted. Meanwhile the run loads it, and waits for the others.
    executor->on_post = [&] { executor->await_wait(); };
    stop.request_drain();
  });
  const etl::Options options{.batch_size = 100,
                             .timeout = etl::Options::never,
                             .workers = 1,
                             .extractors = 3,
                             .drain_deadline = etl::Options::never,
                             .executor = etl::Executor(executor)};
  const auto report = etl::run(Open{&open}, options, stop.stop_token());
  stopping.join();
  CHECK(report.outcome == etl::Outcome::Cancelled);
  CHECK(report.items.loaded == 15);
}

TEST_CASE("an extractor that waits for its source loads the batches of others, if the executor stands still") {
  const test::Watchdog watchdog("a thread in wait_for loads");
  struct Waits {
    etl::StopSource* stop;
    int loaded = 0;
    std::vector<std::string> partitions() const { return {"waits", "gives"}; }
    void extract(const std::string& partition, etl::Emitter<int>& out) const {
      if (partition == "gives")
        for (int i = 0; i < 3 && out.push(i); ++i) {}
      else
        while (out.wait_for(1h)) {}
    }
    void load(std::span<const int> batch) {
      loaded += static_cast<int>(batch.size());
      if (loaded == 3) stop->request_drain();
    }
  };
  etl::StopSource stop;
  const etl::Options options{.batch_size = 1,
                             .workers = 1,
                             .capacity = 10,
                             .extractors = 2,
                             .inline_batches = etl::Inline::WhenWaiting,
                             .executor = etl::Executor(std::make_shared<Stopped>())};
  CHECK(etl::run(Waits{&stop}, options, stop.stop_token()).items.loaded == 3);
}

TEST_CASE("G9: the deadline reaches a load also when no other timer runs, and while the source goes on") {
  Timed t;
  t.options.timeout = etl::Options::never;
  t.options.drain_deadline = 5s;
  etl::StopSource stop;
  const auto report =
      etl::run(Numbers{.count = 1,
                       .sink = [&](std::span<const int>, etl::BatchContext& context) -> etl::Result<void> {
                         stop.request_drain();
                         for (int i = 0; i < 1000 && !context.stop_token().stop_requested(); ++i)
                           t.clock->advance(100ms);
                         return {};
                       }},
               t.options, stop.stop_token());
  CHECK(report.items.loaded == 1);
  CHECK(report.outcome ==
        etl::Outcome::Completed);  // it was in load when the deadline passed, and nothing else is left
  CHECK(t.passed() >= 5s);
  CHECK(t.passed() < 10s);
}

TEST_CASE("G9: on an executor that runs nothing a run loads by itself, and keeps to its deadline") {
  struct Busy final : etl::ExecutorBackend {  // neither tasks nor timers come to run
    struct NoTimer final : etl::Timer {
      void arm(etl::TimePoint, std::shared_ptr<etl::Task> task) override { kept = std::move(task); }
      std::shared_ptr<etl::Task> kept;
    };
    void post(std::shared_ptr<etl::Task> task) override { tasks.push_back(std::move(task)); }
    std::unique_ptr<etl::Timer> make_timer() override { return std::make_unique<NoTimer>(); }
    [[nodiscard]] etl::TimePoint now() const noexcept override { return time; }
    void wait(std::unique_lock<std::mutex>&, std::condition_variable&, etl::TimePoint until) override {
      time = std::max(time, until);
    }
    etl::TimePoint time{};
    std::vector<std::shared_ptr<etl::Task>> tasks;
  };
  for (const bool in_time : {false, true}) {
    CAPTURE(in_time);
    const auto busy = std::make_shared<Busy>();
    etl::Options options{.batch_size = 1,
                         .timeout = etl::Options::never,
                         .workers = 1,
                         .capacity = 20,
                         .drain_deadline = in_time ? 1h : 25s,
                         .inline_batches = etl::Inline::Never};
    options.executor = etl::Executor(busy);
    etl::StopSource stop;
    const auto report = etl::run(Numbers{.count = 10,
                                         .source =
                                             [&](int n, etl::Emitter<int>&) {
                                               if (n == 10) stop.request_drain();
                                             },
                                         .sink = [&](std::span<const int>, etl::BatchContext&) -> etl::Result<void> {
                                           busy->time += 10s;
                                           return {};
                                         }},
                                 options, stop.stop_token());
    CHECK(report.outcome == (in_time ? etl::Outcome::Cancelled : etl::Outcome::DrainTimeout));
    CHECK(report.items.loaded == (in_time ? 10 : 3));
    busy->tasks.clear();
  }
}

TEST_CASE("G16: what is loaded is saved within save_every, whatever the source does then") {
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused})
    for (const bool polls : {false, true}) {
      CAPTURE(static_cast<int>(mode), polls);
      Timed t;
      t.options.mode = mode;
      t.options.batch_size = 5;
      const auto checkpoints = std::make_shared<MemoryCheckpoints>();
      t.options.delivery = {.checkpoints = checkpoints, .save_every = 2s};
      std::uint64_t saved_before = 0, watermark = 0;
      const auto report = etl::run(Numbers{.count = 10,
                                           .source =
                                               [&](int n, etl::Emitter<int>& out) {
                                                 if (n != 10) return;
                                                 out.wait_for(1ms);
                                                 saved_before = checkpoints->saves();
                                                 polls ? static_cast<void>(out.wait_for(10s)) : t.clock->advance(10s);
                                                 watermark =
                                                     checkpoints->find("numbers").value()->partitions.at(0).watermark;
                                               }},
                                   t.options);
      CHECK(report.ok());
      CHECK(saved_before == 1);
      CHECK(watermark == 10);
      CHECK(checkpoints->saves() == 4);  // at the beginning, meanwhile, at the end, and that it is finished
    }
}

TEST_CASE("save_every = never saves at the beginning and at the end only") {
  Timed t;
  const auto checkpoints = std::make_shared<MemoryCheckpoints>();
  t.options.delivery = {.checkpoints = checkpoints, .save_every = etl::Options::never};
  CHECK(etl::run(Numbers{.count = 100}, t.options).ok());
  CHECK(checkpoints->saves() == 3);  // at the end, all that is settled, and then that the run is finished
}

TEST_CASE("G9: the deadline that passes while a fused source dawdles is a DrainTimeout") {
  Timed t;
  t.options.mode = etl::Mode::Fused;
  t.options.batch_size = 10;
  t.options.drain_deadline = 5s;
  etl::StopSource stop;
  const auto report = etl::run(Numbers{.count = 5,
                                       .source =
                                           [&](int n, etl::Emitter<int>&) {
                                             if (n != 4) return;
                                             stop.request_drain();
                                             t.clock->advance(30s);
                                           }},
                               t.options, stop.stop_token());
  CHECK(report.outcome == etl::Outcome::DrainTimeout);
  CHECK(report.items.abandoned == 5);
}

TEST_CASE("G10: a drain ends the opening look-up's back-off, and the run is cancelled") {
  struct Away final : etl::CheckpointStore {
    std::function<void()> asked;
    etl::Result<std::optional<etl::Checkpoint>> find(const std::string&) override {
      asked();
      return etl::failure(etl::transient("server is away"));
    }
    etl::Result<void> save(const std::string&, const etl::Checkpoint&) override { return {}; }
    etl::Result<void> reset(const std::string&) override { return {}; }
  };
  Timed t;
  t.options.retry = {.max_attempts = 100, .initial_delay = 1min, .max_delay = 1min, .jitter = false};
  etl::StopSource stop;
  const auto store = std::make_shared<Away>();
  int asked = 0;
  store->asked = [&] {
    if (++asked == 3) stop.request_drain();
  };
  t.options.delivery.checkpoints = store;
  const auto report = etl::run(Numbers{}, t.options, stop.stop_token());
  CHECK(report.outcome == etl::Outcome::Cancelled);
  CHECK(asked == 3);
  CHECK(t.passed() < 3min);
  CHECK(report.items.extracted == 0);
}

TEST_CASE("G9 G10: the last save waits no longer than the deadline, nor beyond an abandon") {
  struct Broken final : etl::CheckpointStore {
    MemoryCheckpoints kept;
    bool down = false;
    std::function<void()> asked = [] {};
    etl::Result<std::optional<etl::Checkpoint>> find(const std::string& p) override { return kept.find(p); }
    etl::Result<void> save(const std::string& p, const etl::Checkpoint& c) override {
      if (!down) return kept.save(p, c);
      asked();
      return etl::failure(etl::transient("server is away"));
    }
    etl::Result<void> reset(const std::string& p) override { return kept.reset(p); }
  };
  for (const bool abandons : {false, true}) {
    CAPTURE(abandons);
    Timed t;
    t.options.drain_deadline = abandons ? 1h : 30s;
    t.options.retry = {.max_attempts = 1000, .initial_delay = 7s, .max_delay = 7s, .jitter = false};
    const auto store = std::make_shared<Broken>();
    etl::StopSource stop;
    int asked = 0;
    store->asked = [&] {
      if (++asked == 4 && abandons) stop.request_abandon();
    };
    t.options.delivery = {.checkpoints = store, .save_every = etl::Options::never};
    const auto report = etl::run(Numbers{.source = [&](int n, etl::Emitter<int>&) { store->down = n == 2; }}, t.options,
                                 stop.stop_token());
    CHECK(report.outcome == etl::Outcome::Failed);
    CHECK(report.items.loaded == 2);
    CHECK(t.passed() < 1min);
    CHECK(asked >= 4);
    CHECK(asked < 10);
  }
}

TEST_CASE("G9 G10: a stop or the deadline that ends the attempts to write dead letters is no failure") {
  struct Away final : etl::DeadLetterStore {
    std::function<void()> asked;
    etl::Result<void> write(std::span<const etl::DeadLetter>) override {
      asked();
      return etl::failure(etl::transient("server is away"));
    }
    etl::Result<void> list(const std::string&, const std::function<bool(const etl::DeadLetter&)>&) override {
      return {};
    }
    etl::Result<std::size_t> purge(std::span<const std::string>) override { return std::size_t{0}; }
  };
  struct Bad : Numbers {
    std::string serialize(const int& n) const { return std::to_string(n); }
    etl::Result<int> transform(const int&) const { return etl::failure(etl::rejected("is bad")); }
  };
  for (const bool abandons : {false, true}) {
    CAPTURE(abandons);
    Timed t;
    t.options.drain_deadline = abandons ? 1h : 30s;
    t.options.retry = {.max_attempts = 1000, .initial_delay = 7s, .max_delay = 7s, .jitter = false};
    const auto letters = std::make_shared<Away>();
    etl::StopSource stop;
    int asked = 0;
    letters->asked = [&] {
      if (++asked == 4 && abandons) stop.request_abandon();
    };
    t.options.errors = {.max_rejects = 10, .dead_letters = letters};
    const auto report = etl::run(Bad{}, t.options, stop.stop_token());
    CHECK(report.outcome == (abandons ? etl::Outcome::Cancelled : etl::Outcome::DrainTimeout));
    CHECK(report.items.abandoned == 2);
    CHECK(t.passed() < 1min);
  }
}

TEST_CASE("G12: wait_for flushes on time and runs the batch, fused and on an executor that runs nothing") {
  struct Starved final : etl::ExecutorBackend {  // as one all of whose threads are busy
    struct NoTimer final : etl::Timer {
      void arm(etl::TimePoint, std::shared_ptr<etl::Task> task) override { kept = std::move(task); }
      std::shared_ptr<etl::Task> kept;
    };
    void post(std::shared_ptr<etl::Task> task) override {
      const std::lock_guard lock(mutex);
      tasks.push_back(std::move(task));
    }
    std::unique_ptr<etl::Timer> make_timer() override { return std::make_unique<NoTimer>(); }
    std::mutex mutex;
    std::vector<std::shared_ptr<etl::Task>> tasks;
  };
  for (const bool fused : {false, true}) {
    CAPTURE(fused);
    bool loaded = false, in_time = false;
    etl::Options options{.mode = fused ? etl::Mode::Fused : etl::Mode::Parallel, .timeout = 1ms, .workers = 2};
    const auto starved = std::make_shared<Starved>();
    if (!fused) options.executor = etl::Executor(starved);
    const auto report = etl::run(Numbers{.count = 10,
                                         .source =
                                             [&](int n, etl::Emitter<int>& out) {
                                               if (n != 10) return;
                                               for (int i = 0; i < 1000 && !loaded; ++i) out.wait_for(10ms);
                                               in_time = loaded;
                                             },
                                         .sink = [&](std::span<const int>, etl::BatchContext&) -> etl::Result<void> {
                                           loaded = true;
                                           return {};
                                         }},
                                 options);
    CHECK(report.ok());
    CHECK(in_time);
    CHECK(report.flushes.timeout == 1);
    starved->tasks.clear();
  }
}

TEST_CASE("G5: within a run a server's retry-after is honoured, and max_elapsed ends the attempts") {
  for (const bool limited : {false, true}) {
    CAPTURE(limited);
    Timed t;
    t.options.drain_deadline = etl::Options::never;
    t.options.retry = {.max_attempts = 10, .initial_delay = 1ms, .max_delay = 1ms};
    if (limited) t.options.retry.max_elapsed = 20s;
    int calls = 0;
    const auto report = etl::run(Numbers{.count = 1,
                                         .sink = [&](std::span<const int>, etl::BatchContext&) -> etl::Result<void> {
                                           if (++calls == 5) return {};
                                           etl::Error error = etl::transient("busy");
                                           error.retry_after = 7s;
                                           return etl::failure(std::move(error));
                                         }},
                                 t.options);
    CHECK(report.ok() == !limited);
    CHECK(calls == (limited ? 3 : 5));  // at 0, 7 and 14 s; at 21 s it would be too late
    CHECK(t.passed() >= 7s * (calls - 1));
    CHECK(t.passed() < 7s * calls);
  }
}

namespace {

/// Neither tasks nor timers come to run; a wait takes the time it may.
struct Starved final : etl::ExecutorBackend {
  struct NoTimer final : etl::Timer {
    void arm(etl::TimePoint, std::shared_ptr<etl::Task> task) override { kept = std::move(task); }
    std::shared_ptr<etl::Task> kept;
  };
  void post(std::shared_ptr<etl::Task> task) override { tasks.push_back(std::move(task)); }
  std::unique_ptr<etl::Timer> make_timer() override { return std::make_unique<NoTimer>(); }
  [[nodiscard]] etl::TimePoint now() const noexcept override { return time; }
  void wait(std::unique_lock<std::mutex>&, std::condition_variable&, etl::TimePoint until) override {
    time = std::max(time, until);
  }
  etl::TimePoint time{};
  std::vector<std::shared_ptr<etl::Task>> tasks;
};

}  // namespace

TEST_CASE(
    "G5: of the errors with which results are to be loaded again, the longest wait and an error that stays count") {
  for (const bool stays : {false, true}) {
    CAPTURE(stays);
    Timed t;
    t.options.batch_size = 3;
    t.options.retry = {.initial_delay = 1ms, .jitter = false};
    int calls = 0;
    const auto report =
        etl::run(Numbers{.count = 3,
                         .sink = [&](std::span<const int>, etl::BatchContext& context) -> etl::Result<void> {
                           if (++calls > 1) return {};
                           etl::Error busy = stays ? etl::fatal("the disk is broken") : etl::transient("too many");
                           busy.retry_after = 10s;
                           context.retry(1, etl::transient("conflict"));
                           context.retry(2, busy);
                           return {};
                         }},
                 t.options);
    CHECK(report.outcome == (stays ? etl::Outcome::Failed : etl::Outcome::Completed));
    CHECK(calls == (stays ? 1 : 2));
    CHECK((t.passed() >= 10s) == !stays);
  }
}

TEST_CASE("G5: max_elapsed counts from the first attempt of the call that fails, not of its batch") {
  struct Many : Numbers {
    void transform(const int& n, etl::Out<int>& out) const {
      for (int i = 0; i < 5; ++i) out.push(n);
    }
  };
  Timed t;
  t.options.retry = {.initial_delay = 10ms, .max_elapsed = 300ms, .jitter = false};
  std::vector<std::chrono::nanoseconds> elapsed;
  t.options.on_retry = [&](const etl::FailedAttempt& failed) { elapsed.push_back(failed.elapsed); };
  int calls = 0;
  const auto report = etl::run(Many{{.count = 1,
                                     .sink = [&](std::span<const int>, etl::BatchContext&) -> etl::Result<void> {
                                       t.clock->advance(100ms);
                                       if (++calls == 5) return etl::failure(etl::transient("busy"));
                                       return {};
                                     }}},
                               t.options);
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(calls == 6);
  REQUIRE(elapsed.size() == 1);
  CHECK(elapsed[0] < 200ms);
}

TEST_CASE("G5: the jitter of two runs differs, and is the same in a simulated run that is repeated") {
  const auto delay = [](etl::Executor executor) {
    std::optional<std::chrono::nanoseconds> first;
    etl::Options options{
        .batch_size = 1, .workers = 1, .retry = {.initial_delay = 1ms}, .executor = std::move(executor)};
    options.on_retry = [&](const etl::FailedAttempt& failed) { first = failed.delay; };
    static_cast<void>(etl::run(Numbers{.count = 1,
                                       .sink = [&](std::span<const int>, etl::BatchContext&) -> etl::Result<void> {
                                         if (!first) return etl::failure(etl::transient("busy"));
                                         return {};
                                       }},
                               options));
    return first.value();
  };
  CHECK(delay({}) != delay({}));
  CHECK(delay(etl::Executor(std::make_shared<VirtualExecutor>(1))) ==
        delay(etl::Executor(std::make_shared<VirtualExecutor>(1))));
}

TEST_CASE("G9: on an executor that runs nothing the deadline reaches a load that waits on the run's own thread") {
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused})
    for (const bool breaker : {false, true}) {
      CAPTURE(static_cast<int>(mode), breaker);
      const auto starved = std::make_shared<Starved>();
      etl::Options options{.mode = mode, .batch_size = 10, .timeout = etl::Options::never, .workers = 1};
      options.executor = etl::Executor(starved);
      options.retry = {.max_attempts = 100, .initial_delay = 20s, .max_delay = 20s, .jitter = false};
      if (breaker)
        options.circuit_breaker =
            std::make_shared<etl::CircuitBreaker>(etl::BreakerPolicy{.failures = 1, .reset = 100h});
      const auto report = etl::run(Numbers{.sink = [&](std::span<const int>, etl::BatchContext&) -> etl::Result<void> {
                                     return etl::failure(etl::transient("down"));
                                   }},
                                   options);
      CHECK(report.outcome == etl::Outcome::DrainTimeout);
      CHECK(starved->time.time_since_epoch() == 25s);
      starved->tasks.clear();
    }
}

TEST_CASE("G9: a bucket's deadline reaches what its end processes on its own thread") {
  for (const bool cooperative : {false, true}) {
    CAPTURE(cooperative);
    Timed t;
    etl::Options options{.timeout = etl::Options::never, .workers = 1};
    options.executor = t.options.executor;
    options.circuit_breaker = std::make_shared<etl::CircuitBreaker>(etl::BreakerPolicy{.failures = 1, .reset = 100h});
    bool told = false;
    const auto processor = [&](std::span<const int>, etl::BatchContext& context) mutable -> etl::Result<void> {
      if (cooperative) t.clock->advance(1h);
      told = context.stop_token().stop_requested();
      return etl::failure(etl::transient("down"));
    };
    etl::Bucket<int> bucket(processor, options);
    bucket.push(1);
    CHECK(bucket.finish().outcome == etl::Outcome::DrainTimeout);
    CHECK(told == cooperative);
    CHECK(t.passed() == (cooperative ? 3600s : 25s));
  }
}

namespace {

/// A virtual executor that does not take everything.
struct Refusing final : etl::ExecutorBackend {
  struct Clock final : etl::Timer {
    Clock(Refusing& its_owner) : owner(its_owner), real(its_owner.real->make_timer()) {}
    void arm(etl::TimePoint due, std::shared_ptr<etl::Task> task) override {
      if (owner.refuses_timers) throw std::runtime_error("no timer");
      real->arm(due, std::move(task));
    }
    Refusing& owner;
    std::unique_ptr<etl::Timer> real;
  };
  void post(std::shared_ptr<etl::Task> task) override {
    if (refused_posts > 0) throw std::runtime_error("no thread " + std::to_string(--refused_posts));
    real->post(std::move(task));
  }
  std::unique_ptr<etl::Timer> make_timer() override { return std::make_unique<Clock>(*this); }
  [[nodiscard]] etl::TimePoint now() const noexcept override { return real->now(); }
  void wait(std::unique_lock<std::mutex>& lock, std::condition_variable& signal, etl::TimePoint until) override {
    real->wait(lock, signal, until);
  }
  void notify(std::condition_variable& signal) noexcept override { real->notify(signal); }
  std::shared_ptr<VirtualExecutor> real = std::make_shared<VirtualExecutor>(1);
  int refused_posts = 0;
  bool refuses_timers = false;
};

}  // namespace

TEST_CASE("G4: a source that waits for its stop token hears that no timer can be armed") {
  const auto executor = std::make_shared<Refusing>();
  executor->refuses_timers = true;
  etl::Options options{.batch_size = 10, .workers = 1};
  options.executor = etl::Executor(executor);
  bool told = false;
  const auto report = etl::run(
      Numbers{.source = [&](int, etl::Emitter<int>& out) { told = told || out.stop_token().stop_requested(); }},
      options);
  CHECK(told);
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(report.items.balanced());
}

TEST_CASE("G4: an executor that did not take a task is asked again when nothing else comes") {
  const auto executor = std::make_shared<Refusing>();
  etl::Options options{.batch_size = 1,
                       .timeout = etl::Options::never,
                       .workers = 1,
                       .capacity = 1,
                       .inline_batches = etl::Inline::Never};
  options.executor = etl::Executor(executor);
  executor->refused_posts = 5;
  CHECK(etl::run(Numbers{.count = 9}, options).outcome == etl::Outcome::Completed);

  executor->refused_posts = 2;
  etl::Bucket<int> bucket([](std::span<const int>) {}, options);
  int item = 1;
  REQUIRE(bucket.try_push(item));
  CHECK_FALSE(bucket.try_push(item));
  executor->real->advance(1s);
  CHECK(bucket.try_push(item));
  CHECK(bucket.finish().items.loaded == 2);
}

namespace {

using Rows = etl::testing::MemoryTransaction<int>;

/// A store in which the transaction for item 1 cannot begin: it waits for a connection, until it is told to stop.
struct Away final : etl::TransactionalStore<Rows> {
  etl::testing::MemoryStore<int> store{};
  std::mutex mutex{};
  std::condition_variable_any changed{};
  int begun = 0;
  int waits = 0;
  struct Session final : etl::WrappedSession<Rows> {
    Session(Away& of, std::unique_ptr<etl::StoreSession<Rows>> real) : WrappedSession(std::move(real)), away(of) {}
    void stop_waiting_on(const std::stop_token& token) override { stop = token; }
    etl::Result<void> begin() override {
      std::unique_lock lock(away.mutex);
      if (++away.begun == 1) return inner().begin();
      ++away.waits;
      away.changed.notify_all();
      away.changed.wait(lock, stop, [] { return false; });
      return etl::failure(etl::transient("stopped while connecting"));
    }
    Away& away;
    std::stop_token stop;
  };
  void await_wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return waits > 0; });
  }
  etl::Result<std::unique_ptr<etl::StoreSession<Rows>>> connect() override {
    return std::unique_ptr<etl::StoreSession<Rows>>(std::make_unique<Session>(*this, store.connect().value()));
  }
  etl::Result<std::optional<etl::Checkpoint>> find(const std::string& p) override { return store.find(p); }
  etl::Result<void> save(const std::string& p, const etl::Checkpoint& c) override { return store.save(p, c); }
  etl::Result<void> reset(const std::string& p) override { return store.reset(p); }
};

struct IntoAway {
  std::string fingerprint() const { return "two numbers"; }
  void extract(etl::Emitter<int>& out) const {
    for (int i = 0; i < 2; ++i)
      if (!out.push(i)) return;
  }
  std::string serialize(const int& n) const { return std::to_string(n); }
  int deserialize(std::string_view text) const { return std::stoi(std::string(text)); }
  void load(std::span<const int> batch, Rows& tx) { tx.write(batch); }
};

}  // namespace

TEST_CASE("G10: an abandon ends a transaction's wait for its connection, in a replay as well") {
  const etl::Options options{.name = "away", .batch_size = 1, .workers = 1};
  for (const bool replayed : {false, true}) {
    Away store;
    if (replayed) {
      const etl::DeadLetter letters[] = {{.id = "a", .pipeline = "away", .seq = 0, .payload = "0"},
                                         {.id = "b", .pipeline = "away", .seq = 1, .payload = "1"}};
      REQUIRE(store.store.dead_letters().write(letters));
    }
    etl::StopSource stop;
    etl::RunReport report;
    std::thread run([&] {
      IntoAway pipeline;
      report = replayed ? etl::replay(etl::with_store(pipeline, store), store.store.dead_letters(), options,
                                      stop.stop_token())
                        : etl::run(etl::with_store(pipeline, store), options, stop.stop_token());
    });
    store.await_wait();
    stop.request_abandon();
    run.join();
    CHECK(report.outcome == etl::Outcome::Cancelled);
    CHECK(report.items.loaded == 1);
    CHECK(report.items.abandoned == 1);
  }
}

namespace {

/// Begins a transaction, and then says that it has not, the first time.
struct HalfBegun final : etl::WrappedSession<Rows> {
  HalfBegun(bool& failed_before, std::unique_ptr<etl::StoreSession<Rows>> real)
      : WrappedSession(std::move(real)), failed(failed_before) {}
  etl::Result<void> begin() override {
    if (auto begun = inner().begin(); !begun) return begun;
    if (std::exchange(failed, true)) return {};
    return etl::failure(etl::transient("the row of the run cannot be written"));
  }
  void rollback() noexcept override {
    ++rollbacks;
    inner().rollback();
  }
  bool& failed;
  int rollbacks = 0;
};
struct HalfBegins final : etl::TransactionalStore<Rows> {
  etl::testing::MemoryStore<int> store{};
  bool failed = false;
  HalfBegun* session = nullptr;
  etl::Result<std::unique_ptr<etl::StoreSession<Rows>>> connect() override {
    auto made = std::make_unique<HalfBegun>(failed, store.connect().value());
    session = made.get();
    return std::unique_ptr<etl::StoreSession<Rows>>(std::move(made));
  }
  etl::Result<std::optional<etl::Checkpoint>> find(const std::string& p) override { return store.find(p); }
  etl::Result<void> save(const std::string& p, const etl::Checkpoint& c) override { return store.save(p, c); }
  etl::Result<void> reset(const std::string& p) override { return store.reset(p); }
};

}  // namespace

TEST_CASE("G3: a transaction whose begin fails after it has begun is rolled back before the next attempt") {
  HalfBegins store;
  int rollbacks = 0;
  struct Counting : IntoAway {
    HalfBegins* store;
    int* rollbacks;
    void load(std::span<const int> batch, Rows& tx) {
      *rollbacks = store->session->rollbacks;
      tx.write(batch);
    }
  };
  Counting pipeline;
  pipeline.store = &store;
  pipeline.rollbacks = &rollbacks;
  Timed t;
  t.options.name = "half";
  t.options.batch_size = 2;
  t.options.workers = 1;
  CHECK(etl::run(etl::with_store(pipeline, store), t.options).outcome == etl::Outcome::Completed);
  CHECK(rollbacks == 1);
}

TEST_CASE("G10: a worker whose session opens after an abandon begins no load") {
  struct LateStore final : etl::TransactionalStore<Rows> {
    etl::testing::MemoryStore<int> store{};
    etl::StopSource stop{};
    etl::Result<std::unique_ptr<etl::StoreSession<Rows>>> connect() override {
      stop.request_abandon();  // while the worker waits for its session
      return store.connect();
    }
    etl::Result<std::optional<etl::Checkpoint>> find(const std::string& p) override { return store.find(p); }
    etl::Result<void> save(const std::string& p, const etl::Checkpoint& c) override { return store.save(p, c); }
    etl::Result<void> reset(const std::string& p) override { return store.reset(p); }
  };
  LateStore store;
  IntoAway pipeline;
  const auto report = etl::run(etl::with_store(pipeline, store), {.name = "late", .batch_size = 1, .workers = 1},
                               store.stop.stop_token());
  CHECK(report.outcome == etl::Outcome::Cancelled);
  CHECK(report.items.loaded == 0);
  CHECK(store.store.rows().empty());
}

}  // namespace waiting_test
