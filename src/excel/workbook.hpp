#pragma once
// The contents list of an .xlsx: its sheets, its epoch, and the names of its parts.

#include <string>
#include <string_view>
#include <vector>

#include "archive.hpp"

namespace etl::inline v0::excel::detail {

/// A sheet, and the part with its cells.
struct SheetPart {
  SheetInfo info{};
  std::string part{};
};

struct Workbook {
  std::vector<SheetPart> sheets{};
  bool epoch_1904 = false;
  std::string shared_strings{};  ///< name of the part; empty if there is none
  std::string styles{};          ///< name of the part; empty if there is none
};

/// Reads the contents list. If the archive is something else, the error names it: OpenDocument, .xlsb, a Word
/// document, or another archive.
[[nodiscard]] Result<Workbook> read_workbook(const Archive& archive);

/// The index in `sheets` of the requested sheet. `name` is as in `SheetOptions::sheet`. The error lists the sheets
/// that exist.
[[nodiscard]] Result<std::size_t> choose_sheet(const std::vector<SheetInfo>& sheets, std::string_view name,
                                               const std::string& file);

/// The name of a sheet as a source of text, such as "book.xlsx[Sales]".
[[nodiscard]] inline std::string source_name(const std::string& file, const std::string& sheet) {
  return file + '[' + sheet + ']';
}

/// Whether the text is "true" or "1", the two forms of XML Schema.
[[nodiscard]] inline bool is_true(std::string_view text) noexcept { return text == "1" || text == "true"; }

}  // namespace etl::inline v0::excel::detail
