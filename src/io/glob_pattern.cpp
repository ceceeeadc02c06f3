#include "glob_pattern.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

#include <fmt/format.h>

#include <etl/io/glob.hpp>

namespace etl::inline v0::io {
namespace detail {
namespace {

using Token = NamePattern::Token;

/// Takes the next character off the text. A byte that is not UTF-8 becomes a character that no text contains.
char32_t next_character(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t size = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  char32_t character = size == 1 ? first : first & (0x7fU >> size);
  bool valid = size > 0 && size <= text.size();
  for (std::size_t i = 1; valid && i < size; ++i) {
    valid = byte(i) >> 6 == 2;
    character = character << 6 | (byte(i) & 0x3fU);
  }
  text.remove_prefix(valid ? size : 1);
  return valid ? character : 0x110000U + first;
}

/// Takes off the set with which `text` begins, unless the set is not closed.
std::optional<Token> set_of(std::string_view& text) {
  std::string_view rest = text.substr(1);
  Token set;
  if (rest.starts_with('!') || rest.starts_with('^')) {
    set.negated = true;
    rest.remove_prefix(1);
  }
  const auto character = [&] {
    if (rest.size() > 1 && rest.front() == '\\') rest.remove_prefix(1);
    return next_character(rest);
  };
  for (bool first = true; !rest.empty(); first = false) {
    if (rest.front() == ']' && !first) {
      text = rest.substr(1);
      return set;
    }
    const char32_t from = character();
    char32_t to = from;
    if (rest.size() > 1 && rest[0] == '-' && rest[1] != ']') {
      rest.remove_prefix(1);
      to = character();
    }
    set.ranges.emplace_back(from, to);
  }
  return std::nullopt;
}

NamePattern name_of(std::string_view text) {
  NamePattern name{.any_depth = text == "**", .literal = text != "**"};
  while (!text.empty()) {
    const char c = text.front();
    std::optional<Token> token;
    if (c == '*') token = Token{.kind = Token::Kind::Star};
    if (c == '?') token = Token{.kind = Token::Kind::Any};
    if (token) text.remove_prefix(1);
    if (c == '[') token = set_of(text);
    if (token) {
      name.literal = false;
      name.tokens.push_back(*std::move(token));
      continue;
    }
    if (c == '\\' && text.size() > 1) text.remove_prefix(1);
    const std::string_view before = text;
    const char32_t character = next_character(text);
    name.text += before.substr(0, before.size() - text.size());
    name.dot = name.dot || (name.tokens.empty() && character == U'.');
    name.tokens.push_back({.ranges = {{character, character}}});
  }
  return name;
}

/// Whether the token matches this character.
bool takes(const Token& token, char32_t c) {
  const auto within = [c](const auto& range) { return range.first <= c && c <= range.second; };
  return token.kind == Token::Kind::Any || std::ranges::any_of(token.ranges, within) != token.negated;
}

}  // namespace

bool NamePattern::matches(std::string_view name) const {
  const std::size_t none = tokens.size();
  std::size_t at = 0, star = none;
  std::string_view after_star;
  // If the rest does not match, the last star takes one more character. Earlier stars need not be tried again.
  while (!name.empty()) {
    if (at < tokens.size() && tokens[at].kind == Token::Kind::Star) {
      star = at++;
      after_star = name;
      continue;
    }
    std::string_view rest = name;
    const char32_t c = next_character(rest);
    if (at < tokens.size() && takes(tokens[at], c)) {
      ++at;
      name = rest;
    } else if (star != none) {
      static_cast<void>(next_character(after_star));
      at = star + 1;
      name = after_star;
    } else {
      return false;
    }
  }
  return std::all_of(tokens.begin() + static_cast<std::ptrdiff_t>(at), tokens.end(),
                     [](const Token& token) { return token.kind == Token::Kind::Star; });
}

namespace {

constexpr std::size_t most_alternatives = 10'000;

/// Appends the alternatives of the braces in `text`, each after `before`. Returns false if there are too many.
bool expand(const std::string& before, std::string_view text, std::vector<std::string>& to) {
  for (std::size_t open = 0; open < text.size(); ++open) {
    if (text[open] == '\\')
      ++open;
    else if (text[open] == '{') {
      std::vector<std::size_t> bounds{open};
      std::size_t depth = 0, at = open;
      for (; at < text.size(); ++at) {
        if (text[at] == '\\')
          ++at;
        else if (text[at] == '{')
          ++depth;
        else if (text[at] == ',' && depth == 1)
          bounds.push_back(at);
        else if (text[at] == '}' && --depth == 0)
          break;
      }
      if (at >= text.size() || bounds.size() == 1) continue;
      bounds.push_back(at);
      for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
        const std::string_view alternative = text.substr(bounds[i] + 1, bounds[i + 1] - bounds[i] - 1);
        std::string rest(alternative);
        rest += text.substr(at + 1);
        if (!expand(before + std::string(text.substr(0, open)), rest, to)) return false;
      }
      return true;
    }
  }
  to.push_back(before + std::string(text));
  return to.size() <= most_alternatives;
}

/// The names between slashes. A slash at the end leaves an empty name, which matches no file.
std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> names;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > 0) names.push_back(path.substr(0, end));
    if (end + 1 == path.size()) names.emplace_back();
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return names;
}

PathPattern alternative_of(std::string_view text) {
  PathPattern alternative{.absolute = text.starts_with('/')};
  for (const std::string_view name : split(text)) alternative.names.push_back(name_of(name));
  // `**` at the end stands for the files below: any name in any folder.
  if (!alternative.names.empty() && alternative.names.back().any_depth) alternative.names.push_back(name_of("*"));
  return alternative;
}

}  // namespace

Result<std::vector<PathPattern>> alternatives_of(std::string_view pattern) {
  std::vector<std::string> texts;
  if (!expand("", pattern, texts))
    return failure(fatal(fmt::format("the braces of '{}' have more than {} alternatives: use '*', or several patterns",
                                     pattern, most_alternatives)));
  std::vector<PathPattern> all;
  for (const std::string& text : texts) all.push_back(alternative_of(text));
  return all;
}

/// The same algorithm as for one name, with `**` in place of the star.
bool PathPattern::matches(const std::vector<std::string_view>& path) const {
  std::size_t at = 0, star = names.size(), after_star = 0, i = 0;
  while (i < path.size()) {
    if (at < names.size() && names[at].any_depth) {
      star = at++;
      after_star = i;
    } else if (at < names.size() && names[at].matches(path[i])) {
      ++at, ++i;
    } else if (star != names.size()) {
      at = star + 1;
      i = ++after_star;
    } else {
      return false;
    }
  }
  return at == names.size();
}

}  // namespace detail

bool matches(std::string_view pattern, std::string_view path) {
  const auto alternatives = detail::alternatives_of(pattern);
  std::vector<std::string_view> names = detail::split(path);
  std::erase(names, ".");
  return alternatives && std::ranges::any_of(*alternatives, [&](detail::PathPattern alternative) {
           std::erase_if(alternative.names,
                         [](const detail::NamePattern& name) { return name.literal && name.text == "."; });
           return alternative.absolute == path.starts_with('/') && alternative.matches(names);
         });
}

}  // namespace etl::inline v0::io
