// Joins lines, and separates evidence from texts.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "parser.hpp"

namespace etl::inline v0::uniprot {
namespace {

constexpr std::string_view tag_begin = "{ECO:";

// The format breaks lines at blanks and after hyphens: "calmodulin-" and "binding" belong together, but "alpha-" and
// "and beta-actin" do not.
bool needs_blank(std::string_view before, std::string_view after) noexcept {
  if (before.size() < 2 || before.back() != '-' || before[before.size() - 2] == ' ') return true;
  return after.starts_with("and ") || after.starts_with("or ");
}

bool is_residue(char c) noexcept { return c >= 'A' && c <= 'Z'; }

// In "QNFSF... -> AAPL... (in isoform 2)", a line break within a sequence does not stand for a blank.
bool within_sequence(std::string_view before, std::string_view after) noexcept {
  if (before.find_first_of("(:") != before.npos) return false;
  const auto last = std::find_if_not(before.rbegin(), before.rend(), is_residue);
  const auto first = std::find_if_not(after.begin(), after.end(), is_residue);
  return last != before.rbegin() && (last == before.rend() || *last == ' ' || *last == '"') && first != after.begin() &&
         (first == after.end() || *first == ' ' || *first == '"');
}

}  // namespace

std::optional<std::uint32_t> to_number(std::string_view s) noexcept {
  std::uint32_t value = 0;
  const char* const begin = s.data();
  const char* const end = begin + s.size();
  const auto [stopped, error] = std::from_chars(begin, end, value);
  if (s.empty() || error != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

std::string_view Parser::join(Block block) {
  if (block.lines.size() == 1) return block.take_line();
  while (!block.empty()) pieces_.push_back(block.take_line());
  return join_pieces();
}

std::string_view Parser::join_pieces(bool sequences) {
  if (pieces_.empty()) return {};
  if (pieces_.size() == 1) {
    const std::string_view only = pieces_.front();
    pieces_.clear();
    return only;
  }
  std::size_t size = pieces_.size();
  for (const std::string_view piece : pieces_) size += piece.size();
  char* const begin = entry_.arena_.take(size);
  char* end = begin;
  for (const std::string_view piece : pieces_) {
    if (piece.empty()) continue;
    const std::string_view before(begin, static_cast<std::size_t>(end - begin));
    if (end != begin && needs_blank(before, piece) && !(sequences && within_sequence(before, piece))) *end++ = ' ';
    std::memcpy(end, piece.data(), piece.size());
    end += piece.size();
  }
  pieces_.clear();
  entry_.arena_.give_back(end);
  return {begin, static_cast<std::size_t>(end - begin)};
}

Parser::Strings Parser::evidence_list(std::string_view list) {
  Strings part{static_cast<std::uint32_t>(entry_.strings_.size()), 0};
  while (!list.empty()) {
    const std::string_view tag = trim(take_until(list, ','));
    if (tag.empty()) continue;
    entry_.strings_.push_back(tag);
    ++part.count;
  }
  return part;
}

Text Parser::evident(std::string_view text) {
  text = trim(text);
  if (!has_braces_) return {text, {}};
  std::size_t tag = text.find(tag_begin);
  if (tag == text.npos) return {text, {}};
  const std::size_t close = text.find('}', tag);
  if (close == text.npos) return {text, {}};
  const std::string_view behind = text.substr(close + 1);
  if (behind.empty() || behind == ".") {  // the usual place, at the end
    const Strings evidence = evidence_list(text.substr(tag + 1, close - tag - 1));
    return {trim_right(text.substr(0, tag)), evidence};
  }
  // Removes tags within the text, together with the blank before each tag, and a full stop that would be repeated.
  Text result{{}, {static_cast<std::uint32_t>(entry_.strings_.size()), 0}};
  char* const begin = entry_.arena_.take(text.size());
  char* end = begin;
  std::size_t from = 0;
  while (tag != text.npos) {
    const std::size_t stop = text.find('}', tag);
    if (stop == text.npos) break;
    const std::string_view before = trim_right(text.substr(from, tag - from));
    end = std::copy(before.begin(), before.end(), end);
    result.evidence.count += evidence_list(text.substr(tag + 1, stop - tag - 1)).count;
    from = stop + 1;
    if (end != begin && end[-1] == '.' && from < text.size() && text[from] == '.') ++from;
    tag = text.find(tag_begin, from);
  }
  const std::string_view rest = text.substr(from);
  end = std::copy(rest.begin(), rest.end(), end);
  entry_.arena_.give_back(end);
  result.value = trim_right({begin, static_cast<std::size_t>(end - begin)});
  return result;
}

Part<Text> Parser::texts(const std::vector<Text>& list) {
  const Part<Text> part{static_cast<std::uint32_t>(entry_.texts_.size()), static_cast<std::uint32_t>(list.size())};
  entry_.texts_.insert(entry_.texts_.end(), list.begin(), list.end());
  return part;
}

void Parser::keep(std::string reason, const Block& block) {
  const char* const begin = block.lines.front().data();
  const char* const end = block.lines.back().data() + block.lines.back().size();
  entry_.unparsed.push_back({.kind = block.lines.front().substr(0, 2),
                             .line = block.first_line,
                             .reason = std::move(reason),
                             .text = {begin, static_cast<std::size_t>(end - begin)}});
}

void Parser::fail(std::string reason, const Block& block, std::string_view at) {
  if (problem_) return;
  problem_ = Problem{block.first_line, 1, std::move(reason)};
  const char* const begin = text_.data();
  const char* const place = at.data();
  if (place < begin || place >= begin + text_.size()) return;
  const std::string_view before(begin, static_cast<std::size_t>(place - begin));
  problem_->line = 1 + static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n'));
  problem_->column = static_cast<std::uint32_t>(before.size() - (before.rfind('\n') + 1)) + 1;
}

}  // namespace etl::inline v0::uniprot
