// G2, G4 to G7: all attempts at a load go one way, whoever asked for them, and no user type can end the process.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/delivery/replay.hpp>
#include <etl/policy/circuit_breaker.hpp>
#include <etl/policy/rate_limit.hpp>
#include <etl/run.hpp>
#include <etl/testing/baton_executor.hpp>
#include <etl/testing/faults.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"

namespace attempts_test {

using namespace std::chrono_literals;
using etl::testing::MemoryDeadLetters;
using etl::testing::VirtualExecutor;

namespace {

using Batch = std::span<const int>;

struct Numbers {
  int count = 8;
  std::function<etl::Result<void>(Batch, etl::BatchContext&)> sink{};
  std::function<std::size_t(int)> weigh = [](int) { return sizeof(int); };

  void extract(etl::Emitter<int>& out) {
    for (int i = 0; i < count; ++i)
      if (!out.push(i)) return;
  }
  std::size_t bytes(const int& n) const { return weigh(n); }
  etl::Result<void> load(Batch batch, etl::BatchContext& context) { return sink(batch, context); }
};

struct Timed {
  std::shared_ptr<VirtualExecutor> clock = std::make_shared<VirtualExecutor>(3);
  etl::Options options{.workers = 1, .drain_deadline = etl::Options::never};
  Timed() {
    options.executor = etl::Executor(clock);
    options.retry = {.max_attempts = 10, .initial_delay = 1s, .max_delay = 1s, .jitter = false};
    options.name = "numbers";
  }
  [[nodiscard]] std::chrono::nanoseconds passed() const { return clock->now().time_since_epoch(); }
};

void ask_again_for_all(Batch batch, etl::BatchContext& context) {
  for (std::size_t i = 0; i < batch.size(); ++i) context.retry(i, "busy");
}

}  // namespace

TEST_CASE("G5 G6: a transient error of the call after ctx.retry is tried again") {
  Timed t;
  int calls = 0;
  const auto report = etl::run(Numbers{.sink = [&](Batch batch, etl::BatchContext& context) -> etl::Result<void> {
                                 if (++calls == 1) ask_again_for_all(batch, context);
                                 if (calls == 2) return etl::failure(etl::transient("connection reset"));
                                 return {};
                               }},
                               t.options);
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(calls == 3);
  CHECK(t.passed() == 2s);
}

TEST_CASE("G6: a result that load asks for several times is loaded again once") {
  Timed t;
  std::vector<int> again;
  int calls = 0;
  const auto report = etl::run(Numbers{.sink = [&](Batch batch, etl::BatchContext& context) -> etl::Result<void> {
                                 if (++calls > 1) again.insert(again.end(), batch.begin(), batch.end());
                                 for (int i = 0; i < 3 && calls == 1; ++i) context.retry(2, "busy");
                                 return {};
                               }},
                               t.options);
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(again == std::vector<int>{2});
}

TEST_CASE("G6: a batch refused in the call after ctx.retry is bisected, and what was committed stays so") {
  Timed t;
  t.options.errors = {.max_rejects = 100, .isolation = etl::Isolation::Bisect};
  std::vector<int> loaded;
  int calls = 0;
  const auto report = etl::run(Numbers{.sink = [&](Batch batch, etl::BatchContext& context) -> etl::Result<void> {
                                 if (++calls == 1) {
                                   for (const std::size_t i : {5U, 1U, 3U, 6U}) context.retry(i, "busy");
                                   loaded = {0, 2, 4, 7};
                                   return {};
                                 }
                                 for (const int n : batch)
                                   if (n == 3) return etl::failure(etl::rejected("a bad row in it"));
                                 loaded.insert(loaded.end(), batch.begin(), batch.end());
                                 return {};
                               }},
                               t.options);
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.items.rejected == 1);
  CHECK(report.results.committed == 7);
  CHECK(loaded == std::vector<int>{0, 2, 4, 7, 1, 5, 6});
}

TEST_CASE("G2: a fatal error while a batch is bisected leaves what was committed before, and abandons the rest") {
  Timed t;
  t.options.errors = {.max_rejects = 100, .isolation = etl::Isolation::Bisect};
  int calls = 0;
  const auto report = etl::run(Numbers{.sink = [&](Batch batch, etl::BatchContext& context) -> etl::Result<void> {
                                 if (++calls == 1) {
                                   for (const std::size_t i : {2U, 4U}) context.retry(i, "busy");
                                   return {};
                                 }
                                 if (batch.size() == 2) return etl::failure(etl::rejected("one of them is bad"));
                                 return etl::failure(etl::fatal("down"));
                               }},
                               t.options);
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(report.results.committed == 6);
  CHECK(report.results.abandoned == 2);
}

TEST_CASE("G5: rate limit and circuit breaker are asked before every call") {
  Timed t;
  t.options.retry = {.max_attempts = 100, .initial_delay = 1ms, .max_delay = 1ms, .jitter = false};
  SECTION("rate limit") {
    t.options.rate_limit = std::make_shared<etl::RateLimiter>(etl::Rates{.items_per_second = 8, .burst = 1s});
    int calls = 0;
    REQUIRE(etl::run(Numbers{.sink = [&](Batch batch, etl::BatchContext& context) -> etl::Result<void> {
                       if (++calls < 11) ask_again_for_all(batch, context);
                       return {};
                     }},
                     t.options)
                .ok());
    CHECK(calls == 11);
    CHECK(t.passed() >= 9s);  // 88 results at 8 per second, the first 8 at once
  }
  SECTION("circuit breaker") {
    t.options.circuit_breaker = std::make_shared<etl::CircuitBreaker>(etl::BreakerPolicy{.failures = 2, .reset = 1min});
    int calls = 0;
    REQUIRE(etl::run(Numbers{.sink = [&](Batch batch, etl::BatchContext& context) -> etl::Result<void> {
                       if (++calls == 1) ask_again_for_all(batch, context);
                       if (calls == 2 || calls == 3) return etl::failure(etl::transient("down"));
                       return {};
                     }},
                     t.options)
                .ok());
    CHECK(t.passed() >= 1min);
  }
}

TEST_CASE("G2 G5: once an outcome is unknown, a later failure leaves the results in doubt") {
  for (const bool known : {false, true}) {
    CAPTURE(known);
    Timed t;
    t.options.retry_unknown_outcome = true;
    t.options.retry.max_attempts = 3;
    int calls = 0;
    const auto report = etl::run(Numbers{.sink = [&](Batch batch, etl::BatchContext& context) -> etl::Result<void> {
                                   if (++calls == 1)
                                     return etl::failure({.code = etl::Errc::OutcomeUnknown, .context = "cut off"});
                                   if (known && calls == 2)
                                     return ask_again_for_all(batch, context), etl::Result<void>();
                                   return etl::failure(etl::transient("refused"));
                                 }},
                                 t.options);
    CHECK(report.outcome == etl::Outcome::Failed);
    CHECK(report.results.in_doubt == (known ? 0 : 8));
    CHECK(report.results.abandoned == (known ? 8 : 0));
    CHECK(report.items.abandoned == 8);
  }
}

namespace {
/// Cannot be copied; a letter of it has to say what it was.
struct Unique {
  std::unique_ptr<std::string> text;
};
struct Uniques {
  std::function<void(std::span<const Unique>, etl::BatchContext&)> sink;
  void extract(etl::Emitter<Unique>& out) {
    for (int i = 0; i < 4; ++i) out.push(Unique{std::make_unique<std::string>("item " + std::to_string(i))});
  }
  std::string describe(const Unique& u) const { return u.text ? *u.text : "moved from"; }
  std::size_t key(const Unique& u) const { return u.text ? u.text->size() : 0; }
  void load(std::span<const Unique> batch, etl::BatchContext& context) const { sink(batch, context); }
};
}  // namespace

TEST_CASE("G7: letters of items that cannot be copied have what was extracted") {
  for (const bool by_key : {false, true}) {
    CAPTURE(by_key);
    Timed t;
    t.options.workers = 2;
    if (by_key) t.options.order = etl::Order::ByKey;
    const auto letters = std::make_shared<MemoryDeadLetters>();
    std::vector<std::string> told, seen;
    t.options.errors = {.max_rejects = 10, .dead_letters = letters};
    t.options.errors.on_reject = [&](const etl::Rejection& r) { told.emplace_back(r.description); };
    int calls = 0;
    const auto report = etl::run(Uniques{[&](std::span<const Unique> batch, etl::BatchContext& context) {
                                   ++calls;
                                   for (const Unique& u : batch) seen.push_back(u.text ? *u.text : "moved from");
                                   for (std::size_t i = 0; i < batch.size(); ++i) {
                                     if (calls == 1 && i != 1)
                                       context.retry(i, "busy");
                                     else if (calls == 2 && i == 2)
                                       context.retry(i, "still busy");
                                     else
                                       context.reject(i, "refused");
                                   }
                                 }},
                                 t.options);
    CHECK(report.items.rejected == 4);
    CHECK(seen ==
          std::vector<std::string>{"item 0", "item 1", "item 2", "item 3", "item 0", "item 2", "item 3", "item 3"});
    REQUIRE(letters->letters().size() == 4);
    for (const etl::DeadLetter& letter : letters->letters())
      CHECK(letter.payload == "item " + std::to_string(letter.seq));
    CHECK(std::ranges::count(told, "moved from") == 0);
  }
}

TEST_CASE("a result type bool is loaded and tried again like any other") {
  struct Flags {
    int* calls;
    std::vector<bool>* loaded;
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 4; ++i) out.push(i);
    }
    bool transform(const int& n) const { return n % 2 == 0; }
    void load(std::span<const bool> batch, etl::BatchContext& context) {
      if (++*calls == 1) return context.retry(0, "busy"), context.retry(1, "busy");
      loaded->insert(loaded->end(), batch.begin(), batch.end());
    }
  };
  Timed t;
  int calls = 0;
  std::vector<bool> loaded;
  CHECK(etl::run(Flags{&calls, &loaded}, t.options).ok());
  CHECK(loaded == std::vector<bool>{true, false});
}

TEST_CASE("G7: an item that a repeated transaction loads after all is neither told nor counted as rejected") {
  using Tx = etl::testing::MemoryTransaction<int>;
  struct Into {
    int* calls;
    int rejects_from;  // in this attempt and later ones item 3 is good
    std::string fingerprint() const { return "numbers"; }
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 8; ++i) out.push(i);
    }
    void load(Batch batch, etl::BatchContext& context, Tx& tx) {
      ++*calls;
      for (std::size_t i = 0; i < batch.size(); ++i)
        if (batch[i] == 5 || (batch[i] == 3 && *calls < rejects_from))
          context.reject(i, "bad");
        else
          tx.write(batch[i]);
    }
  };
  for (const int good_from : {2, 3, 100}) {
    CAPTURE(good_from);
    etl::testing::MemoryStore<int> kept;
    etl::testing::Faults faults;
    faults.fail("commit", 1, etl::transient("deadlock"));
    etl::testing::FaultyStore<Tx> store(kept, faults);
    Timed t;
    std::vector<std::uint64_t> told;
    t.options.errors = {.max_rejects = 2};
    t.options.errors.on_reject = [&](const etl::Rejection& r) { told.push_back(r.seq); };
    int calls = 0;
    const auto report = etl::run(etl::with_store(Into{&calls, good_from}, store), t.options);
    const bool loads_three = good_from == 2;
    INFO(report.text());
    CHECK(calls == 2);
    CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
    CHECK(told == (loads_three ? std::vector<std::uint64_t>{5} : std::vector<std::uint64_t>{3, 5}));
    CHECK(report.error_count == told.size());
    CHECK(report.items.rejected == told.size());
    CHECK(kept.dead_letters().letters().size() == told.size());
    CHECK(kept.rows().size() == 8 - told.size());
  }
}

TEST_CASE("G7: what a repeated transaction loads after all is given back to the reject budget") {
  using Tx = etl::testing::MemoryTransaction<int>;
  struct Into {
    int calls = 0;
    std::string fingerprint() const { return "numbers"; }
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 8; ++i) out.push(i);
    }
    void load(Batch batch, etl::BatchContext& context, Tx& tx) {
      ++calls;
      for (std::size_t i = 0; i < batch.size(); ++i)
        if (batch[i] == 6 || (batch[i] < 2 && calls == 1))
          context.reject(i, "bad");
        else
          tx.write(batch[i]);
    }
  };
  etl::testing::MemoryStore<int> kept;
  etl::testing::Faults faults;
  faults.fail("commit", 1, etl::transient("deadlock"));
  etl::testing::FaultyStore<Tx> store(kept, faults);
  Timed t;
  t.options.batch_size = 4;
  t.options.errors = {.max_rejects = 2};  // two are drawn, and given back
  Into into;
  const auto report = etl::run(etl::with_store(into, store), t.options);
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.items.rejected == 1);
  CHECK(kept.rows().size() == 7);
}

TEST_CASE("G2 G15: results whose commit nobody can tell of are in doubt") {
  using Tx = etl::testing::MemoryTransaction<int>;
  struct Into {
    std::string fingerprint() const { return "numbers"; }
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 8; ++i) out.push(i);
    }
    void load(Batch batch, Tx& tx) { tx.write(batch); }
  };
  for (const bool happened : {false, true}) {
    CAPTURE(happened);
    etl::testing::MemoryStore<int> kept;
    etl::testing::Faults faults;
    faults.fail_after("commit", 1, etl::transient("connection lost"));
    if (!happened) faults.fail("is settled", 1, etl::fatal("no permission"));
    etl::testing::FaultyStore<Tx> store(kept, faults);
    Timed t;
    Into into;
    const auto report = etl::run(etl::with_store(into, store), t.options);
    CHECK(report.outcome == (happened ? etl::Outcome::Completed : etl::Outcome::Failed));
    CHECK(report.results.in_doubt == (happened ? 0 : 8));
    CHECK(report.results.committed == (happened ? 8 : 0));
    CHECK(kept.rows().size() == 8);
    CHECK(etl::run(etl::with_store(into, kept), t.options).ok());  // goes on where the transactions are, or begins anew
    CHECK(kept.rows().size() == (happened ? 16 : 8));
  }
}

TEST_CASE("G2: results that no call of load was made for are abandoned, exactly") {
  struct Triples : Numbers {
    void transform(const int& n, etl::Out<int>& out) const {
      for (int i = 0; i < 3; ++i) out.push(3 * n + i);
    }
  };
  Timed t;
  t.options.batch_size = 4;
  int calls = 0;
  Triples triples;
  triples.count = 4;
  triples.sink = [&](Batch, etl::BatchContext&) -> etl::Result<void> {
    if (++calls == 2) return etl::failure(etl::fatal("broken"));
    return {};
  };
  const auto report = etl::run(triples, t.options);
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(report.results.committed == 4);
  CHECK(report.results.abandoned == 8);
  CHECK(report.items.loaded == 1);
  CHECK(report.items.abandoned == 3);
}

TEST_CASE("G7: a letter says how often its item was tried") {
  Timed t;
  const auto letters = std::make_shared<MemoryDeadLetters>();
  t.options.errors = {.max_rejects = 1, .dead_letters = letters};
  int calls = 0;
  const auto report = etl::run(Numbers{.sink = [&](Batch, etl::BatchContext& context) -> etl::Result<void> {
                                 if (++calls < 3) return etl::failure(etl::transient("busy"));
                                 context.reject(5, "bad");
                                 return {};
                               }},
                               t.options);
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  REQUIRE(letters->letters().size() == 1);
  CHECK(letters->letters()[0].attempts == 3);
}

namespace {

/// Numbers of which only the first `kept` have a result. It takes a millisecond to see that of the others.
struct Few {
  using Tx = etl::testing::MemoryTransaction<int>;
  VirtualExecutor* clock;
  int kept = 4;
  std::string fingerprint() const { return "numbers"; }
  void extract(etl::Emitter<int>& out) {
    for (int i = 0; i < 8; ++i) out.push(i);
  }
  std::optional<int> transform(const int& n) const {
    if (n < kept) return n;
    clock->advance(1ms);
    return std::nullopt;
  }
  std::string serialize(const int& n) const { return std::to_string(n); }
  int deserialize(std::string_view payload) const { return payload[0] - '0'; }
  void load(Batch batch, Tx& tx) { tx.write(batch); }
};

}  // namespace

TEST_CASE("G14: a filtered batch whose transaction did not come to its end is settled, and progress never shrinks") {
  for (const bool happened : {false, true}) {
    CAPTURE(happened);
    etl::testing::MemoryStore<int> kept;
    etl::testing::Faults faults;
    happened ? faults.fail_after("commit", 2, etl::transient("connection lost"))
             : faults.fail("commit", 2, etl::transient("connection lost"));
    etl::testing::FaultyStore<Few::Tx> store(kept, faults);
    Timed t;
    t.options.batch_size = 4;
    t.options.delivery.save_every = 1ms;  // so that the filtered batch has a transaction of its own
    t.options.drain_deadline = 100ms;
    const auto report = etl::run(etl::with_store(Few{t.clock.get()}, store), t.options);
    INFO(report.text());
    CHECK(report.error_count == 1);  // of the filtered batch
    CHECK(report.items.loaded == 4);
    CHECK(report.items.filtered == 4);
    CHECK(report.outcome == etl::Outcome::Completed);
    const auto progress = kept.find("numbers").value();
    REQUIRE(progress);
    CHECK(progress->finished);
    CHECK(progress->find(0)->watermark == 8);
  }
}

TEST_CASE("G7: a replay is not complete while the letter of a filtered item is there") {
  etl::testing::MemoryStore<int> kept;
  etl::DeadLetter letter{.id = "6", .pipeline = "numbers", .seq = 6};
  letter.payload = "6";
  REQUIRE(kept.dead_letters().write({&letter, 1}));
  etl::testing::Faults faults;
  faults.fail("commit", 1, etl::transient("connection lost"));
  etl::testing::FaultyStore<Few::Tx> store(kept, faults);
  Timed t;
  t.options.drain_deadline = 100ms;
  const auto report = etl::replay(etl::with_store(Few{t.clock.get()}, store), kept.dead_letters(), t.options);
  INFO(report.text());
  CHECK(kept.dead_letters().letters().size() == 1);
  CHECK(report.outcome == etl::Outcome::DrainTimeout);
  CHECK(report.items.abandoned == 1);
}

TEST_CASE("G4: bytes() that throws fails the run, wherever it is asked") {
  for (const std::string where : {"batch_bytes", "memory", "rate limit"}) {
    CAPTURE(where);
    Timed t;
    if (where == "batch_bytes") t.options.batch_bytes = 1000;
    if (where == "memory") t.options.memory = std::make_shared<etl::MemoryBudget>(1000);
    if (where == "rate limit")
      t.options.rate_limit = std::make_shared<etl::RateLimiter>(etl::Rates{.items_per_second = 1e6});
    for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
      t.options.mode = mode;
      const auto report = etl::run(Numbers{.sink = [](Batch, etl::BatchContext&) { return etl::Result<void>(); },
                                           .weigh = [](int n) -> std::size_t {
                                             if (n == 5) throw std::runtime_error("cannot be weighed");
                                             return 4;
                                           }},
                                   t.options);
      CHECK(report.outcome == etl::Outcome::Failed);
      CHECK(report.errors.at(0).text().find("cannot be weighed") != std::string::npos);
      CHECK(report.items.balanced());
      CHECK(report.items.extracted >= 6);
      CHECK(report.items.abandoned == report.items.extracted);
    }
  }
}

TEST_CASE("G4: bytes() that throws ends the waits of loads at once") {
  struct Waits : Numbers {
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 8; ++i) {
        if (i == 4 && !out.wait_for(10ms)) return;  // meanwhile the first batch fails, and waits for another attempt
        if (!out.push(i)) return;
      }
    }
  };
  for (const std::string where : {"batch_bytes", "memory"}) {
    CAPTURE(where);
    Timed t;
    const auto threads = std::make_shared<etl::testing::BatonExecutor>(1);
    t.options.executor = etl::Executor(threads);
    t.options.batch_size = 4;
    t.options.capacity = 2;
    if (where == "batch_bytes") t.options.batch_bytes = 1000;
    if (where == "memory") t.options.memory = std::make_shared<etl::MemoryBudget>(1000);
    const auto report = etl::run(Waits{{.sink = [](Batch, etl::BatchContext&) -> etl::Result<void> {
                                          return etl::failure(etl::transient("busy"));
                                        },
                                        .weigh = [](int n) -> std::size_t {
                                          if (n == 5) throw std::runtime_error("cannot be weighed");
                                          return 4;
                                        }}},
                                 t.options);
    INFO(report.text());
    CHECK(report.outcome == etl::Outcome::Failed);
    CHECK(report.errors.at(0).text().find("cannot be weighed") != std::string::npos);
    CHECK(report.items.balanced());
    CHECK(report.items.abandoned == report.items.extracted);
    CHECK(threads->now().time_since_epoch() < 1s);
  }
}

TEST_CASE("G4: a result that cannot be copied for another attempt fails the run, and what is loaded counts") {
  struct Fragile {
    int n = 0;
    Fragile() = default;
    explicit Fragile(int number) : n(number) {}
    Fragile(const Fragile& other) : n(other.n) {
      if (n == 3) throw std::runtime_error("cannot be copied");
    }
    Fragile(Fragile&& other) noexcept(false) : n(other.n) {}  // where a move may fail, copies are made
    Fragile& operator=(const Fragile&) = default;
    Fragile& operator=(Fragile&&) = default;
  };
  struct Copies {
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 5; ++i) out.push(i);
    }
    Fragile transform(const int& n) const { return Fragile(n); }
    void load(std::span<const Fragile>, etl::BatchContext& context) { context.retry(3, "busy"); }
  };
  Timed t;
  const auto report = etl::run(Copies{}, t.options);
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(report.errors.at(0).text().find("cannot be copied") != std::string::npos);
  CHECK(report.results.committed == 4);
  CHECK(report.results.abandoned == 1);
}

TEST_CASE("G18: by key, loads that wait for their next attempt do not pile up on a worker's stack") {
  struct Keys {
    int* deepest;
    int* depth;
    std::size_t key(const int& n) const { return static_cast<std::size_t>(n); }
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 2000; ++i)
        if (!out.push(i)) return;
    }
    etl::Result<void> load(Batch batch, etl::BatchContext& context) const {
      char here = 0;
      const auto address = reinterpret_cast<std::uintptr_t>(&here);
      first = first == 0 ? address : first;
      *deepest = std::max(*deepest, static_cast<int>(first > address ? first - address : 0));
      if (++calls[static_cast<std::size_t>(batch.front())] == 1) return etl::failure(etl::transient("busy"));
      static_cast<void>(context);
      return {};
    }
    mutable std::uintptr_t first = 0;
    mutable std::vector<int> calls = std::vector<int>(2000);
  };
  Timed t;
  t.options.workers = 8;
  t.options.batch_size = 500;
  t.options.order = etl::Order::ByKey;
  int deepest = 0, depth = 0;
  const auto report = etl::run(Keys{&deepest, &depth}, t.options);
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(deepest < 512 * 1024);
}

namespace {

/// Moves count down; the one at 0 throws.
struct Fuse {
  std::optional<int> moves_left{};
  void burn() {
    if (moves_left && (*moves_left)-- == 0) throw std::runtime_error("cannot be moved");
  }
};
template <bool assignable>
struct Movable {
  Fuse* fuse;
  int value;
  Movable(Fuse* its_fuse, int its_value) : fuse(its_fuse), value(its_value) {}
  Movable(Movable&& other) : fuse(other.fuse), value(std::exchange(other.value, -1)) { fuse->burn(); }
  Movable& operator=(Movable&& other)
    requires assignable
  {
    fuse->burn();
    value = std::exchange(other.value, -1);
    return *this;
  }
};
template <bool assignable>
struct Moves {
  Fuse* fuse;
  std::function<void(std::span<const Movable<assignable>>, etl::BatchContext&)> sink;
  void extract(etl::Emitter<int>& out) {
    for (int i = 0; i < 4; ++i) out.push(i);
  }
  Movable<assignable> transform(const int& i) const { return {fuse, i}; }
  void load(std::span<const Movable<assignable>> batch, etl::BatchContext& context) { sink(batch, context); }
};

}  // namespace

TEST_CASE("G4: a result that cannot be moved for another attempt, or back, fails the run") {
  for (int moves = 0; moves < 6; ++moves) {
    CAPTURE(moves);
    Timed t;
    Fuse fuse;
    int calls = 0;
    const auto report = etl::run(Moves<true>{.fuse = &fuse,
                                             .sink =
                                                 [&](std::span<const Movable<true>> batch, etl::BatchContext& context) {
                                                   if (++calls == 1) fuse.moves_left = moves;
                                                   if (calls > 2) return;
                                                   for (std::size_t i = calls == 1 ? 2 : 1; i < batch.size(); ++i)
                                                     context.retry(i, "busy");
                                                 }},
                                 t.options);  // two moves there, two back, one there, one back
    CHECK(report.outcome == etl::Outcome::Failed);
    CHECK(report.results.balanced());
    CHECK(report.results.committed == (moves < 2 ? 2U : moves < 5 ? 3U : 4U));
    CHECK(report.errors.at(0).error.message().find("cannot be moved") != std::string::npos);
  }
}

TEST_CASE("G4 G6: a result that can only be moved, which may throw, is loaded again or fails the run") {
  for (const int moves : {0, 1, 2, 3, 100}) {
    CAPTURE(moves);
    Timed t;
    Fuse fuse;
    int calls = 0;
    std::vector<int> again;
    const auto sink = [&](std::span<const Movable<false>> batch, etl::BatchContext& context) {
      if (++calls == 1) fuse.moves_left = moves;
      if (calls == 3)
        for (const Movable<false>& result : batch) again.push_back(result.value);
      for (auto i = static_cast<std::size_t>(calls); i < batch.size() && calls < 3; ++i) context.retry(i, "busy");
    };
    const auto report = etl::run(Moves<false>{.fuse = &fuse, .sink = sink}, t.options);  // three moves, and one
    CHECK(report.results.balanced());
    CHECK(report.outcome == (moves < 4 ? etl::Outcome::Failed : etl::Outcome::Completed));
    CHECK(report.results.committed == (moves < 3 ? 1U : moves < 4 ? 3U : 4U));
    CHECK(again == (moves < 4 ? std::vector<int>() : std::vector<int>{3}));
  }
}

TEST_CASE("G2: a copy that throws before a third attempt loses what was wanted again, and no more or less") {
  struct Copied {
    std::optional<int>* copies_left;
    Copied(std::optional<int>* left) : copies_left(left) {}
    Copied(const Copied& other) : copies_left(other.copies_left) {
      if (*copies_left && (**copies_left)-- == 0) throw std::runtime_error("cannot be copied");
    }
    Copied(Copied&& other) noexcept(false) : copies_left(other.copies_left) {}  // as above
    Copied& operator=(const Copied&) = delete;
    Copied& operator=(Copied&&) noexcept = default;
  };
  struct Copies {
    std::optional<int>* copies_left;
    int calls = 0;
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 4; ++i) out.push(i);
    }
    Copied transform(const int&) const { return {copies_left}; }
    void load(std::span<const Copied> batch, etl::BatchContext& context) {
      if (++calls == 2) *copies_left = 1;
      for (std::size_t i = 0; i < batch.size(); ++i)
        if (calls == 1 || i % 2 == 1) context.retry(i, "busy");
    }
  };
  Timed t;
  std::optional<int> copies_left;
  const auto report = etl::run(Copies{.copies_left = &copies_left}, t.options);
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(report.results.committed == 2);
  CHECK(report.results.abandoned == 2);
}

TEST_CASE("G7: a repeated transaction that rejects another item draws no more than one that rejects the same") {
  using Tx = etl::testing::MemoryTransaction<int>;
  struct Into {
    int calls = 0;
    std::string fingerprint() const { return "numbers"; }
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 4; ++i) out.push(i);
    }
    void load(Batch batch, etl::BatchContext& context, Tx& tx) {
      ++calls;
      for (std::size_t i = 0; i < batch.size(); ++i)
        if (batch[i] == calls)  // 1, then 2
          context.reject(i, "bad");
        else
          tx.write(batch[i]);
    }
  };
  etl::testing::MemoryStore<int> kept;
  etl::testing::Faults faults;
  faults.fail("commit", 1, etl::transient("deadlock"));
  etl::testing::FaultyStore<Tx> store(kept, faults);
  Timed t;
  t.options.errors = {.max_rejects = 1};
  Into into;
  const auto report = etl::run(etl::with_store(into, store), t.options);
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.items.rejected == 1);
  CHECK(kept.rows() == std::vector<int>{0, 1, 3});
}

TEST_CASE("G18: the rate limit weighs each item once, before its transform may move it away") {
  struct Texts {
    std::size_t* weighed;
    void extract(etl::Emitter<std::string>& out) {
      for (int i = 0; i < 100; ++i) out.push(std::string(100, static_cast<char>('a' + i % 26)));
    }
    std::size_t bytes(const std::string& text) const { return *weighed += text.size(), text.size(); }
    char key(const std::string& text) const { return text.empty() ? '?' : text[0]; }
    std::string transform(std::string&& text) const { return std::move(text); }
    void load(std::span<const std::string>) const {}
  };
  for (const etl::Order order : {etl::Order::None, etl::Order::ByKey}) {
    CAPTURE(static_cast<int>(order));
    Timed t;
    t.options.workers = 2;
    t.options.order = order;
    t.options.rate_limit = std::make_shared<etl::RateLimiter>(etl::Rates{.bytes_per_second = 1e9});
    std::size_t weighed = 0;
    CHECK(etl::run(Texts{&weighed}, t.options).outcome == etl::Outcome::Completed);
    CHECK(weighed == 100 * 100);
  }
}

}  // namespace attempts_test
