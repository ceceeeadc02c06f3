#include <etl/excel/sheet.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/sanitized.hpp"
#include "unit/excel/support.hpp"

namespace damaged_test {

namespace excel = etl::excel;
namespace fs = std::filesystem;
using test::text_of;
using test::text_of_rows;
using test::Workbook;

namespace {

const Workbook small{.sheets = {{.name = "S", .rows = "<row><c><v>1</v></c></row>"}}};

/// The small workbook with the text of one part replaced.
std::string text_with(const std::string& part, const std::string& text, const excel::SheetOptions& options = {}) {
  const test::TemporaryFolder folder;
  auto parts = small.parts();
  for (auto& [name, content] : parts)
    if (name == part) content = text;
  test::write_zip(folder.path() / "t.xlsx", parts);
  return text_of(folder.path() / "t.xlsx", options);
}

std::string repeated(const std::string& text, std::size_t times) {
  std::string all;
  all.reserve(text.size() * times);
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

constexpr auto sheet_part = "xl/worksheets/sheet1.xml";

}  // namespace

TEST_CASE("a document type is refused, and with it every entity") {
  const std::string laughs =
      R"(<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><worksheet><sheetData><row><c t="str"><v>&b;</v></c></row></sheetData></worksheet>)";
  CHECK(has(text_with(sheet_part, laughs), "part 'xl/worksheets/sheet1.xml': it has a document type (DOCTYPE)"));
  CHECK(has(text_with("xl/workbook.xml", laughs), "part 'xl/workbook.xml': it has a document type (DOCTYPE)"));
}

TEST_CASE("a zip bomb is an error that names the limit") {
  const std::string blanks(40 << 20, ' ');
  CHECK(has(text_with(sheet_part, "<worksheet>" + blanks + "</worksheet>"), "as in a zip bomb (Limits::max_ratio)"));
  CHECK(has(text_with(sheet_part, "<worksheet>" + blanks + "</worksheet>", {.limits = {.max_unpacked = 1 << 20}}),
            "it is more than 1048576 bytes unpacked (Limits::max_unpacked)"));
  CHECK(has(text_with("xl/workbook.xml", "<workbook>" + blanks + "</workbook>"), "as in a zip bomb"));
}

TEST_CASE("a few bytes that stand for much text are an error") {
  const Workbook book{.sheets = {{.name = "S", .rows = "<row>" + repeated("<c t=\"s\"><v>0</v></c>", 300) + "</row>"}},
                      .strings = "<si><t>" + std::string(30'000, 'x') + "</t></si>"};
  CHECK(has(text_of(book, {.limits = {.max_row = 1 << 20}}),
            "sheet 'S', cell AI1: the row is more than 1048576 bytes of text (Limits::max_row)"));
  Workbook rows = book;
  rows.sheets[0].rows = repeated("<row><c t=\"s\"><v>0</v></c></row>", 300);
  CHECK(has(text_of(rows, {.limits = {.max_unpacked = 1 << 20}}),
            "row 35: the text of the sheet is more than 1048576 bytes (Limits::max_unpacked)"));
  Workbook merged = book;
  merged.sheets[0].rows = "<row><c t=\"s\"><v>0</v></c></row>";
  merged.sheets[0].after_rows = "<mergeCells><mergeCell ref=\"A1:XFD9\"/></mergeCells>";
  CHECK(has(text_of(merged, {.merged = excel::MergedCells::Fill, .limits = {.max_row = 1 << 20}}),
            "the row is more than 1048576 bytes of text (Limits::max_row)"));
}

TEST_CASE("a tag that does not end, and elements without an end, are errors") {
  CHECK(has(text_with(sheet_part, "<worksheet a='" + repeated("0123456789abcdef", 200'000) + "'/>"),
            "a tag of more than 1048576 bytes is refused"));
  CHECK(has(text_with(sheet_part, repeated("<a>", 300)), "elements are nested more than 256 deep"));
  CHECK(has(text_with(sheet_part, "<worksheet><sheetData>"), "it is not XML: no element found"));
  CHECK(has(text_with(sheet_part, "<worksheet>\n</row>"), "line 2: it is not XML: mismatched tag"));
}

TEST_CASE("a file that is cut off is an error at every length") {
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / "t.xlsx";
  small.write(path);
  std::string whole(fs::file_size(path), '\0');
  std::ifstream(path, std::ios::binary).read(whole.data(), static_cast<std::streamsize>(whole.size()));
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << whole.substr(0, size);
    const std::string text = text_of(path);
    INFO(size << ": " << text);
    CHECK(has(text, size < 4 ? "it is no workbook of Excel"
                             : "the file is a zip archive without its end, cut off or damaged"));
  }
}

TEST_CASE("bytes that changed are an error or change nothing unnoticed") {
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / "t.xlsx";
  const Workbook book{
      .sheets = {{.name = "S", .rows = repeated("<row><c><v>1.25</v></c><c t=\"s\"><v>0</v></c></row>", 50)}},
      .strings = "<si><t>abc</t></si>"};
  book.write(path);
  const std::string good = text_of(path);
  std::string whole(fs::file_size(path), '\0');
  std::ifstream(path, std::ios::binary).read(whole.data(), static_cast<std::streamsize>(whole.size()));
  for (std::size_t at = 4; at < whole.size(); at += 24 / test::fewer_if_sanitized(8U)) {
    std::string other = whole;
    other[at] = static_cast<char>(other[at] ^ 0x55);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << other;
    const std::string text = text_of(path);
    INFO(at);
    CHECK((text == good || text.starts_with("error: ")));
  }
}

TEST_CASE("what is no workbook is named") {
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / "t.xlsx";
  const auto zipped = [&](const std::vector<std::pair<std::string, std::string>>& files) {
    test::write_zip(path, files);
    return text_of(path);
  };
  CHECK(has(zipped({{"a.csv", "1"}}), "it is a zip archive without a workbook"));
  CHECK(has(zipped({{"mimetype", "x"}, {"content.xml", "x"}}), "it is an OpenDocument file"));
  CHECK(has(zipped({{"_rels/.rels", "x"}, {"xl/workbook.bin", "x"}}), "it is a binary workbook (.xlsb)"));
  std::ofstream(path, std::ios::trunc) << "a,b\n1,2\n";
  CHECK(has(text_of(path), "it is no workbook of Excel, neither .xlsx nor .xls"));
  CHECK(has(text_of(folder.path() / "missing.xlsx"), "No such file or directory"));
  CHECK(has(text_of(fs::path("-")), "cannot be read from standard input"));
  CHECK(has(text_of(folder.path()), "directory"));
}

TEST_CASE("what refers to nothing is named with its cell") {
  CHECK(text_of_rows("<row><c t=\"s\"><v>3</v></c></row>") ==
        "error: t.xlsx: sheet 'S', cell A1: it refers to the shared text 3, and there are 0; the file is damaged");
  CHECK(
      text_of_rows("<row><c t=\"s\"><v>-1</v></c></row>").starts_with("error: t.xlsx: sheet 'S', cell A1: it refers"));
  CHECK(text_of_rows("<row><c t=\"q\"><v>1</v></c></row>")
            .starts_with("error: t.xlsx: sheet 'S', cell A1: it is of a type"));
  CHECK(text_of_rows("<row><c t=\"b\"><v>2</v></c></row>")
            .starts_with("error: t.xlsx: sheet 'S', cell A1: '2' is not a truth"));
  CHECK(text_of_rows("<row r=\"2\"/><row r=\"2\"/>")
            .starts_with("error: t.xlsx: sheet 'S', row 2: it comes after row 2"));
  CHECK(text_of_rows("<row r=\"x\"/>")
            .starts_with("error: t.xlsx: sheet 'S', row 0: the next row has 'x' in place of a number"));
  CHECK(text_of_rows("<row r=\"1048577\"/>")
            .starts_with("error: t.xlsx: sheet 'S', row 1048577: a sheet has 1048576 rows"));
  CHECK(text_of_rows("<row r=\"2\"><c r=\"A3\"/></row>")
            .starts_with("error: t.xlsx: sheet 'S', row 2: 'A3' is not a cell of this row"));
  CHECK(text_of_rows("<row><c r=\"B1\"><v>1</v></c><c r=\"A1\"><v>1</v></c></row>")
            .starts_with("error: t.xlsx: sheet 'S', cell A1: it comes after cell B1"));
}

TEST_CASE("an error comes again") {
  const test::TemporaryFolder folder;
  Workbook{.sheets = {{.name = "S", .rows = "<row><c><v>1</v></c></row><row><c><v>x</v></c></row>"}}}.write(
      folder.path() / "t.xlsx");
  auto sheet = excel::open(folder.path() / "t.xlsx");
  REQUIRE(sheet.has_value());
  char bytes[100];
  const auto first = sheet->text->read(bytes);
  REQUIRE(first.has_value());
  CHECK(std::string(bytes, *first) == "1\n");
  const auto error = sheet->text->read(bytes);
  REQUIRE_FALSE(error.has_value());
  const auto again = sheet->text->read(bytes);
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().message() == error.error().message());
}

}  // namespace damaged_test
