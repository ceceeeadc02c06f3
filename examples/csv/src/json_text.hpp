#pragma once
// Texts and numbers in JSON.

#include <string>
#include <string_view>

namespace etl::inline v0::csv {

/// The inside of a JSON string.
void append_escaped(std::string& out, std::string_view text);
/// Whether it is a number as JSON writes it: 1.5e3, not .5, 01 or +1.
[[nodiscard]] bool is_json_number(std::string_view text);

}  // namespace etl::inline v0::csv
