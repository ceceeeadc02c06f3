// G13, G14: chunks are acknowledged once, after everything derived from them is settled and saved; partitions keep
// their own progress.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <etl/run.hpp>
#include <etl/testing/faults.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"

using namespace etl::testing;

namespace {

/// Chunks of 5 numbers, as messages of a queue; what was acknowledged, and whether a checkpoint covered it then.
struct Messages {
  MemoryCheckpoints* checkpoints = nullptr;
  std::map<int, std::vector<bool>>* told = nullptr;
  std::vector<std::string>* complaints = nullptr;
  std::optional<int> fail_at{};
  std::optional<int> reject{};
  int count = 40;

  void extract(etl::Emitter<int>& out) {
    for (int chunk = 0; chunk * 5 < count; ++chunk) {
      out.hold(std::make_shared<int>(chunk), [this, chunk](bool settled) {
        (*told)[chunk].push_back(settled);
        if (!settled || checkpoints == nullptr) return;
        const auto saved = checkpoints->find("messages").value();
        const auto end = static_cast<std::uint64_t>(chunk * 5 + 5);
        const auto* progress = saved ? saved->find(0) : nullptr;
        if (progress == nullptr || progress->gaps.end_of(progress->watermark) < end)
          if (progress == nullptr || !progress->gaps.contains(end - 1))
            complaints->push_back("chunk " + std::to_string(chunk) + " was acknowledged before it was saved");
      });
      for (int i = 0; i < 5; ++i)
        if (!out.push(chunk * 5 + i)) return;
    }
  }
  std::optional<int> transform(const int& n) const {
    if (n % 7 == 3) return std::nullopt;
    return n;
  }
  etl::Result<void> load(std::span<const int> batch, etl::BatchContext& context) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch[i] == fail_at) return etl::failure(etl::fatal("broken"));
      if (batch[i] == reject) context.reject(i, "no");
    }
    return {};
  }
};

etl::Options options(std::uint64_t seed) {
  etl::Options options{.batch_size = 3, .workers = 2, .order = etl::Order::Source, .name = "messages"};
  options.errors.max_rejects = 5;
  options.executor = etl::Executor(std::make_shared<VirtualExecutor>(seed));
  return options;
}

}  // namespace

TEST_CASE("G13: a chunk is acknowledged once, when all its items are settled, also filtered and rejected ones") {
  std::map<int, std::vector<bool>> told;
  Messages messages{.told = &told, .reject = 12};
  REQUIRE(etl::run(messages, options(1)).outcome == etl::Outcome::CompletedWithRejects);
  REQUIRE(told.size() == 8);
  for (const auto& [chunk, answers] : told) CHECK(answers == std::vector<bool>{true});
}

TEST_CASE("G13 G16: it is acknowledged after the checkpoint that covers it is saved") {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    for (const auto every : {std::chrono::nanoseconds(0), std::chrono::nanoseconds(std::chrono::hours(1))}) {
      CAPTURE(seed, every.count());
      auto checkpoints = std::make_shared<MemoryCheckpoints>();
      std::map<int, std::vector<bool>> told;
      std::vector<std::string> complaints;
      Messages messages{.checkpoints = checkpoints.get(), .told = &told, .complaints = &complaints};
      etl::Options own = options(seed);
      own.delivery.checkpoints = checkpoints;
      own.delivery.save_every = every;
      REQUIRE(etl::run(messages, own).ok());
      CHECK(complaints.empty());
      REQUIRE(told.size() == 8);
      for (const auto& [chunk, answers] : told) CHECK(answers == std::vector<bool>{true});
    }
  }
}

TEST_CASE("G13: what was lost is never acknowledged as settled: the worst outcome wins") {
  std::map<int, std::vector<bool>> told;
  Messages messages{.told = &told, .fail_at = 21};
  REQUIRE(etl::run(messages, options(2)).outcome == etl::Outcome::Failed);
  for (const auto& [chunk, answers] : told) {
    CAPTURE(chunk);
    REQUIRE(answers.size() == 1);
    if (chunk >= 4) CHECK_FALSE(answers[0]);
    if (chunk < 3) CHECK(answers[0]);
  }
}

TEST_CASE("G13 G16: what could not be saved is not acknowledged") {
  MemoryCheckpoints checkpoints;
  Faults faults;
  faults.fail("save", 2, etl::fatal("disk full"));  // the first one is of the beginning
  std::map<int, std::vector<bool>> told;
  Messages messages{.told = &told};
  etl::Options own = options(3);
  own.delivery.checkpoints = std::make_shared<FaultyCheckpoints>(checkpoints, faults);
  own.delivery.save_every = std::chrono::hours(1);
  const auto report = etl::run(messages, own);
  CHECK(report.outcome == etl::Outcome::Failed);
  REQUIRE(told.size() == 8);
  for (const auto& [chunk, answers] : told) CHECK(answers == std::vector<bool>{false});
}

namespace {
struct Files {
  using position = std::uint64_t;
  std::vector<std::pair<std::uint32_t, std::uint64_t>>* loaded;
  std::optional<std::pair<std::uint32_t, std::uint64_t>> broken{};
  using Item = std::pair<std::uint32_t, std::uint64_t>;

  std::vector<std::uint32_t> partitions() const { return {0, 1, 2}; }
  void extract(std::uint32_t part, etl::Emitter<Item>& out) const {
    const std::uint64_t first = out.resume_from() ? out.resume_from()->number().value() : 0;
    for (std::uint64_t i = first; i < 30; ++i) {
      if (i % 4 == 0) out.mark(etl::Position(i));
      if (!out.push({part, i})) return;
    }
  }
  etl::Result<void> load(std::span<const Item> batch) {
    if (broken && std::ranges::find(batch, *broken) != batch.end()) return etl::failure(etl::fatal("broken"));
    loaded->insert(loaded->end(), batch.begin(), batch.end());
    return {};
  }
};
}  // namespace

TEST_CASE("G14: partitions keep their own progress") {
  std::vector<Files::Item> loaded;
  auto checkpoints = std::make_shared<MemoryCheckpoints>();
  etl::Options own = options(4);
  own.extractors = 1;
  own.delivery.checkpoints = checkpoints;
  REQUIRE_FALSE(etl::run(Files{.loaded = &loaded, .broken = Files::Item(1, 20)}, own).ok());
  const auto saved = checkpoints->find("messages").value();
  REQUIRE(saved);
  CHECK(saved->partition_count == 3);
  REQUIRE(saved->find(0) != nullptr);
  REQUIRE(saved->find(1) != nullptr);
  CHECK(saved->find(0)->watermark == 30);
  CHECK(saved->find(1)->watermark <= 18);
  REQUIRE(etl::run(Files{.loaded = &loaded}, own).ok());
  CHECK(loaded.size() == 90);
  CHECK(std::set<Files::Item>(loaded.begin(), loaded.end()).size() == 90);

  struct Fewer : Files {
    std::vector<std::uint32_t> partitions() const { return {0, 1}; }
  };
  REQUIRE_FALSE(etl::run(Files{.loaded = &loaded, .broken = Files::Item(1, 20)}, own).ok());
  const auto refused = etl::run(Fewer{{.loaded = &loaded}}, own);
  REQUIRE(refused.outcome == etl::Outcome::Failed);
  CHECK(refused.errors[0].error.code == etl::Errc::CheckpointMismatch);
  CHECK(refused.errors[0].text().find("3 partitions") != std::string::npos);
}
