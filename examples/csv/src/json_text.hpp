#pragma once
// Numbers in JSON.

#include <string_view>

namespace etl::inline v0::csv {

/// Whether the text is a number in JSON, such as 1.5e3, but not .5, 01 or +1.
[[nodiscard]] bool is_json_number(std::string_view text);

}  // namespace etl::inline v0::csv
