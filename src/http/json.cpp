#include "json.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace etl::inline v0::http::json {
namespace {

/// Scans a text that is known to be JSON.
class Scan {
 public:
  explicit Scan(std::string_view text) : text_(text) { skip_blanks(); }
  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void step() {
    ++at_;
    skip_blanks();
  }
  /// Takes the next value.
  std::string_view value() {
    const std::size_t begin = at_;
    if (peek() == '"')
      skip_string();
    else if (peek() == '{' || peek() == '[')
      skip_nested();
    else
      at_ = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size());
    const std::string_view found = text_.substr(begin, at_ - begin);
    skip_blanks();
    return found;
  }

 private:
  void skip_blanks() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  void skip_string() {
    for (++at_; text_[at_] != '"'; ++at_)
      if (text_[at_] == '\\') ++at_;
    ++at_;
  }
  void skip_nested() {
    std::size_t depth = 0;
    do {
      at_ = text_.find_first_of("\"{}[]", at_);
      const char c = text_[at_];
      if (c == '"') {
        skip_string();
        continue;
      }
      if (c == '{' || c == '[')
        ++depth;
      else
        --depth;
      ++at_;
    } while (depth > 0);
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

std::string text_of(std::string_view string) {
  const boost::json::value read = boost::json::parse(boost::json::string_view(string.data(), string.size()));
  return {read.get_string().data(), read.get_string().size()};
}

std::optional<std::string_view> member(std::string_view object, const std::string& name) {
  std::optional<std::string_view> found;
  Scan scan(object);
  for (scan.step(); scan.peek() != '}';) {
    const std::string_view key = scan.value();
    scan.step();  // ':'
    const std::string_view value = scan.value();
    if (text_of(key) == name) found = value;
    if (scan.peek() == ',') scan.step();
  }
  return found;
}

}  // namespace

std::optional<std::string> problem(std::string_view text) {
  boost::json::error_code code;
  boost::json::parse_options options;
  options.max_depth = 256;
  boost::json::stream_parser parser({}, options);
  parser.write(text.data(), text.size(), code);
  if (!code) parser.finish(code);
  if (!code) return std::nullopt;
  return code.message();
}

Result<std::vector<std::string>> pointer(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return failure(Error{.code = Errc::InvalidOptions,
                         .context = fmt::format("JSON pointer '{}': {} (RFC 6901: /data/0/items, with ~1 for '/' and "
                                                "~0 for '~' in a name)",
                                                text, why)});
  };
  if (!text.empty() && text.front() != '/') return wrong("it does not begin with '/'");
  std::vector<std::string> names;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '/') {
      names.emplace_back();
    } else if (text[i] != '~') {
      names.back() += text[i];
    } else {
      const char next = i + 1 < text.size() ? text[++i] : '\0';
      if (next != '0' && next != '1') return wrong("'~' is followed by neither 0 nor 1");
      names.back() += next == '0' ? '~' : '/';
    }
  }
  return names;
}

std::optional<std::string_view> at(std::string_view text, const std::vector<std::string>& pointer) {
  std::optional<std::string_view> found = Scan(text).value();
  for (const std::string& name : pointer) {
    if (found->front() == '{') {
      found = member(*found, name);
    } else {
      const auto all = elements(*found);
      std::size_t index = 0;
      const char* const end = name.data() + name.size();
      const bool is_index = std::from_chars(name.data(), end, index).ptr == end && !name.empty() &&
                            (name.size() == 1 || name.front() != '0');
      found = all && is_index && index < all->size() ? std::optional((*all)[index]) : std::nullopt;
    }
    if (!found) return std::nullopt;
  }
  return found;
}

std::optional<std::vector<std::string_view>> elements(std::string_view text) {
  Scan scan(text);
  if (scan.peek() != '[') return std::nullopt;
  std::vector<std::string_view> all;
  for (scan.step(); scan.peek() != ']';) {
    all.push_back(scan.value());
    if (scan.peek() == ',') scan.step();
  }
  return all;
}

std::string scalar(std::string_view value) {
  if (value == "null") return {};
  return value.front() == '"' ? text_of(value) : std::string(value);
}

}  // namespace etl::inline v0::http::json
