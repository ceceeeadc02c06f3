// RN to RL lines, and CC lines.
#include <algorithm>

#include "parser.hpp"

namespace etl::inline v0::uniprot {
namespace {

/// Whether the text before a colon is a topic of comments: capitals, as in "WEB RESOURCE".
bool is_topic(std::string_view text) noexcept {
  const auto fits = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' || c == '-' || c == '/';
  };
  return !text.empty() && std::ranges::all_of(text, fits);
}
/// Whether the line begins a comment without the marker -!-, as in "CC   SUBUNIT: text". Other lines are indented.
bool lacks_marker(std::string_view line) noexcept {
  constexpr std::size_t column = 5;
  if (line.size() <= column || line[column] < 'A' || line[column] > 'Z') return false;
  const std::size_t colon = line.find(':');
  return colon != line.npos && is_topic(line.substr(column, colon - column));
}

}  // namespace

void Parser::reference_number(Block block) {
  while (!block.empty()) {
    const Block here = block;
    const std::string_view line = block.take_line();
    const std::size_t close = line.find(']');
    const auto number =
        line.starts_with('[') && close != line.npos ? to_number(line.substr(1, close - 1)) : std::nullopt;
    if (!number) keep("expected a number in brackets", here.first());
    Reference& reference = entry_.references.emplace_back();
    reference.number = number.value_or(0);
    if (close != line.npos) reference.evidence = evident(line.substr(close + 1)).evidence;
  }
}

void Parser::reference_line(char kind, const Block& block) {
  if (entry_.references.empty()) return keep("no RN line comes before it", block);
  Reference& reference = entry_.references.back();
  std::string_view text = join(block);
  switch (kind) {
    case 'P': reference.position = without_last(text, '.'); return;
    case 'G': reference.group = without_last(text, ';'); return;
    case 'A': reference.authors = without_last(text, ';'); return;
    case 'T':
      text = without_last(text, ';');
      if (text.size() > 1 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
      reference.title = text;
      return;
    case 'L': reference.location = text; return;
    default: break;
  }
  // Parses "STRAIN=K12; TISSUE=Brain;", "PubMed=1; DOI=10.1/a;b;" and, before 2002, "MEDLINE; 97307256."
  Part<Qualifier>& part = kind == 'C' ? reference.comments : reference.ids;
  std::vector<Qualifier>& list = entry_.qualifiers_;
  if (part.count == 0) part.first = static_cast<std::uint32_t>(list.size());
  if (kind == 'X' && text.find('=') == text.npos) {
    const std::string_view key = trim(take_until(text, ';'));
    if (trim(text).empty()) return keep("expected a key, as in PubMed=, and a value", block);
    list.push_back({key, evident(without_last(trim(text), '.'))});
    ++part.count;
    return;
  }
  const auto is_key = [](std::string_view s) {  // a key consists of letters before an equals sign
    std::size_t n = 0;
    while (n < s.size() && ((s[n] >= 'A' && s[n] <= 'Z') || (s[n] >= 'a' && s[n] <= 'z'))) ++n;
    return n > 0 && n < s.size() && s[n] == '=';
  };
  while (!text.empty()) {
    const std::string_view key = trim(take_until(text, '='));
    if (!is_key(std::string(key) + '=')) keep("expected a key, as in PubMed=, and a value", block);
    std::size_t end = 0;  // the semicolon that ends the value; the value itself may contain others
    for (;; ++end) {
      end = text.find(';', end);
      if (end == text.npos || end + 1 == text.size()) break;
      if (text[end + 1] == ' ' && (is_key(trim_left(text.substr(end + 1))) || trim_left(text.substr(end + 1)).empty()))
        break;
    }
    list.push_back({key, evident(text.substr(0, end))});
    ++part.count;
    text = end == text.npos ? std::string_view() : trim_left(text.substr(end + 1));
  }
}

// Parses "-!- TOPIC: text", which continues in indented lines. The licence is between two lines of dashes.
void Parser::comments(Block block) {
  const std::span<const std::string_view> lines = block.lines;
  enum class In : std::uint8_t { Nothing, Comment, License } in = In::Nothing;
  std::size_t begin = 0;
  const auto end_piece = [&](std::size_t end) {
    const auto kind = std::exchange(in, In::Nothing);
    if (kind == In::Nothing || begin == end) return;
    const Block piece{lines.subspan(begin, end - begin), block.first_line + static_cast<std::uint32_t>(begin)};
    std::string_view text = join(piece);
    if (kind == In::License) {
      if (end == lines.size()) keep("the licence is not closed by a line of dashes", piece);
      entry_.license = text;
      return;
    }
    Comment& comment = entry_.comments.emplace_back();
    const bool begins = text.starts_with("-!-");
    if (begins) text = trim_left(text.substr(3));
    std::size_t colon = begins ? text.find(':') : text.npos;
    if (!is_topic(text.substr(0, colon))) colon = text.npos;
    if (colon == text.npos) keep("expected a comment, as in '-!- TOPIC: text'", piece);
    comment.topic = text.substr(0, colon == text.npos ? 0 : colon);
    text.remove_prefix(colon == text.npos ? 0 : colon + 1);
    comment.text = evident(text);
  };
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = trim_left(lines[i].substr(2));
    const bool dashes = line.starts_with("----");
    if (in == In::License && !dashes) continue;
    if (dashes) {
      const bool closes = in == In::License;
      end_piece(i);
      in = closes ? In::Nothing : In::License;
      begin = i + 1;
    } else if (line.starts_with("-!-") || lacks_marker(lines[i]) ||
               (in == In::Nothing && !line.empty())) {  // or a comment without a topic
      end_piece(i);
      in = In::Comment;
      begin = i;
    }
  }
  end_piece(lines.size());
}

}  // namespace etl::inline v0::uniprot
