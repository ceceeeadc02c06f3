#pragma once
/// A common limit for the memory of several runs.

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include <etl/config.hpp>

namespace etl::inline v0 {
namespace detail {

/// Waits for room in a budget.
class BudgetWaiter {
 public:
  BudgetWaiter() = default;
  BudgetWaiter(const BudgetWaiter&) = delete;
  BudgetWaiter& operator=(const BudgetWaiter&) = delete;
  virtual ~BudgetWaiter() = default;
  virtual void budget_has_room() noexcept = 0;
};

}  // namespace detail

/// Limits the bytes of sealed batches of all runs that share it (`Options::memory`, `ManagerOptions::memory_budget`).
/// The weight of a batch is the sum of its items' `bytes(const E&)`, or of `sizeof(E)`. A run without a batch in flight
/// may always seal one, so that no run starves another: the limit can be exceeded by one batch per extractor.
/// Thread-safe.
class MemoryBudget {
 public:
  /// A budget of this many bytes.
  explicit MemoryBudget(std::size_t bytes) : limit_(bytes) {}

  /// The limit in bytes.
  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }
  /// Bytes in use now.
  [[nodiscard]] std::size_t used() const;
  /// The most bytes that were ever in use.
  [[nodiscard]] std::size_t peak() const;

  /// Takes `bytes`, even beyond the limit.
  void charge(std::size_t bytes);
  /// True while there is room below the limit. Otherwise `waiter` is notified once when there is room again, however
  /// often it asks.
  [[nodiscard]] bool has_room_or_tell(const std::shared_ptr<detail::BudgetWaiter>& waiter);
  /// Returns `bytes` to the budget. The caller must not hold a lock that a waiter takes.
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
