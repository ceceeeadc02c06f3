#pragma once
// A sheet of an .xls, as a source of delimited text.

#include <string>
#include <vector>

#include <etl/excel/sheet.hpp>
#include <etl/io/source.hpp>

#include "cell_text.hpp"
#include "workbook_file.hpp"

namespace etl::inline v0::excel::detail {

[[nodiscard]] Result<std::vector<SheetInfo>> xls_sheets(const WorkbookFile& file, const Limits& limits);
/// Opens a sheet. `name` is set to the name of the sheet.
[[nodiscard]] Result<io::Source> open_xls_sheet(const WorkbookFile& file, const CellRange& range,
                                                const SheetOptions& options, std::string& name);

}  // namespace etl::inline v0::excel::detail
