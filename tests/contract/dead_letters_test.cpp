// G7: what is set aside is durable before it counts, carries everything, and is counted exactly.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <etl/run.hpp>
#include <etl/testing/faults.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/sync.hpp"

namespace dead_letters_test {

using etl::testing::Faults;
using etl::testing::FaultyDeadLetters;
using etl::testing::MemoryCheckpoints;
using etl::testing::MemoryDeadLetters;
using etl::testing::MemorySink;

namespace {

/// Every `bad_every`th number is bad; `load` finds out about those that are odd.
struct Numbers {
  using position = std::uint64_t;
  std::uint64_t count;
  std::uint64_t bad_every;
  MemorySink<std::uint64_t>& sink;
  Faults& faults;

  bool bad(std::uint64_t n) const { return n % bad_every == bad_every - 1; }
  void extract(etl::Emitter<std::uint64_t>& out) {
    for (std::uint64_t i = 0; i < count; ++i) {
      if (!out.push(i)) return;
      out.mark(etl::Position(i + 1));
    }
  }
  std::string fingerprint() const { return "numbers"; }
  std::string describe(const std::uint64_t& n) const { return "number " + std::to_string(n); }
  etl::Result<std::uint64_t> transform(const std::uint64_t& n) const {
    if (bad(n) && n % 2 == 0) {
      etl::Error error = etl::rejected("even and bad");
      error.cause = std::make_shared<const etl::Error>(etl::rejected("the cause"));
      return etl::failure(std::move(error));
    }
    return n;
  }
  etl::Result<void> load(std::span<const std::uint64_t> batch, etl::BatchContext& context) const {
    std::vector<std::uint64_t> good;
    for (std::size_t i = 0; i < batch.size(); ++i)
      bad(batch[i]) ? context.reject(i, "odd and bad") : good.push_back(batch[i]);
    return sink.write(good, faults);
  }
};

/// Letters in a store of their own, which the test's faults stand before.
struct World {
  MemorySink<std::uint64_t> sink{};
  MemoryDeadLetters letters{};
  std::shared_ptr<MemoryCheckpoints> checkpoints = std::make_shared<MemoryCheckpoints>();

  etl::RunReport run(Faults& faults, etl::Options options, std::uint64_t count, std::uint64_t bad_every) {
    options.errors.dead_letters = std::make_shared<FaultyDeadLetters>(letters, faults);
    options.delivery.checkpoints = checkpoints;
    options.delivery.save_every = {};
    options.name = "numbers";
    return etl::run(Numbers{count, bad_every, sink, faults}, options);
  }
  std::set<std::uint64_t> letter_seqs() const {
    std::set<std::uint64_t> seqs;
    for (const etl::DeadLetter& letter : letters.letters()) seqs.insert(letter.seq);
    return seqs;
  }
};

etl::Options in_virtual_time(std::uint64_t seed, std::uint64_t max_rejects) {
  etl::Options options{.batch_size = 7, .workers = 3};
  options.errors.max_rejects = max_rejects;
  options.executor = etl::Executor(std::make_shared<etl::testing::VirtualExecutor>(seed));
  return options;
}

}  // namespace

TEST_CASE("G7: a failing dead-letter store stops the run, and no reject is settled without its letter") {
  constexpr std::uint64_t count = 100, bad_every = 5;
  for (const bool done_and_unheard : {false, true})
    for (std::uint64_t call = 1; call <= 8; ++call)
      for (std::uint64_t seed = 0; seed < 10; ++seed) {
        CAPTURE(done_and_unheard, call, seed);
        World world;
        Faults faults;
        done_and_unheard ? faults.fail_after("write letters", call, etl::fatal("disk full"))
                         : faults.fail("write letters", call, etl::fatal("disk full"));
        const etl::RunReport failed = world.run(faults, in_virtual_time(seed, count), count, bad_every);
        REQUIRE(failed.outcome == etl::Outcome::Failed);
        REQUIRE(failed.errors[0].stage == etl::Stage::DeadLetter);
        CHECK(failed.items.balanced());
        CHECK(failed.items.rejected <= world.letter_seqs().size());

        Faults none;
        const etl::RunReport rest = world.run(none, in_virtual_time(seed, count), count, bad_every);
        REQUIRE(rest.ok());
        const auto rows = world.sink.rows();
        CHECK(world.letter_seqs().size() == count / bad_every);
        CHECK(std::set(rows.begin(), rows.end()).size() == count - count / bad_every);
      }
}

TEST_CASE("G7: a letter says what the item was, what is wrong with it and why, and where it came from") {
  World world;
  Faults none;
  const etl::RunReport report = world.run(none, in_virtual_time(1, 10), 20, 5);
  REQUIRE(report.outcome == etl::Outcome::CompletedWithRejects);
  const auto letters = world.letters.letters();
  REQUIRE(letters.size() == 4);  // 4, 9, 14, 19
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const etl::DeadLetter& letter = letters[i];
    const std::uint64_t n = 5 * i + 4;
    CAPTURE(n);
    CHECK(letter.seq == n);
    CHECK(letter.batch >= n / 10);  // a time-out may have cut one short
    CHECK(letter.batch < report.flushes.total());
    CHECK(letter.payload == "number " + std::to_string(n));
    CHECK(letter.pipeline == "numbers");
    CHECK(letter.run == report.run);
    CHECK(letter.attempts == 1);
    CHECK(letter.stage == (n % 2 == 0 ? etl::Stage::Transform : etl::Stage::Load));
    CHECK(letter.errors == (n % 2 == 0 ? std::vector<std::string>{"even and bad", "the cause"}
                                       : std::vector<std::string>{"odd and bad"}));
    CHECK(letter.position.has_value());
    CHECK(letter.time.time_since_epoch().count() > 0);
  }
}

TEST_CASE("G7: transform and load draw on one budget, exact with many workers at once") {
  const test::Watchdog watchdog("the reject budget");
  constexpr std::uint64_t count = 20'000, bad_every = 10, budget = 150;
  for (int round = 0; round < 10; ++round) {
    World world;
    Faults none;
    etl::Options options{.batch_size = 16, .workers = 8};
    options.errors.max_rejects = budget;
    const etl::RunReport report = world.run(none, options, count, bad_every);
    REQUIRE(report.outcome == etl::Outcome::Failed);
    REQUIRE(report.errors[0].error.code == etl::Errc::RejectBudget);
    CHECK(report.items.balanced());
    CHECK(report.items.rejected <= budget);
    CHECK(report.items.rejected == world.letter_seqs().size());

    options.errors.max_rejects = count / bad_every;  // just enough
    World enough;
    CHECK(enough.run(none, options, count, bad_every).items.rejected == count / bad_every);
  }
}

TEST_CASE("G7: what is rejected of other pipelines, partitions and places has letters of its own") {
  struct Same {  // items that cannot be told apart
    std::vector<std::string> files;
    std::string fingerprint() const { return "the same"; }
    const std::vector<std::string>& partitions() const { return files; }
    std::string partition_fingerprint(const std::string&) const { return "the same"; }
    void extract(const std::string&, etl::Emitter<int>& out) const {
      for (int i = 0; i < 3; ++i) out.push(7);
    }
    etl::Result<int> transform(const int&) const { return etl::failure(etl::rejected("bad")); }
    void load(std::span<const int>) const {}
  };
  const auto letters = std::make_shared<MemoryDeadLetters>();
  const auto run = [&](const std::string& name, std::vector<std::string> files) {
    etl::Options options = in_virtual_time(1, 100);
    options.errors.dead_letters = letters;
    options.name = name;
    CHECK(etl::run(Same{std::move(files)}, options).outcome == etl::Outcome::CompletedWithRejects);
    return letters->letters().size();
  };
  CHECK(run("sales", {"a"}) == 3);
  CHECK(run("sales", {"a", "b"}) == 6);
  CHECK(run("returns", {"a"}) == 9);
  CHECK(run("sales", {"b", "a"}) == 9);  // rejected once more
}

TEST_CASE("G2 G7: rejects of a batch that is lost are lost with it, where their letters were to be written") {
  struct Two {  // batch 1 has a reject, and waits for its turn until batch 0 has failed
    std::shared_ptr<etl::testing::VirtualExecutor> clock;
    void extract(etl::Emitter<int>& out) const {
      for (int i = 0; i < 10; ++i) out.push(i);
    }
    etl::Result<int> transform(const int& n) const {
      if (n == 7) return etl::failure(etl::rejected("bad"));
      return n;
    }
    etl::Result<void> load(std::span<const int>) const {
      for (int i = 0; i < 20; ++i) clock->yield();
      return etl::failure(etl::fatal("broken"));
    }
  };
  for (const bool with_letters : {false, true}) {
    int told = 0;
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
      CAPTURE(with_letters, seed);
      const auto clock = std::make_shared<etl::testing::VirtualExecutor>(seed);
      const auto letters = std::make_shared<MemoryDeadLetters>();
      etl::Options options{.batch_size = 5, .workers = 3, .order = etl::Order::Source};
      options.executor = etl::Executor(clock);
      options.errors.max_rejects = 5;
      if (with_letters) options.errors.dead_letters = letters;
      std::uint64_t rejects = 0;
      options.errors.on_reject = [&](const etl::Rejection&) { ++rejects; };
      const auto report = etl::run(Two{clock}, options);
      CHECK(report.outcome == etl::Outcome::Failed);
      CHECK(letters->letters().empty());
      CHECK(report.items.rejected == (with_letters ? 0 : rejects));
      told += static_cast<int>(rejects);
    }
    CHECK(told > 0);
  }
}

namespace {
struct Consumer {
  static constexpr bool acknowledges = true;
  int* acknowledged;
  std::string fingerprint() const { return "queue"; }
  std::string serialize(const std::string& message) const { return message; }
  void extract(etl::Emitter<std::string>& out) const {
    out.retain(std::make_shared<int>(), [sum = acknowledged](bool settled) { *sum += settled ? 1 : 0; });
    if (out.push("charge customer 7: 1 EUR")) out.mark(etl::Position(std::uint64_t{1}));
  }
  void load(std::span<const std::string>, etl::BatchContext& context) const { context.reject(0, "down"); }
};
}  // namespace

TEST_CASE("G7 G13: equal messages that a source gives to two runs, and acknowledges, have a letter each") {
  const auto letters = std::make_shared<MemoryDeadLetters>();
  etl::Options options{.name = "billing", .errors = {.max_rejects = 1, .dead_letters = letters}};
  int acknowledged = 0;
  for (int run = 0; run < 3; ++run) CHECK(etl::run(Consumer{&acknowledged}, options).ok());
  CHECK(acknowledged == 3);
  CHECK(letters->letters().size() == 3);
}

}  // namespace dead_letters_test
