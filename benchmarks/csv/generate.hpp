#pragma once
// Files to read.

#include <cstdint>
#include <string>

namespace bench {

/// "num": 8 columns of numbers, without quotes. "mixed": 10 columns with integers, decimals, dates, and descriptions,
/// of which 60 % stand in quotes, 10 % have quotes and 10 % line breaks in them. The same bytes at every call.
void generate(const std::string& kind, const std::string& path, std::uint64_t bytes);

}  // namespace bench
