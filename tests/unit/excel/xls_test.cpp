#include <etl/excel/sheet.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/xls_workbook.hpp"
#include "unit/excel/support.hpp"

namespace xls_test {

namespace excel = etl::excel;
namespace xls = test::xls;
namespace fs = std::filesystem;

namespace {

std::string text_of(const xls::Book& book, const excel::SheetOptions& options = {}) {
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / "t.xls";
  book.write(path);
  std::string text = test::text_of(path, options);
  const std::string prefix = folder.path().string() + "/";
  for (std::size_t at = text.find(prefix); at != text.npos; at = text.find(prefix)) text.erase(at, prefix.size());
  return text;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

const xls::Book one{
    .sheets = {{.name = "S",
                .cells = xls::text_cell(0, 0, 0) + xls::text_cell(0, 1, 1) + xls::number_cell(1, 0, 1.1) +
                         xls::text_cell(1, 1, 2) + xls::rk_cell(3, 0, 7 << 2 | 2),
                .rows = 4,
                .columns = 2}},
    .strings = {"id", "na,me", "caf\xE9"}};

}  // namespace

TEST_CASE("an .xls is text with a line for each row") {
  CHECK(text_of(one) == "id,\"na,me\"\n1.1,caf\xC3\xA9\n\n7,\n");
  CHECK(text_of(one, {.range = "B2:B4"}) == "\ncaf\xC3\xA9\n");
}

TEST_CASE("numbers of an .xls are the shortest text of the same double, in each form that they are saved in") {
  const auto rk = [](std::uint32_t saved) {
    return text_of({.sheets = {{.name = "S", .cells = xls::rk_cell(0, 0, saved), .rows = 1, .columns = 1}}});
  };
  CHECK(rk(0x3FF0'0000) == "1\n");                               // the upper half of a double
  CHECK(rk(static_cast<std::uint32_t>(-5) << 2 | 2) == "-5\n");  // an integer
  CHECK(rk(12345U << 2 | 3) == "123.45\n");                      // in hundredths
  const std::string many = xls::record(0x00BD, xls::u16(0) + xls::u16(1) + xls::u16(0) + xls::u32(1 << 2 | 2) +
                                                   xls::u16(0) + xls::u32(2 << 2 | 2) + xls::u16(2));
  CHECK(text_of({.sheets = {{.name = "S", .cells = many, .rows = 1, .columns = 3}}}) == ",1,2\n");
}

TEST_CASE("an .xls tells truth values, errors and results of formulas") {
  const std::string cells = xls::truth_cell(0, 0, 1) + xls::truth_cell(0, 1, 0) + xls::truth_cell(0, 2, 7, true) +
                            xls::formula_cell(0, 3, xls::real(2.5)) + xls::formula_cell(0, 4, xls::other_result(0)) +
                            xls::string_record("a\"b") + xls::formula_cell(0, 5, xls::other_result(1, 1)) +
                            xls::formula_cell(0, 6, xls::other_result(2, 0x2A)) +
                            xls::formula_cell(0, 7, xls::other_result(3));
  const xls::Book book{.sheets = {{.name = "S", .cells = cells, .rows = 1, .columns = 8}}};
  CHECK(text_of(book) == "true,false,#DIV/0!,2.5,\"a\"\"b\",true,#N/A,\"\"\n");
  CHECK(text_of(book, {.errors = excel::ErrorCells::Empty}) == "true,false,,2.5,\"a\"\"b\",true,,\"\"\n");
  CHECK(has(text_of(book, {.errors = excel::ErrorCells::Refuse}), "sheet 'S', cell C1: it holds the error #DIV/0!"));
}

TEST_CASE("dates of an .xls go by the format of the cell and the epoch of the workbook") {
  xls::Book book{.sheets = {{.name = "S",
                             .cells = xls::number_cell(0, 0, 45322, 1) + xls::number_cell(0, 1, 0.75, 2) +
                                      xls::number_cell(0, 2, 45322.5, 1),
                             .rows = 1,
                             .columns = 3}},
                 .formats = {"General", "yyyy\\-mm\\-dd", "hh:mm"}};
  CHECK(text_of(book) == "2024-01-31,18:00:00,2024-01-31T12:00:00\n");
  book.epoch_1904 = true;
  CHECK(text_of(book) == "2028-02-01,18:00:00,2028-02-01T12:00:00\n");
}

TEST_CASE("merged cells of an .xls hold their value once, or everywhere") {
  const xls::Book book{
      .sheets = {{.name = "S",
                  .cells = xls::number_cell(0, 0, 5) + xls::number_cell(1, 2, 6) +
                           xls::record(0x00E5, xls::u16(1) + xls::u16(0) + xls::u16(1) + xls::u16(0) + xls::u16(1)),
                  .rows = 2,
                  .columns = 3}}};
  CHECK(text_of(book) == "5\n,,6\n");
  CHECK(text_of(book, {.merged = excel::MergedCells::Fill}) == "5,5\n5,5,6\n");
}

TEST_CASE("sheets of an .xls are chosen by their names") {
  xls::Book book = one;
  book.sheets.push_back({.name = "Old", .cells = xls::number_cell(0, 0, 2), .rows = 1, .columns = 1, .hidden = true});
  CHECK(text_of(book, {.sheet = "old"}) == "2\n");
  CHECK(has(text_of(book, {.sheet = "x"}), "there is no sheet 'x'; there are 'S', 'Old' (hidden)"));
  CHECK(text_of(book) == text_of(one));
}

TEST_CASE("an .xls whose records stand in the mini stream is read all the same") {
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / "t.xls";
  std::ofstream(path, std::ios::binary) << xls::compound_file_of_mini_stream(one.stream(), "Workbook");
  CHECK(test::text_of(path) == text_of(one));
}

TEST_CASE("an .xls that is damaged or no workbook is an error") {
  const test::TemporaryFolder folder;
  const fs::path path = folder.path() / "t.xls";
  const auto text_with = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    return test::text_of(path);
  };
  const std::string whole = xls::compound_file(one.stream(), "Workbook");
  for (std::size_t size = 8; size < 512 + 1024 + one.stream().size(); size += 61) {
    INFO(size);
    CHECK(text_with(whole.substr(0, size)).starts_with("error: "));
  }
  CHECK(has(text_with(xls::compound_file("text", "WordDocument")), "it is a compound file without a workbook"));
  std::string encrypted = xls::compound_file("", "EncryptedPackage");
  CHECK(has(text_with(encrypted), "the workbook has a password"));
  const xls::Book large{.sheets = {{.name = "S", .cells = xls::number_cell(0, 0, 2), .rows = 60'000, .columns = 255}}};
  CHECK(has(text_of(large, {.limits = {.max_xls_cells = 1'000'000}}), "(Limits::max_xls_cells)"));
}

}  // namespace xls_test
