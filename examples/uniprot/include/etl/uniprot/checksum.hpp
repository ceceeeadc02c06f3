#pragma once
/// The CRC64 of UniProt's SQ lines.

#include <cstdint>
#include <string_view>

namespace etl::inline v0::uniprot {

/// ISO 3309 with the generator x^64 + x^4 + x^3 + x + 1, reflected, started with 0 and not inverted (user manual, "SQ
/// line").
[[nodiscard]] std::uint64_t crc64(std::string_view residues) noexcept;

}  // namespace etl::inline v0::uniprot
