#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <etl/io/chunk_reader.hpp>
#include <etl/io/gzip.hpp>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/sync.hpp"
#include "unit/io/support.hpp"

namespace io = etl::io;

namespace {

/// Buffers are seen by their size, which nothing else has.
constexpr std::size_t counted_size = 12'347;
std::atomic<int> counted_buffers = 0;

}  // namespace

// The sanitizers' runtimes have these operators for themselves: under them nothing is counted.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ETLPIPE_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define ETLPIPE_TEST_SANITIZED
#endif
#endif
#ifndef ETLPIPE_TEST_SANITIZED
void* operator new[](std::size_t size) {
  if (size == counted_size) ++counted_buffers;
  return ::operator new(size);
}
void operator delete[](void* memory) noexcept { ::operator delete(memory); }
void operator delete[](void* memory, std::size_t) noexcept { ::operator delete(memory); }
#endif

namespace {

/// A chunk with a copy of its text.
struct Piece {
  std::string text;
  std::uint64_t offset;
  std::uint64_t first_line;
  bool unterminated;
};
struct Everything {
  std::vector<Piece> pieces;
  std::string error;
};

Everything read_everything(io::ChunkReader& reader) {
  Everything all;
  for (;;) {
    const auto chunk = reader.next();
    if (!chunk) {
      all.error = chunk.error().message();
      return all;
    }
    if (!*chunk) return all;
    all.pieces.push_back({std::string((*chunk)->text), (*chunk)->offset, (*chunk)->first_line, (*chunk)->unterminated});
  }
}
Everything read_everything(io::Source source, std::string terminator, io::ChunkOptions options = {}) {
  io::ChunkReader reader(std::move(source), io::RecordSplitter(std::move(terminator)), options);
  return read_everything(reader);
}
std::string joined(const Everything& all) {
  std::string text;
  for (const Piece& piece : all.pieces) text += piece.text;
  return text;
}

/// The number of the line at `offset`, character by character.
std::uint64_t line_at(std::string_view text, std::size_t offset) {
  std::uint64_t line = 1;
  for (std::size_t i = 0; i < offset; ++i)
    if (text[i] == '\n' || (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n'))) ++line;
  return line;
}

/// Waits in `read` until it is let go; then gives `bytes`, and the end. Cannot be interrupted.
class StuckSource final : public io::ByteSource {
 public:
  struct Control {
    test::Gate entered;
    test::Gate let_go;
    test::Gate gone;
  };
  explicit StuckSource(std::shared_ptr<Control> control) : control_(std::move(control)) {}
  ~StuckSource() override { control_->gone.open(); }
  etl::Result<std::size_t> read(std::span<char> to) override {
    control_->entered.open();
    control_->let_go.wait();
    std::ranges::fill(to, '\n');
    return std::exchange(rest_, 0) > 0 ? to.size() : 0;
  }
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return 0; }

 private:
  std::shared_ptr<Control> control_;
  std::size_t rest_ = 1;
  std::string name_ = "stuck";
};

class ThrowingSource final : public io::ByteSource {
 public:
  etl::Result<std::size_t> read(std::span<char> to) override {
    if (first_) {
      first_ = false;
      to[0] = '\n';
      return 1;
    }
    throw std::runtime_error("thrown by the source");
  }
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return 0; }

 private:
  bool first_ = true;
  std::string name_ = "throwing";
};

/// Endless lines; counts how many bytes were asked for.
class EndlessSource final : public io::ByteSource {
 public:
  explicit EndlessSource(std::shared_ptr<std::atomic<std::uint64_t>> given) : given_(std::move(given)) {}
  etl::Result<std::size_t> read(std::span<char> to) override {
    std::ranges::fill(to, '\n');
    *given_ += to.size();
    return to.size();
  }
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return *given_; }

 private:
  std::shared_ptr<std::atomic<std::uint64_t>> given_;
  std::string name_ = "endless";
};

}  // namespace

TEST_CASE("chunk reader: whole records with their places, at every size of reads and chunks") {
  const std::string text = "ID a\r\nhttp://x\r\n//\r\nID b\n//\nID c\r//\rID d\n\n//\n//\nID e\n//\n";
  const std::vector<std::size_t> ends{20, 28, 36, 45, 48, text.size()};
  for (std::size_t read = 1; read <= text.size() + 1; ++read)
    for (const std::size_t chunk : {1u, 2u, 7u, 19u, 20u, 21u, 30u, 64u, 1000u}) {
      const auto all = read_everything(test::pieces(text, read), "//", {.chunk_size = chunk, .ahead = 2});
      CAPTURE(read, chunk);
      REQUIRE(all.error.empty());
      REQUIRE(joined(all) == text);
      std::size_t offset = 0;
      for (const Piece& piece : all.pieces) {
        REQUIRE(piece.offset == offset);
        REQUIRE(piece.first_line == line_at(text, offset));
        REQUIRE_FALSE(piece.unterminated);
        offset += piece.text.size();
        REQUIRE(std::ranges::find(ends, offset) != ends.end());
        if (chunk >= 20) REQUIRE(piece.text.size() <= chunk);
      }
    }
}

TEST_CASE("chunk reader: random texts, with a rest and with errors") {
  test::Random random(5);
  for (int round = 0; round < 600; ++round) {
    const std::string terminator = random.chance(2) ? "//" : "";
    std::string text;
    for (std::uint64_t i = random.below(60); i > 0; --i) {
      static constexpr std::string_view parts[] = {"//", "\n", "\r", "\r\n", "\n//\n", "\r\n//\r\n", "a", "line", "/"};
      text += random.of(parts);
    }
    const std::string error = random.chance(2) ? "cable cut" : "";
    const auto all = read_everything(test::pieces(text, 1 + random.below(20), error), terminator,
                                     {.chunk_size = 1 + random.below(40), .ahead = 1 + random.below(3)});
    CAPTURE(text, terminator, error);
    REQUIRE(all.error == error);
    const io::RecordSplitter splitter(terminator);
    const std::size_t end = splitter.last_end(text, error.empty());
    const std::size_t whole = end == io::RecordSplitter::npos ? 0 : end;
    // An incomplete record before an error is not given.
    REQUIRE(joined(all) == (error.empty() ? text : text.substr(0, whole)));
    std::size_t offset = 0;
    for (const Piece& piece : all.pieces) {
      REQUIRE_FALSE(piece.text.empty());
      REQUIRE(piece.offset == offset);
      REQUIRE(piece.first_line == line_at(text, offset));
      REQUIRE(piece.unterminated == (offset >= whole));
      if (!piece.unterminated) REQUIRE(splitter.last_end(piece.text, true) == piece.text.size());
      offset += piece.text.size();
    }
  }
}

TEST_CASE("chunk reader: the end stays, and so does an error") {
  io::ChunkReader reader(test::pieces("a\nb", 10), io::RecordSplitter());
  CHECK(read_everything(reader).pieces.size() == 2);  // the last line was not certain until the end
  CHECK(reader.ready());
  CHECK_FALSE(reader.next().value().has_value());

  io::ChunkReader broken(test::pieces("a\nb", 10, "cable cut"), io::RecordSplitter());
  const auto all = read_everything(broken);
  CHECK(joined(all) == "a\n");
  CHECK(all.error == "cable cut");
  CHECK(broken.next().error().message() == "cable cut");
}

TEST_CASE("chunk reader: an empty source has no chunk") {
  CHECK(read_everything(io::from_memory(""), "//").pieces.empty());
  CHECK(read_everything(io::from_memory("\xEF\xBB\xBF"), "//").pieces.empty());
}

TEST_CASE("chunk reader: the rest behind the last record is marked") {
  const auto all = read_everything(io::from_memory("ID a\n//\nID b\n"), "//");
  REQUIRE(all.pieces.size() == 2);
  CHECK_FALSE(all.pieces[0].unterminated);
  CHECK(all.pieces[1].unterminated);
  CHECK(all.pieces[1].text == "ID b\n");
  CHECK(all.pieces[1].offset == 8);
  CHECK(all.pieces[1].first_line == 3);
}

TEST_CASE("chunk reader: a byte order mark is skipped, at the begin only") {
  const std::string mark = "\xEF\xBB\xBF";
  for (const std::size_t piece : {1u, 2u, 3u, 4u, 100u})
    for (const std::size_t chunk : {1u, 2u, 3u, 4u, 100u}) {
      const auto all = read_everything(test::pieces(mark + "a\n" + mark + "b\n", piece), "", {.chunk_size = chunk});
      CAPTURE(piece, chunk);
      REQUIRE(joined(all) == "a\n" + mark + "b\n");
      REQUIRE(all.pieces.front().offset == 3);
      REQUIRE(all.pieces.front().first_line == 1);
      const auto blank = read_everything(test::pieces(mark + "\n", piece), "", {.chunk_size = chunk});
      REQUIRE(joined(blank) == "\n");
      REQUIRE_FALSE(blank.pieces.front().unterminated);
      // Parts of a mark are text.
      REQUIRE(joined(read_everything(test::pieces(mark.substr(0, 2), piece), "", {.chunk_size = chunk})) ==
              mark.substr(0, 2));
      REQUIRE(joined(read_everything(test::pieces("\xEF\xBB\n", piece), "", {.chunk_size = chunk})) == "\xEF\xBB\n");
    }
}

TEST_CASE("chunk reader: a record longer than a chunk, and one that is too long") {
  const std::string record = "ID " + std::string(994, 'x') + "\n//\n";  // 1001 bytes
  const std::string text = "a\n//\n" + record + "b\n//\n";
  for (const std::size_t read : {1u, 10u, 1'000'000u})
    for (const std::size_t chunk : {1u, 10u, 5000u}) {
      CAPTURE(read, chunk);
      const auto fits = read_everything(test::pieces(text, read), "//", {.chunk_size = chunk, .max_record = 1001});
      REQUIRE(fits.error.empty());
      REQUIRE(joined(fits) == text);

      const auto too_long = read_everything(test::pieces(text, read), "//", {.chunk_size = chunk, .max_record = 1000});
      REQUIRE(joined(too_long) == "a\n//\n");
      REQUIRE(
          too_long.error ==
          "pieces: the record at byte 5, line 3, is longer than 1000 bytes: raise ChunkOptions::max_record, unless a "
          "line \"//\" is missing");
    }
  const auto endless_line = read_everything(test::pieces(std::string(5000, 'x'), 10), "", {.max_record = 1000});
  CHECK(endless_line.error.find("unless this is not a file of text lines") != std::string::npos);
  const auto long_rest = read_everything(test::pieces("a\n//\n" + std::string(50, 'x'), 100), "//", {.max_record = 49});
  CHECK(joined(long_rest) == "a\n//\n");
  CHECK(long_rest.error.find("byte 5, line 3") != std::string::npos);
}

TEST_CASE("chunk reader: options that make no sense are refused") {
  const auto with = [](io::ChunkOptions options) {
    return io::ChunkReader(io::from_memory(""), io::RecordSplitter(), options);
  };
  CHECK_THROWS_AS(with({.chunk_size = 0}), etl::Exception);
  CHECK_THROWS_AS(with({.max_record = 0}), etl::Exception);
  CHECK_THROWS_AS(with({.ahead = 0}), etl::Exception);
  CHECK_THROWS_AS(io::ChunkReader(nullptr, io::RecordSplitter()), etl::Exception);
}

TEST_CASE("chunk reader: chunks outlive the reader, and go to other threads") {
  std::vector<io::Chunk> kept;
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "line " + std::to_string(i) + "\n";
  {
    io::ChunkReader reader(test::pieces(text, 50), io::RecordSplitter(), {.chunk_size = 64});
    while (auto chunk = reader.next().value()) kept.push_back(*chunk);
  }
  std::string all;
  std::thread other([&, chunks = std::move(kept)]() mutable {
    for (const io::Chunk& chunk : chunks) all += chunk.text;
    chunks.clear();
  });
  other.join();
  CHECK(all == text);
}

TEST_CASE("chunk reader: reads no further ahead than it may, and reuses buffers") {
  const auto given = std::make_shared<std::atomic<std::uint64_t>>(0);
  counted_buffers = 0;
  {
    io::ChunkReader reader(std::make_unique<EndlessSource>(given), io::RecordSplitter(),
                           {.chunk_size = counted_size, .ahead = 3});
    for (std::uint64_t i = 0; i < 1000; ++i) {
      const auto chunk = reader.next().value();
      REQUIRE(chunk.has_value());
      // Those taken, those ahead, and the one being read.
      REQUIRE(*given <= counted_size * (i + 1 + 3 + 1));
      REQUIRE(reader.bytes_read() <= *given);
    }
  }
  CHECK(counted_buffers <= 3 + 2 + 1);  // and the one held here
}

TEST_CASE("chunk reader: of buffers that were held, no more than it needs are kept") {
  const auto given = std::make_shared<std::atomic<std::uint64_t>>(0);
  counted_buffers = 0;
  io::ChunkReader reader(std::make_unique<EndlessSource>(given), io::RecordSplitter(),
                         {.chunk_size = counted_size, .ahead = 3});
  for (int round = 1; round <= 3; ++round) {
    std::vector<io::Chunk> held;
    while (held.size() < 100) held.push_back(reader.next().value().value());
#ifndef ETLPIPE_TEST_SANITIZED
    CHECK(counted_buffers >= 100 * round - 5 * (round - 1));
#endif
    CHECK(counted_buffers <= 100 * round + 5);
  }
}

TEST_CASE("chunk reader: a stop is heeded while waiting, and before") {
  const auto control = std::make_shared<StuckSource::Control>();
  io::ChunkReader reader(std::make_unique<StuckSource>(control), io::RecordSplitter());
  std::stop_source stop;
  control->entered.wait();
  CHECK_FALSE(reader.ready());
  std::thread other([&] { stop.request_stop(); });
  CHECK_FALSE(reader.next(stop.get_token()).value().has_value());
  other.join();
  CHECK_FALSE(reader.next(stop.get_token()).value().has_value());
  control->let_go.open();
  CHECK(reader.next().value().has_value());
}

TEST_CASE("chunk reader: goes away while the thread waits for room") {
  const auto given = std::make_shared<std::atomic<std::uint64_t>>(0);
  io::ChunkReader reader(std::make_unique<EndlessSource>(given), io::RecordSplitter(), {.chunk_size = 10, .ahead = 1});
  CHECK(reader.next().value().has_value());
  reader = io::ChunkReader(io::from_memory("a\n"), io::RecordSplitter());
  CHECK(reader.next().value()->text == "a\n");
}

TEST_CASE("chunk reader: goes away from a source that cannot be interrupted, which ends later") {
  const auto control = std::make_shared<StuckSource::Control>();
  {
    const io::ChunkReader reader(std::make_unique<StuckSource>(control), io::RecordSplitter());
    control->entered.wait();
  }
  CHECK_FALSE(control->gone.is_open());
  control->let_go.open();
  control->gone.wait();
}

TEST_CASE("chunk reader: goes away from a pipe that nobody writes to") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const std::filesystem::path path = "/dev/fd/" + std::to_string(ends[0]);
  CHECK(::write(ends[1], "a\nb", 3) == 3);
  {
    io::ChunkReader reader(io::open_file(path).value(), io::RecordSplitter());
    CHECK(reader.name() == path.string());
    CHECK(reader.next().value()->text == "a\n");  // without a wait for a full chunk
    CHECK(reader.bytes_read() == 3);
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("chunk reader: what the source throws, next throws") {
  io::ChunkReader reader(std::make_unique<ThrowingSource>(), io::RecordSplitter());
  CHECK(reader.next().value()->text == "\n");
  CHECK_THROWS_WITH(reader.next(), "thrown by the source");
  CHECK_THROWS_WITH(reader.next(), "thrown by the source");
}

TEST_CASE("chunk reader: inflates, with progress in compressed bytes") {
  const std::string text = test::flat_text(5'000'000);
  std::string compressed;
  auto sink = io::deflate(std::make_unique<test::StringSink>(compressed));
  REQUIRE(sink->write(text).has_value());
  REQUIRE(sink->finish().has_value());
  {
    io::ChunkReader reader(io::decode(io::from_memory(compressed, "a.gz")).value(), io::RecordSplitter("//"));
    CHECK(reader.size_hint() == compressed.size());
    CHECK(reader.name() == "a.gz");
    const auto all = read_everything(reader);
    CHECK(all.error.empty());
    CHECK((joined(all) == text));
    CHECK(all.pieces.back().first_line == line_at(text, all.pieces.back().offset));
    CHECK(reader.bytes_read() == compressed.size());
  }
  // All whole records before the damage, then the damage.
  const std::string half = compressed.substr(0, compressed.size() / 2);
  const auto damaged = read_everything(io::decode(io::from_memory(half, "a.gz")).value(), "//");
  CHECK(damaged.error == "a.gz: gzip data is truncated after " + std::to_string(half.size()) + " compressed bytes");
  CHECK(text.starts_with(joined(damaged)));
  CHECK(joined(damaged).size() > text.size() / 4);
  for (const Piece& piece : damaged.pieces) CHECK_FALSE(piece.unterminated);
}
