#pragma once
// The state of parsing one entry. Each parse_*.cpp reads some of the line types.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
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
/// What stands before `separator`, which is removed together with it from `rest`; all of it when there is none.
inline std::string_view take_until(std::string_view& rest, char separator) noexcept {
  const void* const at = rest.empty() ? nullptr : std::memchr(rest.data(), separator, rest.size());
  if (at == nullptr) return std::exchange(rest, std::string_view());
  const auto length = static_cast<std::size_t>(static_cast<const char*>(at) - rest.data());
  const std::string_view before = rest.substr(0, length);
  rest.remove_prefix(length + 1);
  return before;
}
/// The digits that `s` is, or nothing.
[[nodiscard]] std::optional<std::uint32_t> to_number(std::string_view s) noexcept;

/// Consecutive lines of one code, without the last line end.
struct Block {
  std::string_view text;
  std::uint32_t first_line = 1;

  /// The next line without its code and leading blanks; `text` becomes the rest.
  [[nodiscard]] std::string_view take_line(std::size_t indent = 2) noexcept {
    std::string_view line = take_until(text, '\n');
    line.remove_prefix(std::min(indent, line.size()));
    return trim(line);
  }
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
  void check_whole();
  // parse_names.cpp
  void names(const Block& block);
  void name_field(std::string_view field);
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

  // text.cpp
  /// The block's lines without codes as one text: in place when it is one line.
  [[nodiscard]] std::string_view join(Block block);
  /// The same for `pieces_`, which is then empty.
  [[nodiscard]] std::string_view join_pieces();
  /// Separates the evidence from a text.
  [[nodiscard]] Text evident(std::string_view text);
  [[nodiscard]] Strings evidence_list(std::string_view list);
  [[nodiscard]] Part<Text> texts(const std::vector<Text>& list);

  void fail(std::string reason, std::uint32_t line) {
    if (!problem_) problem_ = Problem{line, 1, std::move(reason)};
  }
  /// A problem at the place `at`, which lies in the entry's text or is pieced together from `block`.
  void fail(std::string reason, const Block& block, std::string_view at = {});

  std::string_view text_;
  Entry& entry_;
  std::optional<Problem> problem_{};
  std::uint32_t lines_ = 0;
  bool terminated_ = false;
  std::uint32_t sq_line_ = 0;
  std::uint32_t id_line_ = 0;
  std::vector<std::string_view> pieces_{};
  // The name being read.
  ProteinName::Section section_ = ProteinName::Section::Main;
  std::uint16_t component_ = 0;
  bool in_name_ = false;
  std::vector<Text> shorts_{};
  std::vector<Text> ec_numbers_{};
};

}  // namespace etl::inline v0::uniprot
