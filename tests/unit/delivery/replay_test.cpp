#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <etl/delivery/replay.hpp>
#include <etl/run.hpp>
#include <etl/testing/crash_points.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"

namespace replay_test {

using etl::testing::MemoryDeadLetters;

namespace {

/// Rejects multiples of 3 below `fixed_from`, and "unreadable" ones altogether.
struct Numbers {
  std::uint64_t fixed_from = 100;
  std::vector<std::uint64_t>* loaded;
  std::optional<std::uint64_t> broken_at{};

  void extract(etl::Emitter<std::uint64_t>& out) {
    for (std::uint64_t i = 0; i < 10; ++i)
      if (!out.push(i)) return;
  }
  std::string describe(const std::uint64_t& n) const { return std::to_string(n); }
  etl::Result<std::uint64_t> restore(std::string_view payload) const { return std::stoull(std::string(payload)); }
  etl::Result<std::uint64_t> transform(const std::uint64_t& n) const {
    if (n % 3 == 0 && n < fixed_from) return etl::failure(etl::rejected("divisible by 3"));
    return n;
  }
  etl::Result<void> load(std::span<const std::uint64_t> batch) {
    if (broken_at && std::ranges::find(batch, *broken_at) != batch.end()) return etl::failure(etl::fatal("broken"));
    loaded->insert(loaded->end(), batch.begin(), batch.end());
    return {};
  }
};

etl::Options options(std::shared_ptr<etl::DeadLetterStore> letters) {
  etl::Options options{.name = "numbers", .batch_size = 2, .workers = 1};
  options.errors.max_rejects = 10;
  options.errors.dead_letters = std::move(letters);
  return options;
}

std::vector<std::uint64_t> seqs(const MemoryDeadLetters& letters) {
  std::vector<std::uint64_t> found;
  for (const etl::DeadLetter& letter : letters.letters()) found.push_back(letter.seq);
  return found;
}

}  // namespace

TEST_CASE("replay loads dead letters that are good now, and keeps the others with their new reason") {
  std::vector<std::uint64_t> loaded;
  auto letters = std::make_shared<MemoryDeadLetters>();
  const etl::RunReport report = etl::run(Numbers{.loaded = &loaded}, options(letters));
  REQUIRE(report.outcome == etl::Outcome::CompletedWithRejects);
  REQUIRE(seqs(*letters) == std::vector<std::uint64_t>{0, 3, 6, 9});
  CHECK(letters->letters()[1].payload == "3");
  CHECK(letters->letters()[1].run == report.run);
  CHECK(letters->letters()[1].attempts == 1);

  loaded.clear();
  const etl::RunReport again = etl::replay(Numbers{.fixed_from = 4, .loaded = &loaded}, *letters, options(letters));
  CHECK(again.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(again.items.extracted == 4);
  std::ranges::sort(loaded);
  CHECK(loaded == std::vector<std::uint64_t>{6, 9});
  REQUIRE(seqs(*letters) == std::vector<std::uint64_t>{0, 3});
  CHECK(letters->letters()[0].attempts == 2);
}

TEST_CASE("G7: letters hold what serialize returns, and people read what describe returns") {
  struct Named : Numbers {
    static std::string describe(const std::uint64_t& n) { return "the number " + std::to_string(n); }
    static std::string serialize(const std::uint64_t& n) { return "n=" + std::to_string(n); }
    static std::uint64_t deserialize(std::string_view payload) { return std::stoull(std::string(payload.substr(2))); }
  };
  std::vector<std::uint64_t> loaded;
  auto letters = std::make_shared<MemoryDeadLetters>();
  std::vector<std::string> told;
  etl::Options own = options(letters);
  own.errors.on_reject = [&](const etl::Rejection& r) { told.emplace_back(r.description); };
  REQUIRE(etl::run(Named{{.loaded = &loaded}}, own).outcome == etl::Outcome::CompletedWithRejects);
  CHECK(told == std::vector<std::string>{"the number 0", "the number 3", "the number 6", "the number 9"});
  REQUIRE(letters->letters().size() == 4);
  CHECK(letters->letters()[1].payload == "n=3");
  loaded.clear();
  CHECK(etl::replay(Named{{.fixed_from = 0, .loaded = &loaded}}, *letters, options(letters)).ok());
  std::ranges::sort(loaded);
  CHECK(loaded == std::vector<std::uint64_t>{0, 3, 6, 9});
  CHECK(letters->letters().empty());
}

TEST_CASE("a replay that fails forgets only what it has loaded") {
  std::vector<std::uint64_t> loaded;
  auto letters = std::make_shared<MemoryDeadLetters>();
  REQUIRE(etl::run(Numbers{.loaded = &loaded}, options(letters)).ok());
  loaded.clear();
  etl::Options one_at_a_time = options(letters);
  one_at_a_time.batch_size = 1;
  one_at_a_time.order = etl::Order::Source;
  const auto failed = etl::replay(Numbers{.fixed_from = 0, .loaded = &loaded, .broken_at = 6}, *letters, one_at_a_time);
  CHECK(failed.outcome == etl::Outcome::Failed);
  CHECK(loaded == std::vector<std::uint64_t>{0, 3});
  CHECK(seqs(*letters) == std::vector<std::uint64_t>{6, 9});
}

TEST_CASE("G7: a letter without payload is refused by its id, before anything is loaded") {
  std::vector<std::uint64_t> loaded;
  MemoryDeadLetters letters;
  const etl::DeadLetter made[] = {{.id = "good", .pipeline = "numbers", .seq = 1, .payload = "7"},
                                  {.id = "empty-handed", .pipeline = "numbers", .seq = 2}};
  REQUIRE(letters.write(made));
  const auto refused = etl::replay(Numbers{.loaded = &loaded}, letters, {.name = "numbers"});
  REQUIRE(refused.outcome == etl::Outcome::Failed);
  CHECK(refused.errors[0].error.code == etl::Errc::NoPayload);
  CHECK(refused.errors[0].text().find("empty-handed") != std::string::npos);
  CHECK(loaded.empty());
  CHECK(letters.letters().size() == 2);
}

TEST_CASE("G7: a letter from which no item can be made is named and stays, and the others are replayed") {
  std::vector<std::uint64_t> loaded;
  MemoryDeadLetters letters;
  std::vector<etl::DeadLetter> made;
  for (const char* const payload : {"old format", "7", "another", "8"})
    made.push_back({.id = payload, .pipeline = "numbers", .seq = made.size(), .payload = payload});
  REQUIRE(letters.write(made));
  for (const bool dry_run : {true, false}) {
    etl::Options own{.name = "numbers"};
    own.delivery.dry_run = dry_run;
    const auto report = etl::replay(Numbers{.loaded = &loaded}, letters, own);
    CHECK(report.outcome == etl::Outcome::Failed);
    REQUIRE(report.errors.size() == 2);
    CHECK(report.errors[0].text().find("dead letter old format of 'numbers' cannot be read") != std::string::npos);
    CHECK(report.errors[1].text().find("dead letter another") != std::string::npos);
    CHECK(loaded == (dry_run ? std::vector<std::uint64_t>() : std::vector<std::uint64_t>{7, 8}));
  }
  CHECK(seqs(letters) == std::vector<std::uint64_t>{0, 2});
}

TEST_CASE(
    "G7 G8 G10: an error of deserialize that may pass ends the replay, a stop ends it at once, hooks hear the "
    "outcome") {
  struct Reads : Numbers {
    int* reads;
    etl::StopSource* stop;
    etl::Outcome* heard;
    etl::Result<std::uint64_t> restore(std::string_view payload) const {
      if (++*reads == 2 && stop != nullptr) stop->request_drain();
      if (payload == "503") return etl::failure(etl::transient("the service is away"));
      return std::stoull(std::string(payload));
    }
    void post_process(const etl::RunReport& report) const { *heard = report.outcome; }
  };
  int reads = 0;
  std::vector<std::uint64_t> loaded;
  MemoryDeadLetters letters;
  const auto write = [&](std::initializer_list<const char*> payloads) {
    std::vector<etl::DeadLetter> made;
    for (const char* const payload : payloads)
      made.push_back({.id = payload, .pipeline = "numbers", .seq = made.size(), .payload = payload});
    REQUIRE(letters.write(made));
  };
  etl::StopSource stop;
  etl::Outcome heard{};
  write({"1", "2", "4"});
  CHECK(etl::replay(Reads{{.loaded = &loaded}, &reads, &stop, &heard}, letters, {.name = "numbers"}, stop.stop_token())
            .outcome == etl::Outcome::Cancelled);
  CHECK(reads == 2);
  write({"503", "old format"});
  const auto away = etl::replay(Reads{{.loaded = &loaded}, &reads, nullptr, &heard}, letters, {.name = "numbers"});
  CHECK(away.errors[0].error.error_class == etl::ErrorClass::Transient);
  CHECK(away.errors[0].text().find("purge") == std::string::npos);
  REQUIRE(letters.purge(std::vector<std::string>{"503"}));
  const auto left = etl::replay(Reads{{.loaded = &loaded}, &reads, nullptr, &heard}, letters, {.name = "numbers"});
  CHECK(left.outcome == etl::Outcome::Failed);
  CHECK(heard == etl::Outcome::Failed);
  // Also if a stop comes after the letter that cannot be read (G1).
  etl::StopSource later;
  reads = 0;
  write({"old format", "5", "7", "8"});
  const auto stopped =
      etl::replay(Reads{{.loaded = &loaded}, &reads, &later, &heard}, letters, {.name = "numbers"}, later.stop_token());
  CHECK(stopped.outcome == etl::Outcome::Failed);
  CHECK(heard == etl::Outcome::Failed);
  CHECK(reads == 2);
}

TEST_CASE("G5 G7 G8: deleting the letters of a replay is tried again, and post_process hears whether it has failed") {
  struct Heard : Numbers {
    etl::Outcome* heard;
    void post_process(const etl::RunReport& report) const { *heard = report.outcome; }
  };
  std::vector<std::uint64_t> loaded;
  etl::Outcome heard{};
  for (const std::uint64_t failures : {2U, 3U}) {
    MemoryDeadLetters real;
    const etl::DeadLetter made[] = {{.id = "a", .pipeline = "numbers", .seq = 0, .payload = "1"},
                                    {.id = "b", .pipeline = "numbers", .seq = 1, .payload = "2"}};
    REQUIRE(real.write(made));
    etl::testing::Faults faults;
    faults.fail("list", 1, etl::transient("away"));
    for (std::uint64_t call = 1; call <= failures; ++call) faults.fail("purge", call, etl::transient("locked"));
    etl::testing::FaultyDeadLetters letters(real, faults);
    etl::Options own{.name = "numbers", .retry = {.max_attempts = 3}};
    own.executor = etl::Executor(std::make_shared<etl::testing::VirtualExecutor>());
    std::vector<std::string> told;
    own.on_retry = [&](const etl::FailedAttempt& attempt) { told.push_back(attempt.error.context); };
    const auto report = etl::replay(Heard{{.loaded = &loaded}, &heard}, letters, own);
    CHECK(report.items.loaded == 2);
    CHECK(heard == report.outcome);
    CHECK(told == std::vector<std::string>{"locked", "locked"});
    if (failures == 2) {
      CHECK(report.outcome == etl::Outcome::Completed);
      CHECK(real.letters().empty());
    } else {
      CHECK(report.outcome == etl::Outcome::Failed);
      CHECK(report.errors.at(0).stage == etl::Stage::DeadLetter);
      CHECK(report.errors[0].text().find("another replay would load these items again") != std::string::npos);
      CHECK(report.next_step.empty());
      CHECK(real.letters().size() == 2);
    }
  }
}

TEST_CASE("G7 G10: a stop that ends the attempts to list the letters cancels the replay") {
  std::vector<std::uint64_t> loaded;
  MemoryDeadLetters real;
  etl::testing::Faults faults;
  etl::StopSource stop;
  faults.fail("list", 1, etl::transient("away"));
  faults.at_each_step([&] { stop.request_drain(); });
  etl::testing::FaultyDeadLetters letters(real, faults);
  const auto report = etl::replay(Numbers{.loaded = &loaded}, letters, {.name = "numbers"}, stop.stop_token());
  CHECK(report.outcome == etl::Outcome::Cancelled);
  CHECK(faults.steps() == 1);
}

TEST_CASE("G7: a replay deletes letters when it loads nothing more, because a sink may share the store's connection") {
  struct Watching : Numbers {
    const MemoryDeadLetters* letters;
    std::vector<std::size_t>* left;
    etl::Result<void> load(std::span<const std::uint64_t> batch) {
      left->push_back(letters->letters().size());
      return Numbers::load(batch);
    }
  };
  std::vector<std::uint64_t> loaded;
  std::vector<std::size_t> left;
  MemoryDeadLetters letters;
  std::vector<etl::DeadLetter> made;
  for (const char* const payload : {"1", "2", "4"})
    made.push_back({.id = payload, .pipeline = "numbers", .seq = made.size(), .payload = payload});
  REQUIRE(letters.write(made));
  etl::Options own{.name = "numbers", .batch_size = 1, .workers = 1};
  own.delivery.save_every = std::chrono::nanoseconds(1);
  CHECK(etl::replay(Watching{{.loaded = &loaded}, &letters, &left}, letters, own).ok());
  CHECK(left == std::vector<std::size_t>{3, 3, 3});
  CHECK(letters.letters().empty());
}

TEST_CASE("G7: a replay needs no source") {
  struct Gone : Numbers {
    static std::string fingerprint() { throw etl::Exception(etl::fatal("no such file")); }
    static std::uint64_t expected_items() { throw etl::Exception(etl::fatal("no such file")); }
  };
  std::vector<std::uint64_t> loaded;
  MemoryDeadLetters letters;
  const etl::DeadLetter made[] = {{.id = "a", .pipeline = "numbers", .seq = 1, .payload = "7"}};
  REQUIRE(letters.write(made));
  CHECK(etl::replay(Gone{{.loaded = &loaded}}, letters, {.name = "numbers"}).outcome == etl::Outcome::Completed);
  CHECK(loaded == std::vector<std::uint64_t>{7});
}

namespace {

/// Loads in a transaction; rejects what is divisible by 3 until it is mended.
struct Stored {
  bool mended = false;
  using position = std::uint64_t;
  std::string fingerprint() const { return "ten numbers"; }
  void extract(etl::Emitter<std::uint64_t>& out) {
    for (std::uint64_t i = 0; i < 10; ++i)
      if (!out.push(i)) return;
  }
  std::string describe(const std::uint64_t& n) const { return std::to_string(n); }
  std::uint64_t restore(std::string_view payload) const { return std::stoull(std::string(payload)); }
  etl::Result<std::uint64_t> transform(const std::uint64_t& n) const {
    if (n % 3 == 0 && !(mended && n > 0)) return etl::failure(etl::rejected("divisible by 3"));
    return n;
  }
  void load(std::span<const std::uint64_t> batch, etl::testing::MemoryTransaction<std::uint64_t>& tx) {
    tx.write(batch);
  }
};
using Store = etl::testing::MemoryStore<std::uint64_t>;

std::vector<std::uint64_t> sorted(std::vector<std::uint64_t> rows) {
  std::ranges::sort(rows);
  return rows;
}

}  // namespace

TEST_CASE("G7: where a letter keeps the item, transform must not move it away") {
  struct Moving : Stored {
    std::uint64_t transform(std::uint64_t&& n) const { return n; }
  };
  Store store;
  Moving pipeline;
  etl::Options own = options(nullptr);
  const auto report = etl::run(etl::with_store(pipeline, store), own);
  REQUIRE(report.outcome == etl::Outcome::Failed);
  CHECK(report.errors[0].text().find("leaves its item untouched") != std::string::npos);
  own.errors.max_rejects.reset();  // then there are no letters
  CHECK(etl::run(etl::with_store(pipeline, store), own).ok());
}

TEST_CASE("G15: a replay through a store loads each letter once, wherever it dies") {
  using namespace etl::testing;
  const auto make = [] {
    auto store = std::make_unique<Store>();
    Stored pipeline;
    REQUIRE(etl::run(etl::with_store(pipeline, *store), options(nullptr)).ok());
    REQUIRE(seqs(store->dead_letters()) == std::vector<std::uint64_t>{0, 3, 6, 9});
    return store;
  };
  const auto replay = [](auto& world, Faults& faults, const etl::Executor& executor) {
    FaultyStore<MemoryTransaction<std::uint64_t>> store(*world, faults);
    Stored pipeline{.mended = true};
    etl::Options own = options(nullptr);
    own.batch_size = 2;
    own.executor = executor;
    return etl::replay(etl::with_store(pipeline, store), world->dead_letters(), own);
  };
  const auto check = [](const auto& world) -> std::string {
    if (sorted(world->rows()) != std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9}) return "other rows";
    const auto letters = world->dead_letters().letters();
    if (letters.size() != 1 || letters[0].seq != 0 || letters[0].attempts < 2) return "other letters";
    return {};
  };
  const auto store = make();
  Faults none;
  const auto executor = std::make_shared<VirtualExecutor>();
  const etl::RunReport report = replay(store, none, etl::Executor(executor));
  CHECK(report.items.loaded == 3);
  CHECK(report.items.rejected == 1);
  CHECK(check(store).empty());
  CHECK_FALSE(store->find("replay of numbers").value().has_value());

  const CrashSummary tried = for_each_crash_point(make, replay, check, {.seeds = 5});
  CHECK(tried.crashes > 50);
}

TEST_CASE("G5 G15: the progress of a replay that stays in a store does not change its outcome") {
  using namespace etl::testing;
  Store store;
  Stored pipeline;
  REQUIRE(etl::run(etl::with_store(pipeline, store), options(nullptr)).ok());
  Faults faults;
  faults.fail("reset", 1, etl::fatal("gone"));
  FaultyStore<MemoryTransaction<std::uint64_t>> faulty(store, faults);
  Stored mended{.mended = true};
  const auto report = etl::replay(etl::with_store(mended, faulty), store.dead_letters(), options(nullptr));
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.text().find("the progress of 'replay of numbers' is still in the store") != std::string::npos);
}

TEST_CASE("G7: a replay through a store forgets letters whose items transform drops now, as one without does") {
  struct Dropping : Stored {
    std::optional<std::uint64_t> transform(const std::uint64_t&) const { return std::nullopt; }
  };
  Store store;
  Stored pipeline;
  REQUIRE(etl::run(etl::with_store(pipeline, store), options(nullptr)).ok());
  REQUIRE(store.dead_letters().letters().size() == 4);

  Dropping dropping;
  const etl::RunReport report = etl::replay(etl::with_store(dropping, store), store.dead_letters(), options(nullptr));
  CHECK(report.outcome == etl::Outcome::Completed);
  CHECK(report.items.filtered == 4);
  CHECK(store.dead_letters().letters().empty());
}

TEST_CASE("G17: a dry run of a replay transforms and reports, and changes nothing") {
  std::vector<std::uint64_t> loaded;
  auto letters = std::make_shared<MemoryDeadLetters>();
  REQUIRE(etl::run(Numbers{.loaded = &loaded}, options(letters)).ok());
  loaded.clear();
  etl::Options dry = options(letters);
  dry.delivery.dry_run = true;
  std::uint64_t told = 0;
  dry.errors.on_reject = [&told](const etl::Rejection&) { ++told; };
  const etl::RunReport report = etl::replay(Numbers{.fixed_from = 4, .loaded = &loaded}, *letters, dry);
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.items == etl::ItemLedger{.extracted = 4, .loaded = 2, .rejected = 2});
  CHECK(told == 2);
  CHECK(loaded.empty());
  REQUIRE(seqs(*letters) == std::vector<std::uint64_t>{0, 3, 6, 9});
  for (const etl::DeadLetter& letter : letters->letters()) CHECK(letter.attempts == 1);
}

TEST_CASE("G17: a dry run of a replay through a store changes nothing there") {
  Store store;
  Stored pipeline;
  REQUIRE(etl::run(etl::with_store(pipeline, store), options(nullptr)).ok());
  const auto rows = store.rows();
  REQUIRE(store.save("replay of numbers", {}));  // of a replay that broke off
  etl::Options dry = options(nullptr);
  dry.delivery.dry_run = true;
  pipeline.mended = true;
  const etl::RunReport report = etl::replay(etl::with_store(pipeline, store), store.dead_letters(), dry);
  CHECK(report.items == etl::ItemLedger{.extracted = 4, .loaded = 3, .rejected = 1});
  CHECK(store.rows() == rows);
  CHECK(seqs(store.dead_letters()) == std::vector<std::uint64_t>{0, 3, 6, 9});
  CHECK(store.find("replay of numbers").value() == etl::Checkpoint());
}

TEST_CASE("G15: a replay takes over from a killed one before it lists letters, and tries that again") {
  using namespace etl::testing;
  struct Watched final : etl::DeadLetterStore {
    Watched(Store& watched, std::string& told) : store(watched), owner(told) {}
    Store& store;
    std::string& owner;
    etl::Result<void> list(const std::string& name, const std::function<bool(const etl::DeadLetter&)>& each) override {
      owner = store.find("replay of numbers").value().value_or(etl::Checkpoint()).run;
      return store.dead_letters().list(name, each);
    }
    etl::Result<void> write(std::span<const etl::DeadLetter> all) override { return store.dead_letters().write(all); }
    etl::Result<std::size_t> purge(std::span<const std::string> ids) override {
      return store.dead_letters().purge(ids);
    }
  };
  for (const etl::Error& error : {etl::transient("busy"), etl::fatal("cannot be read")}) {
    Store store;
    Stored pipeline;
    REQUIRE(etl::run(etl::with_store(pipeline, store), options(nullptr)).ok());
    REQUIRE(store.save("replay of numbers", {.run = "killed"}));
    std::string owner;
    Watched letters(store, owner);
    Faults faults;
    faults.fail("claim", 1, error);
    FaultyStore<MemoryTransaction<std::uint64_t>> faulty(store, faults);
    Stored mended{.mended = true};
    etl::Options own = options(nullptr);
    own.retry.initial_delay = std::chrono::nanoseconds(1);
    CHECK(etl::replay(etl::with_store(mended, faulty), letters, own).items.loaded == 3);
    CHECK((owner == "killed") == (error.error_class == etl::ErrorClass::Fatal));
    own.retry = etl::RetryPolicy::none();
    Faults again;
    again.fail("claim", 1, error);
    FaultyStore<MemoryTransaction<std::uint64_t>> once(store, again);
    CHECK((etl::replay(etl::with_store(mended, once), letters, own).outcome == etl::Outcome::Failed) ==
          (error.error_class == etl::ErrorClass::Transient));
  }
}

TEST_CASE("G7: a replay that does not say whose letters it means is refused") {
  std::vector<std::uint64_t> loaded;
  MemoryDeadLetters letters;
  const etl::DeadLetter made[] = {{.id = "a", .pipeline = "numbers", .seq = 1, .payload = "7"},
                                  {.id = "b", .pipeline = "others", .seq = 2, .payload = "8"}};
  REQUIRE(letters.write(made));
  Store store;
  REQUIRE(store.dead_letters().write(made));
  Stored stored;
  for (const etl::RunReport& refused : {etl::replay(Numbers{.loaded = &loaded}, letters),
                                        etl::replay(etl::with_store(stored, store), store.dead_letters())}) {
    REQUIRE(refused.outcome == etl::Outcome::Failed);
    CHECK(refused.errors[0].error.code == etl::Errc::InvalidOptions);
    CHECK(refused.exit_code() == 2);
  }
  CHECK(loaded.empty());
  CHECK(store.rows().empty());
  CHECK(letters.letters().size() == 2);
  CHECK(store.dead_letters().letters().size() == 2);
}

TEST_CASE("replay: G7 a letter that was loaded is forgotten, also when one before it failed") {
  struct Late : Numbers {  // letter 0 fails when those after it are loaded
    std::shared_ptr<etl::testing::VirtualExecutor> clock;
    etl::Result<void> load(std::span<const std::uint64_t> batch) const {
      if (batch[0] != 0) return loaded->insert(loaded->end(), batch.begin(), batch.end()), etl::Result<void>();
      for (int i = 0; i < 1000 && loaded->size() < 2; ++i) clock->yield();
      return etl::failure(etl::fatal("broken"));
    }
  };
  std::vector<std::uint64_t> loaded;
  auto letters = std::make_shared<MemoryDeadLetters>();
  REQUIRE(etl::run(Numbers{.loaded = &loaded}, options(letters)).items.rejected == 4);
  loaded.clear();
  Late late;
  late.fixed_from = 0;
  late.loaded = &loaded;
  late.clock = std::make_shared<etl::testing::VirtualExecutor>(4);
  etl::Options own = options(letters);
  own.batch_size = 1;
  own.workers = 3;
  own.executor = etl::Executor(late.clock);
  const auto report = etl::replay(late, *letters, own);
  CHECK(report.outcome == etl::Outcome::Failed);
  REQUIRE(loaded.size() >= 2);
  const auto left = seqs(*letters);
  CHECK(left.size() + loaded.size() == 4);
  for (const std::uint64_t n : loaded) CHECK(std::ranges::find(left, n) == left.end());
}

namespace {

/// Makes three results of each item, and loads those that `bad` does not have. `width` is changed for a transform that
/// makes another number of results.
struct Triples {
  std::set<std::string> bad{};
  std::size_t width = 3;
  using position = std::uint64_t;
  std::string fingerprint() const { return "triples"; }
  void extract(etl::Emitter<std::uint64_t>& out) const {
    for (std::uint64_t i = 0; i < 4; ++i)
      if (!out.push(i)) return;
  }
  std::string serialize(const std::uint64_t& n) const { return std::to_string(n); }
  std::uint64_t deserialize(std::string_view payload) const { return std::stoull(std::string(payload)); }
  void transform(const std::uint64_t& n, etl::Out<std::string>& out) const {
    for (std::size_t i = 0; i < width; ++i) out.push(std::to_string(n) + "abcdef"[i]);
  }
  std::vector<std::string> load_good(std::span<const std::string> batch, etl::BatchContext& context) const {
    std::vector<std::string> good;
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (bad.contains(batch[i]))
        context.reject(i, etl::rejected(batch[i]));
      else
        good.push_back(batch[i]);
    return good;
  }
};
struct PlainTriples : Triples {
  std::vector<std::string>* rows = nullptr;
  void load(std::span<const std::string> batch, etl::BatchContext& context) {
    for (std::string& row : load_good(batch, context)) rows->push_back(std::move(row));
  }
};
using TriplesStore = etl::testing::MemoryStore<std::string>;
struct StoredTriples : Triples {
  void load(std::span<const std::string> batch, etl::BatchContext& context,
            etl::testing::MemoryTransaction<std::string>& tx) {
    tx.write(load_good(batch, context));
  }
};

/// What the run and the replays of a pipeline with these faults load, and the letters, through a store or without one.
class Replays {
 public:
  explicit Replays(bool stored) : stored_(stored) {}
  etl::RunReport run(std::set<std::string> bad) {
    if (stored_) return etl::run(etl::with_store(StoredTriples{{std::move(bad)}}, store_), options(nullptr));
    return etl::run(PlainTriples{{std::move(bad)}, &rows_}, options(letters_));
  }
  etl::RunReport replay(std::set<std::string> bad, std::size_t width = 3) {
    if (stored_)
      return etl::replay(etl::with_store(StoredTriples{{std::move(bad), width}}, store_), store_.dead_letters(),
                         options(nullptr));
    return etl::replay(PlainTriples{{std::move(bad), width}, &rows_}, *letters_, options(letters_));
  }
  [[nodiscard]] std::string rows() const {
    std::vector<std::string> rows = stored_ ? store_.rows() : rows_;
    std::ranges::sort(rows);
    std::string text;
    for (const std::string& row : rows) text += row + ' ';
    return text;
  }
  [[nodiscard]] std::vector<etl::DeadLetter> letters() {
    return stored_ ? store_.dead_letters().letters() : letters_->letters();
  }

 private:
  bool stored_;
  std::vector<std::string> rows_;
  std::shared_ptr<MemoryDeadLetters> letters_ = std::make_shared<MemoryDeadLetters>();
  TriplesStore store_;
};

}  // namespace

TEST_CASE("G7 G15: a replay loads only those results of an item that are not loaded yet") {
  for (const bool stored : {false, true}) {
    Replays one(stored);
    CHECK(one.run({"1b", "2a", "2b", "2c", "3a", "3c"}).items.rejected == 3);
    CHECK(one.rows() == "0a 0b 0c 1a 1c 3b ");
    REQUIRE(one.letters().size() == 3);
    CHECK(one.letters()[0].results == 3);
    CHECK(one.letters()[0].loaded.ranges() == std::vector<etl::SeqRange>{{0, 1}, {2, 3}});
    CHECK(one.letters()[1].results == 0);  // nothing of it is loaded
    CHECK(one.letters()[1].loaded.empty());
    CHECK(one.letters()[2].loaded.ranges() == std::vector<etl::SeqRange>{{1, 2}});

    const etl::RunReport again = one.replay({"2b", "3a"});
    CHECK(again.results.produced == 6);
    CHECK(again.results.committed == 4);
    CHECK(again.rejects_at == "dead letters of 'numbers'");
    CHECK(one.rows() == "0a 0b 0c 1a 1b 1c 2a 2c 3b 3c ");
    REQUIRE(one.letters().size() == 2);
    CHECK(one.letters()[0].loaded.ranges() == std::vector<etl::SeqRange>{{0, 1}, {2, 3}});
    CHECK(one.letters()[1].loaded.ranges() == std::vector<etl::SeqRange>{{1, 3}});
    for (const etl::DeadLetter& letter : one.letters()) {
      CHECK(letter.results == 3);
      CHECK(letter.attempts == 2);
      CHECK(letter.replays == 1);
    }
    CHECK(one.replay({}).ok());
    CHECK(one.rows() == "0a 0b 0c 1a 1b 1c 2a 2b 2c 3a 3b 3c ");
    CHECK(one.letters().empty());
  }
}

TEST_CASE("G7: a replay rejects an item of which some results are loaded if it has another number of results now") {
  for (const bool stored : {false, true}) {
    Replays one(stored);
    CHECK(one.run({"1b", "2a", "2b", "2c"}).items.rejected == 2);
    const etl::RunReport again = one.replay({}, 2);
    CHECK(again.items.rejected == 1);
    CHECK(one.rows() == "0a 0b 0c 1a 1c 2a 2b 3a 3b 3c ");
    REQUIRE(one.letters().size() == 1);
    CHECK(one.letters()[0].stage == etl::Stage::Transform);
    CHECK(one.letters()[0].errors[0].find("makes 2 results of this item, and made 3") != std::string::npos);
    CHECK(one.letters()[0].results == 3);
    CHECK(one.replay({}).ok());
    CHECK(one.rows() == "0a 0b 0c 1a 1b 1c 2a 2b 3a 3b 3c ");
  }
}

TEST_CASE("G7: half loaded items are not filtered away, and a pipeline that makes one result does not replay them") {
  for (const bool stored : {false, true}) {
    Replays one(stored);
    CHECK(one.run({"1b"}).items.rejected == 1);
    const etl::RunReport again = one.replay({}, 0);
    CHECK(again.items.rejected == 1);
    REQUIRE(one.letters().size() == 1);
    CHECK(one.letters()[0].errors[0].find("makes 0 results of this item, and made 3") != std::string::npos);
    CHECK(one.letters()[0].replays == 0);  // no load was called under its key
  }
  struct Whole {
    std::vector<std::uint64_t>* loaded;
    void extract(etl::Emitter<std::uint64_t>&) const {}
    std::uint64_t deserialize(std::string_view payload) const { return std::stoull(std::string(payload)); }
    void load(std::span<const std::uint64_t> batch) { loaded->insert(loaded->end(), batch.begin(), batch.end()); }
  };
  MemoryDeadLetters letters;
  etl::DeadLetter half{.id = "half", .pipeline = "whole", .payload = "7", .results = 3};
  half.loaded.add({0, 1});
  REQUIRE(letters.write(std::span(&half, 1)));
  std::vector<std::uint64_t> loaded;
  const etl::RunReport refused = etl::replay(Whole{&loaded}, letters, {.name = "whole"});
  REQUIRE(refused.outcome == etl::Outcome::Failed);
  CHECK(refused.errors[0].text().find("dead letter half") != std::string::npos);
  CHECK(refused.errors[0].text().find("replay it with the former transform") != std::string::npos);
  CHECK(loaded.empty());
  CHECK(letters.letters().size() == 1);
}

TEST_CASE("G7 G16: the key of a replayed letter changes only when a replay rejects it again") {
  etl::DeadLetter letter{.id = "a", .attempts = 1};
  const std::string name = etl::detail::item_id(letter);
  letter.attempts = 7;  // a resumed run has tried the item more often
  CHECK(etl::detail::item_id(letter) == name);
  letter.replays = 1;
  CHECK(etl::detail::item_id(letter) != name);
}

}  // namespace replay_test
