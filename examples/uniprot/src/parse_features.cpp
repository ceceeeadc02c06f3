// FT lines: the column format used until 2019, and the format used since.
#include <algorithm>

#include "parser.hpp"

namespace etl::inline v0::uniprot {
namespace {

constexpr std::size_t key_column = 5;

bool is_old_place(std::string_view s) {
  return !s.empty() &&
         std::ranges::all_of(s, [](char c) { return (c >= '0' && c <= '9') || c == '<' || c == '>' || c == '?'; });
}
Place to_place(std::string_view s) {
  Place place;
  if (!s.empty() && (s.front() == '<' || s.front() == '>' || s.front() == '?')) {
    place.modifier = s.front();
    s.remove_prefix(1);
  }
  place.value = to_number(s);
  return place;
}
// Parses locations such as "12", "3..30", "<1..?20" and "P12345-2:3..30".
void set_location(Feature& feature, std::string_view location) {
  feature.location = location;
  const std::size_t colon = location.find(':');
  if (colon != location.npos) {
    feature.sequence = location.substr(0, colon);
    location.remove_prefix(colon + 1);
  }
  const std::size_t dots = location.find("..");
  feature.start = to_place(location.substr(0, dots));
  feature.end = dots == location.npos ? feature.start : to_place(location.substr(dots + 2));
}

// The lines of `begin` that are no longer in `rest`.
Block taken(const Block& begin, const Block& rest) {
  return {begin.lines.first(begin.lines.size() - rest.lines.size()), begin.first_line};
}

}  // namespace

// Begins a feature. Returns whether it has the old form.
bool Parser::feature_start(std::string_view line) {
  Feature& feature = entry_.features.emplace_back();
  std::string_view rest = trim_left(line.substr(key_column));
  feature.type = take_until(rest, ' ');
  rest = trim(rest);
  const std::string_view from = take_until(rest, ' ');
  rest = trim_left(rest);
  const std::string_view to = take_until(rest, ' ');
  if (!is_old_place(from) || !is_old_place(to)) {
    set_location(feature, from);
    return false;
  }
  char* const text = entry_.arena_.take(from.size() + 2 + to.size());
  char* end = std::copy(from.begin(), from.end(), text);
  end = std::copy_n("..", 2, end);
  std::copy(to.begin(), to.end(), end);
  set_location(feature, {text, from.size() + 2 + to.size()});
  pieces_.push_back(trim(rest));
  return true;
}

void Parser::qualifier(std::string_view text) {
  Feature& feature = entry_.features.back();
  std::string_view value = text;
  const std::string_view key = take_until(value, '=');
  if (value.size() > 1 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
  if (key == "/note") {
    feature.note.value = value;
  } else if (key == "/evidence") {
    feature.note.evidence = evidence_list(value);
  } else if (key == "/id") {
    feature.id = value;
  } else if (key == "/FTId") {
    feature.id = without_last(value, '.');
  } else if (key.size() > 1) {
    std::vector<Qualifier>& list = entry_.qualifiers_;
    if (feature.others.count++ == 0) feature.others.first = static_cast<std::uint32_t>(list.size());
    list.push_back({key.substr(1), {value, {}}});
  }
}

// Joins a note. Notes about sequence changes quote residues, such as "MKLV -> AV (in isoform 2)".
std::string_view Parser::join_note() {
  const std::string_view type = entry_.features.back().type;
  return join_pieces(type == "VAR_SEQ" || type == "VARSPLIC" || type == "VARIANT" || type == "CONFLICT" ||
                     type == "MUTAGEN");
}

// Ends a note of the old form. Its evidence is in braces at its end.
void Parser::end_old_note() {
  if (!pieces_.empty()) entry_.features.back().note = evident(join_note());
}

void Parser::features(Block block) {
  const auto starts_feature = [](std::string_view line) { return line.size() > key_column && line[key_column] != ' '; };
  bool old = false;
  while (!block.empty()) {
    const Block here = block;
    const std::string_view line = block.take_raw();
    if (starts_feature(line)) {
      end_old_note();
      old = feature_start(line);
      const Feature& feature = entry_.features.back();
      const auto is_known = [](const Place& place) { return place.value || place.modifier == '?'; };
      if (!is_known(feature.start) || !is_known(feature.end))
        keep("expected a location, as in 12, 3..30, <1..?20 or P12345-2:3..30", here.first());
      continue;
    }
    if (entry_.features.empty()) {
      keep("it continues a feature, but no feature comes before it", here.first());
      continue;
    }
    const std::string_view text = trim(line.substr(2));
    if (old) {
      if (text.starts_with("/FTId="))
        qualifier(text);
      else
        pieces_.push_back(text);
      continue;
    }
    if (text.empty()) continue;
    if (!text.starts_with('/')) {
      keep("expected /note=, /evidence= or /id=", here.first());
      continue;
    }
    // A quoted value ends with a quote that is followed by a new qualifier, a new feature, or the end.
    const bool only_quote = text.find('"') + 1 == text.size();
    pieces_.push_back(text);
    while (!block.empty() && !starts_feature(block.lines.front())) {
      const std::string_view more = trim(block.lines.front().substr(2));
      const bool closed = pieces_.back().ends_with('"') && !(pieces_.size() == 1 && only_quote);
      const bool next = more.starts_with("/note=") || more.starts_with("/evidence=") || more.starts_with("/id=");
      if (next || (closed && more.starts_with('/'))) break;
      block.take_raw();
      pieces_.push_back(more);
    }
    if (text.find('=') == text.npos) keep("expected a value, as in /note=\"a value\"", taken(here, block));
    if (text.find("=\"") != text.npos && !(pieces_.back().ends_with('"') && !(pieces_.size() == 1 && only_quote)))
      keep("the quote of the value is not closed", taken(here, block));
    qualifier(join_note());
  }
  end_old_note();
}

}  // namespace etl::inline v0::uniprot
