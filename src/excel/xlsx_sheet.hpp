#pragma once
// A sheet of an .xlsx, as a source of delimited text.

#include <string>

#include <etl/io/source.hpp>

#include "archive.hpp"
#include "sheet_text.hpp"
#include "workbook.hpp"

namespace etl::inline v0::excel::detail {

/// Opens a sheet. `source_name` becomes the name of the source.
[[nodiscard]] Result<io::Source> open_xlsx_sheet(const Archive& archive, const Workbook& workbook,
                                                 const SheetPart& sheet, const CellRange& range,
                                                 const SheetOptions& options, std::string source_name);

}  // namespace etl::inline v0::excel::detail
