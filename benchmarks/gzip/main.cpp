/// Inflates gzip content in memory, or splits it into records:
///   bench-gzip --impl raw_zlib|zlib|raw_isal|isal|chunks|split_first|split_last [--file F.gz] [--mb N]
/// prints one line of JSON. Without a file: N megabytes of text that resembles UniProt. `chunks` inflates on its own
/// thread and hands on chunks of records, with the best inflater there is; `split_*` goes through the inflated text.

#include <algorithm>
#include <array>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include <etl/io/chunk_reader.hpp>
#include <etl/io/gzip.hpp>
#include <etl/io/record_splitter.hpp>

#include <common/args.hpp>
#include <common/measure.hpp>
#include <gzip/rivals.hpp>

namespace {

using namespace bench;
namespace io = etl::io;

/// Entries of lines with 80 columns at most: words, numbers, a sequence, "//".
std::string make_text(std::size_t size) {
  static constexpr std::array<std::string_view, 12> words{
      "kinase",        "binding",      "ATP",       "membrane",
      "Homo sapiens",  "GO:",          "EMBL",      "http://www.uniprot.org/",
      "phosphoserine", "3D-structure", "reaction=", "ECO:0000269|PubMed:"};
  static constexpr std::string_view residues = "ACDEFGHIKLMNPQRSTVWY";
  std::string text;
  text.reserve(size + 10'000);
  std::uint64_t state = 1;
  const auto next = [&](std::uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  while (text.size() < size) {
    for (std::uint64_t line = 60 + next(80); line > 0; --line) {
      const std::size_t end = text.size() + 40 + next(35);
      text += "CC   ";
      while (text.size() < end) {
        text += words[next(words.size())];
        text += next(3) == 0 ? std::to_string(next(1'000'000)) + "; " : " ";
      }
      text += '\n';
    }
    for (std::uint64_t line = 4 + next(8); line > 0; --line) {
      text += "     ";
      for (int i = 0; i < 60; ++i) text.append(i % 10 == 0 ? " " : "").push_back(residues[next(residues.size())]);
      text += '\n';
    }
    text += "//\n";
  }
  return text;
}

class StringSink final : public io::ByteSink {
 public:
  explicit StringSink(std::string& target) : target_(&target) {}
  etl::Result<void> write(std::string_view bytes) override {
    target_->append(bytes);
    return {};
  }
  etl::Result<void> finish() override { return {}; }

 private:
  std::string* target_;
};

std::string compress(std::string_view text) {
  std::string compressed;
  const io::Sink sink = io::deflate(std::make_unique<StringSink>(compressed));
  sink->write(text).or_else([](etl::Error e) { throw etl::Exception(std::move(e)); });
  sink->finish().or_else([](etl::Error e) { throw etl::Exception(std::move(e)); });
  return compressed;
}

std::uint64_t inflate(std::string_view compressed, io::Inflater by) {
  const io::Source source = io::inflate(io::from_memory(compressed), by);
  std::vector<char> out(piece_size);
  std::uint64_t total = 0;
  for (std::size_t got = 1; got > 0; total += got) {
    got = etl::value(source->read(out));
    barrier(out.data());
  }
  return total;
}

std::uint64_t chunks(std::string_view compressed) {
  io::ChunkReader reader(io::inflate(io::from_memory(compressed)), io::RecordSplitter("//"));
  std::uint64_t total = 0;
  while (const auto chunk = etl::value(reader.next())) total += chunk->text.size();
  return total;
}

std::uint64_t split_first(std::string_view text) {
  const io::RecordSplitter splitter("//");
  std::size_t at = 0;
  for (std::size_t end = 0; end != io::RecordSplitter::npos; at += end) {
    end = splitter.first_end(text.substr(at));
    if (end == io::RecordSplitter::npos) break;
  }
  return at;
}

/// The worst case of the search from behind: the only end is at the begin.
std::uint64_t split_last(std::string_view text) {
  return io::RecordSplitter("a terminator that does not occur").last_end(text) == io::RecordSplitter::npos ? text.size()
                                                                                                           : 0;
}

std::uint64_t run(const std::string& impl, std::string_view compressed, std::string_view text) {
  if (impl == "raw_zlib") return raw_zlib(compressed);
  if (impl == "zlib") return inflate(compressed, io::Inflater::Zlib);
  if (impl == "raw_isal") return raw_isal(compressed);
  if (impl == "isal") return inflate(compressed, io::Inflater::IsaL);
  if (impl == "chunks") return chunks(compressed);
  if (impl == "split_first") return split_first(text);
  if (impl == "split_last") return split_last(text);
  throw std::invalid_argument("--impl is raw_zlib, zlib, raw_isal, isal, chunks, split_first or split_last");
}

int measure(const Args& args) {
  const std::string impl = args.text("impl", "zlib");
  const std::string file = args.text("file", "");
  std::string text =
      file.empty() ? make_text(args.number("mb", 64) << 20) : etl::value(io::read_all(*value(io::open_input(file))));
  const std::string compressed = file.empty() ? compress(text) : etl::value(io::read_all(*value(io::open_file(file))));

  static_cast<void>(run(impl, compressed, text));  // memory and code are warm
  const Moment start = Moment::now();
  const std::uint64_t bytes = run(impl, compressed, text);
  const Moment used = Moment::now() - start;
  const bool ok = bytes == text.size();
  JsonLine line;
  line.text("impl", impl)
      .number("bytes", std::uint64_t{text.size()})
      .number("compressed", std::uint64_t{compressed.size()});
  line.number("gb_per_s", static_cast<double>(bytes) / static_cast<double>(used.wall));
  line.number("ms", static_cast<double>(used.wall) / 1e6).number("cpu_ms", static_cast<double>(used.cpu) / 1e6);
  line.flag("ok", ok).print();
  return ok ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return measure(Args(argc, argv));
  } catch (const std::exception& e) {
    fmt::print(stderr, "bench-gzip: {}\n", e.what());
    return 2;
  }
}
