#include <algorithm>
#include <cstring>
#include <vector>

#include <etl/io/chunk_reader.hpp>
#include <etl/io/gzip.hpp>
#include <etl/io/source.hpp>
#include <etl/uniprot/parse.hpp>

#include <swissprot/measured.hpp>

namespace bench::swissprot {
namespace {

namespace io = etl::io;
namespace uniprot = etl::uniprot;

/// The limit: looks at the begin of each line and at nothing else.
void lines(std::string_view text, Measured& result) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    if (end - at >= 2 && at[0] == '/' && at[1] == '/') ++result.entries;
    const void* const feed = std::memchr(at, '\n', static_cast<std::size_t>(end - at));
    at = feed == nullptr ? end : static_cast<const char*>(feed) + 1;
  }
}

void parse(std::string_view text, uniprot::Parse mode, uniprot::Entry& entry, Measured& result) {
  for_each_entry(text, [&](std::string_view one) {
    if (uniprot::parse(one, entry, mode)) ++result.problems;
    ++result.entries;
    result.residues += entry.sequence.size();
    barrier(&entry);
  });
}

void entry_views(std::string_view text, Measured& result) {
  for_each_entry(text, [&](std::string_view one) {
    const auto view = uniprot::EntryView::of(one);
    ++result.entries;
    result.residues += static_cast<std::uint64_t>(
        std::count_if(view.sequence_lines.begin(), view.sequence_lines.end(), [](char c) { return c > ' '; }));
    barrier(&view);
  });
}

io::Source open_compressed(const std::filesystem::path& file) { return must(io::decode(must(io::open_file(file)))); }

}  // namespace

Measured read_text(std::string_view impl, std::string_view text) {
  Measured result;
  uniprot::Entry entry;
  warm_up();
  const Moment start = Moment::now();
  if (impl == "lines")
    lines(text, result);
  else if (impl == "entry_view")
    entry_views(text, result);
  else
    parse(text, impl == "own" ? uniprot::Parse::Owning : uniprot::Parse::Views, entry, result);
  result.used = Moment::now() - start;
  return result;
}

Measured read_compressed(std::string_view impl, const std::filesystem::path& file) {
  Measured result;
  uniprot::Entry entry;
  io::Source source = open_compressed(file);
  warm_up();
  const Moment start = Moment::now();
  if (impl == "inflate") {
    std::vector<char> buffer(io::ChunkOptions{}.chunk_size);
    while (must(source->read(buffer)) > 0) barrier(buffer.data());
  } else {
    const auto mode = impl == "inflate_own" ? uniprot::Parse::Owning : uniprot::Parse::Views;
    io::ChunkReader reader(std::move(source), io::RecordSplitter("//"));
    while (const auto chunk = must(reader.next())) parse(chunk->text, mode, entry, result);
  }
  result.used = Moment::now() - start;
  return result;
}

}  // namespace bench::swissprot
