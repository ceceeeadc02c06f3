#pragma once
// Gives the elements of a JSON array as lines.

#include <atomic>
#include <memory>

#include <etl/io/source.hpp>

namespace etl::inline v0::csv::ndjson::detail {

/// If the source is not an array, gives its bytes unchanged. Of an array, gives each element on its own line: every
/// byte keeps its place, except that brackets, commas and line breaks between values become blanks and line ends. Sets
/// `is_array` before giving the first bytes of an array. Wrong text between the elements is an error that names the
/// byte.
[[nodiscard]] io::Source elements(io::Source source, std::shared_ptr<std::atomic<bool>> is_array);

}  // namespace etl::inline v0::csv::ndjson::detail
