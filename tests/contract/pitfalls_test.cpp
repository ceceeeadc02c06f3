// What data movers are known to get wrong, each tried here. The contract behind each is cited.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <etl/manager.hpp>
#include <etl/run.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "support/catch.hpp"

namespace pitfalls_test {

using namespace std::chrono_literals;
using etl::testing::MemoryCheckpoints;
using etl::testing::MemoryDeadLetters;
using etl::testing::VirtualExecutor;

namespace {

constexpr int count = 30;

/// Two partitions of `count` numbers, each number marked, with what a test wants to happen on the way.
struct Flow {
  using position = std::string;
  std::vector<int>* loaded;
  std::function<etl::Result<void>(int partition, int n, etl::Emitter<int>&)> on_extract{};
  std::function<etl::Result<std::optional<int>>(int n)> on_transform{};
  std::function<etl::Result<void>(std::span<const int>)> on_load{};
  std::function<etl::Result<void>()> on_end{};
  std::function<void(int n, bool settled)> acknowledged{};
  std::map<int, std::string>* began_at = nullptr;  // by partition

  std::vector<int> partitions() const { return {0, 1}; }
  etl::Result<void> extract(int partition, etl::Emitter<int>& out) const {
    int begin = 0;
    if (const auto& mark = out.resume_from()) {
      begin = std::stoi(mark->text());
      if (began_at != nullptr) (*began_at)[partition] = mark->text();
    }
    for (int n = begin; n < count; ++n) {
      const int item = partition * 1000 + n;
      if (on_extract)
        if (auto done = on_extract(partition, n, out); !done) return done;
      if (acknowledged)
        out.retain(std::make_shared<int>(item), [this, item](bool settled) { acknowledged(item, settled); });
      if (!out.push(item)) return {};
      out.mark(etl::Position(std::to_string(n + 1)));  // "9" comes behind "10" as a text
    }
    return {};
  }
  std::string fingerprint() const { return "two partitions"; }
  std::string describe(const int& n) const { return std::to_string(n); }
  void transform(const int& n, etl::Out<int>& out) const {
    if (!on_transform) return static_cast<void>(out.push(n));
    auto made = on_transform(n);
    if (!made) return out.reject(std::move(made.error()));
    if (*made) out.push(**made);
  }
  etl::Result<void> load(std::span<const int> batch) {
    if (on_load)
      if (auto done = on_load(batch); !done) return done;
    loaded->insert(loaded->end(), batch.begin(), batch.end());
    return {};
  }
  etl::Result<void> post_process() { return on_end ? on_end() : etl::Result<void>(); }
};

struct World {
  std::vector<int> loaded{};
  std::shared_ptr<MemoryCheckpoints> checkpoints = std::make_shared<MemoryCheckpoints>();
  std::shared_ptr<MemoryDeadLetters> letters = std::make_shared<MemoryDeadLetters>();
  std::shared_ptr<VirtualExecutor> executor = std::make_shared<VirtualExecutor>();

  etl::Options options(std::uint64_t seed = 0) {
    executor = std::make_shared<VirtualExecutor>(seed);
    etl::Options options{.batch_size = 4, .workers = 3, .capacity = 3, .extractors = 1};
    options.executor = etl::Executor(executor);
    options.delivery = {.checkpoints = checkpoints, .save_every = {}};
    options.errors.dead_letters = letters;
    options.name = "flow";
    return options;
  }
  etl::Checkpoint checkpoint() const { return checkpoints->find("flow").value().value(); }
  std::set<int> rows() const { return {loaded.begin(), loaded.end()}; }
};

etl::Result<void> fails(bool now, const char* why) {
  return now ? etl::Result<void>(etl::failure(etl::fatal(why))) : etl::Result<void>();
}

}  // namespace

TEST_CASE("pitfall: a bookmark ahead of the rows (G14)") {
  for (int broken = 0; broken < count; broken += 3)
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      World world;
      Flow flow{.loaded = &world.loaded};
      flow.on_load = [&](std::span<const int> batch) { return fails(std::ranges::count(batch, broken) > 0, "broken"); };
      REQUIRE_FALSE(etl::run(flow, world.options(seed)).ok());
      const etl::Checkpoint checkpoint = world.checkpoint();
      const auto* progress = checkpoint.find(0);
      const int kept = progress != nullptr && progress->position ? std::stoi(progress->position->text()) : 0;
      CAPTURE(broken, seed, kept);
      CHECK(kept <= broken);
      for (int n = 0; n < kept; ++n) CHECK(world.rows().contains(n));
    }
}

TEST_CASE("pitfall: a bookmark compared as text (G14)") {
  World world;
  Flow flow{.loaded = &world.loaded};
  flow.on_load = [](std::span<const int> batch) { return fails(std::ranges::count(batch, 20) > 0, "broken"); };
  etl::Options options = world.options();
  options.order = etl::Order::Source;
  REQUIRE_FALSE(etl::run(flow, options).ok());
  std::map<int, std::string> began_at;
  Flow again{.loaded = &world.loaded, .began_at = &began_at};
  REQUIRE(etl::run(again, world.options()).ok());
  CHECK(began_at[0] == "19");  // the mark before 20 was in a batch; not "9"
  CHECK(world.loaded.size() == 2 * count);
}

TEST_CASE("pitfall: state saved in a dry run (G17)") {
  World world;
  etl::Options dry = world.options();
  dry.delivery.dry_run = true;
  REQUIRE(etl::run(Flow{.loaded = &world.loaded}, dry).ok());
  CHECK_FALSE(world.checkpoints->find("flow").value().has_value());
  CHECK(world.loaded.empty());
}

TEST_CASE("pitfall: a final state although the stream failed (G14, G17)") {
  World world;
  Flow flow{.loaded = &world.loaded};
  flow.on_extract = [](int, int n, etl::Emitter<int>&) { return fails(n == count - 1, "truncated"); };
  REQUIRE(etl::run(flow, world.options()).outcome == etl::Outcome::Failed);
  CHECK_FALSE(world.checkpoint().finished);
  REQUIRE(etl::run(Flow{.loaded = &world.loaded}, world.options()).ok());
  CHECK(world.rows().size() == 2 * count);
}

TEST_CASE("pitfall: one stream's error keeps the others' state from being saved (G14)") {
  World world;
  Flow flow{.loaded = &world.loaded};
  flow.on_extract = [](int partition, int n, etl::Emitter<int>&) { return fails(partition == 1 && n == 10, "gone"); };
  REQUIRE_FALSE(etl::run(flow, world.options()).ok());
  const etl::Checkpoint checkpoint = world.checkpoint();
  const auto* first = checkpoint.find(0);
  REQUIRE(first != nullptr);
  CHECK(first->watermark > 0);
  for (std::uint64_t n = 0; n < first->watermark; ++n) CHECK(world.rows().contains(static_cast<int>(n)));
  REQUIRE(etl::run(Flow{.loaded = &world.loaded}, world.options()).ok());
  CHECK(world.rows().size() == 2 * count);
}

TEST_CASE("pitfall: what transform drops is acknowledged, and nobody knows (G2, G13)") {
  World world;
  std::map<int, bool> told;
  Flow flow{.loaded = &world.loaded};
  flow.acknowledged = [&](int n, bool settled) { told[n] = settled; };
  flow.on_transform = [](int n) -> etl::Result<std::optional<int>> {
    if (n % 10 == 1) return std::optional<int>();
    if (n % 10 == 2) return etl::failure(etl::rejected("bad"));
    return std::optional(n);
  };
  etl::Options options = world.options();
  options.errors.max_rejects = 100;
  options.delivery = {};  // a source that acknowledges
  const etl::RunReport report = etl::run(flow, options);
  CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
  CHECK(report.items.filtered == 6);
  CHECK(report.items.rejected == 6);
  CHECK(world.letters->letters().size() == 6);
  CHECK(told.size() == 2 * count);
  CHECK(std::ranges::all_of(told, [](const auto& t) { return t.second; }));

  World strict;  // without a budget
  told.clear();
  flow.loaded = &strict.loaded;
  etl::Options strictly = strict.options();
  strictly.delivery = {};
  REQUIRE(etl::run(flow, strictly).outcome == etl::Outcome::Failed);
  for (const auto& [n, settled] : told)
    if (settled) CHECK((strict.rows().contains(n) || n % 10 == 1));
}

TEST_CASE("pitfall: a shutdown kills what is not acknowledged, and says 0 (G1, G10)") {
  World world;
  etl::StopSource stop;
  std::map<int, bool> told;
  Flow flow{.loaded = &world.loaded};
  flow.acknowledged = [&](int n, bool settled) { told[n] = settled; };
  flow.on_load = [&](std::span<const int> batch) {
    if (std::ranges::count(batch, 12) > 0) stop.request_abandon();
    return etl::Result<void>();
  };
  etl::Options options = world.options();
  options.delivery = {};
  const etl::RunReport report = etl::run(flow, options, stop.stop_token());
  CHECK(report.exit_code() != 0);
  CHECK(report.items.balanced());
  CHECK(report.items.abandoned > 0);
  for (const auto& [n, settled] : told) CHECK(settled == world.rows().contains(n));
}

TEST_CASE("pitfall: a skip limit miscounted by workers at once (G7)") {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    World world;
    Flow flow{.loaded = &world.loaded};
    flow.on_transform = [](int n) -> etl::Result<std::optional<int>> {
      if (n % 3 == 0) return etl::failure(etl::rejected("bad"));
      return std::optional(n);
    };
    etl::Options options = world.options(seed);
    options.errors.max_rejects = 5;
    const etl::RunReport report = etl::run(flow, options);
    CAPTURE(seed);
    CHECK(report.outcome == etl::Outcome::Failed);
    CHECK(report.items.rejected <= 5);
    CHECK(report.items.rejected <= world.letters->letters().size());
    CHECK(world.letters->letters().size() <= 5);
  }
}

TEST_CASE("pitfall: a second way to run that has none of the policies (G5, G7)") {
  const auto outcome_of = [](auto run_it) {
    World world;
    int attempts = 0;
    Flow flow{.loaded = &world.loaded};
    flow.on_transform = [](int n) -> etl::Result<std::optional<int>> {
      if (n == 5) return etl::failure(etl::rejected("bad"));
      return std::optional(n);
    };
    flow.on_load = [&](std::span<const int> batch) -> etl::Result<void> {
      if (std::ranges::count(batch, 9) > 0 && ++attempts < 3) return etl::failure(etl::transient("busy"));
      return {};
    };
    etl::Options options = world.options();
    options.errors.max_rejects = 1;
    options.retry = {.max_attempts = 5, .initial_delay = 1ms};
    const etl::RunReport report = run_it(flow, options);
    CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
    CHECK(attempts == 3);
    CHECK(world.letters->letters().size() == 1);
    CHECK(world.rows().size() == 2 * count - 1);
    CHECK(world.checkpoint().finished);
  };
  outcome_of([](Flow& flow, const etl::Options& options) { return etl::run(flow, options); });
  outcome_of([](Flow& flow, etl::Options options) {
    options.mode = etl::Mode::Fused;
    return etl::run(flow, options);
  });
  outcome_of([](Flow& flow, etl::Options options) {
    options.executor = {};  // the manager's threads are real
    etl::PipelineManager manager(options);
    manager.add("flow", std::ref(flow));
    return manager.run_all().at("flow");
  });
}

TEST_CASE("pitfall: a write that cannot be repeated is repeated (G5)") {
  World world;
  int calls = 0;
  Flow flow{.loaded = &world.loaded};
  flow.on_load = [&](std::span<const int>) -> etl::Result<void> {
    ++calls;
    return etl::failure(etl::Error{.code = etl::Errc::OutcomeUnknown, .context = "connection lost while it committed"});
  };
  etl::Options options = world.options();
  options.retry = {.max_attempts = 5, .initial_delay = 1ms};
  options.workers = 1;
  const etl::RunReport report = etl::run(flow, options);
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(calls == 1);
  CHECK(report.results.in_doubt == 4);
}

TEST_CASE("pitfall: a dead letter is lost, and its batch acknowledged (G7, G13)") {
  struct Full final : etl::DeadLetterStore {
    etl::Result<void> write(std::span<const etl::DeadLetter>) override { return etl::failure(etl::fatal("disk full")); }
    etl::Result<void> list(const std::string&, const std::function<bool(const etl::DeadLetter&)>&) override {
      return {};
    }
    etl::Result<std::size_t> purge(std::span<const std::string>) override { return std::size_t{0}; }
  };
  World world;
  std::map<int, bool> told;
  Flow flow{.loaded = &world.loaded};
  flow.acknowledged = [&](int n, bool settled) { told[n] = settled; };
  flow.on_transform = [](int n) -> etl::Result<std::optional<int>> {
    if (n == 5) return etl::failure(etl::rejected("bad"));
    return std::optional(n);
  };
  etl::Options options = world.options();
  options.errors.max_rejects = 1;
  options.errors.dead_letters = std::make_shared<Full>();
  etl::Options unkept = options;
  unkept.delivery = {};
  CHECK(etl::run(flow, unkept).outcome == etl::Outcome::Failed);
  CHECK_FALSE(told.at(5));
  flow.acknowledged = nullptr;
  CHECK(etl::run(flow, options).outcome == etl::Outcome::Failed);
  const etl::Checkpoint checkpoint = world.checkpoint();
  const auto* progress = checkpoint.find(0);
  CHECK((progress == nullptr || (progress->watermark <= 5 && !progress->gaps.contains(5))));
}

TEST_CASE("pitfall: a source that waits does not hear of the stop (G10)") {
  World world;
  etl::StopSource stop;
  Flow flow{.loaded = &world.loaded};
  const etl::TimePoint begin = world.executor->now();
  flow.on_extract = [&](int, int n, etl::Emitter<int>& out) -> etl::Result<void> {
    if (n != 10) return {};
    stop.request_drain();
    out.wait_for(24h);
    return {};
  };
  const etl::RunReport report = etl::run(flow, world.options(), stop.stop_token());
  CHECK(report.outcome == etl::Outcome::Cancelled);
  CHECK(world.executor->now() - begin < 1h);
  CHECK(report.items.loaded == 10);
}

TEST_CASE("pitfall: draining a full queue hangs (G9, G10)") {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    World world;
    etl::StopSource stop;
    Flow flow{.loaded = &world.loaded};
    flow.on_load = [&](std::span<const int>) {
      stop.request_drain();
      return etl::Result<void>();
    };
    etl::Options options = world.options(seed);
    options.batch_size = 1;
    options.capacity = 1;
    options.workers = 1;
    const etl::RunReport report =
        etl::run(flow, options, stop.stop_token());  // the virtual executor throws where it would hang
    CAPTURE(seed);
    CHECK(report.outcome == etl::Outcome::Cancelled);
    CHECK(report.items.balanced());
    CHECK(world.rows().size() == report.items.loaded);
  }
}

TEST_CASE("pitfall: a sink's error comes out only when it is closed, and nobody hears it (G1, G8)") {
  World world;
  Flow flow{.loaded = &world.loaded};
  flow.on_end = [] { return etl::Result<void>(etl::failure(etl::fatal("constraint violated at the flush"))); };
  const etl::RunReport report = etl::run(flow, world.options());
  CHECK(report.outcome == etl::Outcome::Failed);
  CHECK(report.errors.at(0).text().find("constraint violated") != std::string::npos);
  CHECK_FALSE(world.checkpoint().finished);
}

}  // namespace pitfalls_test
