#if __has_include(<etl/csv/reader.hpp>)
#include <etl/csv/reader.hpp>
#include <etl/excel/sheet.hpp>

#include <filesystem>
#include <utility>

#include "unit/excel/support.hpp"

namespace guide_test {

namespace csv = etl::csv;

namespace {

etl::Result<std::size_t> count_rows(const std::filesystem::path& path) {
  auto sheet = etl::excel::open(path, {.sheet = "Sales", .range = "A3:"});
  if (!sheet) return etl::failure(sheet.error());
  csv::Dialect dialect;
  dialect.sheet_column = sheet->first_column;
  auto rows = csv::Reader::from(std::move(sheet->text), dialect);
  if (!rows) return etl::failure(rows.error());
  std::size_t count = 0;
  for (;;) {
    const auto chunk = rows->next();
    if (!chunk) return etl::failure(chunk.error());
    if (!*chunk) return count;
    count += (*chunk)->size();
  }
}

}  // namespace

TEST_CASE("the guide's rows of a sheet") {
  const test::TemporaryFolder folder;
  const test::Workbook book{
      .sheets = {{.name = "Sales",
                  .rows = "<row><c t=\"str\"><v>Title</v></c></row><row r=\"3\"><c t=\"str\"><v>id</v></c></row>"
                          "<row><c><v>1</v></c></row><row><c><v>2</v></c></row>"}}};
  book.write(folder / "book.xlsx");
  CHECK(count_rows(folder / "book.xlsx").value_or(0) == 2);
  CHECK_FALSE(count_rows(folder / "none.xlsx").has_value());
}

}  // namespace guide_test
#endif
