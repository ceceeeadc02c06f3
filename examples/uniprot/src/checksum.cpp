#include <etl/uniprot/checksum.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>

namespace etl::inline v0::uniprot {
namespace {

using Tables = std::array<std::array<std::uint64_t, 256>, 8>;

// Table k advances the checksum by a byte that is followed by k more bytes, so that eight bytes are processed at a
// time.
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint64_t i = 0; i < 256; ++i) {
    std::uint64_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xD800000000000000U : 0);
    tables[0][i] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t i = 0; i < 256; ++i) tables[k][i] = (tables[k - 1][i] >> 8) ^ tables[0][tables[k - 1][i] & 0xFF];
  return tables;
}
constexpr Tables tables = make_tables();

}  // namespace

std::uint64_t crc64(std::string_view residues) noexcept {
  std::uint64_t crc = 0;
  const char* next = residues.data();
  std::size_t left = residues.size();
  if constexpr (std::endian::native == std::endian::little) {
    for (; left >= 8; left -= 8, next += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, next, 8);
      crc ^= word;
      crc = tables[7][crc & 0xFF] ^ tables[6][crc >> 8 & 0xFF] ^ tables[5][crc >> 16 & 0xFF] ^
            tables[4][crc >> 24 & 0xFF] ^ tables[3][crc >> 32 & 0xFF] ^ tables[2][crc >> 40 & 0xFF] ^
            tables[1][crc >> 48 & 0xFF] ^ tables[0][crc >> 56];
    }
  }
  for (; left > 0; --left, ++next) crc = tables[0][(crc ^ static_cast<unsigned char>(*next)) & 0xFF] ^ (crc >> 8);
  return crc;
}

}  // namespace etl::inline v0::uniprot
