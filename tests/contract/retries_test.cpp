// G5, G6: what a run does about a load that fails.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <etl/bucket.hpp>
#include <etl/policy/circuit_breaker.hpp>
#include <etl/policy/rate_limit.hpp>
#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"

namespace retries_test {

using namespace std::chrono_literals;

namespace {

using Batch = std::span<const int>;

/// Numbers from 0; each load is given to `sink`.
struct Numbers {
  int count = 20;
  std::function<etl::Result<void>(Batch, etl::BatchContext&)> sink{};
  int transformed = 0;

  void extract(etl::Emitter<int>& out) {
    for (int i = 0; i < count; ++i)
      if (!out.push(i)) return;
  }
  int transform(const int& n) const { return n; }
  etl::Result<void> load(Batch batch, etl::BatchContext& context) { return sink(batch, context); }
};

struct Timed {
  std::shared_ptr<etl::testing::VirtualExecutor> clock = std::make_shared<etl::testing::VirtualExecutor>(3);
  etl::Options options{.batch_size = 5, .workers = 2, .drain_deadline = etl::Options::never};
  Timed() { options.executor = etl::Executor(clock); }
  [[nodiscard]] std::chrono::nanoseconds passed() const { return clock->now().time_since_epoch(); }
};

std::vector<int> numbers(int count) {
  std::vector<int> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace

TEST_CASE("G5: a transient error repeats load with the same results, after a delay") {
  Timed t;
  t.options.retry = {.max_attempts = 4, .initial_delay = 1s, .jitter = false};
  std::vector<int> loaded;
  std::map<int, std::vector<std::vector<int>>> calls;  // by first result
  Numbers pipeline{.sink = [&](Batch batch, etl::BatchContext&) -> etl::Result<void> {
    auto& mine = calls[batch[0]];
    mine.emplace_back(batch.begin(), batch.end());
    if (batch[0] == 5 && mine.size() < 4) return etl::failure(etl::transient("busy"));
    loaded.insert(loaded.end(), batch.begin(), batch.end());
    return {};
  }};
  const auto report = etl::run(pipeline, t.options);
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(report.error_count == 0);
  std::ranges::sort(loaded);
  CHECK(loaded == numbers(20));
  CHECK(calls[5] == std::vector<std::vector<int>>(4, {5, 6, 7, 8, 9}));
  CHECK(t.passed() == 1s + 2s + 4s);
  CHECK(report.elapsed == t.passed());  // on the clock of the executor
}

TEST_CASE("G5: every attempt that another one follows is told: which, why, and when the next one begins") {
  Timed t;
  t.options.name = "orders";
  t.options.retry = {.max_attempts = 3, .initial_delay = 1s, .jitter = false};
  std::vector<std::string> told;
  t.options.on_retry = [&](const etl::FailedAttempt& a) {
    told.push_back(std::string(a.pipeline) + ' ' + std::string(etl::to_string(a.stage)) + ' ' +
                   std::to_string(a.attempt) + '/' + std::to_string(a.max_attempts) + " batch " +
                   std::to_string(a.batch) + ": " + a.error.message() + ", " + std::to_string(a.delay / 1s) +
                   " s, after " + std::to_string(a.elapsed / 1s) + " s");
  };
  Numbers pipeline{.count = 5, .sink = [&](Batch, etl::BatchContext&) -> etl::Result<void> {
                     return etl::failure(etl::transient("connection refused"));
                   }};
  const auto report = etl::run(pipeline, t.options);
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(told == std::vector<std::string>{"orders load 1/3 batch 0: connection refused, 1 s, after 0 s",
                                         "orders load 2/3 batch 0: connection refused, 2 s, after 1 s"});
}

TEST_CASE("G5: dead letters and progress that are written again are told, too") {
  Timed t;
  t.options.retry = {.max_attempts = 3, .initial_delay = 1s, .jitter = false};
  t.options.errors.max_rejects = 100;
  struct Shy final : etl::DeadLetterStore {
    etl::testing::MemoryDeadLetters inner;
    int failures = 2;
    etl::Result<void> write(std::span<const etl::DeadLetter> letters) override {
      if (failures-- > 0) return etl::failure(etl::transient("disk is busy"));
      return inner.write(letters);
    }
    etl::Result<void> list(const std::string& pipeline,
                           const std::function<bool(const etl::DeadLetter&)>& each) override {
      return inner.list(pipeline, each);
    }
    etl::Result<std::size_t> purge(std::span<const std::string> ids) override { return inner.purge(ids); }
  };
  const auto letters = std::make_shared<Shy>();
  t.options.errors.dead_letters = letters;
  std::vector<etl::Stage> told;
  t.options.on_retry = [&](const etl::FailedAttempt& a) { told.push_back(a.stage); };
  Numbers pipeline{.count = 5, .sink = [](Batch, etl::BatchContext& context) -> etl::Result<void> {
                     context.reject(0, "bad");
                     return {};
                   }};
  const auto report = etl::run(pipeline, t.options);
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(told == std::vector<etl::Stage>(2, etl::Stage::DeadLetter));
}

TEST_CASE("G4: an exception from on_retry fails the run, which keeps its books") {
  Timed t;
  t.options.on_retry = [](const etl::FailedAttempt&) { throw std::runtime_error("no log"); };
  int calls = 0;
  Numbers pipeline{.count = 5, .sink = [&](Batch, etl::BatchContext&) -> etl::Result<void> {
                     ++calls;
                     return etl::failure(etl::transient("busy"));
                   }};
  const auto report = etl::run(pipeline, t.options);
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(calls == 1);
  REQUIRE_FALSE(report.errors.empty());
  CHECK(report.errors[0].error.message() == "on_retry has failed: no log");
  CHECK(report.items.abandoned == 5);
  CHECK(report.results.abandoned == 5);
}

TEST_CASE("G3: status() says what a run waits for: attempt, error, next try and since when") {
  Timed t;
  t.options.batch_size = 1;
  t.options.retry = {.max_attempts = 10, .initial_delay = 4s, .multiplier = 1.0, .jitter = false};
  std::vector<etl::RetryStatus> seen;
  bool before = true;
  bool after = true;
  etl::Bucket<int>* itself = nullptr;
  etl::Bucket<int> bucket(
      [&, calls = 0](Batch) mutable -> etl::Result<void> {
        if (++calls == 1) before = itself->status().retry.has_value();
        if (calls > 1 && itself->status().retry) seen.push_back(*itself->status().retry);
        if (calls > 3) return {};
        return etl::failure(etl::transient("connection refused"));
      },
      [&] {
        t.options.on_retry = [&](const etl::FailedAttempt&) { seen.push_back(itself->status().retry.value()); };
        return t.options;
      }());
  itself = &bucket;
  REQUIRE(bucket.push(1));
  CHECK(bucket.finish().outcome == etl::Outcome::Completed);
  after = bucket.status().retry.has_value();
  CHECK_FALSE(before);
  CHECK_FALSE(after);
  REQUIRE(seen.size() == 6);  // told, and seen by the next attempt
  for (std::size_t i = 0; i < 6; ++i) {
    CAPTURE(i);
    CHECK(seen[i].stage == etl::Stage::Load);
    CHECK(seen[i].attempt == i / 2 + 1);
    CHECK(seen[i].max_attempts == 10);
    CHECK(seen[i].error == "connection refused");
    CHECK(seen[i].next_try == (i % 2 == 0 ? 4s : 0s));
    CHECK(seen[i].since == 4s * static_cast<int>((i + 1) / 2));
    CHECK(seen[i].operations == 1);
  }
}

TEST_CASE("G5: after the last attempt the run fails, and says how often it was tried") {
  Timed t;
  t.options.retry.max_attempts = 3;
  int calls = 0;
  Numbers pipeline{.count = 5, .sink = [&](Batch, etl::BatchContext&) -> etl::Result<void> {
                     ++calls;
                     return etl::failure(etl::transient("server is down"));
                   }};
  const auto report = etl::run(pipeline, t.options);
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(calls == 3);
  REQUIRE(report.errors.size() == 1);
  CHECK(report.errors[0].error.message() == "gave up after 3 attempts: server is down");
  CHECK(report.results.abandoned == 5);
}

TEST_CASE("G5: what is not transient is not tried again") {
  for (const etl::Error& error : {etl::fatal("broken"), etl::Error{.code = etl::Errc::UserException}}) {
    Timed t;
    int calls = 0;
    Numbers pipeline{.count = 5, .sink = [&](Batch, etl::BatchContext&) -> etl::Result<void> {
                       ++calls;
                       return etl::failure(error);
                     }};
    CHECK(etl::run(pipeline, t.options).outcome == etl::Outcome::Failed);
    CHECK(calls == 1);
  }
}

TEST_CASE("G5: an unknown outcome is tried again only if the user says so") {
  for (const bool allowed : {false, true}) {
    CAPTURE(allowed);
    Timed t;
    t.options.retry_unknown_outcome = allowed;
    int calls = 0;
    Numbers pipeline{.count = 5, .sink = [&](Batch, etl::BatchContext&) -> etl::Result<void> {
                       if (++calls > 1) return {};
                       return etl::failure({.code = etl::Errc::OutcomeUnknown,
                                            .error_class = etl::ErrorClass::Transient,
                                            .context = "connection lost during commit"});
                     }};
    const auto report = etl::run(pipeline, t.options);
    CHECK(calls == (allowed ? 2 : 1));
    CHECK(report.outcome == (allowed ? etl::Outcome::Completed : etl::Outcome::Failed));
    CHECK(report.results.in_doubt == (allowed ? 0 : 5));
  }
}

TEST_CASE("G5: with an idempotency key an unknown outcome is tried again, with the same key") {
  struct Keyed {
    std::vector<std::string>* keys;
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 10; ++i) out.push(i);
    }
    std::string fingerprint() const { return "ten numbers"; }
    etl::Result<void> load(Batch, etl::IdempotencyKey key) {
      keys->push_back(key.text());
      if (keys->size() % 2 == 0) return {};
      return etl::failure({.code = etl::Errc::OutcomeUnknown, .context = "lost"});
    }
  };
  Timed t;
  t.options.order = etl::Order::Source;
  std::vector<std::string> keys;
  CHECK(etl::run(Keyed{&keys}, t.options).outcome == etl::Outcome::Completed);
  REQUIRE(keys.size() == 4);
  CHECK(keys[0] == keys[1]);
  CHECK(keys[2] == keys[3]);
  CHECK(keys[0] != keys[2]);
}

TEST_CASE("G5 G10: an abandon ends a back-off at once, and is no failure of its own") {
  Timed t;
  t.options.retry = {.max_attempts = 100, .initial_delay = 1h, .max_delay = 1h, .jitter = false};
  std::stop_source drain, abandon;
  int calls = 0;
  Numbers pipeline{.count = 5, .sink = [&](Batch, etl::BatchContext&) -> etl::Result<void> {
                     if (++calls == 2) {
                       drain.request_stop();
                       abandon.request_stop();
                     }
                     return etl::failure(etl::transient("busy"));
                   }};
  const auto report = etl::run(pipeline, t.options, etl::StopToken(drain.get_token(), abandon.get_token()));
  CHECK(calls == 2);
  CHECK(t.passed() <= 2h);
  CHECK(report.outcome == etl::Outcome::Cancelled);
  CHECK(report.items.abandoned == 5);
}

TEST_CASE("G6: results that load wants again are loaded again, and no others") {
  Timed t;
  t.options.retry = {.max_attempts = 3, .initial_delay = 1s, .jitter = false};
  std::vector<std::vector<int>> calls;
  std::vector<int> loaded;
  Numbers pipeline{.count = 5, .sink = [&](Batch batch, etl::BatchContext& context) -> etl::Result<void> {
                     calls.emplace_back(batch.begin(), batch.end());
                     for (std::size_t i = 0; i < batch.size(); ++i) {
                       if (calls.size() == 1 && batch[i] % 2 == 0)
                         context.retry(i, "throttled");
                       else if (calls.size() == 2 && batch[i] == 4)
                         context.retry(i, "throttled");
                       else if (batch[i] == 2)
                         context.reject(i, "no");
                       else
                         loaded.push_back(batch[i]);
                     }
                     return {};
                   }};
  t.options.errors.max_rejects = 1;
  const auto report = etl::run(pipeline, t.options);
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(calls == std::vector<std::vector<int>>{{0, 1, 2, 3, 4}, {0, 2, 4}, {4}});
  CHECK(loaded == std::vector<int>{1, 3, 0, 4});
  CHECK(report.results.committed == 4);
  CHECK(report.results.rejected == 1);
}

TEST_CASE("G6: results that load wants again too often fail the run, the others stay committed") {
  Timed t;
  t.options.batch_size = 4;
  t.options.order = etl::Order::Source;
  t.options.retry.max_attempts = 2;
  Numbers pipeline{.count = 8, .sink = [&](Batch batch, etl::BatchContext& context) -> etl::Result<void> {
                     for (std::size_t i = 0; i < batch.size(); ++i)
                       if (batch[i] == 1) context.retry(i, "throttled");
                     return {};
                   }};
  const auto report = etl::run(pipeline, t.options);
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(report.results.committed == 3);
  CHECK(report.results.abandoned >= 1);
  CHECK(report.items.loaded == 3);
}

TEST_CASE("G6: bisection finds the bad results of a batch in few calls, and rejects only them") {
  const std::set<int> bad{3, 500, 501, 999};
  Timed t;
  t.options.batch_size = 1024;
  t.options.errors = {.max_rejects = 10, .isolation = etl::Isolation::Bisect};
  std::vector<int> loaded;
  std::set<std::uint64_t> rejected;
  t.options.errors.on_reject = [&](const etl::Rejection& r) { rejected.insert(r.seq); };
  int calls = 0;
  Numbers pipeline{.count = 1024, .sink = [&](Batch batch, etl::BatchContext&) -> etl::Result<void> {
                     ++calls;
                     for (const int n : batch)
                       if (bad.contains(n)) return etl::failure(etl::rejected("constraint"));
                     loaded.insert(loaded.end(), batch.begin(), batch.end());
                     return {};
                   }};
  const auto report = etl::run(pipeline, t.options);
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(rejected == std::set<std::uint64_t>{3, 500, 501, 999});
  CHECK(loaded.size() == 1020);
  CHECK(calls <= 2 * 4 * 10 + 1);  // 2 k log2(n)
}

TEST_CASE("G6: without bisection the batch is rejected as a whole") {
  Timed t;
  t.options.errors.max_rejects = 10;
  int calls = 0;
  Numbers pipeline{.count = 10, .sink = [&](Batch batch, etl::BatchContext&) -> etl::Result<void> {
                     ++calls;
                     if (batch[0] == 0) return etl::failure(etl::rejected("bad batch"));
                     return {};
                   }};
  const auto report = etl::run(pipeline, t.options);
  CHECK(report.items.rejected == 5);
  CHECK(report.items.loaded == 5);
  CHECK(calls == 2);
}

TEST_CASE("a rate limit holds for what is loaded") {
  Timed t;
  t.options.rate_limit = std::make_shared<etl::RateLimiter>(etl::Rates{.items_per_second = 10, .burst = 1s});
  Numbers pipeline{.count = 100, .sink = [](Batch, etl::BatchContext&) -> etl::Result<void> { return {}; }};
  CHECK(etl::run(pipeline, t.options).outcome == etl::Outcome::Completed);
  CHECK(t.passed() >= 9s);
  CHECK(t.passed() < 10s);
}

TEST_CASE("G7: an open circuit breaker pauses the source, and rejects nothing") {
  Timed t;
  t.options.capacity = 2;
  t.options.workers = 1;
  t.options.retry = {.max_attempts = 10, .initial_delay = 0s, .max_delay = 0s};
  auto breaker = std::make_shared<etl::CircuitBreaker>(etl::BreakerPolicy{.failures = 2, .reset = 60s});
  t.options.circuit_breaker = breaker;
  int calls = 0;
  std::vector<std::chrono::nanoseconds> times;
  Numbers pipeline{.count = 50, .sink = [&](Batch, etl::BatchContext&) -> etl::Result<void> {
                     times.push_back(t.passed());
                     if (++calls <= 3) return etl::failure(etl::transient("down"));
                     return {};
                   }};
  const auto report = etl::run(pipeline, t.options);
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(report.items.loaded == 50);
  CHECK(report.max_queue_depth <= 2);
  REQUIRE(times.size() >= 4);
  CHECK(times[1] == 0s);    // the second failure opens it
  CHECK(times[2] >= 60s);   // the probe fails
  CHECK(times[3] >= 120s);  // the next one closes it
}

namespace {

/// Loses the connection at its second commit.
struct Lossy final : etl::TransactionalStore<etl::testing::MemoryTransaction<int>> {
  using Tx = etl::testing::MemoryTransaction<int>;
  etl::testing::MemoryStore<int> store;
  bool before = false;  // lost before it happens
  int lost = 0;
  struct Session final : etl::WrappedSession<Tx> {
    Session(Lossy& of, std::unique_ptr<etl::StoreSession<Tx>> real) : WrappedSession(std::move(real)), lossy(of) {}
    etl::Result<void> commit() override {
      const bool loses = lossy.lost++ == 1;
      if (loses && lossy.before) {
        inner().rollback();
      } else {
        auto done = inner().commit();
        if (!loses) return done;
      }
      return etl::failure({.code = etl::Errc::OutcomeUnknown, .context = "connection lost"});
    }
    Lossy& lossy;
  };
  etl::Result<std::unique_ptr<etl::StoreSession<Tx>>> connect() override {
    return std::unique_ptr<etl::StoreSession<Tx>>(std::make_unique<Session>(*this, store.connect().value()));
  }
  etl::Result<std::optional<etl::Checkpoint>> find(const std::string& p) override { return store.find(p); }
  etl::Result<void> save(const std::string& p, const etl::Checkpoint& c) override { return store.save(p, c); }
  etl::Result<void> reset(const std::string& p) override { return store.reset(p); }
};
struct Into {
  using position = int;
  void extract(etl::Emitter<int>& out) {
    for (int i = 0; i < 20; ++i) out.push(i);
  }
  std::string fingerprint() const { return "twenty numbers"; }
  void load(Batch batch, etl::testing::MemoryTransaction<int>& tx) { tx.write(batch); }
};

}  // namespace

TEST_CASE("G15: a connection lost during a commit that happened does not repeat the batch") {
  for (const bool before : {false, true}) {
    CAPTURE(before);
    Timed t;
    t.options.name = "lossy";
    Lossy store;
    store.before = before;
    const auto report = etl::run(etl::with_store(Into{}, store), t.options);
    CHECK(report.outcome == etl::Outcome::Completed);
    auto rows = store.store.rows();
    std::ranges::sort(rows);
    CHECK(rows == numbers(20));
  }
}

}  // namespace retries_test
