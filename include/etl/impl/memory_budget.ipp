#pragma once
/// The compiled part of `MemoryBudget`.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include <etl/config.hpp>
#include <etl/memory_budget.hpp>

namespace etl::inline v0 {

ETLPIPE_COMPILED std::size_t MemoryBudget::used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}
ETLPIPE_COMPILED std::size_t MemoryBudget::peak() const {
  const std::lock_guard lock(mutex_);
  return peak_;
}

ETLPIPE_COMPILED void MemoryBudget::charge(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  used_ += bytes;
  peak_ = std::max(peak_, used_);
}

ETLPIPE_COMPILED bool MemoryBudget::has_room_or_tell(const std::shared_ptr<detail::BudgetWaiter>& waiter) {
  const std::lock_guard lock(mutex_);
  if (used_ < limit_) return true;
  const auto is_it = [&waiter](const std::weak_ptr<detail::BudgetWaiter>& other) {
    return !other.owner_before(waiter) && !waiter.owner_before(other);
  };
  std::erase_if(waiters_, [](const auto& other) { return other.expired(); });
  if (std::ranges::none_of(waiters_, is_it)) waiters_.push_back(waiter);
  return false;
}

ETLPIPE_COMPILED void MemoryBudget::release(std::size_t bytes) {
  std::vector<std::weak_ptr<detail::BudgetWaiter>> told;
  {
    const std::lock_guard lock(mutex_);
    used_ -= bytes;
    if (used_ < limit_) told.swap(waiters_);
  }
  for (const auto& weak : told)
    if (const auto waiter = weak.lock()) waiter->budget_has_room();
}

}  // namespace etl::inline v0
