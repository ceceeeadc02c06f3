// etl-csv digest: prints a digest of the cells, to compare parsers.
#include <filesystem>
#include <memory>
#include <string>

#include <etl/csv/reader.hpp>
#include <etl/io/digest.hpp>

#include "command.hpp"

namespace program {
namespace {

namespace csv = etl::csv;

int digest(const std::filesystem::path& path, const csv::Dialect& dialect, const etl::StopToken& stop) {
  auto reader = csv::Reader::open(path, dialect, {}, stop.drain());
  if (!reader && stop.drain().stop_requested()) return exit_stopped;
  if (!reader) return fail(reader.error(), exit_usage);
  etl::io::Digest md5(etl::io::DigestKind::Md5);
  std::uint64_t rows = 0, cells = 0;
  std::string text;
  for (;;) {
    auto chunk = reader->next(stop.drain());
    if (!chunk) return fail(chunk.error());
    if (!*chunk) break;
    text.clear();
    for (const csv::Row row : **chunk) {
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (i > 0) text += '\x1F';
        text += row[i];
      }
      text += '\x1E';
      cells += row.size();
    }
    rows += (*chunk)->size();
    md5.update(text);
  }
  if (stop.drain().stop_requested()) return exit_stopped;
  fmt::print("rows {}\ncells {}\nmd5 {}\n", rows, cells, md5.finish());
  return 0;
}

}  // namespace

void add_digest(CLI::App& app, Chosen& chosen) {
  struct Options {
    std::filesystem::path file{};
    csv::Dialect dialect{.header_rows = 0, .keep_blank_lines = true, .ragged = csv::Ragged::Keep};
  };
  const auto options = std::make_shared<Options>();
  CLI::App* const command = app.add_subcommand("digest",
                                               "Print the number of rows and cells, and the MD5 of all cells. The byte "
                                               "0x1F separates the cells of a row, and 0x1E ends "
                                               "each row. A header counts as a row, a blank line as one empty cell");
  command->add_option("FILE", options->file, "CSV file, plain or compressed; - is standard input")->required();
  add_dialect(*command, options->dialect);
  command->callback([options, &chosen] {
    chosen = [options](const etl::StopToken& stop) { return digest(options->file, options->dialect, stop); };
  });
}

}  // namespace program
