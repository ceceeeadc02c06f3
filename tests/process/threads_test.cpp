// Threads that cannot start, and threads that a child of fork() does not have. A program of its own: it replaces
// pthread_create (here) and the allocating operators (memory_test.cpp), and its cases fork.
#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <etl/etl.hpp>

#include "process/failing_allocations.hpp"
#include "support/catch.hpp"
#include "support/sanitized.hpp"
#include "support/scripted.hpp"
#include "support/sync.hpp"

using namespace std::chrono_literals;

// --- what fails --------------------------------------------------------------------------------------------------
namespace {

std::atomic<int> startable{-1};  // how many more threads may start; below 0: any number

/// In its scope so many threads can start, and no more.
class OnlyThreads {
 public:
  explicit OnlyThreads(int count) { startable = count; }
  ~OnlyThreads() { startable = -1; }
  OnlyThreads(const OnlyThreads&) = delete;
  OnlyThreads& operator=(const OnlyThreads&) = delete;
};

using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);

}  // namespace

extern "C" {
// Sanitizers that are linked into the program have the true function under this name.
[[gnu::weak]] int __interceptor_pthread_create(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);  // NOLINT

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument) noexcept {
  static const Create real = __interceptor_pthread_create != nullptr
                                 ? &__interceptor_pthread_create
                                 : reinterpret_cast<Create>(::dlsym(RTLD_NEXT, "pthread_create"));
  if (startable >= 0 && startable.fetch_sub(1) <= 0) {
    startable = 0;
    return EAGAIN;
  }
  return real(thread, attributes, run, argument);
}
}

// --- what the cases share ----------------------------------------------------------------------------------------
namespace {

std::ptrdiff_t threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}
/// The kernel lists a thread for a moment after it was joined. That there are too many for ever, the watchdog says.
void await_threads(std::ptrdiff_t count) {
  while (threads() != count) std::this_thread::yield();
}

struct Ten {
  void extract(etl::Emitter<int>& out) {
    for (int i = 0; i < 10; ++i)
      if (!out.push(i)) return;
  }
  void load(std::span<const int>) const {}
};

bool names_threads(const etl::RunReport& report) {
  return !report.errors.empty() && report.errors.front().error.message().find("thread") != std::string::npos;
}

void ignore(int) {}
using Handling = void (*)(int);
Handling handling_of(int signal) {
  struct sigaction now{};
  ::sigaction(signal, nullptr, &now);
  return now.sa_handler;
}

/// Runs `call` in a child that then exits. Its exit code, or nothing when it did not end within a minute.
template <class F>
std::optional<int> in_child(F&& call) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);  // ends a child that hangs
    ::_exit(call());
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return std::nullopt;
  return WEXITSTATUS(status);
}

}  // namespace

// --- threads that cannot start -----------------------------------------------------------------------------------
TEST_CASE("G3: a pool whose threads cannot all start throws, and leaves none behind") {
  const test::Watchdog watchdog("a pool without threads");
  const auto before = threads();
  for (int started = 0; started < 4; ++started) {
    const OnlyThreads only(started);
    try {
      const etl::Executor pool = etl::Executor::pool(4);
      FAIL("the pool says that it has its threads");
    } catch (const std::system_error& e) {
      CHECK(e.code() == std::errc::resource_unavailable_try_again);
      const std::string what = e.what();
      CHECK(what.find("thread " + std::to_string(started + 1) + " of 4") != std::string::npos);
    }
    await_threads(before);
  }
}

TEST_CASE("G1, G3: a run whose pool cannot start ends Failed and names the cause") {
  const test::Watchdog watchdog("a run without threads");
  const auto before = threads();
  for (const etl::Mode mode : {etl::Mode::Parallel, etl::Mode::Fused}) {
    for (int started = 0; started < (mode == etl::Mode::Parallel ? 4 : 1); ++started) {
      const OnlyThreads only(started);
      const etl::RunReport r = etl::run(Ten{}, {.mode = mode, .workers = 4});
      CHECK(r.outcome == etl::Outcome::Failed);
      CHECK(r.exit_code() == 1);
      CHECK(names_threads(r));
      CHECK(r.items == etl::ItemLedger{});
      await_threads(before);
    }
  }
}

TEST_CASE("G3: a bucket or a manager whose pool cannot start throws") {
  const test::Watchdog watchdog("a bucket without threads");
  const auto before = threads();
  const OnlyThreads only(1);
  CHECK_THROWS_AS(etl::Bucket<int>([](std::span<const int>) {}, {.workers = 3}), std::system_error);
  CHECK_THROWS_AS(etl::PipelineManager({.workers = 3}), std::system_error);
  await_threads(before);
}

TEST_CASE("G2, G3: extractors that cannot start end the run, what was read is counted") {
  const test::Watchdog watchdog("a run without extractors");
  struct Parts {
    std::vector<int> partitions() const { return {0, 1, 2, 3}; }
    void extract(int partition, etl::Emitter<int>& out) const {
      while (out.push(partition))
        if (!out.wait_for(1h)) return;
    }
    void load(std::span<const int>) const {}
  };
  const auto before = threads();
  for (int started = 0; started < 3; ++started) {
    const OnlyThreads only(2 + started);  // the pool's two, and some of the three extractors beside the caller
    const etl::RunReport r = etl::run(Parts{}, {.workers = 2, .extractors = 4});
    CHECK(r.outcome == etl::Outcome::Failed);
    CHECK(names_threads(r));
    CHECK(r.items.balanced());
    await_threads(before);
  }
}

TEST_CASE("manager: a pipeline whose thread cannot start has failed, by its name, and fail_fast heeds it") {
  const test::Watchdog watchdog("a manager without threads");
  for (const bool fail_fast : {false, true}) {
    etl::PipelineManager manager({.workers = 1}, {.max_concurrent = 1, .fail_fast = fail_fast});
    manager.add("a", Ten{}).add("b", Ten{}).add("after a", Ten{}, {.after = {"a"}});
    const auto before = threads();
    const etl::ManagerReport r = [&] {
      const OnlyThreads only(0);
      return manager.run_all();
    }();
    CHECK(r.at("a").outcome == etl::Outcome::Failed);
    CHECK(r.at("a").pipeline == "a");
    CHECK(names_threads(r.at("a")));
    CHECK(r.at("b").outcome == (fail_fast ? etl::Outcome::NotRun : etl::Outcome::Failed));
    CHECK(r.at("b").pipeline == "b");
    CHECK(r.at("after a").outcome == etl::Outcome::NotRun);
    CHECK(r.at("after a").pipeline == "after a");
    await_threads(before);
  }
}

TEST_CASE("progress: a thread that cannot start fails the run, a manager then starts nothing") {
  const test::Watchdog watchdog("progress without a thread");
  std::FILE* const file = std::tmpfile();
  REQUIRE(file != nullptr);
  const etl::ProgressOptions lines{.show = etl::ProgressOptions::Show::Lines, .stream = file};
  etl::PipelineManager manager({.workers = 1}, {.progress = lines});
  manager.add("a", Ten{});
  const auto before = threads();
  {
    const OnlyThreads only(0);
    const etl::RunReport r = etl::run(Ten{}, {.mode = etl::Mode::Fused,
                                              .timeout = etl::Options::never,
                                              .drain_deadline = etl::Options::never,
                                              .progress = lines});
    CHECK(r.outcome == etl::Outcome::Failed);
    CHECK(names_threads(r));
    const etl::ManagerReport all = manager.run_all();
    CHECK(all.at("a").outcome == etl::Outcome::NotRun);
    CHECK(all.at("a").reason.find("thread") != std::string::npos);
  }
  await_threads(before);
  manager.add("b", Ten{});
  CHECK(manager.run_all().at("b").ok());
  std::fclose(file);
}

TEST_CASE("signals: when the watching thread cannot start, every signal is handled as before") {
  const test::Watchdog watchdog("signals without a thread");
  const Handling former_int = std::signal(SIGINT, ignore);
  const Handling former_usr = std::signal(SIGUSR1, SIG_IGN);
  const Handling former_term = std::signal(SIGTERM, SIG_DFL);
  {
    const OnlyThreads only(0);
    CHECK_THROWS_AS(etl::stop_on_signals({SIGINT, SIGUSR1, SIGTERM}), std::system_error);
  }
  CHECK(handling_of(SIGINT) == ignore);
  CHECK(handling_of(SIGUSR1) == SIG_IGN);
  CHECK(handling_of(SIGTERM) == SIG_DFL);
  // The same when one of them cannot be caught.
  CHECK_THROWS_AS(etl::stop_on_signals({SIGINT, SIGKILL}), std::system_error);
  CHECK(handling_of(SIGINT) == ignore);
  std::signal(SIGINT, former_int);
  std::signal(SIGUSR1, former_usr);
  std::signal(SIGTERM, former_term);
}

// --- memory that runs out on the thread of run_all -----------------------------------------------------------------
TEST_CASE("manager: a run_all that throws has first ended what was under way (G3)") {
  const test::Watchdog watchdog("run_all without memory");
  const auto before = threads();
  for (int n = 0;; ++n) {
    std::atomic<bool> under_way = false, ended = false;
    etl::PipelineManager manager({.mode = etl::Mode::Fused}, {.max_concurrent = 2, .fail_fast = true});
    manager.add_runner("waits", [&](const etl::Options&, etl::StopToken stop) {  // until it is told to stop
      under_way = true;
      test::Gate stopped;
      const std::stop_callback open(stop.drain(), [&stopped] { stopped.open(); });
      stopped.wait();
      ended = true;
      return etl::RunReport{.outcome = etl::Outcome::Cancelled};
    });
    manager.add_runner(
        "fails", [](const etl::Options&, etl::StopToken) -> etl::RunReport { throw std::runtime_error("planned"); });
    manager.add_runner("is never started", [](const etl::Options&, etl::StopToken) { return etl::RunReport{}; },
                       {.after = {"waits"}});
    bool thrown = false;
    bool reached = false;
    {
      const test::FailingAllocation failing(n);
      try {
        static_cast<void>(manager.run_all());
      } catch (const std::bad_alloc&) {
        thrown = true;
      }
      reached = test::FailingAllocation::happened();
    }
    await_threads(before);
    CHECK(ended == under_way);
    if (!reached) {
      CHECK_FALSE(thrown);
      break;
    }
  }
}

TEST_CASE("executor: arming a timer without memory throws, or arms it") {
  struct Nothing final : etl::Task {
    void run() noexcept override {}
  };
  for (int n = 0;; ++n) {
    const etl::Executor pool = etl::Executor::pool(1);
    const auto timer = pool.backend()->make_timer();
    auto task = std::make_shared<Nothing>();
    bool reached = false;
    {
      const test::FailingAllocation failing(n);
      try {
        timer->arm(pool.backend()->now() + 1h, std::move(task));  // the timer has the only reference
      } catch (const std::bad_alloc&) {}
      reached = test::FailingAllocation::happened();
    }
    if (!reached) break;
  }
  SUCCEED();
}

// --- threads that are not there after fork ---------------------------------------------------------------------------
TEST_CASE("fork: pool, bucket, manager and signals of the parent can be destroyed in a child") {
  const test::Watchdog watchdog("objects of the parent in a child");
  auto pool = std::make_unique<etl::Executor>(etl::Executor::pool(2));
  CHECK(in_child([&] { return pool.reset(), 7; }) == 7);

  std::atomic<int> loaded = 0;
  auto bucket = std::make_unique<etl::Bucket<int>>(
      [&loaded](std::span<const int> batch) { loaded += static_cast<int>(batch.size()); },
      etl::Options{.timeout = etl::Options::never, .workers = 2});
  bucket->push(1);
  CHECK(in_child([&] { return bucket.reset(), 7; }) == 7);
  CHECK(in_child([&] {
          try {
            static_cast<void>(bucket->finish());
          } catch (const etl::Exception&) {
            return 7;
          }
          return 1;
        }) == 7);
  CHECK(bucket->finish().items.loaded == 1);  // the parent's is as it was

  auto manager = std::make_unique<etl::PipelineManager>(etl::Options{.workers = 2});
  manager->add("a", Ten{});
  CHECK(in_child([&] { return manager.reset(), 7; }) == 7);
  CHECK(in_child([&] {
          try {
            static_cast<void>(manager->run_all());
          } catch (const etl::Exception&) {
            return 7;
          }
          return 1;
        }) == 7);
  CHECK(manager->run_all().ok());

  const Handling former = std::signal(SIGUSR1, ignore);
  auto stop = std::make_unique<etl::StopToken>(etl::stop_on_signals({SIGUSR1}));
  CHECK(in_child([&] {
          stop.reset();
          return handling_of(SIGUSR1) == ignore ? 7 : 1;
        }) == 7);
  stop.reset();
  CHECK(handling_of(SIGUSR1) == ignore);
  std::signal(SIGUSR1, former);
}

TEST_CASE("fork: a manager with pipelines under way can be destroyed in a child") {
  const test::Watchdog watchdog("a running manager in a child");
  test::Gate under_way, go_on;
  auto manager = std::make_unique<etl::PipelineManager>(etl::Options{.workers = 2});
  manager->add_runner("holds", [&](const etl::Options&, etl::StopToken) {
    under_way.open();
    go_on.wait();
    return etl::RunReport{};
  });
  etl::ManagerReport report;
  std::jthread runs([&] { report = manager->run_all(); });
  under_way.wait();
  CHECK(in_child([&] { return manager.reset(), 7; }) == 7);
  go_on.open();
  runs.join();
  CHECK(report.ok());
}

TEST_CASE("fork: a handle made by the parent is destroyed by the child at once") {
  const test::Watchdog watchdog("a handle in a child");
  test::Gate under_way, go_on;
  struct Waits {
    test::Gate& under_way;
    test::Gate& go_on;
    void extract(etl::Emitter<int>&) const {
      under_way.open();
      go_on.wait();
    }
    void load(std::span<const int>) const {}
  };
  auto run = std::make_optional(etl::start(Waits{under_way, go_on}, {.workers = 1}));
  under_way.wait();
  CHECK(in_child([&] { return run.reset(), 7; }) == 7);
  go_on.open();
  CHECK(run->wait().ok());
}

TEST_CASE("start: a run whose thread cannot start reports it") {
  const OnlyThreads none(0);
  etl::RunHandle run = etl::start(Ten{}, {.name = "ten", .workers = 1});
  const etl::RunReport& report = run.wait();
  CHECK(report.pipeline == "ten");
  CHECK(report.outcome == etl::Outcome::Failed);
  REQUIRE(report.errors.size() == 1);
  CHECK(report.errors[0].pipeline == "ten");
  CHECK(report.errors[0].error.context.find("cannot start the run's thread") == 0);
}

TEST_CASE("fork: a child makes and uses what it needs itself") {
  const test::Watchdog watchdog("a run in a child");
  const etl::Executor pool = etl::Executor::pool(1);
#ifndef ETLPIPE_TEST_TSAN  // it has no threads after fork()
  CHECK(in_child([] { return etl::run(Ten{}, {.workers = 2}).ok() ? 7 : 1; }) == 7);
#endif
}

TEST_CASE("fork: a child destroys its producer, though another thread had the lock of the bucket") {
  const test::Watchdog watchdog("a producer in a child");
  test::Gate reached, go_on;
  std::atomic<int> weighed = 0;
  struct Weighing {  // the second time that it weighs the item 2 is under the lock
    test::Gate &reached, &go_on;
    std::atomic<int>& weighed;
    void operator()(std::span<const int>) const {}
    std::size_t bytes(const int& item) const {
      if (item == 2 && ++weighed == 2) {
        reached.open();
        go_on.wait();
      }
      return sizeof(item);
    }
  };
  auto bucket = std::make_unique<etl::Bucket<int>>(
      Weighing{reached, go_on, weighed},
      etl::Options{.batch_size = 2, .batch_bytes = 1000, .timeout = etl::Options::never, .workers = 1});
  std::optional<etl::Bucket<int>::Producer> producer(bucket->producer());
  CHECK(producer->push(1));
  std::thread other([&] {
    auto mine = bucket->producer();
    mine.push(1);
    mine.push(2);
  });
  reached.wait();
  CHECK(in_child([&] {
          producer.reset();
          bucket.reset();
          return 7;
        }) == 7);
  go_on.open();
  other.join();
  producer.reset();
  CHECK(bucket->finish().items.loaded == 3);
}

#ifndef ETLPIPE_TEST_SANITIZED  // they have the operators for themselves
TEST_CASE("fork: a thread of a child ends, though another thread was in its first push to a bucket") {
  const test::Watchdog watchdog("the end of a thread in a child");
  for (int allocation = 0; allocation < 4; ++allocation) {  // one of these is made under the lock of the queue
    CAPTURE(allocation);
    etl::Bucket<int> bucket([](std::span<const int>) {}, {.workers = 1});
    test::Gate pushed, reached, fork_now, forked, go_on;
    pid_t child = -1;
    std::thread forking([&] {
      struct EndsChild {
        const pid_t parent = ::getpid();
        ~EndsChild() {
          if (::getpid() != parent) ::_exit(7);
        }
      };
      static thread_local const EndsChild after_all_others;
      static_cast<void>(after_all_others.parent);
      bucket.push(1);
      pushed.open();
      fork_now.wait();
      child = ::fork();
      if (child == 0) return static_cast<void>(::alarm(20));  // ends a child that hangs
      forked.open();
    });
    pushed.wait();
    std::thread pushing([&] {
      const test::HeldAllocation held(allocation, reached, go_on);
      bucket.push(2);
      reached.open();  // if there was no such allocation
    });
    reached.wait();
    fork_now.open();
    forked.wait();
    int status = 0;
    CHECK(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    if (WIFEXITED(status)) CHECK(WEXITSTATUS(status) == 7);
    go_on.open();
    pushing.join();
    forking.join();
  }
}
#endif
