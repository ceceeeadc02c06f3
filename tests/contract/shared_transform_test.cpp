// Slow transforms of one batch run on several workers; all else is as if one worker had done them.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <latch>
#include <memory>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <etl/etl.hpp>
#include <etl/testing/virtual_executor.hpp>

#include <support/catch.hpp>
#include <support/sync.hpp>

namespace shared_transform_test {

namespace {

using namespace std::chrono_literals;

struct Made {
  int item;
  int part;    // of the results of the item
  int worker;  // that has transformed it
};

/// One batch. A transform takes 10 ms of virtual time, in which other workers may go on.
struct Slow {
  explicit Slow(std::shared_ptr<etl::testing::VirtualExecutor> its_clock, int its_count = 64)
      : clock(std::move(its_clock)), count(its_count) {}

  void extract(etl::Emitter<int>& out) {
    for (int i = 0; i < count; ++i)
      if (!out.push(i)) return;
  }
  int worker() const { return ++workers; }
  void transform(const int& item, etl::Out<Made>& out, int& worker) const {
    ++calls;
    clock->advance(10ms);
    if (item == throws_at) throw std::runtime_error("item " + std::to_string(item));
    if (item % 7 == 3) {
      out.push(Made{item, 0, worker});
      return out.reject("item " + std::to_string(item));
    }
    for (int part = 0; part < item % 3; ++part) out.push(Made{item, part, worker});
  }
  void load(std::span<const Made> batch) {
    loads += 1;
    loaded.insert(loaded.end(), batch.begin(), batch.end());
  }

  std::shared_ptr<etl::testing::VirtualExecutor> clock;
  int count;
  int throws_at = -1;
  mutable int workers = 0;  // one thread only
  mutable int calls = 0;
  int loads = 0;
  std::vector<Made> loaded{};
};

etl::Options options(const Slow& slow, std::vector<std::string>* rejects = nullptr) {
  etl::Options made{.batch_size = 64, .workers = 4, .executor = etl::Executor(slow.clock)};
  made.errors.max_rejects = 1000;
  if (rejects != nullptr)
    made.errors.on_reject = [rejects](const etl::Rejection& r) { rejects->push_back(r.error.context); };
  return made;
}

/// As one worker does it.
std::vector<std::pair<int, int>> expected(int count) {
  std::vector<std::pair<int, int>> all;
  for (int item = 0; item < count; ++item)
    for (int part = 0; part < item % 3 && item % 7 != 3; ++part) all.emplace_back(item, part);
  return all;
}

}  // namespace

TEST_CASE("slow transforms of a batch are shared, and results, rejects and ledgers are those of one worker") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    CAPTURE(seed);
    Slow slow(std::make_shared<etl::testing::VirtualExecutor>(seed));
    std::vector<std::string> rejects;
    const etl::RunReport report = etl::run(slow, options(slow, &rejects));
    CHECK(report.outcome == etl::Outcome::CompletedWithRejects);
    CHECK(slow.calls == 64);
    CHECK(slow.loads == 1);
    std::set<int> workers;
    std::vector<std::pair<int, int>> loaded;
    for (const Made& made : slow.loaded) {
      loaded.emplace_back(made.item, made.part);
      workers.insert(made.worker);
    }
    CHECK(loaded == expected(64));
    CHECK(workers.size() > 1);
    CHECK(workers.size() <= 4);
    std::vector<std::string> wanted;
    for (int item = 3; item < 64; item += 7) wanted.push_back("item " + std::to_string(item));
    CHECK(rejects == wanted);
    CHECK(report.items.extracted == 64);
    CHECK(report.items.rejected == 9);
    CHECK(report.items.filtered == 19);
    CHECK(report.items.loaded == 36);
    CHECK(report.results.produced == loaded.size());
    CHECK(report.results.committed == loaded.size());
  }
}

TEST_CASE("results of shared transforms keep their memory for the next batches") {
  struct Row {
    std::vector<char> memory;
  };
  struct Rows {
    std::shared_ptr<etl::testing::VirtualExecutor> clock;
    mutable int grown = 0;  // one thread only
    std::size_t loaded = 0;
    void extract(etl::Emitter<int>& out) {
      for (int i = 0; i < 64 * 40; ++i)
        if (!out.push(i)) return;
    }
    void transform(const int&, etl::Out<Row>& out) const {
      clock->advance(10ms);
      Row& row = out.next();
      if (row.memory.capacity() < 1000) ++grown;
      row.memory.assign(1000, 'x');
    }
    void load(std::span<const Row> batch) { loaded += batch.size(); }
  };
  Rows rows{std::make_shared<etl::testing::VirtualExecutor>(1)};
  const etl::RunReport report =
      etl::run(rows, {.batch_size = 64, .workers = 4, .capacity = 1, .executor = etl::Executor(rows.clock)});
  CHECK(report.ok());
  CHECK(rows.loaded == 64 * 40);
  CHECK(rows.grown < 64 * 20);
}

TEST_CASE("a slow transform that fails ends the run with the error of its item, and nothing of the batch is loaded") {
  for (std::uint64_t seed = 0; seed < 50; ++seed)
    for (const int at : {0, 1, 30, 63}) {
      CAPTURE(seed, at);
      Slow slow(std::make_shared<etl::testing::VirtualExecutor>(seed));
      slow.throws_at = at;
      const etl::RunReport report = etl::run(slow, options(slow));
      CHECK(report.outcome == etl::Outcome::Failed);
      REQUIRE(report.errors.size() == 1);
      CHECK(report.errors[0].error.message().find("item " + std::to_string(at)) != std::string::npos);
      CHECK(report.errors[0].stage == etl::Stage::Transform);
      CHECK(report.errors[0].first_seq == static_cast<std::uint64_t>(at));
      CHECK(slow.loads == 0);
      CHECK(report.items.abandoned == 64);
    }
}

namespace {

/// All workers have to be in `transform` of one batch at once.
struct Meets {
  static constexpr int at_once = 4;
  void extract(etl::Emitter<int>& out) {
    for (int i = 0; i < 64; ++i)
      if (!out.push(i)) return;
  }
  int transform(const int& item) const {
    const test::Crowd::Visit visit(crowd);
    if (item == 0) {  // shows that transforms are slow
      const auto begin = std::chrono::steady_clock::now();
      while (std::chrono::steady_clock::now() - begin < 2ms) {}
    } else if (arrived.fetch_add(1) < at_once) {
      all.arrive_and_wait();
    }
    return item;
  }
  void load(std::span<const int> batch) { loaded.insert(loaded.end(), batch.begin(), batch.end()); }

  mutable std::latch all{at_once};
  mutable std::atomic<int> arrived = 0;
  mutable test::Crowd crowd;
  std::vector<int> loaded{};
};

}  // namespace

TEST_CASE("idle workers help with slow transforms on a pool of threads, and no more than there are") {
  Meets meets;
  const etl::RunReport report =
      etl::run(meets, {.batch_size = 64, .workers = Meets::at_once, .executor = etl::Executor::pool(Meets::at_once)});
  CHECK(report.outcome == etl::Outcome::Completed);
  REQUIRE(meets.loaded.size() == 64);
  CHECK(std::ranges::is_sorted(meets.loaded));
  CHECK(meets.crowd.most() == Meets::at_once);
}

TEST_CASE("a slow transform is not shared where there is one worker") {
  Slow slow(std::make_shared<etl::testing::VirtualExecutor>(1));
  etl::Options alone = options(slow);
  alone.workers = 1;
  CHECK(etl::run(slow, alone).outcome == etl::Outcome::CompletedWithRejects);
  CHECK(slow.workers == 1);
}

}  // namespace shared_transform_test
