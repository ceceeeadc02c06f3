#include "xls_sheet.hpp"

#include <freexl.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "sheet_text.hpp"
#include "workbook.hpp"
#include "xls_records.hpp"

namespace etl::inline v0::excel::detail {
namespace {

using Handle = std::unique_ptr<const void, decltype([](const void* handle) { freexl_close(handle); })>;

/// Whether the file is an .xlsx with a password, which is a compound file too ([MS-OFFCRYPTO] 2.3.4.4).
bool is_encrypted_xlsx(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(1 << 20, '\0');  // the directory may be anywhere, so look near both ends
  const auto holds = [&] {
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const std::string_view read(bytes.data(), static_cast<std::size_t>(file.gcount()));
    using namespace std::string_view_literals;
    return read.find("E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e"sv) != read.npos;
  };
  if (holds()) return true;
  file.clear();
  file.seekg(-static_cast<std::streamoff>(bytes.size()), std::ios::end);
  return file && holds();
}

Result<Handle> open_handle(const WorkbookFile& workbook, bool info_only) {
  const void* handle = nullptr;
  const int code = (info_only ? freexl_open_info : freexl_open)(workbook.path.c_str(), &handle);
  Handle owned(handle);
  if (code == FREEXL_OK && owned) return owned;
  const std::string& file = workbook.name;
  if (is_encrypted_xlsx(workbook.path))
    return failure(fatal(fmt::format("{}: the workbook has a password; save it without one", file)));
  if (code == FREEXL_CFBF_INVALID_SIGNATURE || code == FREEXL_BIFF_WORKBOOK_NOT_FOUND)
    return failure(
        fatal(fmt::format("{}: it is a compound file without a workbook, such as one of Word (.doc)", file)));
  return failure(
      fatal(fmt::format("{}: it begins as an .xls file, but the rest cannot be read (libfreexl says {}): the file is "
                        "damaged or cut off; get it again, or save it as .xlsx",
                        file, code)));
}

/// Checks the announced sizes first, because libfreexl keeps all cells of all sheets in memory.
Result<void> check_size(const WorkbookFile& file, const Limits& limits) {
  const auto handle = open_handle(file, true);
  if (!handle) return failure(handle.error());
  unsigned count = 0;
  std::uint64_t cells = 0;
  freexl_get_info(handle->get(), FREEXL_BIFF_SHEET_COUNT, &count);
  for (unsigned i = 0; i < count; ++i) {
    unsigned rows = 0;
    unsigned short columns = 0;
    if (freexl_select_active_worksheet(handle->get(), static_cast<unsigned short>(i)) == FREEXL_OK &&
        freexl_worksheet_dimensions(handle->get(), &rows, &columns) == FREEXL_OK)
      cells += std::uint64_t{rows} * columns;
  }
  if (cells <= limits.max_xls_cells) return {};
  return failure(
      fatal(fmt::format("{}: its sheets have {} cells, more than {} (Limits::max_xls_cells); save it as "
                        ".xlsx, which is read in little memory",
                        file.name, cells, limits.max_xls_cells)));
}

/// A file opened by both readers. libfreexl and XlsRecords number the sheets in the same order.
struct XlsFile {
  Handle handle{};
  XlsRecords records;
  std::vector<SheetInfo> infos{};
  std::vector<std::size_t> numbers{};  // number in the file of each of `infos`
};

Result<XlsFile> open_file(const WorkbookFile& workbook, const Limits& limits) {
  if (auto fits = check_size(workbook, limits); !fits) return failure(fits.error());
  auto handle = open_handle(workbook, false);
  if (!handle) return failure(handle.error());
  auto records = XlsRecords::open(workbook, [&](std::uint32_t sector, std::uint32_t& next) {
    return freexl_get_FAT_entry(handle->get(), sector, &next) == FREEXL_OK;
  });
  if (!records) return failure(records.error());
  unsigned count = 0;
  freexl_get_info(handle->get(), FREEXL_BIFF_SHEET_COUNT, &count);
  if (count != records->sheet_count())
    return failure(fatal(fmt::format("{}: it has {} sheets by one count and {} by another; save it as .xlsx",
                                     workbook.name, count, records->sheet_count())));
  XlsFile file{std::move(*handle), std::move(*records)};
  for (std::size_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    if (freexl_get_worksheet_name(file.handle.get(), static_cast<unsigned short>(i), &name) != FREEXL_OK ||
        name == nullptr || !file.records.has_cells(i))
      continue;
    file.infos.push_back({name, file.records.hidden(i)});
    file.numbers.push_back(i);
  }
  return file;
}

class XlsSource final : public io::ByteSource {
 public:
  XlsSource(Handle handle, XlsCells cells, bool epoch_1904, const SheetOptions& options, SheetText text,
            std::string name)
      : handle_(std::move(handle)),
        cells_(std::move(cells)),
        epoch_1904_(epoch_1904),
        options_(options),
        text_(std::move(text)),
        name_(std::move(name)) {
    if (freexl_worksheet_dimensions(handle_.get(), &rows_, &columns_) != FREEXL_OK) rows_ = columns_ = 0;
    if (!cells_.cells.empty()) rows_ = std::max(rows_, cells_.cells.back().row + 1);
    for (const XlsCell& cell : cells_.cells)
      columns_ = std::max(columns_, static_cast<unsigned short>(cell.column + 1));
  }

  Result<std::size_t> read(std::span<char> to) override {
    constexpr std::size_t enough = 64 << 10;
    while (text_.size() < enough && row_ < rows_ && !failed_)
      if (auto done = add_row(); !done) failed_ = std::move(done.error());
    if (text_.size() > 0) return text_.take(to);
    if (failed_) return failure(*failed_);
    return 0;
  }
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return row_; }
  [[nodiscard]] std::uint64_t size_hint() const noexcept override { return rows_; }
  bool interrupt() noexcept override { return true; }  // reading from memory never waits

 private:
  Result<void> add_row() {
    const std::uint32_t row = row_++;
    const Result<bool> begun = text_.begin_row(std::uint64_t{row} + 1);
    if (!begun) return failure(begun.error());
    if (!*begun) {
      row_ = rows_;
      return {};
    }
    for (std::size_t column = 0; column < columns_; ++column) {
      const bool own =
          next_ < cells_.cells.size() && cells_.cells[next_].row == row && cells_.cells[next_].column == column;
      const XlsCell* const cell = own ? &cells_.cells[next_] : nullptr;
      while (next_ < cells_.cells.size() && cells_.cells[next_].row == row && cells_.cells[next_].column <= column)
        ++next_;
      if (!text_.wants(column)) continue;
      if (auto added = cell != nullptr ? add(*cell) : add_text(row, column); !added) return added;
    }
    return text_.end_row();
  }
  Result<void> add(const XlsCell& cell) {
    switch (cell.type) {
      case XlsCell::Type::Number: append_number(text_.text(), cell.number, cell.kind, epoch_1904_); break;
      case XlsCell::Type::Boolean: text_.text() += cell.number != 0 ? "true" : "false"; break;
      case XlsCell::Type::Text: text_.text() += cells_.texts[cell.text]; break;
      case XlsCell::Type::Error: {
        const std::string_view name = error_name(static_cast<unsigned>(cell.number));
        if (options_.errors == ErrorCells::Empty) return {};
        if (options_.errors == ErrorCells::Refuse) return failure(text_.problem(cell.column, refused_error(name)));
        text_.text() += name;
        break;
      }
      case XlsCell::Type::NoValue:
        if (options_.formulas_without_value_are_empty) return {};
        return failure(text_.problem(cell.column, no_formula_value));
    }
    return text_.end_cell(cell.column);
  }
  Result<void> add_text(std::uint32_t row, std::size_t column) {
    FreeXL_CellValue value{};
    if (freexl_get_cell_value(handle_.get(), row, static_cast<unsigned short>(column), &value) != FREEXL_OK) return {};
    if (value.type != FREEXL_CELL_TEXT && value.type != FREEXL_CELL_SST_TEXT) return {};
    if (value.value.text_value == nullptr) return {};
    text_.text() += value.value.text_value;
    return text_.end_cell(column);
  }

  Handle handle_;
  XlsCells cells_;
  bool epoch_1904_;
  SheetOptions options_;
  SheetText text_;
  std::string name_;
  unsigned rows_ = 0;
  unsigned short columns_ = 0;
  std::uint32_t row_ = 0;
  std::size_t next_ = 0;  // index in `cells_`
  std::optional<Error> failed_{};
};

}  // namespace

Result<std::vector<SheetInfo>> xls_sheets(const WorkbookFile& workbook, const Limits& limits) {
  auto file = open_file(workbook, limits);
  if (!file) return failure(file.error());
  return std::move(file->infos);
}

Result<io::Source> open_xls_sheet(const WorkbookFile& workbook, const CellRange& range, const SheetOptions& options,
                                  std::string& name) {
  auto file = open_file(workbook, options.limits);
  if (!file) return failure(file.error());
  const auto chosen = choose_sheet(file->infos, options.sheet, workbook.name);
  if (!chosen) return failure(chosen.error());
  name = file->infos[*chosen].name;
  const std::size_t number = file->numbers[*chosen];
  auto cells = file->records.read(number, options.limits.max_xls_cells);
  if (!cells) return failure(cells.error());
  if (freexl_select_active_worksheet(file->handle.get(), static_cast<unsigned short>(number)) != FREEXL_OK)
    return failure(fatal(fmt::format("{}: its sheet '{}' cannot be read; save it as .xlsx", workbook.name, name)));
  std::vector<Merged> merged;
  if (options.merged == MergedCells::Fill) merged = std::move(cells->merged);
  SheetText text(fmt::format("{}: sheet '{}'", workbook.name, name), range, options.limits, std::move(merged));
  const bool epoch_1904 = file->records.epoch_1904();
  return std::make_unique<XlsSource>(std::move(file->handle), std::move(*cells), epoch_1904, options, std::move(text),
                                     source_name(workbook.name, name));
}

}  // namespace etl::inline v0::excel::detail
