#pragma once
// A JSON document that is an array, as lines of its elements.

#include <atomic>
#include <memory>

#include <etl/io/source.hpp>

namespace etl::inline v0::csv::ndjson::detail {

/// The bytes of `source` when it is anything but an array; of an array its elements, each on a line of its own: every
/// byte stays where it was, but brackets, commas and line breaks between values become blanks and line ends. Sets
/// `is_array` before the first bytes of one are given. What is wrong between the elements is an error with its byte.
[[nodiscard]] io::Source elements(io::Source source, std::shared_ptr<std::atomic<bool>> is_array);

}  // namespace etl::inline v0::csv::ndjson::detail
