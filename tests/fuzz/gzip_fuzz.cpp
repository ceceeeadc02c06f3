// Any bytes, in small reads, as a file that is perhaps gzip. Whoever inflates: no fault of memory, no hang, and what
// one accepts the other gives as well. The same with points, and from each of them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

/// `plain` is what `by` inflates without points.
void check_points(const std::string& bytes, std::size_t in, std::size_t out, io::Inflater by, const Outcome& plain) {
  std::vector<io::GzipPoint> points;
  const auto each = [&](io::GzipPoint point) { points.push_back(std::move(point)); };
  const Outcome all = outcome(*io::inflate_with_points(test::pieces(bytes, in), 3 * out, each, by), out);
  if (all.bytes.size() >= most || plain.bytes.size() >= most) return;
  if (all.failed != plain.failed || (!all.failed && all.bytes != plain.bytes)) std::abort();
  for (std::size_t i = 0; i < points.size(); i += 1 + points.size() / 8) {
    const std::string rest = bytes.substr(static_cast<std::size_t>(points[i].first()));
    for (const auto reader : {io::Inflater::Best, io::Inflater::Zlib}) {
      const Outcome from = outcome(*io::inflate_from(test::pieces(rest, in), points[i], reader), out);
      if (!all.failed && reader == by && (from.failed || from.bytes != all.bytes.substr(points[i].out))) std::abort();
    }
  }
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
  check_points(bytes, in, out, io::Inflater::Zlib, zlib);
  check_points(bytes, in, out, io::Inflater::Best, best);
  if (zlib.bytes.size() >= most || best.bytes.size() >= most) return 0;
  // ISA-L takes Huffman codes that are not complete, which zlib refuses.
  if (!zlib.failed && (best.failed || best.bytes != zlib.bytes)) std::abort();
  return 0;
}
