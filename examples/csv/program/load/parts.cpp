#include "parts.hpp"

#include <algorithm>
#include <cstddef>

namespace program {
namespace {

constexpr std::string_view outer_blanks = " \t";

/// A text with quotes and escapes up to one of the characters of `ends`. `at` is then at this character, or at the end.
/// Nothing if the text is empty without quotes.
std::optional<std::string> text_up_to(std::string_view ends, std::string_view text, std::size_t& at) {
  std::string found;
  bool quoted = false, any = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (!quoted && ends.find(c) != ends.npos) break;
    if (c == '\\' && at + 1 < text.size()) {
      found += text[++at];
    } else if (c == '"') {
      if (quoted && text.substr(at + 1).starts_with('"'))
        found += text[++at];
      else
        quoted = !quoted;
      any = true;
    } else {
      found += c;
    }
  }
  return any || !found.empty() ? std::optional(std::move(found)) : std::nullopt;
}

}  // namespace

std::vector<std::string> elements_of(std::string_view array, char delimiter) {
  std::vector<std::string> found;
  std::string element;
  bool quoted = false, any = false;
  std::size_t kept = 0;  // the element without the blanks at its end that are not quoted
  const auto end = [&] {
    element.resize(kept);
    const bool is_null = !any && (element == "NULL" || element == "null");
    if (any || (!element.empty() && !is_null)) found.push_back(element);
    element.clear();
    any = false;
    kept = 0;
  };
  for (std::size_t at = std::min(array.find('{'), array.size()); at < array.size(); ++at) {
    const char c = array[at];
    if (c == '"') {
      quoted = !quoted;
      any = true;
    } else if (c == '\\' && at + 1 < array.size()) {
      element += array[++at];
      kept = element.size();
    } else if (!quoted && (c == '{' || c == '}' || c == delimiter)) {
      end();
    } else if (quoted || outer_blanks.find(c) == outer_blanks.npos) {
      element += c;
      kept = element.size();
    } else if (!element.empty()) {
      element += c;
    }
  }
  return found;
}

std::vector<std::optional<std::string>> fields_of(std::string_view composite) {
  std::vector<std::optional<std::string>> found;
  std::size_t at = composite.find('(');
  while (at < composite.size() && composite[at] != ')') found.push_back(text_up_to(",)", composite, ++at));
  return found;
}

std::vector<std::string> bounds_of(std::string_view ranges) {
  constexpr std::string_view opening = "[(", closing = "])";
  std::vector<std::string> found;
  for (std::size_t at = ranges.find_first_of(opening); at < ranges.size(); at = ranges.find_first_of(opening, at))
    while (at < ranges.size() && closing.find(ranges[at]) == closing.npos)
      if (auto bound = text_up_to(",])", ranges, ++at)) found.push_back(*std::move(bound));
  return found;
}

}  // namespace program
