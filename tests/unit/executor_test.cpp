#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <etl/asio.hpp>
#include <etl/executor.hpp>

#include "support/catch.hpp"
#include "support/sync.hpp"

namespace executor_test {

using namespace std::chrono_literals;

namespace {

struct CountDown final : etl::Task {
  explicit CountDown(int n) : left(n) {}
  void run() noexcept override {
    {
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    }
    if (--left == 0) done.open();
  }
  std::atomic<int> left;
  test::Gate done;
  std::mutex mutex;
  std::set<std::thread::id> threads;
};

/// Posts itself again, as the library's tasks do.
struct Chain final : etl::Task, std::enable_shared_from_this<Chain> {
  Chain(etl::Executor where, int n) : executor(std::move(where)), left(n) {}
  void run() noexcept override {
    if (--left == 0) return done.open();
    executor.backend()->post(shared_from_this());
  }
  etl::Executor executor;
  std::atomic<int> left;
  test::Gate done;
};

}  // namespace

TEST_CASE("executor: an empty handle says so") {
  const etl::Executor none;
  CHECK_FALSE(static_cast<bool>(none));
  CHECK(none.backend() == nullptr);
  CHECK(static_cast<bool>(etl::Executor::pool(1)));
}

TEST_CASE("executor: a pool runs tasks on its own threads, and copies share it") {
  const auto task = std::make_shared<CountDown>(1);
  {
    const etl::Executor pool = etl::Executor::pool(2);
    const etl::Executor copy = pool;
    CHECK(copy.backend() == pool.backend());
    copy.backend()->post(task);
    task->done.wait();
  }
  REQUIRE(task->threads.size() == 1);
  CHECK(task->threads.count(std::this_thread::get_id()) == 0);
  CHECK(task.use_count() == 1);  // nothing kept
}

TEST_CASE("executor: a pool of two threads runs two tasks at once") {
  struct Meet final : etl::Task {
    void run() noexcept override {
      mine.open();
      other->wait();
      done.open();
    }
    test::Gate mine, done;
    test::Gate* other = nullptr;
  };
  const auto a = std::make_shared<Meet>();
  const auto b = std::make_shared<Meet>();
  a->other = &b->mine;
  b->other = &a->mine;
  const etl::Executor pool = etl::Executor::pool(2);
  pool.backend()->post(a);
  pool.backend()->post(b);
  a->done.wait();
  b->done.wait();
  SUCCEED();
}

TEST_CASE("executor: a task may post itself again") {
  const etl::Executor pool = etl::Executor::pool(2);
  const auto chain = std::make_shared<Chain>(pool, 10000);
  pool.backend()->post(chain);
  chain->done.wait();
  CHECK(chain->left == 0);
  chain->executor = {};
}

TEST_CASE("executor: joining the pool runs what was posted") {
  const auto task = std::make_shared<CountDown>(1);
  {
    const etl::Executor pool = etl::Executor::pool(1);
    pool.backend()->post(task);
  }
  CHECK(task->left == 0);
}

TEST_CASE("executor: the caller's io_context") {
  asio::io_context io;
  const etl::Executor executor(asio::any_io_executor(io.get_executor()));
  const auto task = std::make_shared<CountDown>(1);
  executor.backend()->post(task);
  CHECK(task->left == 1);  // nobody runs it yet
  io.run();
  CHECK(task->left == 0);
  CHECK(task->threads.count(std::this_thread::get_id()) == 1);
}

TEST_CASE("executor: a timer runs its task at its time, a later arming replaces it, destruction cancels") {
  asio::io_context io;
  const etl::Executor executor(asio::any_io_executor(io.get_executor()));
  auto* const backend = executor.backend();
  const auto first = std::make_shared<CountDown>(1);
  const auto second = std::make_shared<CountDown>(1);
  const auto never = std::make_shared<CountDown>(1);
  const auto timer = backend->make_timer();
  auto cancelled = backend->make_timer();
  const auto due = backend->now() + 5ms;
  timer->arm(backend->now() + 1h, first);
  timer->arm(due, second);
  cancelled->arm(backend->now() + 1h, never);
  cancelled.reset();
  io.run();  // returns when no timer is armed
  CHECK(first->left == 1);
  CHECK(second->left == 0);
  CHECK(never->left == 1);
  CHECK(backend->now() >= due);
  CHECK(first.use_count() == 1);
  CHECK(never.use_count() == 1);
}

TEST_CASE("executor: a timer of a pool, again and again") {
  const etl::Executor pool = etl::Executor::pool(1);
  const auto timer = pool.backend()->make_timer();
  for (int i = 0; i < 20; ++i) {
    const auto task = std::make_shared<CountDown>(1);
    timer->arm(pool.backend()->now() + 100us, task);
    task->done.wait();
  }
  SUCCEED();
}

TEST_CASE("executor: a wait ends by notification and by its time") {
  const etl::Executor pool = etl::Executor::pool(1);
  auto* const backend = pool.backend();
  std::mutex mutex;
  std::condition_variable changed;
  bool flag = false;
  {
    std::unique_lock lock(mutex);
    const auto until = backend->now() + 2ms;
    while (backend->now() < until) backend->wait(lock, changed, until);
  }
  std::jthread other([&] {
    const std::lock_guard lock(mutex);
    flag = true;
    backend->notify(changed);
  });
  std::unique_lock lock(mutex);
  while (!flag) backend->wait(lock, changed, etl::TimePoint::max());
  CHECK(flag);
}

}  // namespace executor_test
