/// Entries of UniProtKB flat files, read, inflated and loaded:
///   bench-swissprot --impl lines|own|views|entry_view --file F.dat                one thread, text in memory
///   bench-swissprot --impl inflate|inflate_views|inflate_own --file F.dat.gz
///   bench-swissprot --impl transform|insert|ingest --file F.dat [--workers N] [--batch N]
/// prints one line of JSON; times are per 1000 bytes of (inflated) text. `--impl generate --file F --entries N` makes
/// an input up.

#include <algorithm>
#include <array>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

#include <etl/io/source.hpp>

#include <common/args.hpp>
#include <common/measure.hpp>
#include <swissprot/measured.hpp>

#include "options.hpp"

namespace {

using namespace bench;
using namespace bench::swissprot;

constexpr std::array<std::string_view, 4> of_text{"lines", "own", "views", "entry_view"};
constexpr std::array<std::string_view, 3> of_compressed{"inflate", "inflate_views", "inflate_own"};
constexpr std::array<std::string_view, 3> of_loading{"transform", "insert", "ingest"};

bool one_of(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

std::string read_file(const std::string& file) { return must(etl::io::read_all(*must(etl::io::open_input(file)))); }

Measured measure(const std::string& impl, const Loading& job, std::string_view text) {
  if (one_of(of_text, impl)) return read_text(impl, text);
  if (one_of(of_compressed, impl)) return read_compressed(impl, job.file);
  if (one_of(of_loading, impl)) return load(impl, job, text);
  throw std::invalid_argument(fmt::format("--impl is {}, {}, {} or generate", fmt::join(of_text, ", "),
                                          fmt::join(of_compressed, ", "), fmt::join(of_loading, ", ")));
}

/// Whether a case saw what is there: by a scan for entries and, where it counted residues, by a parse.
bool right(const std::string& impl, const Measured& found, std::string_view text) {
  if (impl == "inflate") return true;
  const bool counted = found.entries == read_text("lines", text).entries && found.problems == 0;
  return counted && (found.residues == 0 || found.residues == read_text("views", text).residues);
}

int run(const Args& args) {
  if (args.has("describe")) {
    build_description().text("etl", ETLPIPE_VERSION).print();
    return 0;
  }
  const std::string impl = args.text("impl", "own");
  const std::string file = args.text("file", "");
  if (file.empty()) throw std::invalid_argument("--file is missing");
  if (impl == "generate") return program::generate({.entries = args.number("entries", 1000), .out = file});
  const Loading job{.file = file,
                    .workers = std::max<std::size_t>(1, args.number("workers", 2)),
                    .batch = std::max<std::size_t>(1, args.number("batch", 500))};
  const bool streamed = one_of(of_compressed, impl) || impl == "ingest";
  std::string text = streamed ? std::string() : read_file(file);
  const Measured found = measure(impl, job, text);
  const double peak = peak_memory_mb();  // without what follows
  if (streamed) text = read_file(file);
  const bool ok = right(impl, found, text);
  const double kilobytes = static_cast<double>(text.size()) / 1000;
  JsonLine line;
  line.text("impl", impl)
      .text("file", file)
      .number("entries", found.entries)
      .number("bytes", std::uint64_t{text.size()});
  line.number("ns", static_cast<double>(found.used.wall) / kilobytes);
  line.number("cpu_ns", static_cast<double>(found.used.cpu) / kilobytes);
  line.number("mb_per_s", kilobytes * 1e6 / static_cast<double>(found.used.wall));
  line.number("peak_mb", peak).flag("ok", ok).print();
  return ok ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(Args(argc, argv));
  } catch (const std::exception& e) {
    fmt::print(stderr, "bench-swissprot: {}\n", e.what());
    return 2;
  }
}
