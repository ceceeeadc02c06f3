#pragma once
// The yardstick for readers of CSV.

#include <cstdint>
#include <string_view>
#include <vector>

namespace bench {

/// Offsets of all commas and line feeds outside of quotes, found with AVX2 and PCLMUL, or with AVX-512 and VBMI2, and
/// nothing else: no row ends, no other line breaks, no look at where quotes stand.
class Structural {
 public:
  /// Throws when the processor cannot do it.
  explicit Structural(bool avx512);
  /// Of the next part of a file, which is a multiple of 64 bytes long unless it is the last one.
  void index(std::string_view text);
  [[nodiscard]] const std::vector<std::uint32_t>& offsets() const noexcept { return offsets_; }
  /// How many of them `index` has found this time.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  bool avx512_;
  std::vector<std::uint32_t> offsets_{};
  std::size_t size_ = 0;
  std::uint64_t inside_ = 0;  // all bits: the part before ended within quotes
};

}  // namespace bench
