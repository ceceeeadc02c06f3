// G2, G7, G13 to G16 at every step of thousands of schedules: what is lost or doubled when a run dies here.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <etl/run.hpp>
#include <etl/testing/crash_points.hpp>
#include <etl/testing/faults.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"
#include "support/sanitized.hpp"

namespace simulation_test {

using namespace etl::testing;

namespace {

constexpr std::uint64_t count = 40;

/// Every 9th number is rejected by transform, every 10th filtered, every 4th becomes two rows.
struct Rows {
  using position = std::uint64_t;
  Faults* faults = nullptr;
  std::vector<std::string>* trace = nullptr;

  void note(const char* what, std::uint64_t seq) const {
    if (trace != nullptr) trace->push_back(what + std::to_string(seq));
  }
  std::string fingerprint() const { return "rows 1"; }
  std::string describe(const std::uint64_t& n) const { return std::to_string(n); }
  void extract(etl::Emitter<std::uint64_t>& out) const {
    const std::uint64_t first = out.resume_from() ? out.resume_from()->number().value() : 0;
    for (std::uint64_t i = first; i < count; ++i) {
      if (faults != nullptr) faults->yield();
      if (i % 5 == 0) out.mark(etl::Position(i));
      if (!out.push(i)) return;
    }
  }
  void transform(const std::uint64_t& n, etl::Out<int>& out) const {
    note("t", n);
    if (faults != nullptr) faults->yield();
    if (n % 9 == 8) return out.reject("no");
    if (n % 10 == 3) return;
    out.push(static_cast<int>(n));
    if (n % 4 == 0) out.push(static_cast<int>(1000 + n));
  }
};

struct Transactional : Rows {
  void load(std::span<const int> batch, etl::BatchContext& context, MemoryTransaction<int>& tx) const {
    note("l", context.first_seq());
    tx.write(batch);
  }
};
struct Plain : Rows {
  MemorySink<int>* sink = nullptr;
  etl::Result<void> load(std::span<const int> batch, etl::BatchContext& context) const {
    note("l", context.first_seq());
    return sink->write(batch, *faults);
  }
};
struct Keyed : Rows {
  std::map<std::string, std::vector<int>>* calls = nullptr;  // a service that knows its keys
  std::string* conflict = nullptr;
  etl::Result<void> load(std::span<const int> batch, const etl::IdempotencyKey& key) const {
    return faults->around("load", [&]() -> etl::Result<void> {
      const std::vector<int> rows(batch.begin(), batch.end());
      const auto [at, fresh] = calls->emplace(key.text(), rows);
      if (!fresh && at->second != rows) *conflict = "one key, two contents";
      return {};
    });
  }
};

std::vector<int> expected() {
  std::vector<int> rows;
  for (std::uint64_t n = 0; n < count; ++n) {
    if (n % 9 == 8 || n % 10 == 3) continue;
    rows.push_back(static_cast<int>(n));
    if (n % 4 == 0) rows.push_back(static_cast<int>(1000 + n));
  }
  std::ranges::sort(rows);
  return rows;
}
std::string check_letters(const std::vector<etl::DeadLetter>& letters) {
  std::vector<std::uint64_t> seqs;
  for (const etl::DeadLetter& letter : letters) seqs.push_back(letter.seq);
  return seqs == std::vector<std::uint64_t>{8, 17, 26, 35} ? "" : std::to_string(seqs.size()) + " dead letters";
}
etl::Options options(const etl::Executor& executor) {
  etl::Options options{.name = "rows", .batch_size = 6, .workers = 3, .capacity = 4};
  options.inline_batches = etl::Inline::Never;  // so that there are workers in every schedule
  options.errors.max_rejects = 100;
  options.executor = executor;
  return options;
}

}  // namespace

TEST_CASE("G15: with a transactional store nothing is lost and nothing doubled, wherever the run dies") {
  const auto summary =
      for_each_crash_point([] { return std::make_unique<MemoryStore<int>>(); },
                           [](auto& world, Faults& faults, const etl::Executor& executor) {
                             FaultyStore<MemoryTransaction<int>> store(*world, faults);
                             Transactional pipeline;
                             pipeline.faults = &faults;
                             return etl::run(etl::with_store(pipeline, store), options(executor));
                           },
                           [](auto& world) -> std::string {
                             std::vector<int> rows = world->rows();
                             std::ranges::sort(rows);
                             if (rows != expected())
                               return std::to_string(rows.size()) + " rows, not " + std::to_string(expected().size());
                             return check_letters(world->dead_letters().letters());
                           },
                           {.seeds = test::fewer_if_sanitized(60)});
  CHECK(summary.crashes > test::fewer_if_sanitized(2500U));
}

namespace {
struct PlainWorld {
  MemoryCheckpoints checkpoints;
  MemoryDeadLetters letters;
  MemorySink<int> sink;
  std::map<std::string, std::vector<int>> calls;
  std::string conflict;
};
etl::Options delivered(PlainWorld& world, Faults& faults, const etl::Executor& executor) {
  etl::Options own = options(executor);
  own.delivery.checkpoints = std::make_shared<FaultyCheckpoints>(world.checkpoints, faults);
  own.delivery.save_every = std::chrono::nanoseconds(0);
  own.errors.dead_letters = std::make_shared<FaultyDeadLetters>(world.letters, faults);
  return own;
}
}  // namespace

TEST_CASE("G16: with any other sink nothing is lost, and only what had no checkpoint is repeated") {
  const auto summary = for_each_crash_point([] { return std::make_unique<PlainWorld>(); },
                                            [](auto& world, Faults& faults, const etl::Executor& executor) {
                                              Plain pipeline;
                                              pipeline.faults = &faults;
                                              pipeline.sink = &world->sink;
                                              return etl::run(pipeline, delivered(*world, faults, executor));
                                            },
                                            [](auto& world) -> std::string {
                                              const std::vector<int> rows = world->sink.rows();
                                              const std::set<int> seen(rows.begin(), rows.end());
                                              const auto wanted = expected();
                                              if (seen != std::set<int>(wanted.begin(), wanted.end()))
                                                return "rows are missing";
                                              // At most the batches that were under way: capacity and the open one, of
                                              // 6 items and 9 rows each.
                                              if (rows.size() > wanted.size() + 5 * 9)
                                                return std::to_string(rows.size()) + " rows: too many are repeated";
                                              return check_letters(world->letters.letters());
                                            },
                                            {.seeds = test::fewer_if_sanitized(60)});
  CHECK(summary.crashes > test::fewer_if_sanitized(2500U));
}

TEST_CASE("G16: a keyed sink gets the same key for the same rows, wherever the run dies") {
  const auto summary = for_each_crash_point([] { return std::make_unique<PlainWorld>(); },
                                            [](auto& world, Faults& faults, const etl::Executor& executor) {
                                              Keyed pipeline;
                                              pipeline.faults = &faults;
                                              pipeline.calls = &world->calls;
                                              pipeline.conflict = &world->conflict;
                                              return etl::run(pipeline, delivered(*world, faults, executor));
                                            },
                                            [](auto& world) -> std::string {
                                              if (!world->conflict.empty()) return world->conflict;
                                              std::vector<int> rows;
                                              for (const auto& [key, batch] : world->calls)
                                                rows.insert(rows.end(), batch.begin(), batch.end());
                                              std::ranges::sort(rows);
                                              return rows == expected() ? check_letters(world->letters.letters())
                                                                        : "rows are missing or doubled";
                                            },
                                            {.seeds = test::fewer_if_sanitized(60)});
  CHECK(summary.crashes > test::fewer_if_sanitized(2500U));
}

TEST_CASE("the seeds make more than 10,000 different schedules") {
  std::set<std::vector<std::string>> schedules;
  for (std::uint64_t seed = 0; seed < test::fewer_if_sanitized(15'000); ++seed) {
    std::vector<std::string> trace;
    MemoryStore<int> store;
    const auto executor = std::make_shared<VirtualExecutor>(seed);
    Faults none;
    none.at_each_step([&executor] { executor->yield(); });
    Transactional pipeline;
    pipeline.faults = &none;
    pipeline.trace = &trace;
    etl::Options own = options(etl::Executor(executor));
    own.batch_size = 2;
    own.capacity = 12;
    REQUIRE(etl::run(etl::with_store(pipeline, store), own).ok());
    std::vector<int> rows = store.rows();
    std::ranges::sort(rows);
    REQUIRE(rows == expected());
    schedules.insert(std::move(trace));
  }
  CHECK(schedules.size() >= test::fewer_if_sanitized(10'000));
}

TEST_CASE("a defect is found, and named by seed and step") {
  // Rows that are written outside the transaction are there twice when the run is started again.
  const auto search = [] {
    return for_each_crash_point(
        [] { return std::make_unique<std::pair<MemoryStore<int>, std::vector<int>>>(); },
        [](auto& world, Faults& faults, const etl::Executor& executor) {
          struct Leaky : Rows {
            std::vector<int>* rows = nullptr;
            void load(std::span<const int> batch, MemoryTransaction<int>&) {
              rows->insert(rows->end(), batch.begin(), batch.end());
            }
          };
          FaultyStore<MemoryTransaction<int>> store(world->first, faults);
          Leaky leaky;
          leaky.rows = &world->second;
          return etl::run(etl::with_store(leaky, store), options(executor));
        },
        [](auto& world) -> std::string {
          return world->second.size() == expected().size() ? "" : std::to_string(world->second.size()) + " rows";
        });
  };
  std::string said;
  try {
    search();
  } catch (const std::runtime_error& e) {
    said = e.what();
  }
  CHECK(said.find("seed 0, crash at step ") != std::string::npos);
  CHECK(said.find("rows") != std::string::npos);
}

}  // namespace simulation_test
