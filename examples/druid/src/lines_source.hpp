#pragma once
// The rows of a query as lines.

#include <etl/io/source.hpp>

namespace etl::inline v0::druid {

/// Passes lines on. Druid ends complete results with an empty line: without it, reading fails at the end.
[[nodiscard]] io::Source complete_lines(io::Source source);

}  // namespace etl::inline v0::druid
