#pragma once
// The values within values of PostgreSQL. If a text is not of the form that its type has, the result does not matter:
// the server refuses such a text.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace program {

/// The texts of an array such as {a,"b c",NULL}, without NULLs. Those of inner arrays come one after another.
[[nodiscard]] std::vector<std::string> elements_of(std::string_view array, char delimiter = ',');

/// The texts of a composite value such as (a,"b c",). An empty field without quotes is NULL.
[[nodiscard]] std::vector<std::optional<std::string>> fields_of(std::string_view composite);

/// The texts of the bounds of a range such as [a,"b c"), or of several ranges, without the bounds that are missing.
[[nodiscard]] std::vector<std::string> bounds_of(std::string_view ranges);

}  // namespace program
