#pragma once
/// Loops that inflate a gzip file of one member in memory with the libraries themselves, 256 KB at a time.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace bench {

inline constexpr std::size_t piece_size = std::size_t{256} << 10;

/// The number of inflated bytes; 0: failed, or not built.
std::uint64_t raw_zlib(std::string_view compressed);
std::uint64_t raw_isal(std::string_view compressed);

}  // namespace bench
