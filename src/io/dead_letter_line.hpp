#pragma once
/// A dead letter as one line of JSON.
///
/// Strings are UTF-8. A byte that is not valid UTF-8 becomes an escaped lone surrogate, \udc80 to \udcff, as in
/// Python's "surrogateescape", so that every string is read back unchanged. A payload that is not UTF-8 is written as
/// base64 instead.

#include <string>
#include <string_view>

#include <etl/delivery/dead_letter.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::io::detail {

/// The line, without its line end.
[[nodiscard]] std::string to_line(const DeadLetter& letter);
/// Parses strictly: returns an error for a line that `to_line` could not have written, except that spaces, escapes and
/// the order of members may differ.
[[nodiscard]] Result<DeadLetter> from_line(std::string_view line);

}  // namespace etl::inline v0::io::detail
