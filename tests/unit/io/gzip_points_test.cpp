// Points of gzip content: whoever finds them, either library inflates from them.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/io/gzip.hpp>

#include <zlib.h>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/sanitized.hpp"
#include "support/test_data.hpp"
#include "unit/io/support.hpp"

namespace gzip_points_test {

namespace io = etl::io;

namespace {

std::vector<io::Inflater> inflaters() {
  if (io::has_isal()) return {io::Inflater::Zlib, io::Inflater::IsaL};
  return {io::Inflater::Zlib};
}

/// A member. `flush_every`: zlib ends a block after so many bytes, too; 0: only where it likes.
std::string gzip(std::string_view bytes, int level, int strategy = Z_DEFAULT_STRATEGY, std::size_t flush_every = 0,
                 int memory = 8) {
  z_stream stream{};
  REQUIRE(::deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, memory, strategy) == Z_OK);
  std::string out(2 * bytes.size() + 1000, '\0');
  std::string in(bytes);
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  for (std::size_t left = in.size(); flush_every > 0 && left > flush_every; left -= flush_every) {
    stream.avail_in = static_cast<uInt>(flush_every);
    REQUIRE(::deflate(&stream, Z_BLOCK) == Z_OK);
    REQUIRE(stream.avail_in == 0);
  }
  stream.avail_in = static_cast<uInt>(in.data() + in.size() - reinterpret_cast<char*>(stream.next_in));
  REQUIRE(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

std::string noise(std::size_t size, std::uint64_t seed = 5) {
  test::Random random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random.next());
  return bytes;
}

struct Found {
  test::Drained all{};
  std::vector<io::GzipPoint> points{};
};
Found find(std::string_view compressed, std::uint64_t apart, io::Inflater by, std::size_t piece_in = 1 << 20,
           std::size_t piece_out = 1 << 16) {
  Found found;
  const auto source = io::inflate_with_points(
      test::pieces(std::string(compressed), piece_in), apart,
      [&](io::GzipPoint point) { found.points.push_back(std::move(point)); }, by);
  found.all = test::drain(*source, piece_out);
  return found;
}
test::Drained from(std::string_view compressed, const io::GzipPoint& point, io::Inflater by,
                   std::size_t piece_in = 1 << 20, std::size_t piece_out = 1 << 16) {
  const auto source =
      io::inflate_from(test::pieces(std::string(compressed.substr(point.first())), piece_in), point, by);
  return test::drain(*source, piece_out);
}

/// Whether the rest of the text can be inflated from each point; from every `step`th.
void check_points(std::string_view compressed, std::string_view text, const std::vector<io::GzipPoint>& points,
                  std::size_t step = 1, std::size_t piece_in = 1 << 20, std::size_t piece_out = 1 << 16) {
  REQUIRE(!points.empty());
  CHECK(points.front().out == 0);
  for (std::size_t i = 0; i < points.size(); i += step) {
    const io::GzipPoint& point = points[i];
    CAPTURE(i, point.in, point.bits, point.out);
    REQUIRE((point.bits >= 0 && point.bits <= 7 && point.in <= compressed.size() && point.out <= text.size()));
    REQUIRE((i == 0 || point.out > points[i - step].out));
    REQUIRE((point.window.size() <= 32768 && text.substr(0, point.out).ends_with(point.window)));
    for (const auto by : inflaters()) {
      const auto rest = from(compressed, point, by, piece_in, piece_out);
      CAPTURE(static_cast<int>(by));
      REQUIRE(rest.error.empty());
      REQUIRE((rest.bytes == text.substr(point.out)));
    }
  }
}

}  // namespace

TEST_CASE("gzip points: both libraries inflate from the points of both, at all levels") {
  const std::size_t size = test::fewer_if_sanitized<std::size_t>(900'000);
  const std::string random = noise(size);
  const std::string text = test::flat_text(size);
  const std::string runs = std::string(size / 2, 'a') + random.substr(0, size / 3) + std::string(size / 2, 'b');
  for (const std::string& bytes : {random, text, runs})
    for (const int level : {0, 1, 6, 9})
      for (const int strategy : {Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY}) {
        const std::string compressed = gzip(bytes, level, strategy);
        for (const auto by : inflaters())
          for (const std::uint64_t apart : {0u, 100'000u}) {
            CAPTURE(level, strategy, static_cast<int>(by), apart);
            const Found found = find(compressed, apart, by);
            REQUIRE(found.all.error.empty());
            REQUIRE((found.all.bytes == bytes));
            check_points(compressed, bytes, found.points, std::max<std::size_t>(1, found.points.size() / 7));
          }
      }
}

TEST_CASE("gzip points: they come as soon as a block ends after the distance asked for") {
  const std::string text = test::flat_text(3'000'000) + noise(1'000'000);
  const std::string compressed = gzip(text, 6, Z_DEFAULT_STRATEGY, 20'000);  // blocks are no longer than that
  for (const auto by : inflaters())
    for (const std::uint64_t apart : {50'000u, 500'000u}) {
      const Found found = find(compressed, apart, by);
      std::uint64_t last = 0, longest = 0, shortest = text.size();
      for (const io::GzipPoint& point : found.points) {
        longest = std::max(longest, point.out - last);
        if (point.out > 0) shortest = std::min(shortest, point.out - last);
        last = point.out;
      }
      CAPTURE(static_cast<int>(by), apart, found.points.size());
      CHECK(shortest >= apart);
      CHECK(longest <= apart + 200'000);  // ISA-L has inflated some 64 KiB more than it gave out
    }
  // zlib inflates no more than is asked for: each end of a block is a point.
  CHECK(find(compressed, 0, io::Inflater::Zlib).points.size() >= text.size() / 20'000);
}

TEST_CASE("gzip points: all sizes of pieces give the same points") {
  const std::string text = test::flat_text(test::fewer_if_sanitized<std::size_t>(200'000)) + noise(20'000);
  const std::string compressed = gzip(text, 6, Z_DEFAULT_STRATEGY, 7'000, 1) + gzip("second", 6);
  for (const auto by : inflaters()) {
    for (const std::size_t in : {1u, 2u, 3u, 7u, 8u, 9u, 64u, 1000u, 100'000u}) {
      CAPTURE(static_cast<int>(by), in);
      const Found found = find(compressed, 10'000, by, in, 1 << 16);
      REQUIRE(found.all.error.empty());
      REQUIRE((found.all.bytes == text + "second"));
      check_points(compressed, text + "second", found.points, std::max<std::size_t>(1, found.points.size() / 3), in,
                   777);
    }
    for (const std::size_t out : {1u, 2u, 3u, 100u, 5000u}) {
      CAPTURE(static_cast<int>(by), out);
      const Found found = find(compressed, 10'000, by, 1 << 20, out);
      REQUIRE((found.all.bytes == text + "second"));
      check_points(compressed, text + "second", found.points, std::max<std::size_t>(1, found.points.size() / 3), 777,
                   out);
    }
  }
}

TEST_CASE("gzip points: many members, empty ones among them, and zero padding") {
  std::string compressed;
  std::string text;
  for (int i = 0; i < test::fewer_if_sanitized(3000); ++i) {
    const std::string one = i % 3 == 0 ? std::string() : noise(static_cast<std::size_t>(i % 100), 7);
    compressed += gzip(one, i % 10);
    text += one;
  }
  compressed += std::string(50, '\0');
  for (const auto by : inflaters()) {
    const Found found = find(compressed, 1000, by);
    REQUIRE(found.all.error.empty());
    REQUIRE((found.all.bytes == text));
    CHECK(found.points.size() > text.size() / 2000);  // the beginning of a member is a point without a window
    check_points(compressed, text, found.points, std::max<std::size_t>(1, found.points.size() / 9));
    for (const io::GzipPoint& point : found.points) CHECK(point.window.empty());
  }
}

TEST_CASE("gzip points: a member is checked if its beginning was read") {
  const std::string first = noise(200'000), second = test::flat_text(300'000);
  const std::string one = gzip(first, 6), two = gzip(second, 6);
  const auto broken = [](std::string member) {  // its CRC-32
    member[member.size() - 8] = static_cast<char>(~member[member.size() - 8]);
    return member;
  };
  for (const auto by : inflaters()) {
    const auto points = find(one + two, 50'000, by).points;
    REQUIRE(points.size() > 3);
    REQUIRE(points[1].out < first.size());
    const auto error = [&](const std::string& content, const io::GzipPoint& point) {
      return from(content, point, by).error;
    };
    CHECK(error(broken(one) + two, points[1]).empty());
    CHECK(error(one + broken(two), points[1]).find("wrong CRC-32") != std::string::npos);
    CHECK(find(broken(one) + two, 50'000, by).all.error.find("wrong CRC-32") != std::string::npos);
    CHECK(find(one + broken(two), 50'000, by).all.error.find("wrong CRC-32") != std::string::npos);
    // Offsets are those of the whole content.
    const std::string half = one.substr(0, one.size() / 2);
    CHECK(error(half, points[1]).find("truncated after " + std::to_string(half.size())) != std::string::npos);
    std::string invalid = one + two;
    invalid[points[1].in] = '\xFF';  // a block of type 3, or one that is not as long as it says
    invalid.replace(points[1].in - 1, 12, 12, '\xFF');
    CHECK(error(invalid, points[1]).find("after compressed byte " + std::to_string(points[1].in)) != std::string::npos);
  }
}

TEST_CASE("gzip points: what is damaged is refused as without points, and what is not gives the same bytes") {
  const std::string text = test::flat_text(60'000) + noise(3'000) + test::flat_text(20'000);
  const std::string compressed =
      gzip(text, 6, Z_DEFAULT_STRATEGY, 9'000, 1) + gzip(text.substr(500), 1, Z_FIXED, 4'000);
  test::Random random(11);
  for (int i = 0; i < test::fewer_if_sanitized(600); ++i) {
    std::string damaged = compressed;
    if (i % 4 == 0) damaged.resize(random.next() % damaged.size());
    for (int flips = i % 3; flips > 0; --flips)
      if (!damaged.empty()) damaged[random.next() % damaged.size()] ^= static_cast<char>(1U << (random.next() % 8));
    for (const auto by : inflaters()) {
      const auto plain = test::drain(*io::inflate(test::pieces(damaged, 1 << 20), by), 1 << 16);
      const Found found = find(damaged, 5'000, by);
      CAPTURE(i, static_cast<int>(by), plain.error, found.all.error);
      REQUIRE(plain.error.empty() == found.all.error.empty());
      if (plain.error.empty()) REQUIRE((plain.bytes == found.all.bytes));
    }
  }
}

}  // namespace gzip_points_test
