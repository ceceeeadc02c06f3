#include <etl/csv/index.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "survey.hpp"

namespace etl::inline v0::csv {
namespace {

// One bit per byte of a block.
struct Masks {
  std::uint64_t delimiter, feed, carriage, quote;
};

struct Verdict {
  bool broken;  // a quote stands where none may
  bool open;    // the text ends within quotes
};

// Bytes between two looks at the room for what is found in them.
constexpr std::size_t room_step = 4096;

namespace portable {

constexpr std::uint64_t each_byte = 0x0101'0101'0101'0101;

struct Needles {
  explicit Needles(const Dialect& dialect) noexcept
      : delimiter(spread(dialect.delimiter)), quote(spread(dialect.quote.value_or('\n'))), quotes(dialect.quote) {}
  static std::uint64_t spread(char c) noexcept { return each_byte * static_cast<unsigned char>(c); }
  std::uint64_t delimiter, quote;
  bool quotes;
};

// One bit per byte of `word` that is the needle's.
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
// The number of the lowest bit; anything for 0, so that nothing is asked.
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

namespace avx2 {

#define ETLPIPE_CSV_TARGET __attribute__((target("avx2,pclmul,bmi,popcnt")))

struct Needles {
  ETLPIPE_CSV_TARGET explicit Needles(const Dialect& dialect) noexcept
      : delimiter(dialect.delimiter),
        quote(dialect.quote.value_or('\n')),
        quotes(dialect.quote ? ~std::uint64_t{0} : 0) {}
  char delimiter, quote;
  std::uint64_t quotes;
};

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
#endif

bool is_blank(char c, const Dialect& dialect) noexcept { return (c == ' ' || c == '\t') && c != dialect.delimiter; }
bool is_break(char c) noexcept { return c == '\n' || c == '\r'; }

// One byte after the other. Text offsets fit 32 bits.
class Scanner {
 public:
  Scanner(std::string_view text, const Dialect& dialect, bool whole, Structure& out) noexcept
      : text_(text), dialect_(dialect), whole_(whole), out_(out) {}

  bool run() {
    while (at_ < text_.size() && row()) {}
    return !lost_;
  }

 private:
  enum class End : std::uint8_t { Cell, Row, Text, Fault };

  // False: the row does not end in the text.
  bool row() {
    if (dialect_.comment && text_[at_] == *dialect_.comment) {
      mark(Mark::Kind::Comment, at_);
      return skip_line(at_);
    }
    for (;;) {
      switch (cell()) {
        case End::Cell: break;
        case End::Row: return true;
        case End::Fault: return skip_line(resume_);
        case End::Text: return false;
      }
    }
  }

  End cell() {
    cell_begin_ = at_;
    std::size_t at = at_;
    if (dialect_.trim)
      while (at < text_.size() && is_blank(text_[at], dialect_)) ++at;
    return dialect_.quote && at < text_.size() && text_[at] == *dialect_.quote ? quoted(at) : plain(at);
  }

  End plain(std::size_t at) {
    for (; at < text_.size(); ++at) {
      const char c = text_[at];
      if (c == dialect_.delimiter || is_break(c)) break;
      if (dialect_.quote && c == *dialect_.quote) return fault(Mark::Kind::BareQuote, at, at);
    }
    return end_cell(at);
  }

  End quoted(const std::size_t opening) {
    const char quote = *dialect_.quote;
    const bool escapes = dialect_.escape && dialect_.escape != dialect_.quote;
    const char escape = dialect_.escape.value_or('\0');
    std::size_t at = opening + 1;
    for (;; ++at) {
      if (at - opening > dialect_.max_field + 2) return fault(Mark::Kind::TooLong, opening, opening);
      if (at >= text_.size()) return whole_ ? fault(Mark::Kind::Unclosed, opening, opening) : End::Text;
      const char c = text_[at];
      if (escapes && c == escape) {
        if (at + 1 < text_.size()) {
          escaped();
          ++at;
          line_break(at);
        }
      } else if (c == quote) {
        if (escapes || at + 1 >= text_.size() || text_[at + 1] != quote) break;
        escaped();
        ++at;
      } else {
        line_break(at);
      }
    }
    ++at;
    if (dialect_.trim)
      while (at < text_.size() && is_blank(text_[at], dialect_)) ++at;
    if (at < text_.size() && text_[at] != dialect_.delimiter && !is_break(text_[at]))
      return fault(Mark::Kind::AfterQuote, at, at);
    return end_cell(at);
  }

  End end_cell(std::size_t at) {
    if (at >= text_.size() && !whole_) {
      // An endless cell is one, whether or not its end is here.
      return at - cell_begin_ > dialect_.max_field + 2 ? fault(Mark::Kind::TooLong, cell_begin_, at) : End::Text;
    }
    if (at - cell_begin_ > dialect_.max_field + 2) return fault(Mark::Kind::TooLong, cell_begin_, at);
    if (at < text_.size() && text_[at] == dialect_.delimiter) {
      out_.ends.push(static_cast<std::uint32_t>(at));
      at_ = at + 1;
      return End::Cell;
    }
    end_row(at);
    return End::Row;
  }

  // `at`: its line break, or the end of the text.
  void end_row(std::size_t at) {
    if (at + 1 < text_.size() && text_[at] == '\r' && text_[at + 1] == '\n') ++at;
    out_.ends.push(static_cast<std::uint32_t>(at));
    out_.row_ends.push(static_cast<std::uint32_t>(out_.ends.size() - 1));
    at_ = at + 1;
  }

  // The row is one cell up to the line break at or behind `from`.
  bool skip_line(std::size_t from) {
    std::size_t at = from;
    while (at < text_.size() && !is_break(text_[at])) ++at;
    if (at >= text_.size() && !whole_) {
      lost_ = out_.marks.back().kind == Mark::Kind::TooLong && at - cell_begin_ > 2 * dialect_.max_field + 2;
      out_.marks.pop_back();
      return false;
    }
    const std::size_t first = out_.row_ends.size() == 0 ? 0 : out_.row_ends.back() + std::size_t{1};
    out_.ends.resize(first);
    while (out_.escaped.size() != 0 && out_.escaped.back() >= first) out_.escaped.resize(out_.escaped.size() - 1);
    while (out_.breaks.size() != 0 && out_.breaks.back() >= at) out_.breaks.resize(out_.breaks.size() - 1);
    end_row(at);
    return true;
  }

  void escaped() { out_.escaped.push(static_cast<std::uint32_t>(out_.ends.size())); }
  void line_break(std::size_t at) {
    const bool last_byte =
        text_[at] == '\n' || (text_[at] == '\r' && (at + 1 == text_.size() || text_[at + 1] != '\n'));
    if (last_byte) out_.breaks.push(static_cast<std::uint32_t>(at));
  }
  void mark(Mark::Kind kind, std::size_t at) {
    out_.marks.push_back({static_cast<std::uint32_t>(out_.row_ends.size()), static_cast<std::uint32_t>(at), kind});
  }
  End fault(Mark::Kind kind, std::size_t at, std::size_t resume) {
    mark(kind, at);
    resume_ = resume;
    return End::Fault;
  }

  std::string_view text_;
  const Dialect& dialect_;
  bool whole_;
  Structure& out_;
  std::size_t at_ = 0;
  std::size_t cell_begin_ = 0;
  std::size_t resume_ = 0;
  bool lost_ = false;
};

// Cuts the lists at the last row end; with `whole` the rest is a row.
void end_text(std::string_view text, bool whole, Structure& out) {
  const auto complete = [&out] { return out.row_ends.size() == 0 ? 0 : out.row_ends.back() + std::size_t{1}; };
  const std::size_t covered = complete() == 0 ? 0 : out.ends[complete() - 1] + std::size_t{1};
  if (whole && covered < text.size()) {
    out.ends.push(static_cast<std::uint32_t>(text.size()));
    out.row_ends.push(static_cast<std::uint32_t>(out.ends.size() - 1));
  }
  out.ends.resize(complete());
  const std::size_t end = complete() == 0 ? 0 : out.ends.back();
  while (out.escaped.size() != 0 && out.escaped.back() >= out.ends.size()) out.escaped.resize(out.escaped.size() - 1);
  while (out.breaks.size() != 0 && out.breaks.back() >= end) out.breaks.resize(out.breaks.size() - 1);
}

}  // namespace

void Offsets::grow(std::size_t more) {
  const std::size_t capacity = std::max(2 * capacity_, size_ + more + 1);
  std::unique_ptr<std::uint32_t[]> bigger(new std::uint32_t[capacity]);
  std::copy_n(data_.get(), size_ + 1, bigger.get());
  data_ = std::move(bigger);
  capacity_ = capacity;
}

void Structure::clear() noexcept {
  ends.clear();
  row_ends.clear();
  escaped.clear();
  breaks.clear();
  marks.clear();
}

bool supported(Isa isa) noexcept {
#if defined(__x86_64__)
  return isa != Isa::Avx2 || (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") &&
                              __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt"));
#else
  return isa == Isa::Portable;
#endif
}

Isa best_isa() noexcept {
  static const Isa best = supported(Isa::Avx2) ? Isa::Avx2 : supported(Isa::Sse2) ? Isa::Sse2 : Isa::Portable;
  return best;
}

bool can_index(const Dialect& dialect) noexcept {
  const bool doubled = !dialect.escape || dialect.escape == dialect.quote;
  return doubled && !dialect.comment && !(dialect.trim && dialect.quote);
}

bool index(std::string_view text, const Dialect& dialect, bool whole, Structure& out, Isa isa) {
  out.clear();
  Verdict verdict{};
#if defined(__x86_64__)
  if (isa == Isa::Avx2)
    verdict = avx2::run(text, dialect, out);
  else if (isa == Isa::Sse2)
    verdict = sse2::run(text, dialect, out);
  else
#endif
    verdict = portable::run(text, dialect, out);
  if (verdict.broken || (whole && verdict.open)) return false;
  end_text(text, whole, out);
  return true;
}

bool scan(std::string_view text, const Dialect& dialect, bool whole, Structure& out) {
  out.clear();
  const bool found = Scanner(text, dialect, whole, out).run();
  end_text(text, false, out);
  return found;
}

std::size_t detail::survey(std::string_view text, const Dialect& dialect, bool last, Survey& to, Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::Avx2) return avx2::survey(text, dialect, last, to);
  if (isa == Isa::Sse2) return sse2::survey(text, dialect, last, to);
#endif
  return portable::survey(text, dialect, last, to);
}

}  // namespace etl::inline v0::csv
