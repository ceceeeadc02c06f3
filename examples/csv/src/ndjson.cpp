#include <etl/csv/ndjson.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <etl/csv/encoding.hpp>

#include "json_elements.hpp"

namespace etl::inline v0::csv::ndjson {

Chunk::Chunk(io::Chunk chunk, bool elements) : chunk_(std::move(chunk)), next_line_(chunk_.first_line) {
  const std::string_view text = chunk_.text;
  for (std::size_t begin = 0; begin < text.size(); ++next_line_) {
    const std::size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
    const auto line = text.substr(begin, end - begin);
    if (line.find_first_not_of(" \t") != line.npos)
      lines_.push_back({.text = line, .number = next_line_, .offset = chunk_.offset + begin, .element = elements});
    begin = end + (text.substr(end, 2) == "\r\n" ? 2 : 1);
  }
}

Result<Reader> Reader::open(const std::filesystem::path& path, io::ChunkOptions options) {
  auto source = io::open_input(path);
  if (source) source = as_utf8(*std::move(source));
  if (!source) return failure(std::move(source.error()));
  return Reader(*std::move(source), options);
}

Reader::Reader(io::Source source, io::ChunkOptions options)
    : chunks_(detail::elements(std::move(source), is_array_), io::RecordSplitter(), options) {}

Result<std::optional<Chunk>> Reader::next(const std::stop_token& stop) {
  auto chunk = chunks_.next(stop);
  if (!chunk) return failure(std::move(chunk.error()));
  if (!*chunk) return std::optional<Chunk>();
  return std::optional<Chunk>(Chunk(**std::move(chunk), is_array_->load(std::memory_order_acquire)));
}

std::string Object::where(std::string_view file) const {
  if (element_) return fmt::format("{}{}element {}", file, file.empty() ? "" : " ", line_);
  return file.empty() ? fmt::format("row {}", line_) : fmt::format("{}:{}: row {}", file, line_, line_);
}

Result<void> detail::check_names(std::span<const csv::detail::WantedCell> columns, std::string_view file) {
  for (const auto& column : columns)
    for (const Source* source : {&column.source, &column.clock})
      if (source->number != 0)
        return failure(
            {.code = Errc::InvalidOptions,
             .context = fmt::format("{}: column {}: JSON has no column numbers, give a name", file, source->number)});
  if (!columns.empty()) return {};
  return failure({.code = Errc::InvalidOptions,
                  .context = fmt::format("{}: the mapping has no columns, and JSON has no header", file)});
}

Result<Decoder<RecordDecoder>> bind(const FileMapping& mapping, std::string file, const ParserOptions& options) {
  std::vector<csv::detail::WantedCell> wanted;
  for (const auto& column : mapping.columns) wanted.push_back({.source = column.source, .clock = column.clock});
  if (auto checked = detail::check_names(wanted, file); !checked) return failure(std::move(checked.error()));
  FileMapping plain = mapping;
  plain.decimal_comma = false;
  auto names = plain.names();
  auto decoder = plain.bind(names, file);
  if (!decoder) return failure(std::move(decoder.error()));
  return Decoder<RecordDecoder>(Parser(std::move(names), std::move(file), options), *std::move(decoder));
}

}  // namespace etl::inline v0::csv::ndjson
