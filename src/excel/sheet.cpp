#include <etl/excel/sheet.hpp>

#include <array>
#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "archive.hpp"
#include "workbook.hpp"
#include "xls_sheet.hpp"
#include "xlsx_sheet.hpp"

namespace etl::inline v0::excel {
namespace {

Result<Format> must_be_workbook(const std::filesystem::path& path) {
  if (path == "-")
    return failure(
        fatal("a workbook cannot be read from standard input, since its list of parts is at its end: give "
              "it as a file"));
  // Opened the usual way, so that a file that is not there has the usual error.
  Result<io::Source> source = io::open_file(path);
  if (!source) return failure(source.error());
  std::array<char, 8> bytes{};
  const Result<std::size_t> got = (*source)->read(bytes);
  if (!got) return failure(got.error());
  const auto format = format_of(std::string_view(bytes.data(), *got));
  if (format) return *format;
  return failure(fatal(fmt::format("{}: it is no workbook of Excel, neither .xlsx nor .xls", path.string())));
}

std::vector<SheetInfo> infos_of(const detail::Workbook& workbook) {
  std::vector<SheetInfo> all;
  for (const detail::SheetPart& sheet : workbook.sheets) all.push_back(sheet.info);
  return all;
}

}  // namespace

std::optional<Format> format_of(std::string_view first_bytes) noexcept {
  if (first_bytes.starts_with("PK\x03\x04")) return Format::Xlsx;
  if (first_bytes.starts_with("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")) return Format::Xls;
  return std::nullopt;
}

std::optional<Format> format_of(const std::filesystem::path& path) {
  std::error_code unknown;
  if (!std::filesystem::is_regular_file(path, unknown)) return std::nullopt;
  std::array<char, 8> bytes{};
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), bytes.size());
  return format_of(std::string_view(bytes.data(), static_cast<std::size_t>(file.gcount())));
}

Result<std::vector<SheetInfo>> sheets(const std::filesystem::path& path, const Limits& limits) {
  const Result<Format> format = must_be_workbook(path);
  if (!format) return failure(format.error());
  if (*format == Format::Xls) return detail::xls_sheets(path, limits);
  const auto archive = detail::Archive::open(path, limits);
  if (!archive) return failure(archive.error());
  const auto workbook = detail::read_workbook(*archive);
  if (!workbook) return failure(workbook.error());
  return infos_of(*workbook);
}

Result<SheetInfo> find_sheet(const std::filesystem::path& path, std::string_view name, const Limits& limits) {
  auto all = sheets(path, limits);
  if (!all) return failure(all.error());
  const auto chosen = detail::choose_sheet(*all, name, path.string());
  if (!chosen) return failure(chosen.error());
  return std::move((*all)[*chosen]);
}

Result<Sheet> open(const std::filesystem::path& path, const SheetOptions& options) {
  detail::CellRange range;
  if (!options.range.empty()) {
    const auto said = detail::range_of(options.range);
    if (!said)
      return failure(
          {.code = Errc::InvalidOptions,
           .context = fmt::format("'{}' is no range of cells, such as B3:F100, B:F or 3:100", options.range)});
    range = *said;
  }
  const Result<Format> format = must_be_workbook(path);
  if (!format) return failure(format.error());
  Sheet sheet;
  sheet.first_column = range.first_column + 1;
  Result<io::Source> text;
  if (*format == Format::Xls) {
    text = detail::open_xls_sheet(path, range, options, sheet.name);
  } else {
    const auto archive = detail::Archive::open(path, options.limits);
    if (!archive) return failure(archive.error());
    const auto workbook = detail::read_workbook(*archive);
    if (!workbook) return failure(workbook.error());
    const auto chosen = detail::choose_sheet(infos_of(*workbook), options.sheet, path.string());
    if (!chosen) return failure(chosen.error());
    const detail::SheetPart& part = workbook->sheets[*chosen];
    sheet.name = part.info.name;
    text = detail::open_xlsx_sheet(*archive, *workbook, part, range, options,
                                   detail::source_name(path.string(), sheet.name));
  }
  if (!text) return failure(text.error());
  sheet.text = std::move(*text);
  return sheet;
}

}  // namespace etl::inline v0::excel
