// Memory that runs out: runs of many shapes, in which one allocation after the other fails. Every one of them ends with
// a report, or where none can be made with std::bad_alloc, and leaves nothing behind.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <asio/thread_pool.hpp>

#include <etl/asio.hpp>
#include <etl/etl.hpp>
#include <etl/testing/memory_stores.hpp>
#include <etl/testing/virtual_executor.hpp>

#include "process/failing_allocations.hpp"
#include "support/catch.hpp"
#include "support/sanitized.hpp"
#include "support/sync.hpp"

using namespace std::chrono_literals;

// --- what fails --------------------------------------------------------------------------------------------------
#ifndef ETLPIPE_TEST_SANITIZED  // the sanitizers have these operators for themselves: there no allocation fails
#ifdef __GLIBC__
extern "C" {
void* __libc_malloc(std::size_t size);  // NOLINT: the C library's own name

void* malloc(std::size_t size) noexcept {  // of those who do not use the operators, such as the queue of a bucket
  int& left = test::FailingMalloc::left;
  return left >= 0 && left-- == 0 ? nullptr : __libc_malloc(size);
}
}
#endif

namespace {

void* allocate(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) noexcept {
  test::HeldAllocation::come();
  if (test::FailingProcessAllocations::fails()) return nullptr;
  int& left = test::FailingAllocation::left;
  if (left >= 0 && left-- == 0) return nullptr;
  if (size == 0) size = 1;
#ifdef __GLIBC__
  if (alignment <= alignof(std::max_align_t)) return __libc_malloc(size);
#endif
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
void* allocate_or_throw(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) {
  if (void* const p = allocate(size, alignment)) return p;
  throw std::bad_alloc();
}
// Inlined, GCC takes it for the wrong way to free what an operator new returned.
[[gnu::noinline]] void release(void* p) noexcept { std::free(p); }

}  // namespace

void* operator new(std::size_t size) { return allocate_or_throw(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate_or_throw(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* p) noexcept { release(p); }
void operator delete(void* p, std::size_t) noexcept { release(p); }
void operator delete(void* p, std::align_val_t) noexcept { release(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { release(p); }
#endif

// --- what the cases share ----------------------------------------------------------------------------------------
namespace {

using Failing = test::FailingProcessAllocations;

[[maybe_unused]] std::ptrdiff_t threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}

constexpr int items = 24;

/// What a run has done. Thread-safe, and it allocates nothing.
struct Seen {
  std::atomic<int> pre = 0;
  std::atomic<int> post = 0;
  std::atomic<int> loaded[items] = {};
  [[nodiscard]] bool all(int first, int end) const {
    return std::all_of(loaded + first, loaded + end, [](const std::atomic<int>& n) { return n > 0; });
  }
};

std::string text_of(int i) { return "an item too long to be kept inside a string: " + std::to_string(i); }
int number_of(std::string_view text) { return std::atoi(text.substr(text.rfind(' ')).data()); }

/// Hooks, strings as items and results, weights, keys, descriptions; item 5 is rejected by transform if `rejects`.
struct Strings {
  Seen* seen;
  bool rejects = false;

  void pre_process() { ++seen->pre; }
  void post_process(const etl::RunReport&) { ++seen->post; }
  void extract(etl::Emitter<std::string>& out) {
    for (int i = 0; i < items; ++i)
      if (!out.push(text_of(i))) return;
  }
  etl::Result<std::string> transform(const std::string& item) const {
    if (rejects && number_of(item) == 5) return etl::failure(etl::rejected("a reason too long to be kept inside"));
    return item;
  }
  void load(std::span<const std::string> batch) const {
    for (const std::string& item : batch) ++seen->loaded[number_of(item)];
  }
  std::size_t bytes(const std::string& item) const { return item.size(); }
  int key(const std::string& item) const { return number_of(item) % 3; }
  std::string describe(const std::string& item) const { return item; }
  std::string restore(std::string_view text) const { return std::string(text); }
};

void check_report(const etl::RunReport& r) {
  CHECK((r.ok() || r.outcome == etl::Outcome::Failed));
  CHECK(r.items.balanced());
  CHECK(r.results.balanced());
  if (r.outcome == etl::Outcome::Completed) CHECK(r.items.abandoned == 0);
}
void check_hooks(const Seen& seen, const etl::RunReport& r) {
  CHECK(seen.pre <= 1);
  CHECK(seen.post == seen.pre);
  if (r.ok()) CHECK(seen.post == 1);
}

/// Runs `shape(failing)` with its first allocation failing, its second, and so on, until one makes fewer; twice. The
/// shape makes a `Failing` with the numbers it gets around what is to be tried, and returns whether that has happened.
template <class Shape>
void sweep(const char* name, Shape&& shape) {
#ifdef ETLPIPE_TEST_SANITIZED
  static_cast<void>(shape);
  std::printf("%s: not tried, the sanitizer has the allocating operators for itself\n", name);
  SUCCEED();
#else
  test::Watchdog watchdog(name);
  const auto before = threads();
  for (const long count : {1L, 2L, 1L << 40}) {  // that many in a row
    for (long n = 0;; ++n) {
      std::string place = std::to_string(count) + " from number ";
      watchdog.at(place += std::to_string(n));
      INFO(name << ": " << place);
      const bool reached = shape(n, count);
      while (threads() != before) std::this_thread::yield();
      if (!reached) break;
    }
  }
#endif
}

/// A sweep of runs of `Strings`.
template <class Pipeline = Strings, class... Fields>
void sweep_runs(const char* name, const etl::Options& options, Fields... fields) {
  sweep(name, [&](long n, long count) {
    Seen seen;
    Pipeline pipeline{&seen, fields...};
    bool reached = false;
    etl::RunReport report;
    {
      const Failing failing(n, count);
      report = etl::run(pipeline, options);
      Failing::disarm();
      reached = failing.happened();
    }
    check_report(report);
    check_hooks(seen, report);
    if (!reached) CHECK(report.ok());
    if (report.outcome == etl::Outcome::Completed) CHECK(seen.all(0, items));
    return reached;
  });
}

const etl::Options two{.batch_size = 5, .workers = 2};

template <class F>
etl::Options with(F&& change) {
  etl::Options options = two;
  change(options);
  return options;
}

}  // namespace

// --- runs ---------------------------------------------------------------------------------------------------------
TEST_CASE("memory: runs on their own pool end Failed or Completed (G1, G2, G3)") {
  sweep_runs("parallel", two);
  sweep_runs("handed over", with([](etl::Options& o) { o.inline_batches = etl::Inline::Never; }));
  sweep_runs("source order", with([](etl::Options& o) { o.order = etl::Order::Source; }));
  sweep_runs("by key", with([](etl::Options& o) { o.order = etl::Order::ByKey; }));
  sweep_runs("one load at a time", with([](etl::Options& o) { o.max_concurrent_loads = 1; }));
}

TEST_CASE("memory: fused runs end Failed or Completed (G1, G2, G3)") {
  sweep_runs("fused", with([](etl::Options& o) { o.mode = etl::Mode::Fused; }));
  sweep_runs("fused, timeless", with([](etl::Options& o) {
               o.mode = etl::Mode::Fused;
               o.timeout = o.drain_deadline = etl::Options::never;
             }));
}

TEST_CASE("memory: runs that weigh their items end Failed or Completed") {
  sweep_runs("batch_bytes", with([](etl::Options& o) { o.batch_bytes = 150; }));
  sweep_runs("budget", with([](etl::Options& o) { o.memory = std::make_shared<etl::MemoryBudget>(300); }));
}

TEST_CASE("memory: runs on other executors end Failed or Completed") {
  auto virtual_time = std::make_shared<etl::testing::VirtualExecutor>(1);
  sweep_runs("virtual", with([&](etl::Options& o) { o.executor = etl::Executor(virtual_time); }));
  asio::thread_pool pool(2);
  sweep_runs("Asio's",
             with([&](etl::Options& o) { o.executor = etl::Executor(asio::any_io_executor(pool.executor())); }));
  pool.join();
}

TEST_CASE("memory: runs that show progress end Failed or Completed") {
  std::FILE* const file = std::tmpfile();
  REQUIRE(file != nullptr);
  sweep_runs("progress", with([&](etl::Options& o) {
               o.progress = {.show = etl::ProgressOptions::Show::Lines, .stream = file, .interval = 1ms};
             }));
  std::fclose(file);
}

namespace {
struct Parts : Strings {
  std::vector<int> partitions() const { return {0, 8, 16}; }
  void extract(int first, etl::Emitter<std::string>& out) const {
    for (int i = first; i < first + 8; ++i)
      if (!out.push(text_of(i))) return;
  }
};
struct Slow : Strings {  // its batches are cut by the timer
  void extract(etl::Emitter<std::string>& out) {
    for (int i = 0; i < items; ++i) {
      if (!out.push(text_of(i))) return;
      if (i % 8 == 1 && !out.wait_for(300us)) return;
    }
  }
};
}  // namespace

TEST_CASE("memory: runs with two extractors end Failed or Completed") {
  sweep_runs<Parts>("partitions", with([](etl::Options& o) { o.extractors = 2; }));
  sweep_runs<Parts>("partitions in order", with([](etl::Options& o) {
                      o.extractors = 2;
                      o.order = etl::Order::Source;
                    }));
}

TEST_CASE("memory: runs whose batches are cut by the timer end Failed or Completed") {
  sweep_runs<Slow>("timeout", with([](etl::Options& o) { o.timeout = 100us; }));
  sweep_runs<Slow>("timeout, fused", with([](etl::Options& o) {
                     o.mode = etl::Mode::Fused;
                     o.timeout = 100us;
                   }));
}

// --- rejects, retries ---------------------------------------------------------------------------------------------
TEST_CASE("memory: runs with rejects and dead letters end with a report") {
  auto letters = std::make_shared<etl::testing::MemoryDeadLetters>();
  sweep_runs("rejects", with([](etl::Options& o) { o.errors.max_rejects = 3; }), true);
  sweep_runs("dead letters", with([&](etl::Options& o) {
               o.errors.max_rejects = 3;
               o.errors.dead_letters = letters;
             }),
             true);
}

namespace {
struct Retries : Strings {
  void load(std::span<const std::string> batch, etl::BatchContext& context) const {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      std::atomic<int>& loaded = seen->loaded[number_of(batch[i])];
      if (number_of(batch[i]) % 3 == 0 && loaded++ == 0)
        context.retry(i, "asks for another attempt");
      else if (number_of(batch[i]) == 7)
        context.reject(i, "is refused for a long reason");
      else
        ++loaded;
    }
  }
};
}  // namespace

TEST_CASE("memory: runs that load again end with a report") {
  for (const etl::Order order : {etl::Order::None, etl::Order::ByKey})
    sweep_runs<Retries>("retries", with([&](etl::Options& o) {
                          o.order = order;
                          o.errors.max_rejects = 3;
                          o.retry.initial_delay = o.retry.max_delay = 1us;
                        }));
}

// --- progress is kept -----------------------------------------------------------------------------------------------
namespace {
struct Resumed : Strings {
  std::string fingerprint() const { return "the same data in every run, with a long name"; }
  void extract(etl::Emitter<std::string>& out) {
    const auto& from = out.resume_from();
    for (int i = from ? std::atoi(from->text().c_str()) : 0; i < items; ++i) {
      if (i % 4 == 0) out.mark(etl::Position(std::to_string(i) + std::string(40, ' ')));
      if (!out.push(text_of(i))) return;
    }
  }
};
}  // namespace

TEST_CASE("memory: what a failed run has not loaded, the next one loads (G14)") {
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused})
    sweep("checkpoints", [&](long n, long count) {
      Seen seen;
      auto checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>();
      const etl::Options options = with([&](etl::Options& o) {
        o.mode = mode;
        o.name = "a pipeline with a name of some length";
        o.delivery = {.checkpoints = checkpoints, .save_every = 0ns};
      });
      bool reached = false;
      etl::RunReport report;
      Resumed pipeline{{&seen}};
      {
        const Failing failing(n, count);
        report = etl::run(pipeline, options);
        Failing::disarm();
        reached = failing.happened();
      }
      check_report(report);
      check_hooks(seen, report);
      if (!report.ok()) CHECK(etl::run(pipeline, options).ok());
      CHECK(seen.all(0, items));
      return reached;
    });
}

namespace {
struct KeyedParts : Parts {  // their ends are saved before their last batches are loaded
  std::string fingerprint() const { return "the same data in every run, with a long name"; }
  void load(std::span<const std::string> batch, const etl::IdempotencyKey&) const { Strings::load(batch); }
};
}  // namespace

TEST_CASE("memory: runs that save where their partitions end (G4, G14)") {
  sweep_runs<KeyedParts>("ends of partitions", with([](etl::Options& o) {
                           o.name = "a pipeline with a name of some length";
                           o.extractors = 2;
                           o.drain_deadline = etl::Options::never;
                           o.delivery = {.checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>(),
                                         .restart = true,
                                         .incremental = true};
                         }));
}

TEST_CASE("memory: a run that resumes ends Failed or Completed (G4)") {
  const etl::Options options = with([](etl::Options& o) {
    o.name = "a pipeline with a name of some length";
    o.delivery = {.checkpoints = std::make_shared<etl::testing::MemoryCheckpoints>(), .incremental = true};
  });
  Seen seen;
  KeyedParts pipeline{{{&seen}}};
  REQUIRE(etl::run(pipeline, options).ok());
  sweep("resumed", [&](long n, long count) {
    const Failing failing(n, count);
    const etl::RunReport report = etl::run(pipeline, options);
    Failing::disarm();
    check_report(report);
    return failing.happened();
  });
}

namespace {
struct Stored : Resumed {
  void load(std::span<const std::string> batch, etl::BatchContext& context,
            etl::testing::MemoryTransaction<std::string>& tx) const {
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (number_of(batch[i]) == 7)
        context.reject(i, "is refused for a long reason");
      else
        tx.write(batch[i]);
  }
};
}  // namespace

TEST_CASE("memory: a store gets every item once, over a failed run and the next one (G15)") {
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused})
    sweep("a store", [&](long n, long count) {
      Seen seen;
      etl::testing::MemoryStore<std::string> store;
      const etl::Options options = with([&](etl::Options& o) {
        o.mode = mode;
        o.errors.max_rejects = 3;
        o.name = "a pipeline with a name of some length";
      });
      bool reached = false;
      etl::RunReport report;
      Stored pipeline{{{&seen, true}}};
      {
        const Failing failing(n, count);
        report = etl::run(etl::with_store(pipeline, store), options);
        Failing::disarm();
        reached = failing.happened();
      }
      check_report(report);
      check_hooks(seen, report);
      const std::uint64_t committed = store.rows().size();
      CHECK(report.results.committed == committed);
      if (!report.ok()) CHECK(etl::run(etl::with_store(pipeline, store), options).ok());
      std::vector<std::string> rows = store.rows();
      CHECK(rows.size() == items - 2);
      CHECK(std::set<std::string>(rows.begin(), rows.end()).size() == items - 2);
      CHECK(store.dead_letters().letters().size() == 2);
      return reached;
    });
}

// --- acknowledgement ------------------------------------------------------------------------------------------------
namespace {
struct Acknowledges : Strings {
  std::atomic<int>* acknowledged;  // by chunk: 1 settled, 2 lost, more: both, or twice
  static constexpr int chunk = 4;
  void extract(etl::Emitter<std::string>& out) {
    for (int i = 0; i < items; ++i) {
      if (i % chunk == 0)
        out.retain(std::make_shared<std::string>(text_of(i)),
                   [all = acknowledged, i](bool settled) { all[i / chunk] += settled ? 1 : 2; });
      if (!out.push(text_of(i))) return;
    }
  }
};
}  // namespace

TEST_CASE("memory: a chunk is acknowledged once, and as settled only when it is (G13)") {
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused})
    sweep("acknowledged", [&](long n, long count) {
      Seen seen;
      std::atomic<int> acknowledged[items] = {};
      Acknowledges pipeline{{&seen}, acknowledged};
      const etl::Options options = with([&](etl::Options& o) { o.mode = mode; });
      bool reached = false;
      etl::RunReport report;
      {
        const Failing failing(n, count);
        report = etl::run(pipeline, options);
        Failing::disarm();
        reached = failing.happened();
      }
      check_report(report);
      check_hooks(seen, report);
      for (int c = 0; c < items / Acknowledges::chunk; ++c) {
        CHECK(acknowledged[c] <= 2);
        if (acknowledged[c] == 1) CHECK(seen.all(c * Acknowledges::chunk, (c + 1) * Acknowledges::chunk));
        if (report.ok()) CHECK(acknowledged[c] == 1);
      }
      return reached;
    });
}

// --- buckets, managers, replays
// ---------------------------------------------------------------------------------------
TEST_CASE("memory: a bucket throws std::bad_alloc, or reports, and what it has taken is counted") {
  for (const bool weighed : {false, true})
    sweep("a bucket", [&](long n, long count) {
      Seen seen;
      std::uint64_t tried = 0;
      std::uint64_t accepted = 0;
      bool reached = false;
      std::optional<etl::RunReport> report;
      const etl::Options options =
          with([&](etl::Options& o) { o.batch_bytes = weighed ? std::optional<std::size_t>(200) : std::nullopt; });
      const auto process = [&seen](std::span<const std::string> batch) {
        for (const std::string& item : batch) ++seen.loaded[number_of(item)];
      };
      {
        const Failing failing(n, count);
        std::optional<etl::Bucket<std::string>> bucket;
        try {
          bucket.emplace(process, options);
        } catch (const std::bad_alloc&) {}
        if (bucket) {
          const auto trying = [&](auto&& push) {
            for (int i = 0; i < items / 2; ++i) try {
                std::string item = text_of(i);
                ++tried;
                if (push(std::move(item))) ++accepted;
              } catch (const std::bad_alloc&) {}
          };
          trying([&](std::string&& item) { return bucket->push(std::move(item)); });
          try {
            auto producer = bucket->producer();
            trying([&](std::string&& item) { return producer.push(std::move(item)); });
          } catch (const std::bad_alloc&) {}
          try {
            report = bucket->finish();
          } catch (const std::bad_alloc&) {
            Failing::disarm();
            reached = true;
            report = bucket->finish();
          }
        }
        bucket.reset();
        Failing::disarm();
        reached = reached || failing.happened();
      }
      if (report) {
        CHECK((report->ok() || report->outcome == etl::Outcome::Failed || report->outcome == etl::Outcome::Cancelled));
        CHECK((report->items.balanced() && report->results.balanced()));
        CHECK((report->items.extracted >= accepted && report->items.extracted <= tried));
        if (!reached) CHECK(report->ok());
      }
      return reached;
    });
}

TEST_CASE("memory: an item that the queue of a bucket has no memory for is not lost silently (G11)") {
  const test::Watchdog watchdog("a bucket whose queue has no memory");
  for (int n = 0, reached = 1; reached != 0; ++n) {
    std::atomic<std::uint64_t> loaded = 0;
    std::uint64_t accepted = 0;
    etl::Bucket<int> bucket(etl::concurrent([&loaded](std::span<const int> batch) { loaded += batch.size(); }), two);
    {
      const test::FailingMalloc failing(n);
      for (int i = 0; i < 200; ++i) try {
          accepted += bucket.push(i) ? 1U : 0U;
        } catch (const std::bad_alloc&) {}
      reached = test::FailingMalloc::happened() ? 1 : 0;
    }
    const etl::RunReport report = bucket.finish();
    CHECK(report.items.balanced());
    CHECK(report.items.extracted == 200);
    CHECK(report.items.loaded == accepted);
    CHECK(loaded == accepted);
  }
}

TEST_CASE("memory: a bucket that is not finished can be destroyed") {
  sweep("a bucket", [&](long n, long count) {
    Seen seen;
    const Failing failing(n, count);
    try {
      etl::Bucket<std::string> bucket(
          [&seen](std::span<const std::string> batch) {
            for (const std::string& item : batch) ++seen.loaded[number_of(item)];
          },
          two);
      for (int i = 0; i < items; ++i) static_cast<void>(bucket.push(text_of(i)));
    } catch (const std::bad_alloc&) {}
    Failing::disarm();
    return failing.happened();
  });
}

TEST_CASE("memory: a manager throws std::bad_alloc, or reports on every pipeline") {
  sweep("a manager", [&](long n, long count) {
    Seen seen[3];
    bool reached = false;
    etl::ManagerReport report;
    bool thrown = false;
    {
      const Failing failing(n, count);
      try {
        etl::PipelineManager manager(two, {.max_concurrent = 2});
        manager.add("the first of three pipelines", Strings{&seen[0]})
            .add("the second of three pipelines", Strings{&seen[1]})
            .add("the third of three pipelines", Strings{&seen[2]}, {.after = {"the first of three pipelines"}});
        report = manager.run_all();
      } catch (const std::bad_alloc&) {
        thrown = true;
      }
      Failing::disarm();
      reached = failing.happened();
    }
    CHECK((thrown || report.pipelines.size() == 3));
    for (const auto& [name, r] : report.pipelines) {
      CHECK((r.ok() || r.outcome == etl::Outcome::Failed || r.outcome == etl::Outcome::NotRun));
      CHECK((r.items.balanced() && r.results.balanced()));
    }
    for (const Seen& one : seen) CHECK(one.post == one.pre);
    return reached;
  });
}

TEST_CASE("memory: a replay ends Failed or Completed, and keeps the letters it has not loaded (G7)") {
  sweep("a replay", [&](long n, long count) {
    Seen seen;
    auto letters = std::make_shared<etl::testing::MemoryDeadLetters>();
    std::vector<etl::DeadLetter> rejected;
    for (int i = 0; i < items; ++i) {
      etl::DeadLetter letter;
      letter.id = text_of(i);
      letter.pipeline = "a pipeline with a name of some length";
      letter.seq = static_cast<std::uint64_t>(i);
      letter.payload.emplace(text_of(i));
      rejected.push_back(letter);
    }
    CHECK(letters->write(rejected).has_value());
    const etl::Options options = with([](etl::Options& o) { o.name = "a pipeline with a name of some length"; });
    bool reached = false;
    etl::RunReport report;
    Strings pipeline{&seen, true};
    {
      const Failing failing(n, count);
      report = etl::replay(pipeline, *letters, options);
      Failing::disarm();
      reached = failing.happened();
    }
    check_report(report);
    CHECK(seen.post == seen.pre);
    std::set<int> left;
    for (const etl::DeadLetter& letter : letters->letters()) left.insert(number_of(letter.id));
    for (int i = 0; i < items; ++i) CHECK((seen.loaded[i] > 0 || left.contains(i)));
    if (!reached) CHECK(left == std::set<int>{5});
    return reached;
  });
}
