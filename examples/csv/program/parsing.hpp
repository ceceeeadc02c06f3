#pragma once
// How files are read into columns: the options that `sniff` and `load` have in common.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <etl/csv/dialect.hpp>
#include <etl/csv/mapping.hpp>

#include "command.hpp"
#include "workbook.hpp"

namespace program {

struct Parsing {
  etl::csv::Dialect dialect{};
  SheetChoice sheet{};                           ///< sheet of workbooks
  std::optional<etl::csv::FileFormat> format{};  ///< no value: determined by the names of files
  std::vector<std::string> nulls{};              ///< empty: an unquoted empty cell is NULL
  bool empty_is_text = false;  ///< a quoted empty cell is an empty text, also where other cells are not texts
  bool decimal_comma = false;

  [[nodiscard]] etl::csv::Nulls null_texts() const {
    etl::csv::Nulls all = nulls.empty() ? etl::csv::Nulls() : etl::csv::Nulls(nulls, true);
    all.empty_is_text = empty_is_text;
    return all;
  }
};

/// Adds all of these options. Those of delimited text are returned.
inline std::vector<CLI::Option*> add_parsing(CLI::App& command, Parsing& parsing) {
  const std::map<std::string, etl::csv::FileFormat> formats{{"csv", etl::csv::FileFormat::Csv},
                                                            {"json", etl::csv::FileFormat::Json}};
  command
      .add_option("--format", parsing.format,
                  "Format of all files. JSON has one object per line, or an array of objects; the names of members are "
                  "the columns [json for .json, .ndjson and .jsonl, also compressed; csv for others]")
      ->transform(choice(formats));
  add_dialect(command, parsing.dialect);
  add_sheet(command, parsing.sheet);
  command.get_option("--delimiter")
      ->description("Character between cells, or tab, space, comma, semicolon, pipe or colon [detected]");
  command.add_option("--header-rows", parsing.dialect.header_rows, "Number of rows that name the columns; 0: none")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  const std::map<std::string, etl::csv::Ragged> ragged{
      {"reject", etl::csv::Ragged::Reject}, {"pad", etl::csv::Ragged::Pad}, {"truncate", etl::csv::Ragged::Truncate}};
  command
      .add_option(
          "--ragged", parsing.dialect.ragged,
          "Rows with too few or too many cells. reject: reject them; pad: add empty cells; truncate: also drop surplus "
          "cells [reject]")
      ->transform(choice(ragged));
  command
      .add_option("--null", parsing.nulls,
                  "Text that means NULL (may be repeated) [an empty cell without quotes; in JSON only null]")
      ->allow_extra_args(false);
  command.add_flag(
      "--empty-is-text", parsing.empty_is_text,
      "Read an empty cell in quotes as a text, so that its column becomes text [NULL, except in text columns]");
  command.add_flag("--decimal-comma", parsing.decimal_comma, "Numbers have a decimal comma, such as 1,5");
  std::vector<CLI::Option*> of_csv;
  for (const char* const name :
       {"--delimiter", "--quote", "--no-quote", "--escape", "--comment", "--trim", "--skip-lines", "--max-field",
        "--max-lines", "--encoding", "--latin1", "--header-rows", "--ragged", "--decimal-comma", "--empty-is-text"})
    of_csv.push_back(command.get_option(name));
  return of_csv;
}

/// Refuses options of delimited text beside `--format json`.
inline void check_format(const Parsing& parsing, const std::vector<CLI::Option*>& of_csv) {
  if (parsing.format != etl::csv::FileFormat::Json) return;
  for (const CLI::Option* const option : of_csv)
    if (option->count() > 0) throw CLI::ValidationError(option->get_name(), "is for CSV, not for --format json");
}

}  // namespace program
