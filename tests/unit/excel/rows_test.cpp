#if __has_include(<etl/csv/reader.hpp>)
#include <etl/csv/mapping.hpp>
#include <etl/csv/reader.hpp>
#include <etl/excel/sheet.hpp>

#include <string>
#include <vector>

#include "unit/excel/support.hpp"

namespace rows_test {

namespace csv = etl::csv;

namespace {

// A title in row 1, an empty row, a header with a line break in row 3; a cell with line breaks in row 4.
const test::Workbook book{.sheets = {{.name = "Sales", .rows = R"(<row r="1"><c t="str"><v>Title</v></c></row>
<row r="3"><c r="B3" t="str"><v>id</v></c><c r="C3" t="str"><v>unit&#10;price</v></c></row>
<row r="4"><c r="B4" t="str"><v>a&#10;b&#10;c</v></c><c r="C4"><v>1.5</v></c></row>
<row r="7"><c r="B7" t="str"><v>d</v></c><c r="C7" t="e"><v>#N/A</v></c></row>
<row r="8"><c r="B8" t="str"><v>e</v></c><c r="C8"><v>2</v></c></row>)"}}};

struct Open {
  test::TemporaryFolder folder{};
  csv::Dialect dialect{};
  std::optional<csv::Reader> reader{};
  Open() {
    book.write(folder.path() / "book.xlsx");
    auto sheet = etl::excel::open(folder.path() / "book.xlsx", {.range = "B3:"});
    REQUIRE(sheet.has_value());
    dialect.sheet_column = sheet->first_column;
    auto rows = csv::Reader::from(std::move(sheet->text), dialect);
    REQUIRE(rows.has_value());
    reader.emplace(std::move(*rows));
  }
};

}  // namespace

TEST_CASE("rows of a sheet have its row numbers as lines, whatever line breaks its cells have") {
  Open open;
  CHECK(open.reader->header() == std::vector<std::string>{"id", "unit\nprice"});
  const auto chunk = open.reader->next();
  REQUIRE(chunk.has_value());
  REQUIRE(chunk->has_value());
  std::vector<std::uint64_t> lines, numbers;
  for (const csv::Row row : **chunk) {
    lines.push_back(row.line());
    numbers.push_back(row.number());
  }
  CHECK(lines == std::vector<std::uint64_t>{4, 7, 8});
  CHECK(numbers == std::vector<std::uint64_t>{1, 2, 3});
  CHECK((**chunk)[0][0] == "a\nb\nc");
}

TEST_CASE("the decoder of a mapping names a cell of a sheet as the sheet does") {
  Open open;
  csv::FileMapping mapping;
  mapping.dialect = open.dialect;
  mapping.columns = {{.source = "unit\nprice", .target = "price", .kind = csv::Kind::Double}};
  const auto decoder = mapping.bind(open.reader->header(), open.reader->name());
  REQUIRE(decoder.has_value());
  const auto chunk = open.reader->next();
  REQUIRE((chunk && *chunk));
  csv::Record record;
  CHECK(decoder->decode((**chunk)[0], record).has_value());
  CHECK(record.front() == csv::Value(1.5));
  const auto bad = decoder->decode((**chunk)[1], record);
  REQUIRE_FALSE(bad.has_value());
  const std::string folder = open.folder.path().string();
  CHECK(bad.error().message() == folder + "/book.xlsx[Sales]:C7: column 2 'unit\\nprice': '#N/A' is not a number");
}

TEST_CASE("reading a sheet goes on at a place") {
  Open open;
  auto first = open.reader->next();
  REQUIRE((first && *first));
  const csv::Place place = (**first)[1].place();
  auto sheet = etl::excel::open(open.folder.path() / "book.xlsx", {.range = "B3:"});
  REQUIRE(sheet.has_value());
  auto reader = csv::Reader::from(std::move(sheet->text), open.dialect, {.begin = place});
  REQUIRE(reader.has_value());
  auto rest = reader->next();
  REQUIRE((rest && *rest));
  REQUIRE((*rest)->size() == 2);
  CHECK((**rest)[0].line() == 7);
  CHECK((**rest)[0][0] == "d");
}

}  // namespace rows_test
#endif
