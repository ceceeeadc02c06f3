// G18: Order::ByKey keeps the order of each key, retries included, and holds nobody else up.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <etl/run.hpp>
#include <etl/testing/baton_executor.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"

namespace order_by_key_test {

using namespace std::chrono_literals;

namespace {

struct Event {
  std::uint32_t key = 0;
  std::uint64_t seq = 0;
};

/// What was loaded, by key, in the order of the loads; a key's calls must not overlap.
struct Log {
  std::mutex mutex;
  std::map<std::uint32_t, std::vector<std::uint64_t>> loaded;
  std::set<std::uint32_t> at_work;
  std::vector<std::string> complaints;
};

struct ByKey {
  std::shared_ptr<Log> log = std::make_shared<Log>();
  std::uint64_t count = 2000;
  std::uint32_t keys = 23;
  std::optional<std::uint32_t> reject_key{};
  std::function<etl::Result<void>(std::span<const Event>)> before_load{};

  std::uint32_t key(const Event& e) const { return e.key; }
  std::string fingerprint() const { return "events"; }
  std::string describe(const Event& e) const { return std::to_string(e.seq); }
  void extract(etl::Emitter<Event>& out) {
    for (std::uint64_t i = 0; i < count; ++i)
      if (!out.push({static_cast<std::uint32_t>((i * 7 + i / 13) % keys), i})) return;
  }
  void transform(const Event& e, etl::Out<Event>& out) const {
    if (reject_key && e.key == *reject_key) return out.reject("bad key");
    if (e.seq % 11 == 5) return;
    out.push(e);
    if (e.seq % 5 == 1) out.push(e);
  }
  etl::Result<void> load(std::span<const Event> batch) const {
    std::set<std::uint32_t> mine;
    for (const Event& e : batch) mine.insert(e.key);
    {
      const std::lock_guard lock(log->mutex);
      for (const std::uint32_t key : mine)
        if (!log->at_work.insert(key).second) log->complaints.push_back("two loads of key " + std::to_string(key));
    }
    etl::Result<void> done;
    if (before_load) done = before_load(batch);
    const std::lock_guard lock(log->mutex);
    for (const std::uint32_t key : mine) log->at_work.erase(key);
    if (done)
      for (const Event& e : batch) log->loaded[e.key].push_back(e.seq);
    return done;
  }
  [[nodiscard]] std::map<std::uint32_t, std::vector<std::uint64_t>> expected() const {
    std::map<std::uint32_t, std::vector<std::uint64_t>> all;
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto k = static_cast<std::uint32_t>((i * 7 + i / 13) % keys);
      if (k == reject_key || i % 11 == 5) continue;
      all[k].push_back(i);
      if (i % 5 == 1) all[k].push_back(i);
    }
    return all;
  }
};

}  // namespace

TEST_CASE("G18: each key is loaded in source order, in virtual time with retries") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    ByKey pipeline;
    std::mt19937_64 random(seed);
    pipeline.before_load = [&](std::span<const Event>) -> etl::Result<void> {
      if (random() % 4 == 0) return etl::failure(etl::transient("busy"));
      return {};
    };
    etl::Options options{.batch_size = 50, .workers = 3, .order = etl::Order::ByKey};
    options.retry.max_attempts = 1000;
    options.executor = etl::Executor(std::make_shared<etl::testing::VirtualExecutor>(seed));
    const auto report = etl::run(pipeline, options);
    REQUIRE(report.outcome == etl::Outcome::Completed);
    CHECK(pipeline.log->complaints.empty());
    CHECK(pipeline.log->loaded == pipeline.expected());
  }
}

TEST_CASE("G18: each key is loaded in source order by real threads") {
  for (int round = 0; round < 20; ++round) {
    ByKey pipeline{.count = 20'000};
    const auto report = etl::run(pipeline, {.batch_size = 100, .workers = 4, .order = etl::Order::ByKey});
    REQUIRE(report.outcome == etl::Outcome::Completed);
    CHECK(report.items.loaded + report.items.filtered == 20'000);
    CHECK(pipeline.log->complaints.empty());
    CHECK(pipeline.log->loaded == pipeline.expected());
  }
}

TEST_CASE("G18: a load that is tried again delays the keys of its lane only") {
  // Key 0 is refused until all of some other keys' items are loaded. Were they to wait for it, it would be given up.
  ByKey pipeline{.count = 400, .keys = 8};
  const auto log = pipeline.log;
  const auto all = pipeline.expected();
  pipeline.before_load = [&](std::span<const Event> batch) -> etl::Result<void> {
    if (std::ranges::find(batch, 0U, &Event::key) == batch.end()) return {};
    const std::lock_guard lock(log->mutex);
    if (log->loaded[1].size() == all.at(1).size()) return {};
    return etl::failure(etl::transient("not yet"));
  };
  etl::Options options{.batch_size = 20,
                       .workers = 3,
                       .capacity = 40,
                       .order = etl::Order::ByKey,
                       .drain_deadline = etl::Options::never};
  options.retry = {.max_attempts = 100, .initial_delay = 1s, .max_delay = 1s};
  options.executor = etl::Executor(std::make_shared<etl::testing::VirtualExecutor>(5));
  const auto report = etl::run(pipeline, options);
  INFO(report.text());
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(log->loaded == all);
}

TEST_CASE("G2 G18: loads that have waited for their next attempt keep to max_concurrent_loads") {
  for (const std::size_t most : {1U, 2U})
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      CAPTURE(most, seed);
      ByKey pipeline{.count = 300};
      const auto clock = std::make_shared<etl::testing::BatonExecutor>(seed);
      std::mt19937_64 random(seed);
      std::size_t inside = 0, at_most = 0;
      pipeline.before_load = [&](std::span<const Event>) -> etl::Result<void> {
        at_most = std::max(at_most, ++inside);
        for (int i = 0; i < 3; ++i) clock->yield();
        --inside;
        if (random() % 3 == 0) return etl::failure(etl::transient("busy"));
        return {};
      };
      etl::Options options{.batch_size = 20, .workers = 4, .max_concurrent_loads = most, .order = etl::Order::ByKey};
      options.retry = {.max_attempts = 1000, .initial_delay = 50us, .max_delay = 50us};
      options.executor = etl::Executor(clock);
      CHECK(etl::run(pipeline, options).ok());
      CHECK(at_most <= most);
      CHECK(pipeline.log->complaints.empty());
    }
}

TEST_CASE("G2 G18: the ledgers balance when parts of a batch are rejected, and every letter names its item") {
  ByKey pipeline{.count = 500, .reject_key = 5};
  auto letters = std::make_shared<etl::testing::MemoryDeadLetters>();
  etl::Options options{.name = "by key", .batch_size = 64, .workers = 2, .order = etl::Order::ByKey};
  options.errors = {.max_rejects = 500, .dead_letters = letters};
  options.executor = etl::Executor(std::make_shared<etl::testing::VirtualExecutor>(9));
  const auto report = etl::run(pipeline, options);
  INFO(report.text());
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.items.balanced());
  CHECK(report.results.balanced());
  CHECK(pipeline.log->loaded == pipeline.expected());
  REQUIRE(letters->letters().size() == report.items.rejected);
  for (const etl::DeadLetter& letter : letters->letters()) {
    CHECK(letter.payload == std::to_string(letter.seq));
    CHECK((letter.seq * 7 + letter.seq / 13) % 23 == 5);
  }
}

namespace {

/// Can only be moved, and not when it is stuck and has been weighed.
struct Sticky {
  explicit Sticky(int its_number, bool is_stuck) : number(its_number), stuck(is_stuck) {}
  Sticky(Sticky&& other) noexcept(false) : stuck(other.stuck), weighed(other.weighed) { take(other); }
  Sticky& operator=(Sticky&& other) noexcept(false) {
    stuck = other.stuck;
    weighed = other.weighed;
    take(other);
    return *this;
  }
  Sticky(const Sticky&) = delete;
  Sticky& operator=(const Sticky&) = delete;
  ~Sticky() = default;
  void take(Sticky& other) {
    if (stuck && weighed) throw std::runtime_error("stuck");
    number = std::exchange(other.number, -1);
  }
  int number = -1;
  bool stuck;
  mutable bool weighed = false;
};

}  // namespace

TEST_CASE("G7 G18: letters name their items although others before them could not be moved to their lane") {
  struct Stuck {
    void extract(etl::Emitter<Sticky>& out) const {
      for (int i = 0; i < 10; ++i)
        if (!out.push(Sticky(i, i == 3))) return;
    }
    int key(const Sticky&) const { return 1; }
    std::uint64_t bytes(const Sticky& item) const { return item.weighed = true; }
    std::string describe(const Sticky& item) const { return std::to_string(item.number); }
    void load(std::span<const Sticky> batch, etl::BatchContext& context) const {
      for (std::size_t i = 0; i < batch.size(); ++i)
        if (batch[i].number == 7 || batch[i].number == 9) context.reject(i, etl::rejected("bad"));
    }
  };
  const auto letters = std::make_shared<etl::testing::MemoryDeadLetters>();
  etl::Options options{.name = "stuck", .batch_size = 100, .workers = 2, .order = etl::Order::ByKey};
  options.rate_limit = std::make_shared<etl::RateLimiter>(etl::Rates{});  // items are weighed before they are moved
  options.errors = {.max_rejects = 10, .unclassified = etl::Unclassified::Reject, .dead_letters = letters};
  CHECK(etl::run(Stuck{}, options).items.rejected == 3);
  std::vector<std::string> payloads;
  for (const etl::DeadLetter& letter : letters->letters()) {
    CHECK(letter.payload == std::to_string(letter.seq));
    payloads.push_back(letter.payload.value_or("none"));
  }
  CHECK(payloads == std::vector<std::string>{"3", "7", "9"});
}

TEST_CASE("G14 G18: a batch is settled with the last of its parts") {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    auto checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>();
    etl::Options options{.name = "by key", .batch_size = 30, .workers = 2, .order = etl::Order::ByKey};
    options.delivery.checkpoints = checkpoints;
    options.executor = etl::Executor(std::make_shared<etl::testing::VirtualExecutor>(seed));
    ByKey pipeline{.count = 500};
    int loads = 0;
    pipeline.before_load = [&](std::span<const Event>) -> etl::Result<void> {
      if (++loads == 40) return etl::failure(etl::fatal("broken"));
      return {};
    };
    REQUIRE(etl::run(pipeline, options).outcome == etl::Outcome::Failed);
    const auto before = pipeline.log->loaded;
    pipeline.before_load = nullptr;
    REQUIRE(etl::run(pipeline, options).ok());
    std::map<std::uint32_t, std::set<std::uint64_t>> seen, wanted;
    for (const auto& [key, seqs] : pipeline.log->loaded) seen[key].insert(seqs.begin(), seqs.end());
    for (const auto& [key, seqs] : pipeline.expected()) wanted[key].insert(seqs.begin(), seqs.end());
    CHECK(seen == wanted);  // nothing is lost
  }
}

TEST_CASE("order ByKey needs a key") {
  struct Keyless {
    void extract(etl::Emitter<int>&) {}
    void load(std::span<const int>) const {}
  };
  const auto report = etl::run(Keyless{}, {.order = etl::Order::ByKey});
  REQUIRE(report.outcome == etl::Outcome::Failed);
  CHECK(report.errors[0].error.code == etl::Errc::InvalidOptions);
  CHECK(report.errors[0].text().find("key(const E&)") != std::string::npos);
}

TEST_CASE("order ByKey of items that are loaded as they are, and of loads that take turns") {
  struct Plain {
    std::vector<int>* loaded;
    std::mutex* mutex;
    int key(const int& n) const { return n % 3; }
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 300; ++i) out.push(i);
    }
    void load(std::span<const int> batch) const {
      const std::lock_guard lock(*mutex);
      loaded->insert(loaded->end(), batch.begin(), batch.end());
    }
  };
  struct InTurn : Plain {
    void load(std::span<const int> batch) { loaded->insert(loaded->end(), batch.begin(), batch.end()); }
  };
  std::mutex mutex;
  std::vector<int> loaded, in_turn;
  REQUIRE(etl::run(Plain{&loaded, &mutex}, {.batch_size = 16, .workers = 3, .order = etl::Order::ByKey}).ok());
  REQUIRE(etl::run(InTurn{{&in_turn, &mutex}}, {.batch_size = 16, .workers = 3, .order = etl::Order::ByKey}).ok());
  for (int key = 0; key < 3; ++key) {
    std::vector<int> mine;
    std::ranges::copy_if(loaded, std::back_inserter(mine), [key](int n) { return n % 3 == key; });
    CHECK(mine.size() == 100);
    CHECK(std::ranges::is_sorted(mine));
  }
  CHECK(in_turn.size() == 300);
  CHECK(std::ranges::is_sorted(in_turn));
}

TEST_CASE("G18: a key that is a C string is its text, wherever that stands") {
  struct Named {
    std::string name;
    std::uint64_t seq;
  };
  struct ByName {
    std::mutex* mutex;
    std::vector<std::size_t>* calls;  // how many items each load had
    void extract(etl::Emitter<Named>& out) const {
      for (std::uint64_t i = 0; i < 64; ++i)
        if (!out.push({"one and the same name", i})) return;
    }
    const char* key(const Named& item) const { return item.name.c_str(); }
    void load(std::span<const Named> batch) const {
      const std::lock_guard lock(*mutex);
      calls->push_back(batch.size());
    }
  };
  std::mutex mutex;
  std::vector<std::size_t> calls;
  REQUIRE(etl::run(ByName{&mutex, &calls}, {.batch_size = 64, .workers = 3, .order = etl::Order::ByKey}).ok());
  CHECK(calls == std::vector<std::size_t>{64});  // one lane
}

}  // namespace order_by_key_test
