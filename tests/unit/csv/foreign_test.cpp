#include <etl/csv/foreign.hpp>
#include <etl/csv/reader.hpp>
#include <etl/csv/sniff.hpp>

#include <string>
#include <string_view>

#include <etl/io/source.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace foreign_test {

namespace csv = etl::csv;
using namespace std::string_view_literals;

TEST_CASE("files that are no text are named by their first bytes") {
  const auto named = [](std::string_view bytes) {
    const auto found = csv::foreign_format(bytes);
    return found ? std::string(found->what) : "text";
  };
  CHECK(named("PAR1\x15\x04\x15\x10"sv) == "a Parquet file");
  CHECK(named("Obj\x01\x04\x14"sv) == "an Avro file");
  CHECK(named("ORC\x0A\x03\0\0"sv) == "an ORC file");
  CHECK(named("PK\x03\x04\x14\0\x06\0"sv) == "a zip archive, or a workbook of Excel (.xlsx)");
  CHECK(named("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0"sv) == "a compound file, such as a workbook of Excel (.xls)");
  CHECK(named("\x28\xB5\x2F\xFD\x04"sv) == "compressed by zstd");
  CHECK(named("BZh91AY&SY\x01\x02"sv) == "compressed by bzip2");
  CHECK(named("\xFD"
              "7zXZ\0\0\x04"sv) == "compressed by xz");
  CHECK(named("%PDF-1.7\n") == "a PDF document");
  CHECK(named("ARROW1\0\0\xFF"sv) == "an Arrow (Feather) file");
  CHECK(named("SQLite format 3\0\x10"sv) == "an SQLite database");
  CHECK(named("\n <!DOCTYPE HTML><html>") == "a web page (HTML)");
  CHECK(named("<?xml version=\"1.0\"?>") == "an XML document");
  for (const std::string_view text : {"id,name\n1,a\n"sv, ""sv, "PAR1,PAR2\n1,2\n"sv, "ORC,elf\n"sv, "BZh,x\n"sv,
                                      "PK"sv, "\xEF\xBB\xBFid\n"sv, "<none>,1\n"sv, "FEA1\tx\r\n"sv})
    CHECK(named(text) == "text");
}

TEST_CASE("reading and sniffing a file that is no text says what it is") {
  const test::TemporaryFolder folder;
  test::write_file(folder / "t.csv", "PAR1\x15\x04\x15\x10\x15\x14"sv);
  const std::string wanted = (folder / "t.csv").string() +
                             ": the file is a Parquet file: convert it to CSV with a program that reads it, "
                             "such as DuckDB";
  const auto reader = csv::Reader::open(folder / "t.csv");
  REQUIRE_FALSE(reader.has_value());
  CHECK(reader.error().message() == wanted);
  const auto sniffed = csv::sniff(folder / "t.csv");
  REQUIRE_FALSE(sniffed.has_value());
  CHECK(sniffed.error().message() == wanted);
  CHECK(csv::Reader::from(etl::io::from_memory("PAR1,b\n1,2\n")).has_value());
}

}  // namespace foreign_test
