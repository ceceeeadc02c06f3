// etl-csv sniff: shows the dialect and the columns of files.
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/ndjson_sniff.hpp>
#include <etl/csv/sniff.hpp>
#include <etl/text.hpp>

#include "command.hpp"
#include "format.hpp"
#include "parsing.hpp"
#include "workbook.hpp"

namespace program {
namespace {

namespace csv = etl::csv;

std::string shown(std::optional<char> c) { return !c ? "none" : *c == '\t' ? "tab" : std::string(1, *c); }

std::string quoted(std::optional<char> c) { return c ? etl::json_string(std::string_view(&*c, 1)) : "null"; }

std::string encoding_of(const csv::Dialect& dialect) {
  return !dialect.charset.empty() ? dialect.charset : dialect.encoding == csv::Encoding::Latin1 ? "Latin-1" : "UTF-8";
}

void print_columns(const csv::Sniffed& found) {
  for (const csv::SniffedColumn& column : found.columns)
    fmt::print("  {}: {}{}\n", csv::detail::shown(column.name), csv::to_string(column.kind),
               column.nullable ? ", may be empty" : "");
}

/// One line of JSON. `format` is its part about the format.
void print_json(const std::filesystem::path& path, const csv::Sniffed& found, const std::string& format) {
  std::string columns;
  for (const csv::SniffedColumn& column : found.columns)
    columns += fmt::format(R"({}{{"name":{},"type":"{}","nullable":{}}})", columns.empty() ? "" : ",",
                           etl::json_string(column.name), csv::to_string(column.kind), column.nullable);
  fmt::print(R"({{"file":{},{},"header_rows":{},"rows":{},"bad_rows":{},"whole":{},"columns":[{}]}})"
             "\n",
             etl::json_string(path.string()), format, found.dialect.header_rows, found.rows, found.bad_rows,
             found.whole, columns);
}

/// `sheet`: of a workbook, or empty.
void print(const std::filesystem::path& path, const csv::Sniffed& found, bool json, const std::string& of_sheet = {}) {
  if (json)
    return print_json(path, found,
                      of_sheet.empty()
                          ? fmt::format(R"("delimiter":{},"quote":{},"encoding":{})", quoted(found.dialect.delimiter),
                                        quoted(found.dialect.quote), etl::json_string(encoding_of(found.dialect)))
                          : fmt::format(R"("sheet":{})", etl::json_string(of_sheet)));
  const std::string sheet = of_sheet.empty() ? "" : "[" + of_sheet + "]";
  if (found.whole && found.columns.empty() && found.rows + found.bad_rows == 0) {
    fmt::print("{}{}: empty\n", path.string(), sheet);
    return;
  }
  if (!sheet.empty())
    fmt::print("{}{}: a sheet, {} header row{}; {} rows, {} bad{}\n", path.string(), sheet, found.dialect.header_rows,
               found.dialect.header_rows == 1 ? "" : "s", found.rows, found.bad_rows,
               found.whole ? "" : " in the part that was read");
  else
    fmt::print("{}: delimiter {}, quote {}, {} header row{}, {}; {} rows, {} bad{}\n", path.string(),
               shown(found.dialect.delimiter), shown(found.dialect.quote), found.dialect.header_rows,
               found.dialect.header_rows == 1 ? "" : "s", encoding_of(found.dialect), found.rows, found.bad_rows,
               found.whole ? "" : " in the part that was read");
  print_columns(found);
}

/// The members of the objects in a file of JSON.
bool sniff_json(const std::filesystem::path& path, std::size_t bytes, const csv::Nulls& nulls, bool json,
                const std::stop_token& stop) {
  namespace ndjson = csv::ndjson;
  auto reader = ndjson::Reader::open(path);
  if (!reader) return fail(reader.error()) == 0;
  ndjson::Sniffer found(path.string(), nulls);
  bool whole = false;
  for (std::uint64_t seen = 0; seen < bytes && !whole;) {
    const auto chunk = reader->next(stop);
    if (!chunk) return fail(chunk.error()) == 0;
    whole = !chunk->has_value();
    if (whole) break;
    for (const ndjson::Line& line : **chunk)
      if (line.offset < bytes) found.look(line);
    seen = (*chunk)->end_offset();
  }
  if (stop.stop_requested()) return true;
  csv::Sniffed all{.columns = found.columns(), .rows = found.rows(), .bad_rows = found.bad_rows(), .whole = whole};
  if (json) {
    print_json(path, all, R"("format":"json")");
    return true;
  }
  fmt::print("{}: JSON; {} object{}, {} bad{}\n", path.string(), all.rows, all.rows == 1 ? "" : "s", all.bad_rows,
             whole ? "" : " in the part that was read");
  print_columns(all);
  return true;
}

/// Each sheet that is chosen. False: something failed.
bool sniff_workbook(const std::filesystem::path& path, SheetChoice choice, const csv::SniffHints& hints,
                    std::size_t bytes, bool json) {
  const auto sheets = chosen_sheets(path, choice);
  if (!sheets) return fail(sheets.error()) == 0;
  bool good = true;
  for (const std::string& sheet : *sheets) {
    choice.sheet = sheet;
    const auto found = sniff_sheet(path, choice, hints, bytes);
    if (found)
      print(path, *found, json, sheet);
    else
      good = fail(found.error()) == 0;
  }
  return good;
}

}  // namespace

void add_sniff(CLI::App& app, Chosen& chosen) {
  struct Options : Parsing {
    std::vector<std::filesystem::path> files{};
    std::size_t bytes = 1 << 20;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* const command = app.add_subcommand("sniff", "Show the format and the columns of files");
  command->add_option("FILE", options->files, "CSV files, JSON files or workbooks, plain or compressed")->required();
  command->add_option("--bytes", options->bytes, "Number of bytes to read from the beginning of a file")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  const auto of_csv = add_parsing(*command, *options);
  command->get_option("--quote")->description("Character around cells [detected]");
  command->get_option("--header-rows")->default_str("detected");
  command->add_flag("--json", options->json, "Print one JSON object per file or sheet on standard output");
  command->callback([options, of_csv, command, &chosen] {
    check_format(*options, of_csv);
    const bool quote = command->count("--quote") + command->count("--no-quote") > 0;
    const bool header = command->count("--header-rows") > 0;
    chosen = [options, quote, header](const etl::StopToken& stop) {
      int code = 0;
      csv::SniffHints said{.dialect = options->dialect, .nulls = options->null_texts()};
      said.decimal_comma = options->decimal_comma;
      said.quote_is_known = quote;
      said.header_is_known = header;
      for (const std::filesystem::path& path : options->files) {
        if (is_workbook(path)) {
          if (!sniff_workbook(path, options->sheet, said, options->bytes, options->json)) code = exit_usage;
          continue;
        }
        if (options->format.value_or(format_of(path)) == csv::FileFormat::Json) {
          if (!sniff_json(path, options->bytes, said.nulls, options->json, stop.drain())) code = exit_usage;
          continue;
        }
        const auto found = csv::sniff(path, options->bytes, said, stop.drain());
        if (found)
          print(path, *found, options->json);
        else if (stop.drain().stop_requested())
          return exit_stopped;
        else
          code = fail(found.error(), exit_usage);
      }
      return stop.drain().stop_requested() ? exit_stopped : code;
    };
  });
}

}  // namespace program
