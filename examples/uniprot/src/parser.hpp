#pragma once
// The state of parsing one entry. Each parse_*.cpp reads some of the line types.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/uniprot/entry.hpp>
#include <etl/uniprot/parse.hpp>

namespace etl::inline v0::uniprot {

[[nodiscard]] inline std::string_view trim_left(std::string_view s) noexcept {
  while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
  return s;
}
[[nodiscard]] inline std::string_view trim_right(std::string_view s) noexcept {
  while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
  return s;
}
[[nodiscard]] inline std::string_view trim(std::string_view s) noexcept { return trim_left(trim_right(s)); }
[[nodiscard]] inline std::string_view without_last(std::string_view s, char last) noexcept {
  if (!s.empty() && s.back() == last) s.remove_suffix(1);
  return s;
}
/// Takes an item of a list. A semicolon ends the item only if a blank or the end of the text follows, because names
/// may contain semicolons ("Name=AbXYZ2;8").
inline std::string_view take_item(std::string_view& rest) noexcept {
  std::size_t end = rest.find(';');
  while (end != rest.npos && end + 1 < rest.size() && rest[end + 1] != ' ') end = rest.find(';', end + 1);
  const std::string_view item = rest.substr(0, end);
  rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  return item;
}
/// Takes the text before `separator` off `rest`, together with the separator. Takes all of `rest` if it has no
/// separator.
inline std::string_view take_until(std::string_view& rest, char separator) noexcept {
  const void* const at = rest.empty() ? nullptr : std::memchr(rest.data(), separator, rest.size());
  if (at == nullptr) return std::exchange(rest, std::string_view());
  const auto length = static_cast<std::size_t>(static_cast<const char*>(at) - rest.data());
  const std::string_view before = rest.substr(0, length);
  rest.remove_prefix(length + 1);
  return before;
}
/// The number in `s`, or nothing if `s` does not consist of digits.
[[nodiscard]] std::optional<std::uint32_t> to_number(std::string_view s) noexcept;

/// Consecutive lines with the same code.
struct Block {
  std::span<const std::string_view> lines;
  std::uint32_t first_line = 1;

  [[nodiscard]] bool empty() const noexcept { return lines.empty(); }
  /// Takes the next line unchanged; the other lines remain.
  std::string_view take_raw() noexcept {
    const std::string_view line = lines.front();
    lines = lines.subspan(1);
    ++first_line;
    return line;
  }
  /// A block with only the next line.
  [[nodiscard]] Block first() const noexcept { return {lines.first(1), first_line}; }
  /// Takes the next line, without its code and surrounding blanks.
  std::string_view take_line() noexcept { return trim(take_raw().substr(2)); }
};

class Parser {
 public:
  Parser(std::string_view text, Entry& entry) : text_(text), entry_(entry) {}
  [[nodiscard]] std::optional<Problem> run(Parse mode);

 private:
  using Strings = Part<std::string_view>;

  // parse.cpp
  void clear();
  void prepare(Parse mode);
  void block(std::uint16_t code, const Block& block);
  void check_whole();
  // parse_lines.cpp
  void id_line(Block block);
  void accessions(const Block& block);
  void dates(Block block);
  void organism(const Block& block);
  void lineage(const Block& block);
  void taxonomy(const Block& block);
  void hosts(Block block);
  void keywords(const Block& block);
  void cross_references(Block block);
  void protein_existence(const Block& block);
  void sequence_line(Block block);
  void sequence(const Block& block);
  // parse_names.cpp
  void names(const Block& block);
  void name_field(std::string_view field, const Block& lines);
  void start_name(ProteinName::Kind kind);
  void end_name();
  void old_names(std::string_view text, ProteinName::Section section);
  void genes(const Block& block);
  void old_genes(std::string_view text);
  // parse_references.cpp
  void reference_number(Block block);
  void reference_line(char kind, const Block& block);
  void comments(Block block);
  // parse_features.cpp
  void features(Block block);
  [[nodiscard]] bool feature_start(std::string_view line);
  void qualifier(std::string_view text);
  void end_old_note();
  [[nodiscard]] std::string_view join_note();

  // text.cpp
  /// The block's lines as one text without codes. A single line is not copied.
  [[nodiscard]] std::string_view join(Block block);
  /// The same for `pieces_`, which is empty afterwards. `sequences`: words of residues may continue after a line end.
  [[nodiscard]] std::string_view join_pieces(bool sequences = false);
  /// Separates the evidence from a text.
  [[nodiscard]] Text evident(std::string_view text);
  [[nodiscard]] Strings evidence_list(std::string_view list);
  [[nodiscard]] Part<Text> texts(const std::vector<Text>& list);

  void fail(std::string reason, std::uint32_t line) {
    if (!problem_) problem_ = Problem{line, 1, std::move(reason)};
  }
  /// Reports a problem at the place `at` if it is in the entry's text; otherwise (in a joined text) at the block's
  /// begin.
  void fail(std::string reason, const Block& block, std::string_view at = {});
  /// Keeps lines that do not follow the format as they are.
  void keep(std::string reason, const Block& block);

  std::string_view text_;
  Entry& entry_;
  std::optional<Problem> problem_{};
  bool terminated_ = false;
  bool has_braces_ = false;  // the current block has braces, so there may be evidence
  std::uint32_t sq_line_ = 0;
  std::uint32_t id_line_ = 0;
  std::vector<std::string_view>& pieces_ = entry_.scratch_.pieces;
  // The name being read:
  ProteinName::Section section_ = ProteinName::Section::Main;
  std::uint16_t component_ = 0;
  bool in_name_ = false;
  std::vector<Text>& shorts_ = entry_.scratch_.shorts;
  std::vector<Text>& ec_numbers_ = entry_.scratch_.ec_numbers;
};

}  // namespace etl::inline v0::uniprot
