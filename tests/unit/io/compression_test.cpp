#include <etl/io/compression.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/io/gzip.hpp>

#include "support/catch.hpp"

namespace compression_test {

namespace io = etl::io;
using io::Compression;

namespace {

constexpr std::string_view text = "id,name\n1,x\n";

std::string bytes(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    out += static_cast<char>(static_cast<unsigned char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  return out;
}

struct Sample {
  Compression compression;
  std::string full, empty;
};
// `text`, and nothing, as bzip2 1.0.8, xz 5.4.1 and zstd 1.5.4 write them.
std::vector<Sample> samples() {
  return {
      {Compression::Bzip2,
       bytes("425a683931415926535980bbfb7600000459800010000420002623004020"
             "002201a1ea10030462b38a06f17724538509080bbfb760"),
       bytes("425a683917724538509000000000")},
      {Compression::Xz,
       bytes("fd377a585a000004e6d6b4460200210116000000742fe5a301000b69642c6e616d650a312c780a0041502f46d2197ede0001240c"
             "a618d8d81fb6f37d010000000004595a"),
       bytes("fd377a585a000004e6d6b446000000001cdf44211fb6f37d010000000004595a")},
      {Compression::Zstd, bytes("28b52ffd045861000069642c6e616d650a312c780a1f2e9727"),
       bytes("28b52ffd240001000099e9d851")}};
}

/// Gives one byte a read.
class Drops final : public io::ByteSource {
 public:
  explicit Drops(io::Source source) : source_(std::move(source)) {}
  etl::Result<std::size_t> read(std::span<char> to) override { return source_->read(to.first(to.empty() ? 0 : 1)); }
  const std::string& name() const noexcept override { return source_->name(); }
  std::uint64_t consumed() const noexcept override { return source_->consumed(); }
  std::uint64_t size_hint() const noexcept override { return source_->size_hint(); }
  bool interrupt() noexcept override { return source_->interrupt(); }

 private:
  io::Source source_;
};

/// What `decode` makes of it, or the error, whether it comes at once or in drops.
std::string decoded(const std::string& content) {
  std::string both;
  for (const bool drops : {false, true}) {
    io::Source source = io::from_memory(content, "f");
    if (drops) source = std::make_unique<Drops>(std::move(source));
    auto plain = io::decode(std::move(source));
    if (!plain) return plain.error().message();
    const auto all = io::read_all(**plain);
    const std::string got = all ? *all : all.error().message();
    if (drops) CHECK(got == both);
    both = got;
  }
  return both;
}

bool has(const std::string& all, std::string_view part) { return all.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("compression: known by the first bytes") {
  for (const Sample& sample : samples()) {
    CAPTURE(io::to_string(sample.compression));
    CHECK(io::compression_of(sample.full) == sample.compression);
    CHECK(io::compression_of(sample.empty) == sample.compression);
    CHECK(io::compression_of(std::string_view(sample.full).substr(0, io::compression_bytes)) == sample.compression);
    CHECK(io::compression_of(std::string_view(sample.full).substr(0, 3)) == Compression::None);
  }
  CHECK(io::compression_of("\x1F\x8B") == Compression::Gzip);
  for (const std::string_view plain : {"", "B", "BZh", "BZh9", "BZh9ours,name", "BZh01AY&SY", "id,name\n1,2\n"})
    CHECK(io::compression_of(plain) == Compression::None);
  CHECK(io::can_decompress(Compression::Gzip));
  CHECK(io::can_decompress(Compression::None));
  CHECK_THROWS_AS(io::decompress(io::from_memory("", "f"), Compression::Gzip), etl::Exception);
}

TEST_CASE("compression: bzip2, xz and zstd are read, or named when they cannot be") {
  for (const auto& [compression, full, empty] : samples()) {
    CAPTURE(io::to_string(compression));
    if (!io::can_decompress(compression)) {
      CHECK(has(decoded(full), io::to_string(compression)));
      continue;
    }
    CHECK(decoded(full) == text);
    CHECK(decoded(empty).empty());
    std::string twice(text);
    twice += text;
    CHECK(decoded(full + full) == twice);
  }
  CHECK(decoded("BZ,1\n") == "BZ,1\n");
  CHECK(decoded("BZ") == "BZ");
  CHECK(decoded("\x28\xB5") == "\x28\xB5");
}

TEST_CASE("compression: skippable frames of zstd, as pzstd writes them, are read past") {
  const Sample zstd = samples()[2];
  const std::string frame = bytes("502a4d1804000000") + "abcd", last = bytes("5f2a4d1800000000");
  CHECK(io::compression_of(frame) == Compression::Zstd);
  CHECK(io::compression_of(last) == Compression::Zstd);
  CHECK(decoded("P*M ") == "P*M ");
  if (!io::can_decompress(Compression::Zstd)) return;
  const std::string large = bytes("512a4d1800000400") + std::string(std::size_t{4} << 16, 'x');
  for (const std::string& before : {frame, last, frame + last, large + frame}) {
    CHECK(decoded(before + zstd.full) == text);
    CHECK(decoded(before + zstd.full + before + zstd.empty + before) == text);
    CHECK(decoded(before).empty());
    CHECK(has(decoded(before + "text"), "f: "));
    CHECK(has(decoded(before + "text of more than eight bytes"), "f: "));
  }
  CHECK(has(decoded(frame.substr(0, frame.size() - 1)), "cut off within a skippable frame"));
  CHECK(has(decoded(frame.substr(0, 7)), "f: "));
}

TEST_CASE("compression: what is cut off, damaged or more than a stream is an error") {
  for (const auto& [compression, full, empty] : samples()) {
    if (!io::can_decompress(compression)) continue;
    CAPTURE(io::to_string(compression));
    for (std::size_t size = io::compression_bytes; size < full.size(); ++size) {
      CAPTURE(size);
      const std::string got = decoded(full.substr(0, size));
      CHECK(has(got, "f: "));
      CHECK(has(got, io::to_string(compression)));
    }
    CHECK(has(decoded(full + "and more text than a header"), "f: "));
    std::string damaged = full;
    damaged[damaged.size() - 2] = static_cast<char>(damaged[damaged.size() - 2] ^ 1);
    CHECK(has(decoded(damaged), "f: "));
  }
}

}  // namespace compression_test
