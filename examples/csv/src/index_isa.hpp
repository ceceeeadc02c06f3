#pragma once
// The index for each instruction set: one namespace for each, with the same functions.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <etl/csv/dialect.hpp>
#include <etl/csv/index.hpp>

#include "survey.hpp"

namespace etl::inline v0::csv {
namespace {

// One bit per byte of a block.
struct Masks {
  std::uint64_t delimiter, feed, carriage, quote;
};

struct Verdict {
  bool broken;  // a quote is at a place where none is allowed
  bool open;    // the text ends within quotes
};

// Number of bytes between two checks that there is room for results.
constexpr std::size_t room_step = 4096;
// Largest number of entries that `flatten` writes after the last valid entry.
constexpr std::size_t beyond = 16;

namespace portable {

constexpr std::uint64_t each_byte = 0x0101'0101'0101'0101;

struct Needles {
  explicit Needles(const Dialect& dialect) noexcept
      : delimiter(spread(dialect.delimiter)), quote(spread(dialect.quote.value_or('\n'))), quotes(dialect.quote) {}
  static std::uint64_t spread(char c) noexcept { return each_byte * static_cast<unsigned char>(c); }
  std::uint64_t delimiter, quote;
  bool quotes;
};

// One bit for each byte of `word` that equals the byte repeated in `needle`.
inline std::uint64_t equal(std::uint64_t word, std::uint64_t needle) noexcept {
  const std::uint64_t rest = word ^ needle;
  const std::uint64_t low = 0x7F * each_byte;
  const std::uint64_t zero = ~(((rest & low) + low) | rest | low);  // the top bit of each byte that is 0
  return ((zero >> 7) * 0x0102'0408'1020'4080) >> 56;
}

inline Masks classify(const char* block, const Needles& needles) noexcept {
  Masks m{};
  for (unsigned i = 0; i < 8; ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, block + std::size_t{8} * i, 8);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    m.delimiter |= equal(word, needles.delimiter) << (8 * i);
    m.feed |= equal(word, Needles::spread('\n')) << (8 * i);
    m.carriage |= equal(word, Needles::spread('\r')) << (8 * i);
    if (needles.quotes) m.quote |= equal(word, needles.quote) << (8 * i);
  }
  return m;
}

inline std::uint64_t prefix_xor(std::uint64_t mask) noexcept {
  for (unsigned shift = 1; shift < 64; shift *= 2) mask ^= mask << shift;
  return mask;
}
inline std::size_t popcount(std::uint64_t mask) noexcept { return static_cast<std::size_t>(std::popcount(mask)); }
// The number of the lowest bit. For 0 the result is arbitrary, so that no check is needed.
inline std::uint64_t lowest(std::uint64_t mask) noexcept {
  return static_cast<std::uint64_t>(std::countr_zero(mask | std::uint64_t{1} << 63));
}

#define ETLPIPE_CSV_TARGET
#include "index_kernel.hpp"
#undef ETLPIPE_CSV_TARGET

}  // namespace portable

#if defined(__x86_64__)
namespace sse2 {

struct Needles {
  explicit Needles(const Dialect& dialect) noexcept
      : delimiter(_mm_set1_epi8(dialect.delimiter)),
        quote(_mm_set1_epi8(dialect.quote.value_or('\n'))),
        quotes(dialect.quote ? ~std::uint64_t{0} : 0) {}
  __m128i delimiter, quote;
  std::uint64_t quotes;
};

inline std::uint64_t equal(const __m128i* block, __m128i needle) noexcept {
  std::uint64_t mask = 0;
  for (unsigned i = 0; i < 4; ++i)
    mask |= static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(block[i], needle))))
            << (16 * i);
  return mask;
}

inline Masks classify(const char* text, const Needles& needles) noexcept {
  __m128i block[4];
  std::memcpy(block, text, 64);
  return {equal(block, needles.delimiter), equal(block, _mm_set1_epi8('\n')), equal(block, _mm_set1_epi8('\r')),
          equal(block, needles.quote) & needles.quotes};
}

using portable::lowest;
using portable::popcount;
using portable::prefix_xor;

#define ETLPIPE_CSV_TARGET
#include "index_kernel.hpp"
#undef ETLPIPE_CSV_TARGET

}  // namespace sse2

// The characters that AVX copies into all bytes of a register when needed.
struct Chars {
  explicit Chars(const Dialect& dialect) noexcept
      : delimiter(dialect.delimiter),
        quote(dialect.quote.value_or('\n')),
        quotes(dialect.quote ? ~std::uint64_t{0} : 0) {}
  char delimiter, quote;
  std::uint64_t quotes;
};

namespace avx2 {

#define ETLPIPE_CSV_TARGET __attribute__((target("avx2,pclmul,bmi,popcnt")))

using Needles = Chars;

ETLPIPE_CSV_TARGET inline std::uint64_t equal(__m256i low, __m256i high, char needle) noexcept {
  const __m256i spread = _mm256_set1_epi8(needle);
  const auto bits = [](int mask) { return static_cast<std::uint64_t>(static_cast<std::uint32_t>(mask)); };
  return bits(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, spread))) |
         bits(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, spread))) << 32;
}

ETLPIPE_CSV_TARGET inline Masks classify(const char* text, const Needles& needles) noexcept {
  __m256i low, high;
  std::memcpy(&low, text, 32);
  std::memcpy(&high, text + 32, 32);
  return {equal(low, high, needles.delimiter), equal(low, high, '\n'), equal(low, high, '\r'),
          equal(low, high, needles.quote) & needles.quotes};
}

ETLPIPE_CSV_TARGET inline std::uint64_t prefix_xor(std::uint64_t mask) noexcept {
  const __m128i product =
      _mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<std::int64_t>(mask)), _mm_set1_epi8(-1), 0);
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(product));
}
ETLPIPE_CSV_TARGET inline std::size_t popcount(std::uint64_t mask) noexcept {
  return static_cast<std::size_t>(__builtin_popcountll(mask));
}
ETLPIPE_CSV_TARGET inline std::uint64_t lowest(std::uint64_t mask) noexcept { return _tzcnt_u64(mask); }

#include "index_kernel.hpp"
#undef ETLPIPE_CSV_TARGET

}  // namespace avx2

namespace avx512 {

#define ETLPIPE_CSV_TARGET __attribute__((target("avx512f,avx512bw,avx512vbmi2,pclmul,bmi,bmi2,popcnt")))

using Needles = Chars;

ETLPIPE_CSV_TARGET inline Masks classify(const char* text, const Needles& needles) noexcept {
  __m512i block;
  std::memcpy(&block, text, 64);
  const auto equal = [&block](char needle) ETLPIPE_CSV_TARGET {
    return static_cast<std::uint64_t>(_mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8(needle)));
  };
  return {equal(needles.delimiter), equal('\n'), equal('\r'), equal(needles.quote) & needles.quotes};
}

ETLPIPE_CSV_TARGET inline std::uint64_t prefix_xor(std::uint64_t mask) noexcept { return avx2::prefix_xor(mask); }
ETLPIPE_CSV_TARGET inline std::size_t popcount(std::uint64_t mask) noexcept { return avx2::popcount(mask); }
ETLPIPE_CSV_TARGET inline std::uint64_t lowest(std::uint64_t mask) noexcept { return avx2::lowest(mask); }

ETLPIPE_CSV_TARGET inline void flatten(std::uint64_t mask, std::uint32_t base, std::uint32_t* to) noexcept {
  alignas(64) static constexpr std::array<std::uint8_t, 64> numbers = [] {
    std::array<std::uint8_t, 64> all{};
    for (std::uint8_t i = 0; i < 64; ++i) all[i] = i;
    return all;
  }();
  alignas(64) std::array<std::uint8_t, 64> places;
  _mm512_store_si512(places.data(), _mm512_maskz_compress_epi8(mask, _mm512_load_si512(numbers.data())));
  const std::size_t size = popcount(mask);
  for (std::size_t i = 0; i == 0 || i < size; i += 16) {
    __m128i some;
    std::memcpy(&some, places.data() + i, 16);
    // Masked only because GCC warns about the unmasked form.
    const __m512i wide = _mm512_maskz_cvtepu8_epi32(0xFFFF, some);
    _mm512_storeu_si512(to + i, _mm512_add_epi32(wide, _mm512_set1_epi32(static_cast<std::int32_t>(base))));
  }
}

ETLPIPE_CSV_TARGET inline void flatten_rows(std::uint64_t rows, std::uint64_t ends, std::uint32_t base,
                                            std::uint32_t* to) noexcept {
  flatten(_pext_u64(rows, ends), base, to);
}

#define ETLPIPE_CSV_OWN_FLATTEN
#include "index_kernel.hpp"
#undef ETLPIPE_CSV_OWN_FLATTEN
#undef ETLPIPE_CSV_TARGET

}  // namespace avx512
#endif

}  // namespace
}  // namespace etl::inline v0::csv
