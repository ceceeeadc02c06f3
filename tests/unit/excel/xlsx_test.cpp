#include <etl/excel/sheet.hpp>

#include <string>

#include "unit/excel/support.hpp"

namespace xlsx_test {

namespace excel = etl::excel;
using test::text_of;
using test::text_of_rows;
using test::Workbook;

TEST_CASE("a sheet is text with a line for each row") {
  const Workbook book{
      .sheets =
          {{.name = "S",
            .rows =
                R"(<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c></row>
<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="inlineStr"><is><t>a, "b"</t></is></c><c r="C2" t="b"><v>1</v></c></row>
<row r="4" hidden="1"><c r="A4"><v>2</v></c><c r="C4" t="b"><v>0</v></c></row>
<row r="5"><c r="A5"><v>3</v></c></row>)"}},
      .strings =
          "<si><t>id</t></si><si><r><t>na</t></r><r><rPr><b/></rPr><t>me</t></r><rPh><t>no</t></rPh></si>"
          "<si><t xml:space=\"preserve\"> ok </t></si>"};
  CHECK(text_of(book) == "id,name, ok \n1,\"a, \"\"b\"\"\",true\n\n2,,false\n3,,\n");
}

TEST_CASE("cells without names follow one another, and rows too") {
  CHECK(text_of_rows("<row><c><v>1</v></c><c><v>2</v></c></row><row><c r=\"B2\"><v>3</v></c><c><v>4</v></c></row>") ==
        "1,2\n,3,4\n");
  CHECK(text_of_rows("<x:row xmlns:x=\"y\"><x:c><x:v>1</x:v></x:c></x:row>") == "1\n");
}

TEST_CASE("numbers are the shortest text of the same double") {
  const auto number = [](const std::string& saved) { return text_of_rows("<row><c><v>" + saved + "</v></c></row>"); };
  CHECK(number("1.1000000000000001") == "1.1\n");
  CHECK(number("0.30000000000000004") == "0.30000000000000004\n");
  CHECK(number("-7") == "-7\n");
  CHECK(number("1E+15") == "1000000000000000\n");
  CHECK(number("1.5E+300") == "1.5e+300\n");
  CHECK(number("12345678901234567890") == "12345678901234567890\n");
  CHECK(number(" 5.0 ") == "5\n");
  CHECK(number("1x") ==
        "error: t.xlsx: sheet 'S', cell A1: '1x' is saved as a number, but is not a number; the file is damaged");
  CHECK(number("NaN").starts_with("error: t.xlsx: sheet 'S', cell A1: 'NaN'"));
  CHECK(number("1E999").starts_with("error: t.xlsx: sheet 'S', cell A1: '1E999'"));
}

namespace {

/// A number in a cell of a format.
std::string shown(const std::string& number, const std::string& format, const std::string& properties = "") {
  const std::string built_in = format.find_first_not_of("0123456789") == format.npos ? format : "164";
  return text_of({.sheets = {{.name = "S", .rows = "<row><c s=\"1\"><v>" + number + "</v></c></row>"}},
                  .styles = "<numFmts><numFmt numFmtId=\"164\" formatCode=\"" + format +
                            "\"/></numFmts><cellStyleXfs><xf numFmtId=\"14\"/></cellStyleXfs>"
                            "<cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"" +
                            built_in + "\"/></cellXfs>",
                  .properties = properties});
}

}  // namespace

TEST_CASE("a number is a date by the format of its cell") {
  CHECK(shown("45322", "14") == "2024-01-31\n");
  CHECK(shown("45322.573032407409", "22") == "2024-01-31T13:45:10\n");
  CHECK(shown("45322", "22") == "2024-01-31T00:00:00\n");
  CHECK(shown("45322.5", "14") == "2024-01-31T12:00:00\n");
  CHECK(shown("0.57303240740740746", "21") == "13:45:10\n");
  CHECK(shown("0.5730324189814815", "mm:ss.0") == "13:45:10.001\n");
  CHECK(shown("1.5", "46") == "36:00:00\n");
  CHECK(shown("-0.25", "[h]:mm") == "-06:00:00\n");
  CHECK(shown("45322", "[$-409]d\\-mmm\\-yy;@") == "2024-01-31\n");
  CHECK(shown("45322", "[$-F400]h:mm:ss\\ AM/PM") == "2024-01-31T00:00:00\n");
  CHECK(shown("45322", "mmm") == "2024-01-31\n");
  CHECK(shown("45322", "0.00 &quot;days&quot;") == "45322\n");
  CHECK(shown("45322", "[Red]#,##0;[Blue]-#,##0") == "45322\n");
  CHECK(shown("45322", "0.00E+00") == "45322\n");
  CHECK(shown("45322", "General") == "45322\n");
  CHECK(shown("45322", "general") == "45322\n");
  CHECK(shown("45322", "\\d0") == "45322\n");
  CHECK(shown("0.5", "9") == "0.5\n");
}

TEST_CASE("dates go by the epoch of the workbook") {
  CHECK(shown("1", "14") == "1900-01-01\n");
  CHECK(shown("59", "14") == "1900-02-28\n");
  CHECK(shown("60", "14") == "1900-02-29\n");  // as Excel shows it; no reader takes it for a date
  CHECK(shown("61", "14") == "1900-03-01\n");
  CHECK(shown("0", "14", "date1904=\"1\"") == "1904-01-01\n");
  CHECK(shown("43860", "14", "date1904=\"true\"") == "2024-01-31\n");
  CHECK(shown("43860.5", "22", "date1904=\"0\"") == "2020-01-30T12:00:00\n");
  CHECK(shown("2958465", "14") == "9999-12-31\n");
  CHECK(shown("2958466", "14") == "2958466\n");
  CHECK(shown("2958465.9999999999", "14") == "2958466\n");
  CHECK(shown("-1", "14") == "-1\n");
}

TEST_CASE("texts keep what XML does not have") {
  CHECK(text_of_rows(R"(<row><c t="str"><v>a_x000D_b</v></c><c t="str"><v>_x005F_x000D__x</v></c></row>)") ==
        "\"a\rb\",_x000D__x\n");
  CHECK(text_of_rows(R"(<row><c t="str"><v>_xD83D__xDE00_</v></c><c t="str"><v>_xD83D_</v></c></row>)") ==
        "\xF0\x9F\x98\x80,_xD83D_\n");
  CHECK(text_of_rows("<row><c t=\"inlineStr\"><is><t>sep=;</t></is></c></row>") == "\"sep=;\"\n");
  CHECK(text_of_rows("<row><c t=\"inlineStr\"><is><t>\xEF\xBB\xBFx</t></is></c></row>") == "\"\xEF\xBB\xBFx\"\n");
  CHECK(text_of_rows("<row><c t=\"inlineStr\"><is><t></t></is></c><c><v>1</v></c></row>") == "\"\",1\n");
}

TEST_CASE("a cell with an error is its name, empty, or refused") {
  const std::string rows = R"(<row><c><v>1</v></c><c t="e"><v>#DIV/0!</v></c></row>)";
  CHECK(text_of_rows(rows) == "1,#DIV/0!\n");
  CHECK(text_of_rows(rows, {.errors = excel::ErrorCells::Empty}) == "1\n");
  CHECK(text_of_rows(rows, {.errors = excel::ErrorCells::Refuse})
            .starts_with("error: t.xlsx: sheet 'S', cell B1: it holds the error #DIV/0!; correct it"));
}

TEST_CASE("a formula is the value that was saved with it") {
  CHECK(
      text_of_rows(
          R"(<row><c><f>1+1</f><v>2</v></c><c t="str"><f>"a"</f><v>a</v></c><c t="str"><f>""</f><v></v></c></row>)") ==
      "2,a,\"\"\n");
  const std::string without = "<row><c><v>1</v></c><c><f>A1+1</f><v/></c></row>";
  CHECK(text_of_rows(without).starts_with(
      "error: t.xlsx: sheet 'S', cell B1: its formula was saved without a value; open and save the workbook"));
  CHECK(text_of_rows(without, {.formulas_without_value_are_empty = true}) == "1\n");
}

TEST_CASE("merged cells hold their value once, or everywhere") {
  const Workbook book{
      .sheets = {{.name = "S",
                  .rows = R"(<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c><c r="D1"><v>1</v></c></row>
<row r="2"><c r="D2"><v>2</v></c></row><row r="3"><c r="A3" s="0"/></row><row r="4"><c r="A4"><v>9</v></c></row>)",
                  .after_rows = R"(<mergeCells><mergeCell ref="A1:B3"/></mergeCells>)"}}};
  CHECK(text_of(book) == "a,,,1\n,,,2\n\n9,,,\n");
  CHECK(text_of(book, {.merged = excel::MergedCells::Fill}) == "a,a,,1\na,a,,2\n\n9,,,\n");
  CHECK(text_of(book, {.range = "B2:D3", .merged = excel::MergedCells::Fill}) == "\na,,2\n");
}

TEST_CASE("a range cuts rows and columns") {
  const std::string rows =
      R"(<row r="1"><c r="A1"><v>1</v></c></row><row r="3"><c r="B3"><v>2</v></c><c r="D3"><v>3</v></c></row>
<row r="4"><c r="C4"><v>4</v></c><c r="E4"><v>5</v></c></row><row r="9"><c r="B9"><v>6</v></c></row>)";
  CHECK(text_of_rows(rows, {.range = "B3:D8"}) == "\n\n2,,3\n,4,\n");
  CHECK(text_of_rows(rows, {.range = "B3:"}) == "\n\n2,,3\n,4,,5\n\n\n\n\n6,,,\n");
  CHECK(text_of_rows(rows, {.range = "$C:$C"}) == "\n\n\n4\n");
  CHECK(text_of_rows(rows, {.range = "3:3"}) == "\n\n,2,,3\n");
  for (const char* const bad : {"B3:A1", "x!", "A0", "XFE1", "A1048577", ":", "A1:B2:C3", "AAAA"})
    CHECK(text_of_rows(rows, {.range = bad}).starts_with("error: '" + std::string(bad) + "' is no range of cells"));
}

TEST_CASE("the sheet is chosen by its name") {
  const Workbook book{
      .sheets = {{.name = "Sales", .rows = "<row><c><v>1</v></c></row>"},
                 {.name = "Graph", .type = "chartsheet"},
                 {.name = "Old", .rows = "<row><c><v>2</v></c></row>", .attributes = "state=\"hidden\""},
                 {.name = "Caf\xC3\xA9 &amp; x", .rows = "<row><c><v>3</v></c></row>"}}};
  CHECK(text_of(book, {.sheet = "Sales"}) == "1\n");
  CHECK(text_of(book, {.sheet = "sALES"}) == "1\n");
  CHECK(text_of(book, {.sheet = "Old"}) == "2\n");
  CHECK(text_of(book, {.sheet = "Caf\xC3\xA9 & x"}) == "3\n");
  CHECK(text_of(book, {.sheet = "Graph"}) ==
        "error: t.xlsx: there is no sheet 'Graph'; there are 'Sales', 'Old' (hidden), 'Caf\xC3\xA9 & x'");
  CHECK(text_of(book) ==
        "error: t.xlsx: the workbook has 3 sheets: name the sheet to read (--sheet, or SheetOptions::sheet): "
        "'Sales', 'Old' (hidden), 'Caf\xC3\xA9 & x'");
  Workbook one = book;
  one.sheets.pop_back();
  CHECK(text_of(one) == "1\n");
  CHECK(text_of(Workbook{.sheets = {{.name = "G", .type = "chartsheet"}}}) ==
        "error: t.xlsx: the workbook has no sheet with cells");

  const test::TemporaryFolder folder;
  book.write(folder.path() / "b.xlsx");
  const auto all = excel::sheets(folder.path() / "b.xlsx");
  REQUIRE(all.has_value());
  REQUIRE(all->size() == 3);
  CHECK((*all)[0] == excel::SheetInfo{"Sales", false});
  CHECK((*all)[1] == excel::SheetInfo{"Old", true});
  const auto old = excel::find_sheet(folder.path() / "b.xlsx", "OLD");
  REQUIRE(old.has_value());
  CHECK(*old == excel::SheetInfo{"Old", true});
  CHECK_FALSE(excel::find_sheet(folder.path() / "b.xlsx", "").has_value());
}

TEST_CASE("cells have names") {
  CHECK(excel::cell_name(1, 1) == "A1");
  CHECK(excel::cell_name(26, 7) == "Z7");
  CHECK(excel::cell_name(27, 7) == "AA7");
  CHECK(excel::cell_name(16'384, 1'048'576) == "XFD1048576");
}

TEST_CASE("shared strings that do not fit into memory are kept in a file") {
  std::string strings, rows, expected;
  for (int i = 0; i < 5000; ++i) {
    strings += "<si><t>text " + std::to_string(i) + "</t></si>";
    rows += "<row><c t=\"s\"><v>" + std::to_string(4999 - i) + "</v></c></row>";
    expected += "text " + std::to_string(4999 - i) + "\n";
  }
  const Workbook book{.sheets = {{.name = "S", .rows = rows}}, .strings = strings};
  CHECK(text_of(book) == expected);
  CHECK(text_of(book, {.limits = {.strings_in_memory = 1000}}) == expected);
  CHECK(text_of(book, {.limits = {.strings_in_memory = 0}}) == expected);
}

}  // namespace xlsx_test
