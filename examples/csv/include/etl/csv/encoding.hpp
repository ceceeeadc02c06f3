#pragma once
/// Files that are not UTF-8, as UTF-8.

#include <string_view>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::csv {

/// What a source has, as UTF-8. `charset`: as iconv names it ("UTF-16LE", "CP1250", "SHIFT_JIS"); empty: UTF-16 when it
/// begins with its byte order mark, else the bytes as they are. Bytes that are none of the encoding are an error, when
/// they are read, as is what looks like a compressed file that is not gzip, or like UTF-16 without a mark. An error:
/// there is no such encoding.
[[nodiscard]] Result<io::Source> as_utf8(io::Source source, std::string_view charset = {});

/// Whether `as_utf8` leaves the bytes of a source that begins so as they are.
[[nodiscard]] bool is_plain(std::string_view begin, std::string_view charset = {}) noexcept;

}  // namespace etl::inline v0::csv
