#pragma once
/// Seeded choice, the same on every machine, and the size of randomised tests.

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace test {

/// SplitMix64: small, and good enough to choose with.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// 0 to n - 1.
  std::uint64_t below(std::uint64_t n) { return next() % n; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }
  template <class T, std::size_t n>
  const T& of(const T (&choices)[n]) {
    return choices[below(n)];
  }

 private:
  std::uint64_t state_;
};

/// A number that belongs to `n` under `seed`: randomness without shared state, for many threads.
inline std::uint64_t mixed(std::uint64_t seed, std::uint64_t n) {
  return Random(seed ^ (n * 0x9e3779b97f4a7c15u)).next();
}

/// Burns some processor time: a delay of no known length that no scheduler notices.
inline void spin(std::uint64_t rounds) {
  std::atomic<std::uint64_t> sink = 0;
  for (std::uint64_t i = 0; i < rounds; ++i) sink.fetch_add(1, std::memory_order_relaxed);
}

/// Whether the long form of the tests tagged [soak] is wanted.
inline bool soak() {
  const char* const value = std::getenv("ETLPIPE_SOAK");
  return value != nullptr && *value != '\0' && *value != '0';
}

}  // namespace test
