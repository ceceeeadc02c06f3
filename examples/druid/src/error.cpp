#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/json.hpp>

#include <etl/druid/error.hpp>

namespace etl::inline v0::druid {
namespace {

namespace json = boost::json;

class Category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "druid"; }
  [[nodiscard]] std::string message(int code) const override {
    switch (static_cast<Problem>(code)) {
      case Problem::TaskExists: return "the task exists already";
      case Problem::NoTask: return "no such task";
      case Problem::NoReport: return "no report of the task";
      case Problem::Answer: return "not an answer of Druid";
      case Problem::NotForwarded: break;
    }
    return "not a part of this server";
  }
};

/// The text in the first element with this name, with entities decoded.
std::optional<std::string> element(std::string_view html, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">";
  const std::size_t begin = html.find(open);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::string_view inside = html.substr(begin + open.size());
  std::string text(inside.substr(0, inside.find("</")));
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> entities{
      {{"&quot;", "\""}, {"&apos;", "'"}, {"&#39;", "'"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}}};
  for (const auto& [entity, meant] : entities)
    for (std::size_t at = 0; (at = text.find(entity, at)) != std::string::npos; at += meant.size())
      text.replace(at, entity.size(), meant);
  return text;
}

/// The message of an error object, from outer to inner objects; empty if there is none.
std::string message_of(const json::object& object) {
  for (const std::string_view name : {"errorMessage", "errorMsg", "error", "message", "Access-Check-Result"}) {
    const json::value* const found = object.if_contains(name);
    if (found == nullptr) continue;
    if (const auto* const text = found->if_string(); text != nullptr && !text->empty())
      return {text->data(), text->size()};
    if (const auto* const inner = found->if_object()) return message_of(*inner);
  }
  return {};
}

/// The message of an error object of which the end is missing; empty if its message is not in what there is.
std::string message_of_part(std::string_view text) {
  for (const std::string_view name : {"\"errorMessage\"", "\"errorMsg\"", "\"message\"", "\"error\""}) {
    const std::size_t at = text.find(name);
    if (at == std::string_view::npos) continue;
    std::string_view rest = text.substr(at + name.size());
    const std::size_t begin = rest.find_first_not_of(" :");
    if (begin == std::string_view::npos || rest[begin] != '"') continue;
    rest.remove_prefix(begin + 1);
    std::string made;
    for (; !rest.empty() && rest.front() != '"'; rest.remove_prefix(1)) {
      if (rest.front() != '\\') {
        made += rest.front();
        continue;
      }
      if (rest.size() < 2) break;
      rest.remove_prefix(1);
      if (rest.front() == 'u') break;  // Druid escapes control characters only
      made += rest.front() == 'n' ? '\n' : rest.front() == 't' ? '\t' : rest.front();
    }
    if (!made.empty()) return made;
  }
  return {};
}

/// The length of a class name such as "org.apache.druid.java.util.common.ISE: " at the beginning, or 0.
std::size_t class_name(std::string_view text) {
  std::size_t dots = 0;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const auto c = static_cast<unsigned char>(text[at]);
    if (c == '.')
      ++dots;
    else if (std::isalnum(c) == 0 && c != '_' && c != '$')
      break;
  }
  const bool named = dots >= 1 && text.substr(at).starts_with(": ");
  return named ? at + 2 : 0;
}

}  // namespace

const std::error_category& error_category() noexcept {
  static const Category category;
  return category;
}

std::string first_sentence(std::string_view said) {
  constexpr std::size_t most = 500;
  std::string text(said);
  const std::size_t begin = std::min(text.find_first_not_of(" \r\n\t"), text.size());
  if (text.compare(begin, 1, "{") == 0) {
    boost::system::error_code failed;
    const json::value parsed = json::parse(said, failed);
    if (!failed && parsed.is_object()) {
      const std::string message = message_of(parsed.get_object());
      // The message may itself be a stack trace, but not another error object.
      text = message.starts_with('{') ? message : first_sentence(message);
      return text;
    }
    if (failed)
      if (std::string message = message_of_part(text); !message.empty()) text = std::move(message);
  } else if (text.compare(begin, 1, "<") == 0) {
    text = element(text, "title").value_or("");
    constexpr std::string_view start = "Error ";  // followed by the status
    if (text.starts_with(start)) text.erase(0, std::min(text.find(' ', start.size()), text.size()));
  }
  text.erase(0, std::min(text.find_first_not_of(" \r\n\t"), text.size()));
  text.resize(std::min(text.find_first_of("\r\n"), text.size()));
  while (const std::size_t size = class_name(text)) {
    if (size >= text.size()) break;
    text.erase(0, size);
  }
  if (text.size() > most) {
    std::size_t end = most;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    text.resize(end);
    text += "...";
  }
  return text;
}

}  // namespace etl::inline v0::druid
