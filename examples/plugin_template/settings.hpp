#pragma once
/// Files of lines "name = value" as a source and as a sink.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <etl/batch_context.hpp>
#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/io/chunk_reader.hpp>

namespace settings {

struct Setting {
  std::string name;
  std::string value;
  friend bool operator==(const Setting&, const Setting&) = default;
};

/// A line of a file.
struct Line {
  std::string text;
  std::uint64_t number;
  friend bool operator==(const Line&, const Line&) = default;
};

/// Parses a line. The error names the line, the value and the remedy.
inline etl::Result<Setting> parse(const Line& line) {
  const std::size_t sign = line.text.find(" = ");
  if (sign == std::string::npos)
    return etl::rejected("line " + std::to_string(line.number) + ": '" + line.text +
                         "' has no ' = ' between a name and a value");
  return Setting{line.text.substr(0, sign), line.text.substr(sign + 3)};
}

/// The `extract` of a pipeline: reads the lines of a file. It can resume at each of its marks (G14).
class Source {
 public:
  using position = std::string;  // "offset line": a place between two lines
  explicit Source(std::filesystem::path file) : file_(std::move(file)) {}

  void extract(etl::Emitter<Line, position>& out) const {
    etl::io::ChunkOptions begin;
    if (const auto at = out.resume_from()) {
      begin.offset = std::stoull(*at);
      begin.first_line = std::stoull(at->substr(at->find(' ')));
    }
    const etl::io::RecordSplitter lines;
    etl::io::ChunkReader reader(etl::value(etl::io::open_input(file_)), lines, begin);
    while (const auto chunk = etl::value(reader.next(out.stop_token()))) {  // null at the end or after a stop
      std::string_view rest = chunk->text;
      std::uint64_t number = chunk->first_line;
      for (; !rest.empty(); ++number) {
        std::string_view line = rest.substr(0, lines.first_end(rest, true));
        rest.remove_prefix(line.size());
        line = line.substr(0, line.find_last_not_of("\r\n") + 1);
        if (!line.empty() && !out.push({std::string(line), number})) return;  // refused: the run stops
      }
      out.mark(std::to_string(chunk->offset + chunk->text.size()) + ' ' + std::to_string(number));
      if (!reader.ready()) out.flush();  // flush the lines that were read before the source waits
    }
  }

 private:
  std::filesystem::path file_;
};

/// The `load` of a pipeline: appends lines to a file. At least once: a batch that was cut off is loaded again.
class Sink {
 public:
  explicit Sink(const std::filesystem::path& file) : name_(file.string()), file_(file, std::ios::app) {}

  etl::Result<void> load(std::span<const Setting> batch, etl::BatchContext& context) {
    std::string lines;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const auto& [name, value] = batch[i];
      if (name.find(" = ") != std::string::npos || (name + value).find_first_of("\r\n") != std::string::npos)
        context.reject(i, etl::rejected("'" + name + "' cannot be written: it has a ' = ' or a line end"));
      else
        lines.append(name).append(" = ").append(value).append("\n");
    }
    if (file_ << lines << std::flush) return {};
    return etl::fatal("cannot write to " + name_ + ": is the disk full, or the folder missing?");
  }

 private:
  std::string name_;
  std::ofstream file_;
};

}  // namespace settings
