#pragma once
// The rows of a query as lines.

#include <etl/io/source.hpp>

namespace etl::inline v0::druid {

/// Passes on the lines of a result. Druid ends a complete result with an empty line; if it is missing, reading fails
/// at the end.
[[nodiscard]] io::Source complete_lines(io::Source source);

}  // namespace etl::inline v0::druid
