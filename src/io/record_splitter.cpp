#include <etl/io/record_splitter.hpp>

#include <algorithm>
#include <cstring>

namespace etl::inline v0::io {
namespace {

constexpr std::size_t npos = std::string_view::npos;

bool is_line_end(char c) noexcept { return c == '\n' || c == '\r'; }

/// The offset after the line end whose LF or CR is at `at`; npos for a CR that may be the first half of a CR LF.
std::size_t behind_line_end(std::string_view text, std::size_t at, bool is_end) noexcept {
  if (text[at] == '\n') return at + 1;
  if (at + 1 == text.size()) return is_end ? at + 1 : npos;
  return at + (text[at + 1] == '\n' ? 2 : 1);
}

/// The first LF or CR. Searches piece by piece: if a text has only one of the two, a search for the other through the
/// whole text, repeated for each line, would take quadratic time.
std::size_t find_line_end(std::string_view text) noexcept {
  std::size_t size = 256;
  for (std::size_t at = 0; at < text.size(); at += size, size *= 2) {
    std::string_view piece = text.substr(at, size);
    const std::size_t lf = piece.find('\n');
    piece = piece.substr(0, lf);
    if (const std::size_t cr = piece.find('\r'); cr != npos) return at + cr;
    if (lf != npos) return at + lf;
  }
  return npos;
}

/// The last LF or CR in [begin, end).
std::size_t rfind_line_end(std::string_view text, std::size_t begin, std::size_t end) noexcept {
  while (end > begin)
    if (is_line_end(text[--end])) return end;
  return npos;
}

// The terminator can only be in a line that begins with its first character. Blocks without such a line are skipped
// without a branch per character, which the compiler turns into vector instructions.
constexpr std::size_t block = 128;

bool begins_line(const char* at, char first) noexcept { return ((at[0] == '\n') | (at[0] == '\r')) & (at[1] == first); }
bool any_begins_line(const char* at, char first) noexcept {
  unsigned char any = 0;
  for (std::size_t i = 0; i < block; ++i)
    any |= static_cast<unsigned char>(((at[i] == '\n') | (at[i] == '\r')) & (at[i + 1] == first));
  return any != 0;
}

/// The first offset after `at` where a line begins with `first`.
std::size_t find_line(std::string_view text, std::size_t at, char first) noexcept {
  const char* const data = text.data();
  while (at + block < text.size() && !any_begins_line(data + at, first)) at += block;
  for (; at + 1 < text.size(); ++at)
    if (begins_line(data + at, first)) return at + 1;
  return npos;
}

/// The last offset before `end` and not before `from` (which is at least 1) where a line begins with `first`.
std::size_t rfind_line(std::string_view text, std::size_t end, std::size_t from, char first) noexcept {
  const char* const data = text.data();
  while (end >= from + block && !any_begins_line(data + end - block - 1, first)) end -= block;
  for (; end > from; --end)
    if (begins_line(data + end - 2, first)) return end - 1;
  return npos;
}

}  // namespace

std::size_t RecordSplitter::end_of_terminator(std::string_view text, std::size_t at, bool is_end) const noexcept {
  if (!text.substr(at).starts_with(terminator_)) return npos;
  const std::size_t behind = at + terminator_.size();
  if (behind == text.size()) return is_end ? behind : npos;
  return is_line_end(text[behind]) ? behind_line_end(text, behind, is_end) : npos;
}

std::size_t RecordSplitter::first_end(std::string_view text, bool is_end) const noexcept {
  if (terminator_.empty()) {
    const std::size_t at = find_line_end(text);
    if (at != npos) return behind_line_end(text, at, is_end);
    return is_end && !text.empty() ? text.size() : npos;
  }
  for (std::size_t at = 0; at != npos; at = find_line(text, at, terminator_.front()))
    if (const std::size_t end = end_of_terminator(text, at, is_end); end != npos) return end;
  return npos;
}

std::size_t RecordSplitter::last_end(std::string_view text, bool is_end, std::size_t from) const noexcept {
  if (terminator_.empty()) {
    if (is_end) return text.empty() || text.size() < from ? npos : text.size();
    // After the last line end, but not after a CR that ends the text.
    const bool open = text.ends_with('\r');
    const std::size_t at = rfind_line_end(text, from > 0 ? from - 1 : 0, text.size() - (open ? 1 : 0));
    return at == npos ? npos : at + 1;
  }
  // A terminator that ends at `from` begins at most this far before, if it has the longest line end.
  const std::size_t reach = terminator_.size() + 2;
  const std::size_t first = from > reach ? from - reach : 0;
  for (std::size_t at = text.size(); at != npos;) {
    at = rfind_line(text, at, std::max<std::size_t>(first, 1), terminator_.front());
    if (at == npos) break;
    if (const std::size_t end = end_of_terminator(text, at, is_end); end != npos) return end < from ? npos : end;
  }
  if (first > 0) return npos;
  const std::size_t end = end_of_terminator(text, 0, is_end);
  return end == npos || end < from ? npos : end;
}

}  // namespace etl::inline v0::io
