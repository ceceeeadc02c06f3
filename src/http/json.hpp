#pragma once
/// Extracts parts of a JSON document as they are written.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/error.hpp>

namespace etl::inline v0::http::json {

/// Why the text is not JSON, or nothing if it is.
[[nodiscard]] std::optional<std::string> problem(std::string_view text);
/// The names in a JSON pointer (RFC 6901), or an error if the text is not a pointer.
[[nodiscard]] Result<std::vector<std::string>> pointer(std::string_view text);

// The functions below require a text without a `problem`.

/// The value at a pointer, without blanks around it; nothing if there is none. If a name is repeated, its last value
/// counts.
[[nodiscard]] std::optional<std::string_view> at(std::string_view text, const std::vector<std::string>& pointer);
/// The elements of an array; nothing if the value is not an array.
[[nodiscard]] std::optional<std::vector<std::string_view>> elements(std::string_view text);
/// The contents of a string, an empty text for null, and the JSON of any other value.
[[nodiscard]] std::string scalar(std::string_view value);

}  // namespace etl::inline v0::http::json
