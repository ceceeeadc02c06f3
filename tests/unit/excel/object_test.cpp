// Workbooks in an object store, and files by their URLs.
#include <etl/excel/sheet.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include <etl/io/object_store_folder.hpp>
#include <etl/io/object_store_url.hpp>

#include "support/xls_workbook.hpp"
#include "unit/excel/support.hpp"

namespace object_test {

namespace excel = etl::excel;
namespace fs = std::filesystem;
namespace io = etl::io;
namespace xls = test::xls;

namespace {

/// URLs "in-test://KEY" of objects in a folder.
struct Objects {
  test::TemporaryFolder folder{};
  io::FolderStore store = io::FolderStore::open(folder.path()).value();
  Objects() {
    io::add_store_scheme("in-test", [store = store](std::string_view url) -> etl::Result<io::StorePlace> {
      return io::StorePlace{.store = store, .key = std::string(url.substr(std::string_view("in-test://").size()))};
    });
  }
  void put(const std::string& key, const test::Workbook& book) const {
    const test::TemporaryFolder made;
    book.write(made.path() / "b");
    REQUIRE(store.put(key, test::read_file(made.path() / "b"), {}));
  }
};

test::Workbook book_of(const std::string& text) {
  return {.sheets = {{.name = "Notes", .rows = "<row><c><v>7</v></c></row>"},
                     {.name = "Sales", .rows = "<row><c t=\"inlineStr\"><is><t>" + text + "</t></is></c></row>"}}};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("excel: a workbook in an object store is read from a copy of the object") {
  const Objects objects;
  const fs::path url = "in-test://in/Book.XLSX";
  objects.put("in/Book.XLSX", book_of("a"));
  CHECK(excel::format_of(url) == excel::Format::Xlsx);
  const auto sheets = excel::sheets(url);
  REQUIRE(sheets);
  CHECK(sheets->size() == 2);
  CHECK(test::text_of(url, {.sheet = "Notes"}) == "7\n");
  CHECK(test::text_of(url, {.sheet = "sales"}) == "a\n");

  auto open = excel::open(url, {.sheet = "Sales"});
  REQUIRE(open);
  objects.put("in/Book.XLSX", book_of("another"));
  CHECK(test::text_of(url, {.sheet = "Sales"}) == "another\n");
  CHECK(io::read_all(*open->text).value() == "a\n");  // the sheet that is open stays as it was

  CHECK(has(test::text_of(url), "error: in-test://in/Book.XLSX: the workbook has 2 sheets"));
  CHECK(has(test::text_of("in-test://in/none.xlsx"), "in/none.xlsx"));
}

TEST_CASE("excel: limits of the copy, and objects that are no workbooks") {
  const Objects objects;
  objects.put("large.xlsx", book_of("a"));
  const std::string refused = test::text_of("in-test://large.xlsx", {.sheet = "Sales", .limits = {.max_copied = 100}});
  CHECK(has(refused, "in-test://large.xlsx: the workbook has "));
  CHECK(has(refused, "at most 100 are copied to a temporary file (Limits::max_copied)"));

  // An object is asked for its first bytes only if its name is that of a workbook.
  objects.put("named.csv", book_of("a"));
  CHECK_FALSE(excel::format_of(fs::path("in-test://named.csv")));
  CHECK(test::text_of("in-test://named.csv", {.sheet = "Sales"}) == "a\n");
  REQUIRE(objects.store.put("text.xlsx", "a,b\n", {}));
  CHECK_FALSE(excel::format_of(fs::path("in-test://text.xlsx")));
  CHECK(test::text_of("in-test://text.xlsx") ==
        "error: in-test://text.xlsx: it is no workbook of Excel, neither .xlsx nor .xls");
}

TEST_CASE("excel: an .xls in an object store, and a file by its URL") {
  const Objects objects;
  const xls::Book book{.sheets = {{.name = "S", .cells = xls::number_cell(0, 0, 1.5), .rows = 1, .columns = 1}},
                       .strings = {"x"}};
  book.write(objects.folder.path() / "a b.xls");
  CHECK(test::text_of("in-test://a b.xls") == "1.5\n");
  CHECK(test::text_of("file://" + objects.folder.path().string() + "/a%20b.xls") == "1.5\n");
  {
    std::ofstream(objects.folder.path() / "cut.xls", std::ios::binary)
        << test::read_file(objects.folder.path() / "a b.xls").substr(0, 700);
  }
  CHECK(has(test::text_of("in-test://cut.xls"), "error: in-test://cut.xls: "));
}

}  // namespace object_test
