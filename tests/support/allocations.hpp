#pragma once
/// Counts what the whole process allocates. The operators are replaced in contract/allocations_test.cpp; they count
/// only while a `CountAllocations` is alive. One at a time.

#include <cstdint>

namespace test {

struct Allocations {
  std::uint64_t count = 0;
  std::int64_t bytes = 0;       // now, less than what was freed meanwhile
  std::int64_t peak_bytes = 0;  // the most `bytes` ever was
};

class CountAllocations {
 public:
  CountAllocations();
  ~CountAllocations();
  CountAllocations(const CountAllocations&) = delete;
  CountAllocations& operator=(const CountAllocations&) = delete;
  [[nodiscard]] Allocations so_far() const;
};

}  // namespace test
