#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include <etl/memory_budget.hpp>

#include "support/catch.hpp"

namespace memory_budget_test {

namespace {

struct Waiter final : etl::detail::BudgetWaiter {
  std::atomic<int> told = 0;
  void budget_has_room() noexcept override { ++told; }
};

}  // namespace

TEST_CASE("memory budget: counts what is in use, and the most ever") {
  etl::MemoryBudget budget(100);
  CHECK(budget.limit() == 100);
  budget.charge(60);
  budget.charge(70);  // a run's first batch may pass the limit
  CHECK(budget.used() == 130);
  budget.release(60);
  CHECK(budget.used() == 70);
  budget.release(70);
  CHECK(budget.used() == 0);
  CHECK(budget.peak() == 130);
}

TEST_CASE("memory budget: waiters are told once, when there is room again") {
  etl::MemoryBudget budget(100);
  const auto a = std::make_shared<Waiter>();
  const auto b = std::make_shared<Waiter>();
  CHECK(budget.has_room_or_tell(a));
  budget.charge(50);
  budget.charge(50);
  CHECK_FALSE(budget.has_room_or_tell(a));
  CHECK_FALSE(budget.has_room_or_tell(b));
  budget.charge(30);
  budget.release(30);
  CHECK(a->told == 0);  // still full
  budget.release(50);
  CHECK(a->told == 1);
  CHECK(b->told == 1);
  budget.release(50);
  CHECK(a->told == 1);  // once
  CHECK(budget.has_room_or_tell(a));
}

TEST_CASE("memory budget: a waiter that asks again and again is told once, and takes no more room") {
  etl::MemoryBudget budget(1);
  const auto a = std::make_shared<Waiter>();
  const auto b = std::make_shared<Waiter>();
  budget.charge(1);
  for (int i = 0; i < 1000; ++i) {
    CHECK_FALSE(budget.has_room_or_tell(a));
    CHECK_FALSE(budget.has_room_or_tell(b));
  }
  budget.release(1);
  CHECK(a->told == 1);
  CHECK(b->told == 1);
}

TEST_CASE("memory budget: a waiter that is gone is not told") {
  etl::MemoryBudget budget(1);
  auto gone = std::make_shared<Waiter>();
  const std::weak_ptr<Waiter> watch = gone;
  budget.charge(1);
  CHECK_FALSE(budget.has_room_or_tell(gone));
  gone.reset();
  CHECK(watch.expired());  // the budget does not keep a run alive
  budget.release(1);
}

TEST_CASE("memory budget: many threads") {
  etl::MemoryBudget budget(1000);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&budget] {
      const auto waiter = std::make_shared<Waiter>();
      for (std::size_t i = 1; i <= 2000; ++i) {
        budget.charge(i);
        static_cast<void>(budget.has_room_or_tell(waiter));
        budget.release(i);
      }
    });
  threads.clear();
  CHECK(budget.used() == 0);
  CHECK(budget.peak() >= 2000);
}

}  // namespace memory_budget_test
