#pragma once
// How every index of a text ends.

#include <string_view>

#include <etl/csv/index.hpp>

namespace etl::inline v0::csv::detail {

/// Cuts the lists at the last row end; with `whole` the rest is a row.
void end_text(std::string_view text, bool whole, Structure& out);

}  // namespace etl::inline v0::csv::detail
