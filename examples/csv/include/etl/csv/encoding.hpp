#pragma once
/// Files that are not UTF-8, as UTF-8.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::csv {

/// What happens to bytes that are none of the encoding.
enum class BadBytes : std::uint8_t {
  Stop,  ///< they are an error when they are read
  Mark,  ///< each character becomes the byte 0xFF, which no UTF-8 has, so that a check of rows finds its row
};

/// What a source has, as UTF-8. `charset`: as iconv names it ("UTF-16LE", "CP1250", "SHIFT_JIS"); empty: UTF-16 when it
/// begins with characters of which every other byte is NUL; else the bytes as they are. A byte order mark decides in
/// any case. What looks like a zip archive is an error when it is read. An error: there is no such encoding.
[[nodiscard]] Result<io::Source> as_utf8(io::Source source, std::string_view charset = {},
                                         BadBytes bad_bytes = BadBytes::Stop);

/// Whether `charset` names UTF-8, which needs no conversion.
[[nodiscard]] bool names_utf8(std::string_view charset) noexcept;

/// So many bytes of a file tell whether it is UTF-16.
inline constexpr std::size_t encoding_bytes = 8;

/// Whether `as_utf8` leaves the bytes of a source that begins so as they are.
[[nodiscard]] bool is_plain(std::string_view begin, std::string_view charset = {}) noexcept;

}  // namespace etl::inline v0::csv
