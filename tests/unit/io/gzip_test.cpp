#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/io/digest.hpp>
#include <etl/io/gzip.hpp>

#include <zlib.h>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/sanitized.hpp"
#include "support/test_data.hpp"
#include "unit/io/support.hpp"

namespace gzip_test {

namespace io = etl::io;
using namespace std::string_literals;

namespace {

std::vector<io::Inflater> inflaters() {
  if (io::has_isal()) return {io::Inflater::Zlib, io::Inflater::IsaL};
  return {io::Inflater::Zlib};
}

std::string gzip(std::string_view bytes, int level = 6) {
  std::string compressed;
  auto sink = io::deflate(std::make_unique<test::StringSink>(compressed), level);
  REQUIRE(sink->write(bytes).has_value());
  REQUIRE(sink->finish().has_value());
  return compressed;
}

/// A raw deflate stream, `strategy` and `level` of zlib's.
std::string raw_deflate(std::string_view bytes, int level = 6, int strategy = Z_DEFAULT_STRATEGY) {
  z_stream stream{};
  REQUIRE(::deflateInit2(&stream, level, Z_DEFLATED, -15, 8, strategy) == Z_OK);
  std::string out(::deflateBound(&stream, bytes.size()) + 64, '\0');
  std::string in(bytes);
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

std::string little_endian(unsigned long value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>((value >> (8 * i)) & 0xFF);
  return text;
}
unsigned long crc_of(std::string_view bytes) {
  return ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
}

/// A member with the given flags and optional header fields.
std::string member(std::string_view bytes, unsigned char flags = 0, const std::string& fields = {}) {
  std::string header = "\x1F\x8B\x08"s + static_cast<char>(flags) + "time\0\3"s + fields;
  if ((flags & 2) != 0) header += little_endian(crc_of(header) & 0xFFFF, 2);
  return header + raw_deflate(bytes) + little_endian(crc_of(bytes), 4) + little_endian(bytes.size(), 4);
}

/// Compressed `piece_in` bytes a time, inflated `piece_out` a time.
test::Drained inflated(io::Inflater by, std::string compressed, std::size_t piece_in = 1 << 20,
                       std::size_t piece_out = 1 << 16) {
  const auto source = io::inflate(test::pieces(std::move(compressed), piece_in), by);
  test::Drained all = test::drain(*source, piece_out);
  char more = 0;
  const auto again = source->read({&more, 1});  // the end, or the error, stays
  CHECK(again.has_value() == all.error.empty());
  if (again) CHECK(*again == 0);
  return all;
}

}  // namespace

TEST_CASE("gzip: all sizes of pieces give the same bytes") {
  const std::string text = test::flat_text(3000);
  const std::string compressed = gzip(text) + gzip("") + gzip("second") + std::string(5, '\0');
  for (const auto by : inflaters())
    for (const std::size_t in : {1u, 2u, 3u, 7u, 8u, 9u, 64u, 1000u, 100'000u})
      for (const std::size_t out : {1u, 2u, 3u, 100u, 5000u}) {
        CAPTURE(static_cast<int>(by), in, out);
        const auto all = inflated(by, compressed, in, out);
        REQUIRE(all.error.empty());
        REQUIRE(all.bytes == text + "second");
      }
}

TEST_CASE("gzip: stored, fixed and dynamic blocks, and windows longer than a buffer") {
  test::Random random(3);
  std::string noise(200'000, '\0');
  for (char& c : noise) c = static_cast<char>(random.next());
  const std::string text = test::flat_text(1'500'000);
  const std::string runs = std::string(1'000'000, 'a') + noise + std::string(300'000, 'b');
  for (const std::string& bytes : {noise, text, runs})
    for (const int level : {0, 1, 6, 9})
      for (const int strategy : {Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY}) {
        const std::string compressed = member("").substr(0, 10) + raw_deflate(bytes, level, strategy) +
                                       little_endian(crc_of(bytes), 4) + little_endian(bytes.size(), 4);
        for (const auto by : inflaters())
          for (const std::size_t out : {1000u, 50'000u, 2'000'000u}) {
            const auto all = inflated(by, compressed, 1 << 20, out);
            CAPTURE(level, strategy, out);
            REQUIRE(all.error.empty());
            REQUIRE((all.bytes == bytes));
          }
      }
}

TEST_CASE("gzip: many members, empty ones among them, and zero padding") {
  std::string compressed;
  std::string text;
  for (int i = 0; i < test::fewer_if_sanitized(5000); ++i) {
    const std::string one = i % 3 == 0 ? std::string() : "member " + std::to_string(i) + "\n";
    compressed += gzip(one, 1);
    text += one;
  }
  for (const auto by : inflaters())
    for (const std::size_t padding : {0u, 1u, 511u, 600'000u}) {
      const auto all = inflated(by, compressed + std::string(padding, '\0'), 4096);
      CHECK(all.error.empty());
      CHECK(all.bytes == text);
    }
}

TEST_CASE("gzip: all optional fields of a header") {
  const std::string text = "all fields";
  const std::string extra = little_endian(6, 2) + "BC\2\0xy"s;
  for (unsigned flags = 0; flags < 32; ++flags) {
    std::string fields;
    if ((flags & 4) != 0) fields += extra;
    if ((flags & 8) != 0) fields += "name.txt\0"s;
    if ((flags & 16) != 0) fields += "a comment\0"s;
    const std::string whole = member(text, static_cast<unsigned char>(flags), fields);
    for (const auto by : inflaters()) {
      const auto all = inflated(by, whole + whole, 1);
      CAPTURE(flags);
      CHECK(all.error.empty());
      CHECK(all.bytes == text + text);
      // Cut off within the header.
      CHECK(inflated(by, whole.substr(0, 9 + fields.size())).error ==
            "pieces: gzip data is truncated after " + std::to_string(9 + fields.size()) + " compressed bytes");
    }
  }
}

TEST_CASE("gzip: damaged headers") {
  for (const auto by : inflaters()) {
    std::string wrong_crc = member("text", 2);
    wrong_crc[5] ^= 1;  // a byte of the time, which nothing else checks
    CHECK(inflated(by, wrong_crc).error ==
          "pieces: gzip data is damaged: wrong header checksum in the member that begins at compressed byte 0");
    const std::string good = member("text");
    std::string reserved = good;
    reserved[3] = 0x40;
    CHECK(inflated(by, good + reserved).error ==
          "pieces: gzip data is damaged: reserved header flags 40 in the member that begins at compressed byte " +
              std::to_string(good.size()));
    std::string method = good;
    method[2] = 7;
    CHECK(inflated(by, method).error ==
          "pieces: gzip data is damaged: unknown compression method 7 in the member that begins at compressed byte 0");
    CHECK(inflated(by, "plain text").error == "pieces: not gzip data, which begins with 1F 8B");
    CHECK(inflated(by, "").error == "pieces: gzip data is truncated after 0 compressed bytes");
  }
}

TEST_CASE("gzip: damaged trailers") {
  const std::string first = member("first");
  for (const auto by : inflaters()) {
    std::string crc = member("text");
    crc[crc.size() - 8] ^= 1;
    const auto wrong_crc = inflated(by, first + crc);
    CHECK(wrong_crc.bytes == "firsttext");
    CHECK(wrong_crc.error ==
          "pieces: gzip data is damaged: wrong CRC-32 (3b8ba7c7, stored 3b8ba7c6) in the member that begins at "
          "compressed "
          "byte " +
              std::to_string(first.size()));
    std::string length = member("text");
    length[length.size() - 4] = 5;
    CHECK(inflated(by, length).error ==
          "pieces: gzip data is damaged: wrong length (4 bytes modulo 2^32, stored 5) in the member that begins at "
          "compressed byte 0");
  }
}

TEST_CASE("gzip: what follows the last member") {
  const std::string good = member("text");
  for (const auto by : inflaters())
    for (const std::string& behind : {"x"s, "\x1F\x8Dmore"s, "\0\0\0x"s, "\0"s + good}) {
      const auto all = inflated(by, good + behind, 1);
      const auto zeros = std::min(behind.find_first_not_of('\0'), behind.size());
      CHECK(all.bytes == "text");
      CHECK(all.error == "pieces: gzip data is followed, at compressed byte " + std::to_string(good.size() + zeros) +
                             ", by bytes that are neither a member nor zero padding");
    }
}

TEST_CASE("gzip: every truncation is reported") {
  const std::string text = test::flat_text(600);
  const std::string first = member(text, 8, "name\0"s);
  const std::string whole = first + member("second member");
  for (const auto by : inflaters())
    for (std::size_t size = 0; size < whole.size(); ++size) {
      if (size == first.size()) continue;  // a whole file of one member
      for (const std::size_t piece : {1u, 100'000u}) {
        const auto all = inflated(by, whole.substr(0, size), piece);
        CAPTURE(size, piece);
        REQUIRE(all.error == "pieces: gzip data is truncated after " + std::to_string(size) + " compressed bytes");
        REQUIRE((text + "second member").starts_with(all.bytes));
      }
    }
}

TEST_CASE("gzip: every flipped bit is reported, or without effect") {
  const std::string text = test::flat_text(600);
  const std::string first = member(text, 2 | 4 | 8 | 16, "\3\0xyz"s + "name\0"s + "comment\0"s);
  const std::string whole = first + member("second member");
  for (const auto by : inflaters()) {
    int unused = 0;
    for (std::size_t at = 0; at < whole.size(); ++at)
      for (int bit = 0; bit < 8; ++bit) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
        const auto all = inflated(by, std::move(damaged));
        CAPTURE(at, bit, all.error);
        // Time, level, system and the text flag of the second member, whose header has no checksum.
        const std::size_t place = at - first.size();
        const bool no_effect = at > first.size() && ((place >= 4 && place < 10) || (place == 3 && bit == 0));
        if (no_effect) REQUIRE(all.error.empty());
        if (all.error.empty()) REQUIRE(all.bytes == text + "second member");
        if (all.error.empty() && !no_effect) ++unused;
      }
    CHECK(unused < 2 * 8);  // the bits that fill up the last byte of a deflate stream
  }
}

TEST_CASE("gzip: both inflaters agree about damaged data") {
  if (!io::has_isal()) {
    SUCCEED("built without ISA-L");
    return;
  }
  test::Random random(11);
  const std::string text = test::flat_text(20'000);
  const std::string whole = gzip(text) + gzip(text, 1);
  for (int round = 0; round < test::fewer_if_sanitized(3000); ++round) {
    std::string damaged = whole;
    for (std::uint64_t i = 0; i <= random.below(3); ++i)
      damaged[random.below(damaged.size())] = static_cast<char>(random.next());
    if (random.chance(4)) damaged.resize(random.below(damaged.size()));
    const auto zlib = inflated(io::Inflater::Zlib, damaged, 1000);
    const auto isal = inflated(io::Inflater::IsaL, damaged, 1000);
    CAPTURE(round, zlib.error, isal.error);
    REQUIRE(zlib.error.empty() == isal.error.empty());
    if (zlib.error.empty()) REQUIRE(zlib.bytes == isal.bytes);
  }
}

TEST_CASE("gzip: an error of the source comes through, behind what was inflated") {
  const std::string text = test::flat_text(100'000);
  const std::string compressed = gzip(text);
  for (const auto by : inflaters()) {
    const auto source = io::inflate(test::pieces(compressed.substr(0, compressed.size() / 2), 1000, "cable cut"), by);
    const auto all = test::drain(*source);
    CHECK(all.error == "cable cut");
    CHECK(text.starts_with(all.bytes));
    CHECK(all.bytes.size() > text.size() / 4);
  }
}

TEST_CASE("gzip: what is inflated is not held back by a wait for more") {
  const std::string run(100'000, 'a');
  const std::string without_trailer = gzip(run).substr(0, gzip(run).size() - 8);
  for (const auto by : inflaters()) {
    CHECK(test::drain(*io::inflate(test::pieces(without_trailer, 1000, "cable cut"), by), 10).bytes == run);
    const auto source = io::inflate(test::pieces(gzip("first\n") + gzip("second\n"), gzip("first\n").size()), by);
    std::string to(100, '\0');
    REQUIRE(source->read(to).value() == 6);
    REQUIRE(source->read(to).value() == 7);
    REQUIRE(source->read(to).value() == 0);
  }
}

TEST_CASE("gzip: decode goes by the content") {
  const std::string compressed = gzip("text");
  for (const std::string& plain : {""s, "a"s, "\x1F"s, "\x1F\x8A"s, "plain text"s})
    for (const std::size_t piece : {1u, 100u}) {
      const auto source = io::decode(test::pieces(plain, piece)).value();
      CHECK(source->name() == "pieces");
      CHECK(test::drain(*source, 3).bytes == plain);
      CHECK(source->consumed() == plain.size());
    }
  for (const std::size_t piece : {1u, 2u, 3u, 100u})
    CHECK(test::drain(*io::decode(test::pieces(compressed, piece)).value()).bytes == "text");
  // A source without a known size may wait, so it is first read when the caller reads.
  CHECK(test::drain(*io::decode(test::pieces("", 1, "cable cut")).value()).error == "cable cut");
}

TEST_CASE("gzip: progress in compressed bytes") {
  const std::string compressed = gzip(test::flat_text(100'000));
  const auto source = io::inflate(io::from_memory(compressed, "a.gz"));
  CHECK(source->size_hint() == compressed.size());
  CHECK(source->consumed() == 0);
  CHECK(test::drain(*source).error.empty());
  CHECK(source->consumed() == compressed.size());
}

TEST_CASE("gzip: ISA-L, when it is not there, is refused") {
  if (io::has_isal())
    CHECK_NOTHROW(io::inflate(io::from_memory(""), io::Inflater::IsaL));
  else
    CHECK_THROWS_AS(io::inflate(io::from_memory(""), io::Inflater::IsaL), etl::Exception);
}

TEST_CASE("gzip: a member of more than 4 GiB", "[.][large]") {
  // The libraries and the trailer count in 32 bits. About 20 seconds.
  const std::string piece(std::size_t{1} << 24, 'x');
  constexpr int count = 260;
  std::string compressed;
  auto sink = io::deflate(std::make_unique<test::StringSink>(compressed), 1);
  for (int i = 0; i < count; ++i) REQUIRE(sink->write(piece).has_value());
  const std::string end = test::flat_text(1'000'000);
  REQUIRE(sink->write(end).has_value());
  REQUIRE(sink->finish().has_value());
  for (const auto by : inflaters()) {
    const auto source = io::inflate(io::from_memory(compressed), by);
    std::string buffer(1 << 20, '\0');
    std::uint64_t size = 0;
    for (std::size_t got = 1; got > 0; size += got) {
      const auto read = source->read(buffer);
      CAPTURE(static_cast<int>(by), size);
      REQUIRE(read.has_value());
      got = *read;
    }
    CHECK(size == count * std::uint64_t{piece.size()} + end.size());
  }
}

TEST_CASE("gzip: the shared corner cases, as gzip -cd sees them") {
  const auto data = test::data_folder();
  if (!data) {
    WARN("no shared test data: nothing compared");
    SUCCEED();
    return;
  }
  std::string table = test::read_file(*data / "gzip/expected_gzip.csv");
  int files = 0;
  table.erase(0, table.find('\n') + 1);
  while (!table.empty()) {
    std::string line = table.substr(0, table.find('\n'));
    table.erase(0, line.size() + 1);
    std::vector<std::string> cells;  // file, compressed bytes, exit code, message, bytes out, MD5, verdict
    for (; cells.size() < 6; line.erase(0, cells.back().size() + 1)) cells.push_back(line.substr(0, line.find(',')));
    for (const auto by : inflaters()) {
      CAPTURE(cells[0]);
      const auto source = io::inflate(io::open_file(*data / cells[0]).value(), by);
      const auto all = test::drain(*source);
      CHECK(std::to_string(source->consumed()) == cells[1]);
      CHECK(all.error.empty() == (cells[2] == "0"));
      CHECK((all.error.find("truncated") != std::string::npos) ==
            (cells[3].find("unexpected end") != std::string::npos));
      CHECK((all.error.find("CRC-32") != std::string::npos) == (cells[3].find("crc error") != std::string::npos));
      if (all.error.find("truncated") == std::string::npos) {
        CHECK(std::to_string(all.bytes.size()) == cells[4]);
        CHECK(io::digest(io::DigestKind::Md5, all.bytes) == cells[5]);
      }
    }
    ++files;
  }
  CHECK(files >= 5);
}

}  // namespace gzip_test
