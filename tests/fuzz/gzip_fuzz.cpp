// Any bytes, in small reads, as a file that is perhaps gzip. Whoever inflates: no fault of memory, no hang, and what
// one accepts the other gives as well.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <etl/io/gzip.hpp>

#include "unit/io/support.hpp"

namespace {

namespace io = etl::io;

/// A bomb is inflated so far.
constexpr std::size_t most = 1 << 20;

struct Outcome {
  std::string bytes;
  bool failed = false;
};

Outcome outcome(io::ByteSource& source, std::size_t piece) {
  Outcome all;
  std::string buffer(piece, '\0');
  while (all.bytes.size() < most) {
    const auto got = source.read(buffer);
    if (!got) {
      all.failed = true;
      if (got.error().message().empty() || source.read(buffer)) std::abort();  // the error stays
      return all;
    }
    if (*got == 0) return all;
    if (*got > piece) std::abort();
    all.bytes.append(buffer, 0, *got);
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t in = 1 + data[0];
  const std::size_t out = 1 + std::size_t{data[1]} * data[1];
  const std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);

  const auto decoded = io::decode(test::pieces(bytes, in)).value();
  const Outcome best = outcome(*decoded, out);
  if (!bytes.starts_with("\x1F\x8B")) {
    if (best.failed || !std::string_view(bytes).starts_with(best.bytes)) std::abort();
    return 0;
  }
  const Outcome zlib = outcome(*io::inflate(test::pieces(bytes, in), io::Inflater::Zlib), out);
  if (zlib.bytes.size() >= most || best.bytes.size() >= most) return 0;
  // ISA-L takes Huffman codes that are not complete, which zlib refuses.
  if (!zlib.failed && (best.failed || best.bytes != zlib.bytes)) std::abort();
  return 0;
}
