#pragma once
/// A dead letter as one line of JSON.
///
/// Strings are UTF-8. A byte that is not becomes an escaped lone surrogate, \udc80 to \udcff, as in Python's
/// "surrogateescape", so that every string comes back as it was. A payload that is not UTF-8 is base64 instead.

#include <string>
#include <string_view>

#include <etl/delivery/dead_letter.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::io::detail {

/// Without the line end.
[[nodiscard]] std::string to_line(const DeadLetter& letter);
/// Strict: a line that `to_line` could not have written but for spaces, escapes and the order of members is an error.
[[nodiscard]] Result<DeadLetter> from_line(std::string_view line);

}  // namespace etl::inline v0::io::detail
