#pragma once
// An option that programs share: how many records may be rejected.

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace program {

/// Parses the text of `--max-rejects`: "100" `records`, or "2%" of them. Sets `job.max_rejects` or
/// `job.max_reject_ratio`.
template <class Job>
void set_max_rejects(const std::string& text, std::string_view records, Job& job) {
  const bool percent = text.ends_with('%');
  const char* const end = text.data() + text.size() - (percent ? 1 : 0);
  double value = 0;
  const auto parsed = std::from_chars(text.data(), end, value);
  const bool bad = parsed.ec != std::errc{} || parsed.ptr != end || !(value >= 0) || (percent && value > 100) ||
                   (!percent && (value != std::floor(value) || value > 9e15));
  if (bad)
    throw CLI::ValidationError("--max-rejects",
                               fmt::format("'{}' is not a number of {} or a percentage such as 2%", text, records));
  if (percent)
    job.max_reject_ratio = value / 100;
  else
    job.max_rejects = static_cast<std::uint64_t>(value);
}

/// A message of the library, with the options of the command line in place of `Options::errors`.
inline std::string with_options(std::string text) {
  for (const std::string_view name : {"errors.max_reject_ratio", "errors.max_rejects"})
    if (const std::size_t at = text.find(name); at != std::string::npos)
      text.replace(at, name.size(), "--max-rejects or --strict");
  return text;
}

}  // namespace program
