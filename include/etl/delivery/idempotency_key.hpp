#pragma once
/// Keys that stay the same when a run is repeated (contract G16).

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <etl/config.hpp>

namespace etl::inline v0 {

/// 128 bits that identify the results of one `load` call. The same results of the same source get the same key in every
/// run and at every attempt, so that a service can recognise repetitions. A pipeline gets the key as an argument of
/// `load`; its batches are then cut only at multiples of `batch_size` and where a partition ends. If a `load` rejects
/// results and skips keys that it knows, it must reject the same results again when it skips (G7). A value.
class IdempotencyKey {
 public:
  /// The key 0.
  IdempotencyKey() = default;
  /// A key from its two halves.
  IdempotencyKey(std::uint64_t high, std::uint64_t low) : high_(high), low_(low) {}
  /// The upper 64 bits.
  [[nodiscard]] std::uint64_t high() const noexcept { return high_; }
  /// The lower 64 bits.
  [[nodiscard]] std::uint64_t low() const noexcept { return low_; }
  /// 32 hexadecimal digits.
  [[nodiscard]] std::string text() const {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (const std::uint64_t half : {high_, low_})
      for (int shift = 60; shift >= 0; shift -= 4) out += digits[(half >> shift) & 15U];
    return out;
  }
  friend bool operator==(const IdempotencyKey&, const IdempotencyKey&) = default;

 private:
  std::uint64_t high_ = 0;
  std::uint64_t low_ = 0;
};

/// The keys of parts of a `load` call, for a sink that sends its results in parts.
class PartKeys {
 public:
  PartKeys() = default;
  PartKeys(const PartKeys&) = delete;
  PartKeys& operator=(const PartKeys&) = delete;
  virtual ~PartKeys() = default;
  /// The key that the results from `first` to before `end` have when the library gives them to a call of their own: to
  /// repeat them, or to find the bad ones.
  [[nodiscard]] virtual IdempotencyKey of(std::size_t first, std::size_t end) const = 0;
};

namespace detail {

/// Two 64-bit FNV-1a hashes with different beginnings, each mixed at the end as in SplitMix64. Not for secrets.
class KeyHash {
 public:
  KeyHash& add(std::string_view text) noexcept {
    for (const char c : text) step(static_cast<unsigned char>(c));
    return add(std::uint64_t{text.size()});
  }
  KeyHash& add(std::uint64_t number) noexcept {
    for (int i = 0; i < 8; ++i) step(static_cast<unsigned char>(number >> (8 * i)));
    return *this;
  }
  [[nodiscard]] IdempotencyKey key() const noexcept { return {mixed(high_), mixed(low_)}; }

 private:
  static constexpr std::uint64_t prime = 0x100000001b3;
  void step(unsigned char byte) noexcept {
    high_ = (high_ ^ byte) * prime;
    low_ = (low_ ^ static_cast<unsigned char>(byte + 0x5bU)) * prime;
  }
  [[nodiscard]] static std::uint64_t mixed(std::uint64_t x) noexcept {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }
  std::uint64_t high_ = 0xcbf29ce484222325;
  std::uint64_t low_ = 0x6c62272e07bb0142;
};

}  // namespace detail
}  // namespace etl::inline v0
