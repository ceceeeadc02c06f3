#pragma once
/// One bound on the memory of many runs.

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include <etl/config.hpp>

namespace etl::inline v0 {
namespace detail {

/// Somebody who waits for room in a budget.
class BudgetWaiter {
 public:
  BudgetWaiter() = default;
  BudgetWaiter(const BudgetWaiter&) = delete;
  BudgetWaiter& operator=(const BudgetWaiter&) = delete;
  virtual ~BudgetWaiter() = default;
  virtual void budget_has_room() noexcept = 0;
};

}  // namespace detail

/// Bounds the bytes of sealed batches over all runs that share it (`Options::memory`,
/// `ManagerOptions::memory_budget`). A batch weighs the sum of its items' `bytes(const E&)`, or
/// `sizeof(E)` each. So that no run can starve another for ever, a run with no batch in flight may
/// always seal one: the bound can be passed by one batch per extractor. Thread-safe.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t bytes) : limit_(bytes) {}

  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  /// Bytes in use now, and the most there ever were.
  [[nodiscard]] std::size_t used() const;
  [[nodiscard]] std::size_t peak() const;

  /// Takes `bytes`, over the limit if need be.
  void charge(std::size_t bytes);
  /// True while the limit is not passed; else `waiter` is told once when it no longer is, however often it asks.
  [[nodiscard]] bool has_room_or_tell(const std::shared_ptr<detail::BudgetWaiter>& waiter);
  /// Gives `bytes` back. To be called without the waiters' own locks.
  void release(std::size_t bytes);

 private:
  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
  std::vector<std::weak_ptr<detail::BudgetWaiter>> waiters_;
};

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/memory_budget.ipp>
#endif
