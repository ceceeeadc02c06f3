#pragma once
/// One line on a terminal that is redrawn in place: its width, and texts that fit.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
#endif

#include <etl/config.hpp>
#include <etl/text.hpp>

namespace etl::inline v0 {

/// Whether `stream` is a terminal.
[[nodiscard]] inline bool is_terminal(std::FILE* stream) noexcept {
#if defined(__unix__) || defined(__APPLE__)
  return stream != nullptr && ::isatty(::fileno(stream)) == 1;
#else
  return stream == nullptr;
#endif
}

/// Whether `stream` can be written: false if its descriptor is closed or for reading only.
[[nodiscard]] inline bool is_writable(std::FILE* stream) noexcept {
  if (stream == nullptr) return false;
#if defined(__unix__) || defined(__APPLE__)
  const int descriptor = ::fileno(stream);
  if (descriptor < 0) return true;  // a stream in memory has none
  const int flags = ::fcntl(descriptor, F_GETFL);
  return flags < 0 ? errno != EBADF : (flags & O_ACCMODE) != O_RDONLY;
#else
  return true;
#endif
}

/// The number of columns that a line on `stream` may have now. The last column stays free, because some terminals wrap
/// there. A terminal of unknown size has 80 columns; other streams have no limit. A window may change its size at any
/// time, so ask again for each line.
[[nodiscard]] inline std::size_t line_width(std::FILE* stream) noexcept {
  if (!is_terminal(stream)) return std::numeric_limits<std::size_t>::max();
  std::size_t columns = 80;
#if defined(__unix__) || defined(__APPLE__)
  winsize size{};
  if (::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) columns = size.ws_col;
#endif
  return columns - 1;
}

/// Whether lines may contain escape sequences (ECMA-48): not if `NO_COLOR` is set and not empty (https://no-color.org),
/// or if `TERM` is "dumb".
[[nodiscard]] inline bool escapes_allowed() noexcept {
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const terminal = std::getenv("TERM");
  return (no_color == nullptr || *no_color == '\0') && (terminal == nullptr || std::string_view(terminal) != "dumb");
}

namespace detail {

/// The largest number of columns of the first character of `text`, and its bytes. Characters from U+1100 on count as
/// wide, so that a line is never too long.
struct Shown {
  std::size_t bytes, columns;
};
[[nodiscard]] constexpr Shown first_shown(std::string_view text) noexcept {
  const std::size_t bytes = utf8_size(text);
  if (bytes == 0) return {1, 1};
  const auto lead = static_cast<unsigned char>(text[0]);
  const bool wide = bytes > 3 || (bytes == 3 && (lead > 0xE1 || static_cast<unsigned char>(text[1]) >= 0x84));
  return {bytes, wide ? 2U : 1U};
}

/// Number of bytes of the longest beginning of `text` that fits into `columns`.
[[nodiscard]] constexpr std::size_t bytes_within(std::string_view text, std::size_t columns) noexcept {
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    const Shown next = first_shown(text.substr(bytes));
    if (next.columns > columns) break;
    columns -= next.columns;
    bytes += next.bytes;
  }
  return bytes;
}

}  // namespace detail

/// The largest number of columns of `text`, in UTF-8, on a terminal.
[[nodiscard]] constexpr std::size_t text_width(std::string_view text) noexcept {
  std::size_t columns = 0;
  while (!text.empty()) {
    const detail::Shown next = detail::first_shown(text);
    columns += next.columns;
    text.remove_prefix(next.bytes);
  }
  return columns;
}

/// `text` in at most `columns`. In a longer text the middle is replaced by "..", because the beginning and the end of
/// file names matter most. Control characters, which would move the cursor, become '?'.
[[nodiscard]] inline std::string shortened(std::string_view text, std::size_t columns) {
  std::string out(text);
  std::ranges::replace_if(out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  const std::size_t width = text_width(out);
  if (width <= columns) return out;
  if (columns <= 2) return std::string(columns, '.');
  const std::size_t head = detail::bytes_within(out, (columns - 2) / 2);
  const std::string_view rest = std::string_view(out).substr(head);
  const std::size_t kept = columns - 2 - (columns - 2) / 2;
  std::size_t skip = detail::bytes_within(rest, text_width(rest) - kept);
  while (text_width(rest.substr(skip)) > kept) skip += detail::first_shown(rest.substr(skip)).bytes;  // a wide one
  return out.substr(0, head) + ".." + std::string(rest.substr(skip));
}

/// `text` in at most `columns`; the end of a longer text is cut off.
[[nodiscard]] inline std::string cut_to_width(std::string_view text, std::size_t columns) {
  return std::string(text.substr(0, detail::bytes_within(text, columns)));
}

/// The sequence that erases the current line of a terminal, to be written before another line. Empty if `stream` is not
/// a terminal.
[[nodiscard]] inline std::string fresh_line(std::FILE* stream) {
  if (!is_terminal(stream)) return {};
  return escapes_allowed() ? "\r\x1b[K" : '\r' + std::string(line_width(stream), ' ') + '\r';
}

/// The sequence that replaces the current line of the terminal `stream` by `line`, cut to its width.
[[nodiscard]] inline std::string redrawn_line(std::string_view line, std::FILE* stream) {
  const std::size_t width = line_width(stream);
  std::string out = '\r' + cut_to_width(line, width);
  if (escapes_allowed()) return out += "\x1b[K";  // ECMA-48 EL: what an earlier, longer line left over
  if (is_terminal(stream)) out.append(width - text_width(std::string_view(out).substr(1)), ' ');
  return out;
}

}  // namespace etl::inline v0
