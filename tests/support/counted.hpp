#pragma once
/// A value that counts what is done to it.

#include <atomic>
#include <cstdint>
#include <utility>

namespace test {

/// Counters of one kind of `Counted`, shared by all its objects.
struct Counts {
  std::atomic<std::int64_t> constructed = 0;
  std::atomic<std::int64_t> destroyed = 0;
  std::atomic<std::int64_t> copied = 0;
  std::atomic<std::int64_t> moved = 0;  // constructions
  std::atomic<std::int64_t> assigned = 0;
  [[nodiscard]] std::int64_t alive() const { return constructed - destroyed; }
  void reset() { constructed = destroyed = copied = moved = assigned = 0; }
};

template <class Tag>
class Counted {
 public:
  static Counts& counts() {
    static Counts all;
    return all;
  }
  Counted() { ++counts().constructed; }
  explicit Counted(std::uint64_t v) : value(v) { ++counts().constructed; }
  Counted(const Counted& other) : value(other.value) {
    ++counts().constructed;
    ++counts().copied;
  }
  Counted(Counted&& other) noexcept : value(std::exchange(other.value, 0)) {
    ++counts().constructed;
    ++counts().moved;
  }
  Counted& operator=(const Counted& other) {
    value = other.value;
    ++counts().assigned;
    ++counts().copied;
    return *this;
  }
  Counted& operator=(Counted&& other) noexcept {
    value = std::exchange(other.value, 0);
    ++counts().assigned;
    return *this;
  }
  ~Counted() { ++counts().destroyed; }

  std::uint64_t value = 0;
};

}  // namespace test
