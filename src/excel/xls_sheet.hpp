#pragma once
// A sheet of an .xls, as a source of delimited text.

#include <filesystem>
#include <string>
#include <vector>

#include <etl/excel/sheet.hpp>
#include <etl/io/source.hpp>

#include "cell_text.hpp"

namespace etl::inline v0::excel::detail {

[[nodiscard]] Result<std::vector<SheetInfo>> xls_sheets(const std::filesystem::path& path, const Limits& limits);
/// `name` becomes that of the sheet.
[[nodiscard]] Result<io::Source> open_xls_sheet(const std::filesystem::path& path, const CellRange& range,
                                                const SheetOptions& options, std::string& name);

}  // namespace etl::inline v0::excel::detail
