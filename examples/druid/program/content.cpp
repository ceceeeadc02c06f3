#include "content.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <etl/csv/encoding.hpp>
#include <etl/csv/foreign.hpp>
#include <etl/csv/sniff.hpp>
#include <etl/io/source.hpp>
#ifdef ETLPIPE_DRUID_EXCEL
#include <etl/excel/sheet.hpp>
#endif

namespace program {
namespace {

namespace csv = etl::csv;
namespace fs = std::filesystem;

bool is_workbook([[maybe_unused]] const fs::path& file) {
#ifdef ETLPIPE_DRUID_EXCEL
  return etl::excel::format_of(file).has_value();
#else
  return false;
#endif
}

/// The bytes of a file as UTF-8.
etl::Result<etl::io::Source> open_text(const fs::path& file, const InputOptions& options) {
  auto source = etl::io::open_input(file);
  return source ? csv::as_utf8(*std::move(source), options.encoding, csv::BadBytes::Mark) : std::move(source);
}

/// Whether a text has more kinds of control characters than a text file that uses control characters as delimiters.
bool is_binary(std::string_view text) {
  constexpr std::size_t most_kinds = 4;
  std::array<bool, 0x20> seen{};
  for (const char c : text)
    if (static_cast<unsigned char>(c) < seen.size()) seen[static_cast<unsigned char>(c)] = true;
  for (const char usual : {'\t', '\n', '\v', '\f', '\r'}) seen[static_cast<unsigned char>(usual)] = false;
  return static_cast<std::size_t>(std::ranges::count(seen, true)) > most_kinds;
}

etl::Result<csv::Reader> open_sheet([[maybe_unused]] const fs::path& file, [[maybe_unused]] const InputOptions& options,
                                    [[maybe_unused]] const csv::ReaderOptions& reading,
                                    [[maybe_unused]] const std::stop_token& stop) {
#ifdef ETLPIPE_DRUID_EXCEL
  etl::excel::SheetOptions how{.sheet = options.sheet, .range = options.range};
  how.formulas_without_value_are_empty = options.empty_formulas;
  if (options.skip_lines > 0) {
    if (!options.range.empty())
      return etl::failure(etl::fatal("--range says which rows of a sheet are read: leave out --skip-lines"));
    how.range = fmt::format("A{}:", options.skip_lines + 1);
  }
  auto sheet = etl::excel::open(file, how);
  if (!sheet) return etl::failure(with_remedy(std::move(sheet.error())));
  csv::Dialect dialect;
  dialect.max_lines = 1 << 20;  // quotes are always correct here, so a cell may have any number of lines
  dialect.sheet_column = sheet->first_column;
  auto reader = csv::Reader::from(std::move(sheet->text), dialect, reading, stop);
  return reader ? std::move(reader) : etl::failure(with_remedy(std::move(reader.error())));
#else
  return etl::failure(etl::fatal("this etl-druid was built without the component excel: save the sheet as CSV"));
#endif
}

}  // namespace

Content content_of(const fs::path& file, const InputOptions& options) {
  if (is_workbook(file)) return Content::Sheet;
  auto source = open_text(file, options);
  std::array<char, 4096> bytes{};
  while (source) {
    const auto got = (*source)->read(bytes);
    if (!got || *got == 0) break;
    std::string_view text(bytes.data(), *got);
    if (is_binary(text) || csv::foreign_format(text)) return Content::Binary;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) continue;
    return text[first] == '{' || text[first] == '[' ? Content::Json : Content::Table;
  }
  return Content::Table;
}

etl::Result<csv::ndjson::Reader> open_json(const fs::path& file, const InputOptions& options) {
  auto source = open_text(file, options);
  if (!source) return etl::failure(std::move(source.error()));
  return csv::ndjson::Reader(*std::move(source));
}

etl::Error with_remedy(etl::Error error) {
  static constexpr std::pair<std::string_view, std::string_view> remedies[] = {
      {" (--sheet, or SheetOptions::sheet)", " (--sheet)"},
      {" (SheetOptions::errors)", ""},
      {" (SheetOptions::formulas_without_value_are_empty)", " (--empty-formulas)"},
      {" (Limits::max_row)", ""},
      {" (Limits::max_unpacked)", ""},
      {" (Limits::max_ratio)", ""},
      {" (Limits::max_copied)", ""},
      {" (Limits::max_xls_cells)", ""},
      {", or raise Limits::strings_in_memory", ""},
      {", or choose what to do with ragged rows", ""},
      {", or read the file without quotes", ""},
      {"or read it as Latin-1", "or read it as Latin-1 (--encoding CP1252)"}};
  for (const auto& [of_code, of_program] : remedies)
    if (const std::size_t at = error.context.find(of_code); at != std::string::npos)
      error.context.replace(at, of_code.size(), of_program);
  return error;
}

etl::Result<csv::Reader> open_table(const fs::path& file, Content content, const InputOptions& options,
                                    csv::BadRows bad, const std::stop_token& stop) {
  const csv::ReaderOptions reading{.bad_rows = bad};
  if (content == Content::Sheet) return open_sheet(file, options, reading, stop);
  csv::SniffHints hints{.dialect = csv::Dialect{}};
  hints.dialect->charset = options.encoding;
  hints.dialect->skip_lines = options.skip_lines;
  if (!options.delimiter.empty()) {
    hints.dialect->delimiter = options.delimiter.front();
    hints.delimiter_is_known = true;
  }
  const auto sniffed = csv::sniff(file, std::size_t{1} << 20, hints);
  if (!sniffed) return etl::failure(with_remedy(sniffed.error()));
  if (content == Content::Binary)  // the sniffer does not know its format
    return etl::fatal(
        fmt::format("{}: the file is binary data of an unknown format; load text (CSV or JSON) or a workbook, or name "
                    "the encoding of the text with --encoding",
                    file.string()));
  csv::Dialect dialect;
  dialect.delimiter = sniffed->dialect.delimiter;
  dialect.charset = options.encoding;
  dialect.skip_lines = options.skip_lines;
  dialect.check_utf8 = true;  // Druid would change the letters of a row that is not UTF-8, or drop the row
  auto reader = csv::Reader::open(file, dialect, reading, stop);
  return reader ? std::move(reader) : etl::failure(with_remedy(std::move(reader.error())));
}

}  // namespace program
