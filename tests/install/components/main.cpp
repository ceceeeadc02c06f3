// Uses something of each component that is compiled: it must link.
#include <cstdio>
#include <string>

#include <etl/csv/mapping.hpp>
#include <etl/csv/reader.hpp>
#include <etl/druid/spec.hpp>
#include <etl/excel/sheet.hpp>
#include <etl/http/pages.hpp>
#include <etl/io/digest.hpp>
#include <etl/io/gzip.hpp>
#include <etl/jobs/store.hpp>
#include <etl/postgres/connection.hpp>
#include <etl/sqlite/database.hpp>
#include <etl/uniprot/parse.hpp>

int main() {
  auto database = etl::sqlite::Database::open(":memory:");
  if (!database || !database->execute("CREATE TABLE t(a)")) return 1;
  const std::string md5 = etl::io::digest(etl::io::DigestKind::Md5, "abc");
  if (!etl::io::same_hex(md5, "900150983CD24FB0D6963F7D28E17F72")) return 2;
  auto source = etl::io::decode(etl::io::from_memory("plain"));
  if (!source || etl::io::read_all(**source).value_or("") != "plain") return 3;
  if (etl::postgres::Connection::open("no URL").has_value()) return 5;
  auto rows = etl::csv::Reader::from(etl::io::from_memory("id,name\n1,a\n"));
  if (!rows || rows->header().size() != 2 || !etl::csv::Mapping::parse(R"({"files": [{"pattern": "*"}]})")) return 6;
  if (etl::excel::open("no_workbook.xlsx").has_value() || etl::excel::cell_name(28, 3) != "AB3") return 7;
  auto client = etl::http::Client::make();
  if (!client || etl::http::Pages::make(*client, {.request = {.url = "no URL"}}).has_value()) return 8;
  if (etl::druid::problems({.mode = etl::druid::Append{}}).empty()) return 9;
  if (!etl::jobs::open("sqlite::memory:").has_value()) return 10;
  etl::uniprot::Entry entry;
  return etl::uniprot::parse("ID", entry) ? 0 : 4;
}
