#pragma once
// What an .xlsx says of itself: its sheets, its epoch, where its parts are.

#include <string>
#include <string_view>
#include <vector>

#include "archive.hpp"

namespace etl::inline v0::excel::detail {

/// A sheet and the part that has its cells.
struct SheetPart {
  SheetInfo info{};
  std::string part{};
};

struct Workbook {
  std::vector<SheetPart> sheets{};
  bool epoch_1904 = false;
  std::string shared_strings{};  ///< name of the part; empty: there is none
  std::string styles{};          ///< the same
};

/// An error names what the archive is instead: OpenDocument, .xlsb, a document of Word, or any other archive.
[[nodiscard]] Result<Workbook> read_workbook(const Archive& archive);

/// The sheet that is asked for, by its place in `sheets`; the error lists what there is. `name` as of
/// `SheetOptions::sheet`.
[[nodiscard]] Result<std::size_t> choose_sheet(const std::vector<SheetInfo>& sheets, std::string_view name,
                                               const std::string& file);

/// "book.xlsx[Sales]": what a sheet is called as a source of text.
[[nodiscard]] inline std::string source_name(const std::string& file, const std::string& sheet) {
  return file + '[' + sheet + ']';
}

/// "true" or "1", as XML Schema writes it.
[[nodiscard]] inline bool is_true(std::string_view text) noexcept { return text == "1" || text == "true"; }

}  // namespace etl::inline v0::excel::detail
