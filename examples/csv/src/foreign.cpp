#include <etl/csv/foreign.hpp>

#include <algorithm>

#include "text.hpp"

namespace etl::inline v0::csv {
namespace {

using namespace std::string_view_literals;

struct Magic {
  std::string_view bytes;
  bool binary;  // binary data must follow, because a text may begin in the same way
  Foreign format;
};

constexpr std::string_view by_duckdb = "convert it to CSV with a program that reads it, such as DuckDB";
constexpr std::string_view unpack = "unpack it first";
constexpr std::string_view export_it = "export the wanted data as CSV";

// From the specifications of the formats, and from file(1).
constexpr Magic magics[] = {
    {"PAR1"sv, true, {"a Parquet file", by_duckdb}},
    {"PARE"sv, true, {"an encrypted Parquet file", by_duckdb}},
    {"Obj\x01"sv, false, {"an Avro file", by_duckdb}},
    {"ORC"sv, true, {"an ORC file", by_duckdb}},
    {"ARROW1\0\0"sv, false, {"an Arrow (Feather) file", by_duckdb}},
    {"FEA1"sv, true, {"a Feather file", by_duckdb}},
    {"PK\x03\x04"sv,
     false,
     {"a zip archive, or a workbook of Excel (.xlsx)",
      "unpack it first (unzip); sheets are read by the component excel"}},
    {"PK\x05\x06\0\0"sv, false, {"an empty zip archive", "get the file again"}},
    {"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"sv,
     false,
     {"a compound file, such as a workbook of Excel (.xls)", "sheets are read by the component excel"}},
    {"\x1F\x8B\x08"sv, false, {"gzip within gzip", "unpack it once; one layer of gzip is read as it is"}},
    {"\x28\xB5\x2F\xFD"sv, false, {"compressed by zstd", "decompress it first (zstd -d)"}},
    {"BZh"sv, true, {"compressed by bzip2", "decompress it first (bunzip2)"}},
    {"\xFD"
     "7zXZ\0"sv,
     false,
     {"compressed by xz", "decompress it first (xz -d)"}},
    {"\x04\x22\x4D\x18"sv, false, {"compressed by lz4", "decompress it first (lz4 -d)"}},
    {"7z\xBC\xAF\x27\x1C"sv, false, {"a 7-Zip archive", unpack}},
    {"Rar!\x1A\x07"sv, false, {"a RAR archive", unpack}},
    {"%PDF-"sv, false, {"a PDF document", export_it}},
    {"SQLite format 3\0"sv, false, {"an SQLite database", export_it}},
    {"\x89HDF\r\n\x1A\n"sv, false, {"an HDF5 file", export_it}},
    {"\x89PNG\r\n\x1A\n"sv, false, {"a picture (PNG)", "it has no rows"}},
    {"\xFF\xD8\xFF"sv, false, {"a picture (JPEG)", "it has no rows"}},
    {"{\\rtf"sv, false, {"a text document (RTF)", export_it}},
};

/// Whether there are control characters, or the digits of pi with which a block of bzip2 begins.
bool is_binary(std::string_view bytes) noexcept {
  return bytes.find("1AY&") == 1 || std::ranges::any_of(bytes, [](char c) {
           const auto code = static_cast<unsigned char>(c);
           return code < 0x20 && c != '\t' && c != '\n' && c != '\r';
         });
}

}  // namespace

std::optional<Foreign> foreign_format(std::string_view first_bytes) noexcept {
  const std::string_view bytes = first_bytes.substr(0, foreign_bytes);
  for (const Magic& magic : magics)
    if (bytes.starts_with(magic.bytes) && (!magic.binary || is_binary(bytes.substr(magic.bytes.size()))))
      return magic.format;
  constexpr std::size_t tar_magic_at = 257;  // POSIX ustar, and the format of GNU tar
  if (bytes.size() > tar_magic_at && bytes.substr(tar_magic_at).starts_with("ustar"))
    return Foreign{"a tar archive", "unpack it first (tar -xf)"};
  std::string_view text = bytes.starts_with("\xEF\xBB\xBF") ? bytes.substr(3) : bytes;
  text.remove_prefix(std::min(text.size(), text.find_first_not_of(" \t\r\n")));
  if (begins_with(text, "<!doctype html") || begins_with(text, "<html"))
    return Foreign{"a web page (HTML)", "perhaps the download is an error page: look at the file"};
  if (begins_with(text, "<?xml ")) return Foreign{"an XML document", "convert the wanted data to CSV"};
  return std::nullopt;
}

}  // namespace etl::inline v0::csv
