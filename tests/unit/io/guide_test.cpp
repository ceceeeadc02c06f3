// The code of docs/guide/io.md.
#include <string>
#include <vector>

#include <etl/etl.hpp>
#include <etl/io/chunk_reader.hpp>
#include <etl/io/digest.hpp>
#include <etl/io/gzip.hpp>
#include <etl/io/sink.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace guide_test {

namespace io = etl::io;

namespace {

etl::Result<std::size_t> count_records(const std::filesystem::path& path) {
  auto input = io::open_input(path);  // a path, or "-"; compressed or not
  if (!input) return etl::failure(input.error());
  const io::RecordSplitter splitter("//");
  io::ChunkReader reader(*std::move(input), splitter);
  std::size_t records = 0;
  for (;;) {
    const auto chunk = reader.next();
    if (!chunk) return etl::failure(chunk.error());
    if (!*chunk) return records;
    std::string_view text = (*chunk)->text;
    while (!text.empty()) {
      text.remove_prefix(splitter.first_end(text, true));
      ++records;
    }
  }
}

struct CountLetters {
  void extract(etl::Emitter<std::string_view>& out) {
    const io::RecordSplitter lines;
    io::ChunkReader reader(etl::value(io::open_input(path)), lines);
    for (;;) {
      if (!reader.ready()) out.flush();  // what is there does not lie in the open batch
      const auto chunk = etl::value(reader.next(out.stop_token()));
      if (!chunk) return;
      out.retain(chunk->keep);  // the items point into it
      out.progress(reader.bytes_read(), reader.size_hint());
      for (std::string_view text = chunk->text; !text.empty();) {
        const std::size_t end = lines.first_end(text, true);
        if (!out.push(text.substr(0, end))) return;
        text.remove_prefix(end);
      }
    }
  }
  std::size_t transform(std::string_view line) const { return line.size(); }
  void load(std::span<const std::size_t> sizes) {
    for (const std::size_t size : sizes) letters += size;
  }
  std::filesystem::path path;
  std::size_t letters = 0;
};

etl::Result<std::string> verified(const std::filesystem::path& path, std::string_view expected) {
  auto file = io::open_file(path);
  if (!file) return etl::failure(file.error());
  io::Digest md5(io::DigestKind::Md5);
  auto source = io::decode(io::digesting(*std::move(file), md5));
  if (!source) return etl::failure(source.error());
  auto text = io::read_all(**source);
  if (text && !io::same_hex(md5.finish(), expected)) return etl::fatal("wrong MD5");
  return text;
}

etl::Result<void> write(const std::filesystem::path& path, const std::vector<std::string>& lines) {
  auto output = io::create_output(path);  // "-": standard output; .gz: compressed
  if (!output) return etl::failure(output.error());
  for (const std::string& line : lines)
    if (auto written = (*output)->write(line); !written) return written;
  return (*output)->finish();
}

}  // namespace

TEST_CASE("io guide: its code does what it says") {
  const test::TemporaryFolder folder;
  REQUIRE(write(folder / "a.gz", {"ID a\n", "//\n", "ID b\n", "//\n"}).has_value());
  CHECK(count_records(folder / "a.gz").value() == 2);
  CHECK_FALSE(count_records(folder / "b.gz").has_value());

  CountLetters pipeline{.path = folder / "a.gz"};
  CHECK(etl::run(pipeline, {.batch_size = 2}).exit_code() == 0);
  CHECK(pipeline.letters == 16);

  const std::string md5 = io::digest_file(io::DigestKind::Md5, folder / "a.gz").value();
  CHECK(verified(folder / "a.gz", md5).value() == "ID a\n//\nID b\n//\n");
  CHECK_FALSE(verified(folder / "a.gz", "00").has_value());
}

}  // namespace guide_test
