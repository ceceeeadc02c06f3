#pragma once
// Texts that types of PostgreSQL take for another value without an error.

#include <string_view>

#include "limits.hpp"

namespace program {

/// What the type `form` would do with a text, such as "drop the time zone of". Empty if the type keeps the text's
/// value.
[[nodiscard]] std::string_view misreading(Form form, std::string_view text);

/// Whether an amount of money has a comma or point that the server reads differently, or more decimals than it keeps.
/// `point` is the server's decimal point.
[[nodiscard]] bool misreads_amount(std::string_view amount, char point, int decimals);

}  // namespace program
