// DE and GN lines.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "parser.hpp"

namespace etl::inline v0::uniprot {
namespace {

using Kind = ProteinName::Kind;
using Section = ProteinName::Section;

constexpr std::array<std::pair<std::string_view, Kind>, 3> kinds{
    {{"RecName:", Kind::Recommended}, {"AltName:", Kind::Alternative}, {"SubName:", Kind::Submitted}}};

constexpr std::array<std::string_view, 7> name_keys{"Full", "Short", "EC", "Allergen", "Biotech", "CD_antigen", "INN"};
constexpr std::array<std::string_view, 4> gene_keys{"Name", "Synonyms", "OrderedLocusNames", "ORFNames"};

bool ends_with_word(std::string_view s, std::string_view lower) {
  if (s.size() < lower.size()) return false;
  return std::equal(lower.begin(), lower.end(), s.end() - static_cast<std::ptrdiff_t>(lower.size()),
                    [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); });
}

// The offset of the bracket that the last character of `s` closes; npos if there is none.
std::size_t opening(std::string_view s) noexcept {
  const char close = s.back();
  const char open = close == ')' ? '(' : '[';
  int depth = 0;
  for (std::size_t i = s.size(); i-- > 0;) {
    if (s[i] == close) ++depth;
    if (s[i] == open && --depth == 0) return i;
  }
  return s.npos;
}

/// Whether all brackets of the text match.
bool brackets_match(std::string_view text) noexcept {
  int round = 0, square = 0;
  for (const char c : text) {
    round += c == '(' ? 1 : c == ')' ? -1 : 0;
    square += c == '[' ? 1 : c == ']' ? -1 : 0;
    if (round < 0 || square < 0) return false;
  }
  return round == 0 && square == 0;
}

}  // namespace

void Parser::start_name(Kind kind) {
  end_name();
  entry_.names.push_back({.kind = kind, .section = section_, .component = component_});
  in_name_ = true;
}
void Parser::end_name() {
  if (!in_name_) return;
  entry_.names.back().shorts = texts(shorts_);
  entry_.names.back().ec_numbers = texts(ec_numbers_);
  shorts_.clear();
  ec_numbers_.clear();
  in_name_ = false;
}

// Parses one field of the structured format, such as "RecName: Full=...;", "Short=...;", "Contains:" or "Flags:
// Precursor;".
void Parser::name_field(std::string_view field, const Block& lines) {
  for (const auto& [label, kind] : kinds) {
    if (!field.starts_with(label)) continue;
    start_name(kind);
    field = trim_left(field.substr(label.size()));
    break;
  }
  if (field.starts_with("Flags:")) {
    field = field.substr(6);
    while (!field.empty())
      if (const std::string_view flag = trim(take_item(field)); !flag.empty()) entry_.flags.push_back(flag);
    return;
  }
  if (field == "Contains:" || field == "Includes:") {
    end_name();
    const Section section = field == "Contains:" ? Section::Contains : Section::Includes;
    component_ = section == section_ ? static_cast<std::uint16_t>(component_ + 1) : std::uint16_t{0};
    section_ = section;
    return;
  }
  const std::size_t equals = field.find('=');
  if (equals == field.npos) {
    if (!field.empty()) keep("expected Full=, Short= or EC= and a name", lines);
    return;
  }
  const std::string_view key = field.substr(0, equals);
  if (std::ranges::find(name_keys, key) == name_keys.end())
    return keep(fmt::format("'{}' is none of {}", key.substr(0, 40), fmt::join(name_keys, ", ")), lines);
  const Text value = evident(without_last(field.substr(equals + 1), ';'));
  if (!in_name_) start_name(Kind::Recommended);
  if (key == "Short") {
    shorts_.push_back(value);
  } else if (key == "EC") {
    ec_numbers_.push_back(value);
  } else {
    if (!entry_.names.back().type.empty()) start_name(entry_.names.back().kind);
    entry_.names.back().type = key;
    entry_.names.back().full = value;
  }
}

void Parser::names(const Block& block) {
  Block lines = block;
  const std::string_view first = Block(block).take_line();
  const bool structured =
      std::ranges::any_of(kinds, [first](const auto& kind) { return first.starts_with(kind.first); }) ||
      first.starts_with("Contains:") || first.starts_with("Includes:") || first.starts_with("Flags:");
  if (!structured) {
    const std::string_view text = without_last(join(lines), '.');
    if (!brackets_match(text)) keep("brackets of a name that do not match", block);
    return old_names(text, Section::Main);
  }
  Block field = lines;  // the lines of the field and all lines after it
  const auto end_field = [&] {
    const std::size_t size = field.lines.size() - lines.lines.size();
    if (!pieces_.empty()) name_field(join_pieces(), {field.lines.first(size), field.first_line});
    field = lines;
  };
  while (!lines.empty()) {
    const std::string_view line = lines.take_line();
    if (line.empty()) continue;
    pieces_.push_back(line);
    if (line.back() == ';' || line.back() == ':') end_field();  // otherwise the field continues in the next line
  }
  end_field();
  end_name();
}

// Parses names before release 14, such as "Name precursor (EC 1.1.1.1) (Other name) [Contains: A (B); C] (Fragment)."
void Parser::old_names(std::string_view text, Section section) {
  const std::string_view whole = text = trim(text);
  std::vector<std::string_view> groups;  // from last to first
  while (!text.empty() && (text.back() == ')' || text.back() == ']')) {
    const std::size_t open = opening(text);
    if (open == text.npos || open == 0 || text[open - 1] != ' ') break;
    groups.push_back(text.substr(open));
    text = trim_right(text.substr(0, open));
  }
  std::ranges::reverse(groups);
  if (ends_with_word(text, " precursor")) {
    if (section == Section::Main) entry_.flags.emplace_back("Precursor");
    text.remove_suffix(10);
  }
  if (text.empty()) text = whole;
  section_ = section;
  start_name(Kind::Recommended);
  entry_.names.back().type = "Full";
  entry_.names.back().full = evident(text);
  for (const std::string_view group : groups) {
    const std::string_view inner = group.substr(1, group.size() - 2);
    if (inner.starts_with("EC ")) ec_numbers_.push_back(evident(inner.substr(3)));
  }
  end_name();
  for (const std::string_view group : groups) {
    std::string_view inner = group.substr(1, group.size() - 2);
    if (group.front() == '[') {
      const Section part = inner.starts_with("Includes:") ? Section::Includes : Section::Contains;
      if (inner.starts_with("Includes:") || inner.starts_with("Contains:")) inner.remove_prefix(9);
      for (component_ = 0; !inner.empty(); ++component_) old_names(take_item(inner), part);
      component_ = 0;
    } else if (inner == "Fragment" || inner == "Fragments" || inner == "FRAGMENT" || inner == "FRAGMENTS") {
      entry_.flags.emplace_back(inner.size() == 8 ? "Fragment" : "Fragments");
    } else if (!inner.starts_with("EC ")) {
      section_ = section;
      start_name(Kind::Alternative);
      entry_.names.back().type = "Full";
      entry_.names.back().full = evident(inner);
      end_name();
    }
  }
}

void Parser::genes(const Block& block) {
  std::string_view text = join(block);
  if (text.find('=') == text.npos && text.ends_with(';')) return keep("expected a key, as in Name=, and a name", block);
  if (text.find('=') == text.npos) {
    if (!brackets_match(text)) keep("brackets of a gene that do not match", block);
    return old_genes(without_last(text, '.'));
  }
  bool fresh = true;
  std::vector<Text>& list = shorts_;  // free for use, because no name is being read here
  while (!text.empty()) {
    std::string_view field = trim(take_item(text));
    if (field == "and" || field.starts_with("and ")) {
      fresh = true;
      field = trim(field.substr(3));
    }
    if (field.empty()) continue;
    const std::string_view key = take_until(field, '=');
    if (std::ranges::find(gene_keys, key) == gene_keys.end()) {
      keep(fmt::format("'{}' is none of {}", key.substr(0, 40), fmt::join(gene_keys, ", ")), block);
      continue;
    }
    if (fresh) entry_.genes.emplace_back();
    fresh = false;
    // Commas separate names, and also tags within the braces of one name.
    list.clear();
    while (!field.empty()) {
      std::size_t comma = 0;
      for (bool in_braces = false; comma < field.size(); ++comma) {
        const char c = field[comma];
        if (c == '{') in_braces = true;
        if (c == '}') in_braces = false;
        if (c == ',' && !in_braces && comma + 1 < field.size() && field[comma + 1] == ' ') break;
      }
      list.push_back(evident(field.substr(0, comma)));
      field.remove_prefix(std::min(comma + 1, field.size()));
    }
    Gene& gene = entry_.genes.back();
    if (key == "Name") {
      if (!list.empty()) gene.name = list.front();
    } else if (key == "Synonyms") {
      gene.synonyms = texts(list);
    } else if (key == "OrderedLocusNames") {
      gene.ordered_locus_names = texts(list);
    } else {
      gene.orf_names = texts(list);
    }
    list.clear();
  }
}

// Parses genes before 2004, such as "(CALM1 OR CAM1) AND (CALM2 OR CAM2)".
void Parser::old_genes(std::string_view text) {
  const auto take_word = [](std::string_view& rest, std::string_view word) {
    int depth = 0;
    for (std::size_t i = 0; i < rest.size(); ++i) {
      depth += rest[i] == '(' ? 1 : rest[i] == ')' ? -1 : 0;
      if (depth != 0 || !rest.substr(i).starts_with(word)) continue;
      const std::string_view before = rest.substr(0, i);
      rest.remove_prefix(i + word.size());
      return before;
    }
    return std::exchange(rest, std::string_view());
  };
  while (!text.empty()) {
    std::string_view gene = trim(take_word(text, " AND "));
    if (gene.starts_with('(') && opening(gene) == 0) gene = gene.substr(1, gene.size() - 2);
    std::vector<Text> list;
    while (!gene.empty()) list.push_back(evident(take_word(gene, " OR ")));
    if (list.empty()) continue;
    Gene& result = entry_.genes.emplace_back();
    result.name = list.front();
    list.erase(list.begin());
    result.synonyms = texts(list);
  }
}

}  // namespace etl::inline v0::uniprot
