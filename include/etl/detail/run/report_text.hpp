#pragma once
/// RunReport as text and JSON.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include <etl/config.hpp>
#include <etl/text.hpp>

namespace etl::inline v0 {
namespace detail {

/// 1234567 -> "1,234,567".
[[nodiscard]] inline std::string grouped(std::uint64_t n) {
  std::string digits = fmt::format("{}", n);
  for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<std::size_t>(i), 1, ',');
  return digits;
}

/// A duration with three significant digits and a fitting unit.
[[nodiscard]] inline std::string human(std::chrono::nanoseconds duration) {
  const auto ns = static_cast<double>(duration.count());
  if (ns < 1e3) return fmt::format("{:.0f} ns", ns);
  if (ns < 1e6) return fmt::format("{:.3g} us", ns / 1e3);
  if (ns < 1e9) return fmt::format("{:.3g} ms", ns / 1e6);
  if (ns < 100e9) return fmt::format("{:.3g} s", ns / 1e9);
  return fmt::format("{:.0f} s", ns / 1e9);
}

/// A number with three significant digits and a metric suffix: 1.23 M.
[[nodiscard]] inline std::string metric(double n) {
  if (n < 1e3) return fmt::format("{:.3g}", n);
  if (n < 1e6) return fmt::format("{:.3g} k", n / 1e3);
  if (n < 1e9) return fmt::format("{:.3g} M", n / 1e6);
  return fmt::format("{:.3g} G", n / 1e9);
}

/// Names with commas between them.
[[nodiscard]] inline std::string joined(std::span<const std::string> names) {
  std::string out;
  for (const std::string& name : names) out.append(out.empty() ? "" : ", ").append(name);
  return out;
}

[[nodiscard]] inline double seconds(std::chrono::nanoseconds d) { return std::chrono::duration<double>(d).count(); }

}  // namespace detail
}  // namespace etl::inline v0
