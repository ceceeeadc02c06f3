// Uses something of each component that is compiled: it must link.
#include <string>

#ifdef USE_CSV
#include <etl/csv/mapping.hpp>
#include <etl/csv/reader.hpp>
#endif
#ifdef USE_DRUID
#include <etl/druid/spec.hpp>
#endif
#ifdef USE_EXCEL
#include <etl/excel/sheet.hpp>
#endif
#ifdef USE_HTTP
#include <etl/http/pages.hpp>
#endif
#ifdef USE_IO
#include <etl/io/digest.hpp>
#include <etl/io/gzip.hpp>
#endif
#ifdef USE_JOBS
#include <etl/jobs/store.hpp>
#endif
#ifdef USE_POSTGRES
#include <etl/postgres/connection.hpp>
#endif
#ifdef USE_S3
#include <etl/s3/store.hpp>
#endif
#ifdef USE_SQLITE
#include <etl/sqlite/database.hpp>
#endif
#ifdef USE_UNIPROT
#include <etl/uniprot/parse.hpp>
#endif

int main() {
#ifdef USE_SQLITE
  auto database = etl::sqlite::Database::open(":memory:");
  if (!database || !database->execute("CREATE TABLE t(a)")) return 1;
#endif
#ifdef USE_IO
  const std::string md5 = etl::io::digest(etl::io::DigestKind::Md5, "abc");
  if (!etl::io::same_hex(md5, "900150983CD24FB0D6963F7D28E17F72")) return 2;
  auto source = etl::io::decode(etl::io::from_memory("plain"));
  if (!source || etl::io::read_all(**source).value_or("") != "plain") return 3;
#endif
#ifdef USE_POSTGRES
  if (etl::postgres::Connection::open("no URL").has_value()) return 5;
#endif
#ifdef USE_CSV
  auto rows = etl::csv::Reader::from(etl::io::from_memory("id,name\n1,a\n"));
  if (!rows || rows->header().size() != 2 || !etl::csv::Mapping::parse(R"({"files": [{"pattern": "*"}]})")) return 6;
#endif
#ifdef USE_EXCEL
  if (etl::excel::open("no_workbook.xlsx").has_value() || etl::excel::cell_name(28, 3) != "AB3") return 7;
#endif
#ifdef USE_HTTP
  auto client = etl::http::Client::make();
  if (!client || etl::http::Pages::make(*client, {.request = {.url = "no URL"}}).has_value()) return 8;
#endif
#ifdef USE_DRUID
  if (etl::druid::problems({.mode = etl::druid::Append{}}).empty()) return 9;
#endif
#ifdef USE_JOBS
  if (!etl::jobs::open("sqlite::memory:").has_value()) return 10;
#endif
#ifdef USE_S3
  if (etl::s3::Store::open({.bucket = "no bucket"}).has_value()) return 11;
#endif
#ifdef USE_UNIPROT
  etl::uniprot::Entry entry;
  if (!etl::uniprot::parse("ID", entry)) return 4;
#endif
  return 0;
}
