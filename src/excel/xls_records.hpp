#pragma once
// Reads the records of an .xls after [MS-XLS] and [MS-CFB]: numbers, dates, truth values, errors and results of
// formulas, which libfreexl returns wrongly or not at all. Texts come from libfreexl, because their table is the
// difficult part.

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/excel/sheet.hpp>

#include "cell_text.hpp"
#include "sheet_text.hpp"
#include "workbook_file.hpp"

namespace etl::inline v0::excel::detail {

/// Follows a chain of sectors: sets `next` to the sector after `sector`. Returns false if `sector` does not exist.
using NextSector = std::function<bool(std::uint32_t sector, std::uint32_t& next)>;

/// A cell whose value is not in the table of texts.
struct XlsCell {
  enum class Type : std::uint8_t { Number, Boolean, Error, Text, NoValue };
  std::uint32_t row = 0;  ///< counted from 0
  std::uint16_t column = 0;
  Type type = Type::Number;
  NumberKind kind = NumberKind::Number;
  double number = 0;     ///< 0 or 1 for Boolean, the code for Error
  std::size_t text = 0;  ///< for Text, the index in `XlsCells::texts`
};

struct XlsCells {
  std::vector<XlsCell> cells{};  ///< sorted by row and column
  std::vector<std::string> texts{};
  std::vector<Merged> merged{};
};

/// The stream of records of a file.
class XlsRecords {
 public:
  [[nodiscard]] static Result<XlsRecords> open(const WorkbookFile& file, const NextSector& next);
  [[nodiscard]] std::size_t sheet_count() const noexcept { return sheets_.size(); }
  [[nodiscard]] bool hidden(std::size_t sheet) const noexcept { return sheets_[sheet].hidden; }
  /// Whether the sheet has cells; a chart has none.
  [[nodiscard]] bool has_cells(std::size_t sheet) const noexcept { return sheets_[sheet].has_cells; }
  [[nodiscard]] bool epoch_1904() const noexcept { return epoch_1904_; }
  [[nodiscard]] Result<XlsCells> read(std::size_t sheet, std::size_t most_cells);

 private:
  struct SheetPlace {
    std::uint32_t offset = 0;
    bool hidden = false;
    bool has_cells = false;
  };
  struct Record {
    std::uint16_t type = 0;
    std::string data{};
  };
  /// The places of a stream's bytes.
  struct Stream {
    std::vector<std::uint64_t> places{};  // place of each unit in the file
    std::size_t unit = 512;
    std::uint64_t size = 0;
  };
  using StreamAt = std::function<Result<Stream>(std::uint32_t sector, std::uint64_t size)>;
  XlsRecords() = default;
  [[nodiscard]] Result<Stream> mini_stream(const std::string& head, const std::string& root, std::uint32_t begin,
                                           std::uint32_t size, const StreamAt& stream_at);
  [[nodiscard]] Result<void> find_stream(const NextSector& next);
  [[nodiscard]] Result<void> read_globals();
  [[nodiscard]] Result<Record> record();
  [[nodiscard]] Result<std::string> bytes(std::uint64_t offset, std::size_t size);
  [[nodiscard]] Result<std::string> string_record();
  [[nodiscard]] Result<void> add_cells(const Record& record, XlsCells& out);
  [[nodiscard]] Result<void> add_formula(const Record& record, XlsCells& out);
  [[nodiscard]] NumberKind kind_of(std::uint16_t style) const noexcept {
    return style < styles_.size() ? styles_[style] : NumberKind::Number;
  }
  [[nodiscard]] Error damaged(std::string_view what) const;

  std::string name_{};
  std::ifstream file_{};
  Stream stream_{};
  std::uint64_t at_ = 0;  // offset in the stream
  bool biff8_ = true;
  bool epoch_1904_ = false;
  std::vector<NumberKind> styles_{};
  std::vector<SheetPlace> sheets_{};
};

/// The name of an error code, such as "#DIV/0!" ([MS-XLS] 2.5.10 BErr).
[[nodiscard]] std::string_view error_name(unsigned code) noexcept;

}  // namespace etl::inline v0::excel::detail
