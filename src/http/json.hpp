#pragma once
/// Parts of a JSON document, as they are written.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <etl/error.hpp>

namespace etl::inline v0::http::json {

/// Nothing, or why the text is no JSON.
[[nodiscard]] std::optional<std::string> problem(std::string_view text);
/// The names of a JSON pointer (RFC 6901), or why it is none.
[[nodiscard]] Result<std::vector<std::string>> pointer(std::string_view text);

// The text has no `problem`.

/// The value at a pointer, without blanks around it; nothing: there is none. Of repeated names the last one counts.
[[nodiscard]] std::optional<std::string_view> at(std::string_view text, const std::vector<std::string>& pointer);
/// The elements of an array; nothing: it is none.
[[nodiscard]] std::optional<std::vector<std::string_view>> elements(std::string_view text);
/// Of a string what it says, of null nothing, of anything else its JSON.
[[nodiscard]] std::string scalar(std::string_view value);

}  // namespace etl::inline v0::http::json
