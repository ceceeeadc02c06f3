#pragma once
/// Files that are not UTF-8, as UTF-8.

#include <cstddef>
#include <string_view>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::csv {

/// What a source has, as UTF-8. `charset`: as iconv names it ("UTF-16LE", "CP1250", "SHIFT_JIS"); empty: UTF-16 when it
/// begins with its byte order mark, or with characters of which every other byte is NUL; else the bytes as they are.
/// Bytes that are none of the encoding are an error, when they are read, as is what looks like a zip archive. An error:
/// there is no such encoding.
[[nodiscard]] Result<io::Source> as_utf8(io::Source source, std::string_view charset = {});

/// So many bytes of a file tell whether it is UTF-16.
inline constexpr std::size_t encoding_bytes = 8;

/// Whether `as_utf8` leaves the bytes of a source that begins so as they are.
[[nodiscard]] bool is_plain(std::string_view begin, std::string_view charset = {}) noexcept;

}  // namespace etl::inline v0::csv
