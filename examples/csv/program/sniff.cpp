// etl-csv sniff: shows the dialect and the columns of files.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <etl/csv/sniff.hpp>

#include "command.hpp"
#include "workbook.hpp"

namespace program {
namespace {

namespace csv = etl::csv;

std::string shown(std::optional<char> c) { return !c ? "none" : *c == '\t' ? "tab" : std::string(1, *c); }

/// `sheet`: of a workbook, or empty.
void print(const std::filesystem::path& path, const csv::Sniffed& found, const std::string& sheet = {}) {
  if (found.whole && found.columns.empty() && found.rows + found.bad_rows == 0) {
    fmt::print("{}{}: empty\n", path.string(), sheet);
    return;
  }
  if (!sheet.empty())
    fmt::print("{}{}: a sheet, {} header row{}; {} rows, {} bad{}\n", path.string(), sheet, found.dialect.header_rows,
               found.dialect.header_rows == 1 ? "" : "s", found.rows, found.bad_rows,
               found.whole ? "" : " in the part looked at");
  else
    fmt::print("{}: delimiter {}, quote {}, {} header row{}, {}; {} rows, {} bad{}\n", path.string(),
               shown(found.dialect.delimiter), shown(found.dialect.quote), found.dialect.header_rows,
               found.dialect.header_rows == 1 ? "" : "s",
               found.dialect.encoding == csv::Encoding::Latin1 ? "Latin-1" : "UTF-8", found.rows, found.bad_rows,
               found.whole ? "" : " in the part looked at");
  for (const csv::SniffedColumn& column : found.columns)
    fmt::print("  {}: {}{}\n", column.name, csv::to_string(column.kind), column.nullable ? ", may be empty" : "");
}

/// Each sheet that is chosen. False: something failed.
bool sniff_workbook(const std::filesystem::path& path, SheetChoice choice, std::size_t bytes) {
  const auto sheets = chosen_sheets(path, choice);
  if (!sheets) return fail(sheets.error()) == 0;
  bool good = true;
  for (const std::string& sheet : *sheets) {
    choice.sheet = sheet;
    const auto found = sniff_sheet(path, choice, bytes);
    if (found)
      print(path, *found, "[" + sheet + "]");
    else
      good = fail(found.error()) == 0;
  }
  return good;
}

}  // namespace

void add_sniff(CLI::App& app, Chosen& chosen) {
  struct Options {
    std::vector<std::filesystem::path> files{};
    std::size_t bytes = 1 << 20;
    SheetChoice sheet{};
    std::vector<std::string> nulls{};
    bool decimal_comma = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* const command = app.add_subcommand("sniff", "Show how files are written, and which columns they have");
  command->add_option("FILE", options->files, "Files: plain, gzip or workbooks (.xlsx, .xls)")->required();
  command->add_option("--bytes", options->bytes, "Number of bytes to look at, from the beginning")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  command
      ->add_option("--null", options->nulls, "A text that means NULL, and tells nothing of a column (may be repeated)")
      ->allow_extra_args(false);
  command->add_flag("--decimal-comma", options->decimal_comma, "Numbers are written 1,5");
  add_sheet(*command, options->sheet);
  command->callback([options, &chosen] {
    chosen = [options](const etl::StopToken&) {
      int code = 0;
      csv::SniffHints said{.decimal_comma = options->decimal_comma};
      if (!options->nulls.empty()) said.nulls = csv::Nulls(options->nulls, true);
      for (const std::filesystem::path& path : options->files) {
        if (is_workbook(path)) {
          if (!sniff_workbook(path, options->sheet, options->bytes)) code = exit_usage;
          continue;
        }
        const auto found = csv::sniff(path, options->bytes, said);
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
