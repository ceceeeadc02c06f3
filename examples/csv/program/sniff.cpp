// etl-csv sniff: how files are written, and what is in them.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <etl/csv/sniff.hpp>

#include "command.hpp"

namespace program {
namespace {

namespace csv = etl::csv;

std::string shown(std::optional<char> c) { return !c ? "none" : *c == '\t' ? "tab" : std::string(1, *c); }

void print(const std::filesystem::path& path, const csv::Sniffed& found) {
  if (found.whole && found.columns.empty() && found.rows + found.bad_rows == 0) {
    fmt::print("{}: empty\n", path.string());
    return;
  }
  fmt::print("{}: delimiter {}, quote {}, {} header row{}, {}; {} rows, {} bad{}\n", path.string(),
             shown(found.dialect.delimiter), shown(found.dialect.quote), found.dialect.header_rows,
             found.dialect.header_rows == 1 ? "" : "s",
             found.dialect.encoding == csv::Encoding::Latin1 ? "Latin-1" : "UTF-8", found.rows, found.bad_rows,
             found.whole ? "" : " in the part looked at");
  for (const csv::SniffedColumn& column : found.columns)
    fmt::print("  {}: {}{}\n", column.name, csv::to_string(column.kind), column.nullable ? ", may be empty" : "");
}

}  // namespace

void add_sniff(CLI::App& app, Chosen& chosen) {
  struct Options {
    std::vector<std::filesystem::path> files{};
    std::size_t bytes = 1 << 20;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* const command = app.add_subcommand("sniff", "Show how files are written, and which columns they have");
  command->add_option("FILE", options->files, "Files, plain or gzip")->required();
  command->add_option("--bytes", options->bytes, "Number of bytes to look at, from the beginning")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  command->callback([options, &chosen] {
    chosen = [options](const etl::Stop&) {
      int code = 0;
      for (const std::filesystem::path& path : options->files) {
        const auto found = csv::sniff(path, options->bytes);
        if (found)
          print(path, *found);
        else
          code = fail(found.error(), exit_usage);
      }
      return code;
    };
  });
}

}  // namespace program
