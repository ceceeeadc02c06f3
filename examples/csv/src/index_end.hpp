#pragma once
// The last step of every index of a text.

#include <string_view>

#include <etl/csv/index.hpp>

namespace etl::inline v0::csv::detail {

/// Cuts the lists at the last row end. If `whole` is true, the rest of the text is a row.
void end_text(std::string_view text, bool whole, Structure& out);

}  // namespace etl::inline v0::csv::detail
