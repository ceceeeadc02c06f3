#include <etl/excel/sheet.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include <etl/io/object_store_url.hpp>

#include "archive.hpp"
#include "workbook.hpp"
#include "workbook_file.hpp"
#include "xls_sheet.hpp"
#include "xlsx_sheet.hpp"

namespace etl::inline v0::excel {
namespace {

std::vector<SheetInfo> infos_of(const detail::Workbook& workbook) {
  std::vector<SheetInfo> all;
  for (const detail::SheetPart& sheet : workbook.sheets) all.push_back(sheet.info);
  return all;
}

bool has_name_of_workbook(const std::filesystem::path& url) {
  static constexpr std::array<std::string_view, 6> names{".xlsx", ".xlsm", ".xltx", ".xltm", ".xls", ".xlt"};
  std::string extension = url.extension().string();
  for (char& c : extension)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return std::ranges::find(names, extension) != names.end();
}

}  // namespace

std::optional<Format> format_of(std::string_view first_bytes) noexcept {
  if (first_bytes.starts_with("PK\x03\x04")) return Format::Xlsx;
  if (first_bytes.starts_with("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")) return Format::Xls;
  return std::nullopt;
}

std::optional<Format> format_of(const std::filesystem::path& path) {
  if (io::is_store_url(path.native()) ? !has_name_of_workbook(path) : !io::can_be_read_again(path)) return std::nullopt;
  const Result<io::Source> source = io::open_file(path);
  std::array<char, 8> bytes{};
  const Result<std::size_t> got = source ? (*source)->read(bytes) : Result<std::size_t>(0);
  return format_of(std::string_view(bytes.data(), got.value_or(0)));
}

Result<std::vector<SheetInfo>> sheets(const std::filesystem::path& path, const Limits& limits) {
  const auto file = detail::find_workbook(path, limits);
  if (!file) return failure(file.error());
  if (file->format == Format::Xls) return detail::xls_sheets(*file, limits);
  const auto archive = detail::Archive::open(*file, limits);
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
  const auto file = detail::find_workbook(path, options.limits);
  if (!file) return failure(file.error());
  Sheet sheet;
  sheet.first_column = range.first_column + 1;
  Result<io::Source> text;
  if (file->format == Format::Xls) {
    text = detail::open_xls_sheet(*file, range, options, sheet.name);
  } else {
    const auto archive = detail::Archive::open(*file, options.limits);
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
