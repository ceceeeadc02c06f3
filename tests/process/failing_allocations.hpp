#pragma once
/// Makes allocations fail. The operators are replaced in memory_test.cpp, for the whole program.

#include <atomic>
#include <utility>

#include "support/sync.hpp"

namespace test {

/// In its scope the allocation number `n` (from 0) of this thread fails; the others do not.
class FailingAllocation {
 public:
  explicit FailingAllocation(int n) { left = n; }
  ~FailingAllocation() { left = -1; }
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;
  /// Whether it has come to that.
  [[nodiscard]] static bool happened() { return left < 0; }

  static inline constinit thread_local int left = -1;  // before one fails; below 0: any number
};

/// In its scope the allocation number `n` (from 0) of this thread opens `reached` and waits for `go_on`.
class HeldAllocation {
 public:
  HeldAllocation(int n, Gate& reached, Gate& go_on) : left_(n), reached_(reached), go_on_(go_on) { current = this; }
  ~HeldAllocation() { current = nullptr; }
  HeldAllocation(const HeldAllocation&) = delete;
  HeldAllocation& operator=(const HeldAllocation&) = delete;
  /// For the operators.
  static void come() {
    if (current == nullptr || current->left_-- != 0) return;
    HeldAllocation& held = *std::exchange(current, nullptr);
    held.reached_.open();
    held.go_on_.wait();
  }

 private:
  static inline constinit thread_local HeldAllocation* current = nullptr;
  int left_;
  Gate& reached_;
  Gate& go_on_;
};

/// The same for calls of malloc that no operator new makes.
class FailingMalloc {
 public:
  explicit FailingMalloc(int n) { left = n; }
  ~FailingMalloc() { left = -1; }
  FailingMalloc(const FailingMalloc&) = delete;
  FailingMalloc& operator=(const FailingMalloc&) = delete;
  [[nodiscard]] static bool happened() { return left < 0; }

  static inline constinit thread_local int left = -1;
};

/// In its scope the allocation number `n` (from 0) of the whole process fails, on whichever thread it is made, and the
/// `count` - 1 after it. One at a time.
class FailingProcessAllocations {
 public:
  explicit FailingProcessAllocations(long n, long count = 1) : from_(n) {
    made = 0;
    last = n + count;
    first = n;
  }
  ~FailingProcessAllocations() { disarm(); }
  FailingProcessAllocations(const FailingProcessAllocations&) = delete;
  FailingProcessAllocations& operator=(const FailingProcessAllocations&) = delete;
  static void disarm() { first = never; }
  /// Whether it has come to that.
  [[nodiscard]] bool happened() const { return made > from_; }
  /// For the operators.
  [[nodiscard]] static bool fails() {
    const long from = first.load(std::memory_order_relaxed);
    if (from == never) return false;
    const long mine = made.fetch_add(1, std::memory_order_relaxed);
    return mine >= from && mine < last.load(std::memory_order_relaxed);
  }

 private:
  static constexpr long never = -1;
  static inline constinit std::atomic<long> first = never;
  static inline constinit std::atomic<long> last = 0;
  static inline constinit std::atomic<long> made = 0;
  const long from_;
};

}  // namespace test
