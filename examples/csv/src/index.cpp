#include <etl/csv/index.hpp>

#include <algorithm>
#include <memory>
#include <utility>

#include "index_end.hpp"
#include "index_isa.hpp"
#include "survey.hpp"

namespace etl::inline v0::csv {

void detail::end_text(std::string_view text, bool whole, Structure& out) {
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
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt");
  const bool avx512 = avx2 && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2");
  return isa == Isa::Avx512 ? avx512 : isa != Isa::Avx2 || avx2;
#else
  return isa == Isa::Portable;
#endif
}

Isa best_isa() noexcept {
  static const Isa best = [] {
    for (const Isa isa : {Isa::Avx512, Isa::Avx2, Isa::Sse2})
      if (supported(isa)) return isa;
    return Isa::Portable;
  }();
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
  if (isa == Isa::Avx512)
    verdict = avx512::run(text, dialect, out);
  else if (isa == Isa::Avx2)
    verdict = avx2::run(text, dialect, out);
  else if (isa == Isa::Sse2)
    verdict = sse2::run(text, dialect, out);
  else
#endif
    verdict = portable::run(text, dialect, out);
  if (verdict.broken || (whole && verdict.open)) return false;
  detail::end_text(text, whole, out);
  return true;
}

std::size_t detail::survey(std::string_view text, const Dialect& dialect, bool last, Survey& to, Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::Avx512) return avx512::survey(text, dialect, last, to);
  if (isa == Isa::Avx2) return avx2::survey(text, dialect, last, to);
  if (isa == Isa::Sse2) return sse2::survey(text, dialect, last, to);
#endif
  return portable::survey(text, dialect, last, to);
}

}  // namespace etl::inline v0::csv
