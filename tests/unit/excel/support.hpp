#pragma once
/// What a sheet gives.

#include <filesystem>
#include <string>
#include <string_view>

#include <etl/excel/sheet.hpp>
#include <etl/io/source.hpp>

#include "support/workbook.hpp"
#include "unit/io/support.hpp"

namespace test {

/// The text of a sheet, or "error: " and what went wrong, also when some text came before.
inline std::string text_of(const std::filesystem::path& path, const etl::excel::SheetOptions& options = {}) {
  auto sheet = etl::excel::open(path, options);
  if (!sheet) return "error: " + sheet.error().message();
  const auto text = etl::io::read_all(*sheet->text);
  return text ? *text : "error: " + text.error().message();
}

/// The same of a workbook of one sheet, "S", in a file "t.xlsx"; the folder is left out of errors.
inline std::string text_of(Workbook book, const etl::excel::SheetOptions& options = {}) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "t.xlsx";
  book.write(path);
  std::string text = text_of(path, options);
  const std::string prefix = folder.path().string() + "/";
  for (std::size_t at = text.find(prefix); at != text.npos; at = text.find(prefix)) text.erase(at, prefix.size());
  return text;
}
inline std::string text_of_rows(const std::string& rows, const etl::excel::SheetOptions& options = {}) {
  return text_of({.sheets = {{.name = "S", .rows = rows}}}, options);
}

}  // namespace test
