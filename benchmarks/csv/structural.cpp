#include "structural.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <stdexcept>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bench {

#if defined(__x86_64__)
#define ETLPIPE_BENCH_TARGET __attribute__((target("avx2,pclmul,bmi,popcnt")))

namespace {

ETLPIPE_BENCH_TARGET inline std::uint64_t equal(__m256i low, __m256i high, char needle) noexcept {
  const __m256i spread = _mm256_set1_epi8(needle);
  const auto bits = [](int mask) { return static_cast<std::uint64_t>(static_cast<std::uint32_t>(mask)); };
  return bits(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, spread))) |
         bits(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, spread))) << 32;
}

ETLPIPE_BENCH_TARGET inline std::uint64_t prefix_xor(std::uint64_t mask) noexcept {
  const __m128i product =
      _mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<std::int64_t>(mask)), _mm_set1_epi8('\xFF'), 0);
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(product));
}

ETLPIPE_BENCH_TARGET std::size_t run(std::string_view text, std::uint64_t& inside, std::uint32_t* to) noexcept {
  std::array<char, 64> last{};
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += 64) {
    const char* block = text.data() + at;
    if (text.size() - at < 64) block = static_cast<const char*>(std::memcpy(last.data(), block, text.size() - at));
    __m256i low, high;
    std::memcpy(&low, block, 32);
    std::memcpy(&high, block + 32, 32);
    const std::uint64_t within = prefix_xor(equal(low, high, '"')) ^ inside;
    inside = static_cast<std::uint64_t>(static_cast<std::int64_t>(within) >> 63);
    std::uint64_t ends = (equal(low, high, ',') | equal(low, high, '\n')) & ~within;
    // Eight at a time, so that the branch is foreseen; what is too much is overwritten.
    std::uint32_t* next = to + count;
    count += static_cast<std::size_t>(_mm_popcnt_u64(ends));
    for (; ends != 0; next += 8)
      for (std::size_t i = 0; i < 8; ++i, ends &= ends - 1)
        next[i] = static_cast<std::uint32_t>(at) + static_cast<std::uint32_t>(_tzcnt_u64(ends));
  }
  return count;
}

#define ETLPIPE_BENCH_TARGET_512 __attribute__((target("avx512f,avx512bw,avx512vbmi2,pclmul,bmi,popcnt")))

ETLPIPE_BENCH_TARGET_512 std::size_t run_512(std::string_view text, std::uint64_t& inside, std::uint32_t* to) noexcept {
  std::array<std::uint8_t, 64> numbers{};
  for (std::uint8_t i = 0; i < 64; ++i) numbers[i] = i;
  const __m512i iota = _mm512_loadu_si512(numbers.data());
  std::array<char, 64> last{};
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += 64) {
    const char* block = text.data() + at;
    if (text.size() - at < 64) block = static_cast<const char*>(std::memcpy(last.data(), block, text.size() - at));
    const __m512i bytes = _mm512_loadu_si512(block);
    const std::uint64_t within = prefix_xor(_mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"'))) ^ inside;
    inside = static_cast<std::uint64_t>(static_cast<std::int64_t>(within) >> 63);
    const std::uint64_t ends =
        (_mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(',')) | _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\n'))) &
        ~within;
    alignas(64) std::array<std::uint8_t, 64> places;
    _mm512_store_si512(places.data(), _mm512_maskz_compress_epi8(ends, iota));
    const auto found = static_cast<std::size_t>(_mm_popcnt_u64(ends));
    for (std::size_t i = 0; i == 0 || i < found; i += 16) {
      __m128i some;
      std::memcpy(&some, places.data() + i, 16);
      const __m512i wide = _mm512_maskz_cvtepu8_epi32(0xFFFF, some);
      _mm512_storeu_si512(to + count + i, _mm512_add_epi32(wide, _mm512_set1_epi32(static_cast<std::int32_t>(at))));
    }
    count += found;
  }
  return count;
}

}  // namespace

Structural::Structural(bool avx512) : avx512_(avx512) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("pclmul"))
    throw std::runtime_error("the structural pass needs AVX2 and PCLMUL");
  if (avx512 && !(__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2")))
    throw std::runtime_error("this structural pass needs AVX-512 with VBMI2");
}

void Structural::index(std::string_view text) {
  if (offsets_.size() < text.size() + 64) offsets_.resize(text.size() + 64);
  size_ = (avx512_ ? run_512 : run)(text, inside_, offsets_.data());
}
#else
Structural::Structural(bool) { throw std::runtime_error("the structural pass is written for x86-64"); }
void Structural::index(std::string_view) {}
#endif

}  // namespace bench
