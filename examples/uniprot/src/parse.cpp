#include <etl/uniprot/parse.hpp>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <etl/text.hpp>
#include <etl/uniprot/checksum.hpp>

#include "parser.hpp"

namespace etl::inline v0::uniprot {
namespace {

constexpr std::uint16_t code_of(std::string_view line) noexcept {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(line[0]) << 8 | static_cast<unsigned char>(line[1]));
}
consteval std::uint16_t operator""_code(const char* text, std::size_t size) { return code_of({text, size}); }

// Bytes beyond ASCII are rare, so one vectorised pass checks whether there are any.
bool is_ascii(std::string_view text) noexcept {
  unsigned char all = 0;
  for (const char c : text) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}
}  // namespace

void Parser::clear() {
  Entry& e = entry_;
  e.entry_name = e.data_class = e.created_release = e.sequence_release = e.annotation_release = {};
  e.organism = e.license = e.sequence = {};
  e.organelle = {};
  e.declared_length = e.length = 0;
  e.mol_weight = 0;
  e.checksum = {};
  e.created = e.sequence_updated = e.annotation_updated = {};
  e.sequence_version.reset();
  e.entry_version.reset();
  e.protein_existence.reset();
  e.accessions.clear();
  e.names.clear();
  e.flags.clear();
  e.genes.clear();
  e.lineage.clear();
  e.taxonomy_ids.clear();
  e.hosts.clear();
  e.references.clear();
  e.comments.clear();
  e.cross_references.clear();
  e.keywords.clear();
  e.features.clear();
  e.unknown_lines.clear();
  e.unparsed.clear();
  e.strings_.clear();
  e.texts_.clear();
  e.qualifiers_.clear();
  e.arena_.clear();
  e.scratch_.pieces.clear();
  e.scratch_.shorts.clear();
  e.scratch_.ec_numbers.clear();
}

// Converts line ends to LF and, if asked, copies the whole text into the entry's memory. Refuses what is not text.
void Parser::prepare(Parse mode) {
  if (!text_.empty() && std::memchr(text_.data(), '\r', text_.size()) != nullptr) {
    char* const begin = entry_.arena_.take(text_.size());
    char* end = begin;
    for (std::size_t i = 0; i < text_.size(); ++i) {
      if (text_[i] == '\r' && i + 1 < text_.size() && text_[i + 1] == '\n') continue;
      *end++ = text_[i] == '\r' ? '\n' : text_[i];
    }
    entry_.arena_.give_back(end);
    text_ = {begin, static_cast<std::size_t>(end - begin)};
  } else if (mode == Parse::Owning) {
    text_ = entry_.arena_.copy(text_);
  }
  if (!text_.empty()) {
    if (const void* const nul = std::memchr(text_.data(), 0, text_.size()); nul != nullptr)
      fail("a NUL byte", {}, {static_cast<const char*>(nul), 1});
  }
  if (is_ascii(text_)) return;
  if (const std::size_t bad = find_invalid_utf8(text_); bad != text_.npos)
    fail(fmt::format("byte 0x{:02X} is not UTF-8", static_cast<unsigned char>(text_[bad])), {}, text_.substr(bad, 1));
}

std::optional<Problem> Parser::run(Parse mode) {
  clear();
  prepare(mode);
  std::vector<std::string_view>& lines = entry_.scratch_.lines;
  lines.clear();
  for (std::string_view rest = text_; !rest.empty();) lines.push_back(take_until(rest, '\n'));
  for (std::size_t i = 0; i < lines.size();) {
    const std::size_t first = i++;
    const auto number = static_cast<std::uint32_t>(first + 1);
    if (lines[first].size() < 2) {
      if (!lines[first].empty()) keep("a line of one character", {std::span(lines).subspan(first, 1), number});
      continue;
    }
    // Consecutive lines with the same code form a block.
    const std::uint16_t code = code_of(lines[first]);
    while (i < lines.size() && lines[i].size() >= 2 && code_of(lines[i]) == code && code != "//"_code) ++i;
    block(code, {std::span(lines).subspan(first, i - first), number});
  }
  check_whole();
  return std::move(problem_);
}

void Parser::block(std::uint16_t code, const Block& lines) {
  const char* const begin = lines.lines.front().data();
  const char* const end = lines.lines.back().data() + lines.lines.back().size();
  has_braces_ = std::memchr(begin, '{', static_cast<std::size_t>(end - begin)) != nullptr;
  switch (code) {
    case "ID"_code: return id_line(lines);
    case "AC"_code: return accessions(lines);
    case "DT"_code: return dates(lines);
    case "DE"_code: return names(lines);
    case "GN"_code: return genes(lines);
    case "OS"_code: return organism(lines);
    case "OG"_code: entry_.organelle = evident(without_last(join(lines), '.')); return;
    case "OC"_code: return lineage(lines);
    case "OX"_code: return taxonomy(lines);
    case "OH"_code: return hosts(lines);
    case "RN"_code: return reference_number(lines);
    case "RP"_code:
    case "RC"_code:
    case "RX"_code:
    case "RG"_code:
    case "RA"_code:
    case "RT"_code:
    case "RL"_code: return reference_line(static_cast<char>(code & 0xFF), lines);
    case "CC"_code: return comments(lines);
    case "DR"_code: return cross_references(lines);
    case "PE"_code: return protein_existence(lines);
    case "KW"_code: return keywords(lines);
    case "FT"_code: return features(lines);
    case "SQ"_code: return sequence_line(lines);
    case "  "_code: return sequence(lines);
    case "//"_code: terminated_ = true; return;
    case "**"_code: return;  // remarks of annotators
    default: break;
  }
  entry_.unknown_lines.insert(entry_.unknown_lines.end(), lines.lines.begin(), lines.lines.end());
}

void Parser::check_whole() {
  const Entry& e = entry_;
  const auto lines = static_cast<std::uint32_t>(e.scratch_.lines.size());
  if (id_line_ == 0)
    return fail(lines == 0 ? "an empty entry" : "no ID line: this is not an entry of a UniProtKB flat file", 1);
  if (!terminated_) {  // other problems of the last line follow from the missing terminator
    problem_.reset();
    return fail("the file ends within the entry: no terminator //", lines);
  }
  if (e.accessions.empty()) return fail("no AC line: the entry has no accession number", id_line_);
  if (sq_line_ == 0) return fail("no SQ line: the entry has no sequence", lines);
  const auto residues = static_cast<std::uint32_t>(e.sequence.size());
  if (e.length != residues)
    return fail(fmt::format("the SQ line says {} residues, the sequence has {}", e.length, residues), sq_line_);
  if (e.declared_length != residues)
    return fail(fmt::format("the ID line says {} residues, the sequence has {}", e.declared_length, residues),
                id_line_);
  if (e.checksum.kind != Checksum::Kind::Crc64) return;
  if (const std::uint64_t sum = crc64(e.sequence); sum != e.checksum.value)
    fail(fmt::format("the SQ line says CRC64 {:016X}, the sequence has {:016X}", e.checksum.value, sum), sq_line_);
}

std::optional<Problem> parse(std::string_view text, Entry& entry, Parse mode) { return Parser(text, entry).run(mode); }

EntryView EntryView::of(std::string_view text) noexcept {
  EntryView view;
  const auto value = [](std::string_view line) { return trim(line.substr(std::min<std::size_t>(5, line.size()))); };
  while (!text.empty()) {
    std::string_view line = take_until(text, '\n');
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() < 5) continue;
    switch (code_of(line)) {
      case "ID"_code:
        line = value(line);
        view.entry_name = take_until(line, ' ');
        view.data_class = trim(take_until(line, ';'));
        break;
      case "AC"_code:
        if (view.accession.empty()) view.accession = trim(value(line).substr(0, value(line).find(';')));
        break;
      case "OS"_code:
        if (view.organism.empty()) view.organism = without_last(value(line), '.');
        break;
      case "OX"_code:
        if (view.taxonomy_id == 0) {
          line = value(line);
          take_until(line, '=');
          view.taxonomy_id = to_number(trim(line.substr(0, line.find_first_of(",; ")))).value_or(0);
        }
        break;
      case "SQ"_code: {
        const std::size_t end = text.rfind("\n//");
        view.sequence_lines = text.substr(0, end);
        return view;
      }
      default: break;
    }
  }
  return view;
}

}  // namespace etl::inline v0::uniprot
