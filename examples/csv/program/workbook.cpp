#include "workbook.hpp"

#include <map>
#include <utility>

#include <fmt/format.h>

#include "command.hpp"

#ifdef ETLPIPE_CSV_EXCEL
#include <etl/excel/sheet.hpp>
#endif

namespace program {
namespace {

namespace csv = etl::csv;
namespace fs = std::filesystem;

#ifdef ETLPIPE_CSV_EXCEL
namespace excel = etl::excel;

excel::SheetOptions options_of(const SheetChoice& choice) {
  excel::SheetOptions options{.sheet = choice.sheet, .range = choice.range};
  options.errors = choice.errors == SheetChoice::Errors::Text   ? excel::ErrorCells::Text
                   : choice.errors == SheetChoice::Errors::Null ? excel::ErrorCells::Empty
                                                                : excel::ErrorCells::Refuse;
  if (choice.fill_merged) options.merged = excel::MergedCells::Fill;
  options.formulas_without_value_are_empty = choice.empty_formulas;
  return options;
}

etl::Result<excel::Sheet> open_sheet(const fs::path& file, const SheetChoice& choice) {
  auto sheet = excel::open(file, options_of(choice));
  if (!sheet) return etl::failure(with_sheet_remedy(std::move(sheet.error())));
  return sheet;
}

/// The sheet without the first rows.
etl::Result<excel::Sheet> open_sheet(const fs::path& file, SheetChoice choice, std::size_t skipped) {
  if (skipped > 0 && !choice.range.empty())
    return etl::failure(etl::fatal("--range says which rows of a sheet are read: leave out --skip-lines"));
  if (skipped > 0) choice.range = fmt::format("A{}:", skipped + 1);
  return open_sheet(file, choice);
}

/// The dialect of a sheet as text, with the settings for rows and cells from the command line.
csv::Dialect dialect_of(const csv::Dialect& said, std::size_t first_column) {
  csv::Dialect dialect{.header_rows = said.header_rows, .trim = said.trim, .ragged = said.ragged};
  dialect.max_lines = 1 << 20;  // quotes are always correct here, so a cell may have any number of lines
  dialect.sheet_column = first_column;
  return dialect;
}
#else
/// The error if this program cannot read workbooks.
etl::Error no_component(const fs::path& file) {
  return etl::fatal(
      fmt::format("{}: this etl-csv was built without the component excel: save the sheet as CSV", file.string()));
}
#endif

}  // namespace

etl::Error with_sheet_remedy(etl::Error error) {
  static constexpr std::pair<std::string_view, std::string_view> remedies[] = {
      {" (--sheet, or SheetOptions::sheet)", " (--sheet)"},
      {" (SheetOptions::errors)", " (--error-cells)"},
      {" (SheetOptions::formulas_without_value_are_empty)", " (--empty-formulas)"}};
  for (const auto& [of_code, of_program] : remedies)
    if (const std::size_t at = error.context.find(of_code); at != std::string::npos)
      error.context.replace(at, of_code.size(), of_program);
  return error;
}

std::string SheetChoice::text() const {
  return fmt::format("range {}, errors {}, merged {}, empty formulas {}", range, static_cast<int>(errors), fill_merged,
                     empty_formulas);
}

void add_sheet(CLI::App& command, SheetChoice& choice) {
  command.add_option("--sheet", choice.sheet, "Sheet of a workbook, by its name [the only sheet]");
  command.add_option("--range", choice.range, "Cells of the sheet, such as B3:F100, B:F or B3: [all]");
  const std::map<std::string, SheetChoice::Errors> errors{{"text", SheetChoice::Errors::Text},
                                                          {"null", SheetChoice::Errors::Null},
                                                          {"refuse", SheetChoice::Errors::Refuse}};
  command
      .add_option("--error-cells", choice.errors,
                  "Cells that hold an error. text: take the text of the error, such as #DIV/0!; null: take NULL; "
                  "refuse: refuse the "
                  "sheet [text]")
      ->transform(program::choice(errors));
  command.add_flag("--fill-merged", choice.fill_merged, "Give the value of merged cells to each of these cells");
  command.add_flag(
      "--empty-formulas", choice.empty_formulas,
      "Read formulas that were saved without a value as empty cells; without this option they are an error");
}

#ifdef ETLPIPE_CSV_EXCEL
bool is_workbook(const fs::path& file) {
  if (file == "-") return false;
  return excel::format_of(file).has_value();  // if an archive is not a workbook, opening it gives the error
}

etl::Result<csv::Reader> open_rows(const fs::path& file, csv::Dialect& dialect, const csv::ReaderOptions& options,
                                   const SheetChoice& choice, const std::stop_token& stop) {
  if (!is_workbook(file)) return csv::Reader::open(file, dialect, options, stop);
  auto sheet = open_sheet(file, choice, dialect.skip_lines);
  if (!sheet) return etl::failure(std::move(sheet.error()));
  dialect = dialect_of(dialect, sheet->first_column);
  auto reader = csv::Reader::from(std::move(sheet->text), dialect, options, stop);
  if (!reader) return etl::failure(with_sheet_remedy(std::move(reader.error())));
  return reader;
}

etl::Result<std::string> chosen_sheet(const fs::path& file, const SheetChoice& choice) {
  auto found = excel::find_sheet(file, choice.sheet);
  if (!found) return etl::failure(with_sheet_remedy(std::move(found.error())));
  return std::move(found->name);
}

etl::Result<std::vector<std::string>> chosen_sheets(const fs::path& file, const SheetChoice& choice) {
  if (!choice.sheet.empty()) {
    auto one = chosen_sheet(file, choice);
    if (!one) return etl::failure(std::move(one.error()));
    return std::vector<std::string>{std::move(*one)};
  }
  auto all = excel::sheets(file);
  if (!all) return etl::failure(std::move(all.error()));
  std::vector<std::string> names;
  for (excel::SheetInfo& sheet : *all) names.push_back(std::move(sheet.name));
  return names;
}

etl::Result<csv::Sniffed> sniff_sheet(const fs::path& file, const SheetChoice& choice, const csv::SniffHints& hints,
                                      std::size_t bytes) {
  csv::SniffHints known = hints;
  if (!known.dialect) known.dialect.emplace();
  auto sheet = open_sheet(file, choice, known.dialect->skip_lines);
  if (!sheet) return etl::failure(std::move(sheet.error()));
  std::string text(bytes, '\0');
  std::size_t filled = 0;
  bool whole = false;
  while (filled < text.size() && !whole) {
    const auto got = sheet->text->read({text.data() + filled, text.size() - filled});
    if (!got) return etl::failure(with_sheet_remedy(got.error()));
    filled += *got;
    whole = *got == 0;
  }
  text.resize(filled);
  known.dialect = dialect_of(*known.dialect, sheet->first_column);
  known.delimiter_is_known = known.quote_is_known = true;
  return csv::sniff_text(text, whole, known);
}
#else
bool is_workbook(const fs::path&) { return false; }
etl::Result<csv::Reader> open_rows(const fs::path& file, csv::Dialect& dialect, const csv::ReaderOptions& options,
                                   const SheetChoice&, const std::stop_token& stop) {
  return csv::Reader::open(file, dialect, options, stop);
}
etl::Result<std::string> chosen_sheet(const fs::path& file, const SheetChoice&) {
  return etl::failure(no_component(file));
}
etl::Result<std::vector<std::string>> chosen_sheets(const fs::path& file, const SheetChoice&) {
  return etl::failure(no_component(file));
}
etl::Result<csv::Sniffed> sniff_sheet(const fs::path& file, const SheetChoice&, const csv::SniffHints&, std::size_t) {
  return etl::failure(no_component(file));
}
#endif

}  // namespace program
