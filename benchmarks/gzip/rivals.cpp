#include <gzip/rivals.hpp>

#include <algorithm>
#include <memory>
#include <vector>

#define ZLIB_CONST
#include <zlib.h>
#ifdef ETLPIPE_BENCH_HAS_ISAL
#include <isa-l/igzip_lib.h>
#endif

#include <common/measure.hpp>

namespace bench {

std::uint64_t raw_zlib(std::string_view compressed) {
  z_stream stream{};
  if (::inflateInit2(&stream, 15 + 16) != Z_OK) return 0;
  std::vector<Bytef> out(piece_size);
  std::uint64_t total = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    if (stream.avail_in == 0) {
      const std::string_view piece = compressed.substr(0, piece_size);
      compressed.remove_prefix(piece.size());
      stream.next_in = reinterpret_cast<const Bytef*>(piece.data());
      stream.avail_in = static_cast<uInt>(piece.size());
    }
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.size());
    status = ::inflate(&stream, Z_NO_FLUSH);
    barrier(out.data());
    total += out.size() - stream.avail_out;
  }
  ::inflateEnd(&stream);
  return status == Z_STREAM_END ? total : 0;
}

std::uint64_t raw_isal([[maybe_unused]] std::string_view compressed) {
#ifdef ETLPIPE_BENCH_HAS_ISAL
  const auto state = std::make_unique<inflate_state>();
  ::isal_inflate_init(state.get());
  state->crc_flag = ISAL_GZIP;
  std::vector<std::uint8_t> out(piece_size);
  std::uint64_t total = 0;
  while (state->block_state != ISAL_BLOCK_FINISH) {
    if (state->avail_in == 0) {
      const std::string_view piece = compressed.substr(0, piece_size);
      compressed.remove_prefix(piece.size());
      state->next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(piece.data()));
      state->avail_in = static_cast<std::uint32_t>(piece.size());
    }
    state->next_out = out.data();
    state->avail_out = static_cast<std::uint32_t>(out.size());
    if (::isal_inflate(state.get()) != ISAL_DECOMP_OK) return 0;
    barrier(out.data());
    total += out.size() - state->avail_out;
  }
  return total;
#else
  return 0;
#endif
}

}  // namespace bench
