#include <etl/uniprot/parse.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include <fmt/format.h>
#include <etl/uniprot/checksum.hpp>

#include "parser.hpp"

namespace etl::inline v0::uniprot {
namespace {

constexpr std::uint16_t code_of(std::string_view line) noexcept {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(line[0]) << 8 | static_cast<unsigned char>(line[1]));
}
consteval std::uint16_t operator""_code(const char* text, std::size_t size) { return code_of({text, size}); }

// Bytes beyond ASCII are rare: one pass that vectorises says whether there are any.
bool is_ascii(std::string_view text) noexcept {
  unsigned char all = 0;
  for (const char c : text) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}
// The offset of the first byte that is not UTF-8 (RFC 3629), or npos.
std::size_t bad_utf8(std::string_view s) noexcept {
  for (std::size_t i = 0; i < s.size();) {
    const auto byte = [&s](std::size_t at) { return at < s.size() ? static_cast<unsigned char>(s[at]) : 0U; };
    const unsigned first = byte(i);
    std::size_t length = 1;
    if (first >= 0x80) {
      length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
      if (first < 0xC2 || first > 0xF4) return i;
      for (std::size_t k = 1; k < length; ++k)
        if ((byte(i + k) & 0xC0) != 0x80) return i;
      const unsigned second = byte(i + 1);
      if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
          (first == 0xF4 && second > 0x8F))
        return i;
    }
    i += length;
  }
  return s.npos;
}

constexpr std::array<std::string_view, 12> months{"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                  "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};

// DD-MMM-YYYY
std::optional<Date> to_date(std::string_view s) noexcept {
  if (s.size() != 11 || s[2] != '-' || s[6] != '-') return std::nullopt;
  const auto day = to_number(s.substr(0, 2)), year = to_number(s.substr(7));
  const auto month = std::ranges::find(months, s.substr(3, 3));
  if (!day || !year || month == months.end() || *day < 1 || *day > 31 || *year < 1) return std::nullopt;
  return Date{static_cast<std::uint16_t>(*year), static_cast<std::uint8_t>(month - months.begin() + 1),
              static_cast<std::uint8_t>(*day)};
}

// The number before a unit: "153 AA".
std::optional<std::uint32_t> number_before(std::string_view s, std::string_view unit) noexcept {
  s = trim(s);
  if (!s.ends_with(unit)) return std::nullopt;
  s.remove_suffix(unit.size());
  return to_number(trim_right(s));
}

constexpr std::array<std::string_view, 5> data_classes{"Reviewed", "Unreviewed", "STANDARD", "PRELIMINARY", "IPI"};

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
  e.strings_.clear();
  e.texts_.clear();
  e.qualifiers_.clear();
  e.arena_.clear();
  e.scratch_.pieces.clear();
  e.scratch_.shorts.clear();
  e.scratch_.ec_numbers.clear();
}

// Brings line ends to LF and, if asked, the whole text into the entry's memory; refuses what is no text.
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
  } else if (mode == Parse::owning) {
    text_ = entry_.arena_.copy(text_);
  }
  if (!text_.empty()) {
    if (const void* const nul = std::memchr(text_.data(), 0, text_.size()); nul != nullptr)
      fail("a NUL byte", {}, {static_cast<const char*>(nul), 1});
  }
  if (is_ascii(text_)) return;
  if (const std::size_t bad = bad_utf8(text_); bad != text_.npos)
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
      if (!lines[first].empty()) fail("a line of one character", number);
      continue;
    }
    // Lines of one code belong together.
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
    case "**"_code: return;  // annotators' remarks
    default: break;
  }
  entry_.unknown_lines.insert(entry_.unknown_lines.end(), lines.lines.begin(), lines.lines.end());
}

// "ID   CYC_BOVIN   Reviewed;   104 AA.", before release 9 "ID   CYC_BOVIN   STANDARD;   PRT;   104 AA."
void Parser::id_line(Block lines) {
  const Block here = lines;
  std::string_view line = lines.take_line();
  if (id_line_ != 0 || !lines.empty())
    return fail("a second ID line: the entry before it has no terminator //",
                here.first_line + (id_line_ == 0 ? 1 : 0));
  id_line_ = here.first_line;
  const std::string_view whole = line;
  entry_.entry_name = take_until(line, ' ');
  entry_.data_class = trim(take_until(line, ';'));
  if (std::ranges::find(data_classes, entry_.data_class) == data_classes.end())
    return fail(fmt::format("ID line: '{}' is not a data class (Reviewed, Unreviewed; formerly STANDARD, PRELIMINARY)",
                            entry_.data_class.substr(0, 40)),
                here, entry_.data_class.empty() ? whole : entry_.data_class);
  const std::size_t semicolon = line.rfind(';');
  const auto length = number_before(without_last(line.substr(semicolon == line.npos ? 0 : semicolon + 1), '.'), "AA");
  if (!length) return fail("ID line: expected the length, as in '104 AA.'", here, line);
  entry_.declared_length = *length;
}

void Parser::accessions(const Block& lines) {
  std::string_view text = join(lines);
  while (!text.empty())
    if (const std::string_view accession = trim(take_until(text, ';')); !accession.empty())
      entry_.accessions.push_back(accession);
}

// "22-APR-2020, sequence version 1.", before release 9 "01-JAN-1990 (Rel. 13, Created)".
void Parser::dates(Block lines) {
  while (!lines.empty()) {
    const Block here = lines;
    const std::string_view line = lines.take_line();
    const auto date = to_date(line.substr(0, 11));
    if (!date) return fail("DT line: expected a date as in '22-APR-2020'", here, line);
    std::string_view what = trim_left(line.substr(11));
    if (what.starts_with('(')) {
      const std::size_t comma = what.find(',');
      std::string_view release = what.substr(1, comma == what.npos ? comma : comma - 1);
      if (const std::size_t dot = release.find("el. "); dot != release.npos) release.remove_prefix(dot + 4);
      if (what.find("Created") != what.npos) {
        entry_.created = *date;
        entry_.created_release = release;
      } else if (what.find("sequence update") != what.npos) {
        entry_.sequence_updated = *date;
        entry_.sequence_release = release;
      } else {
        entry_.annotation_updated = *date;
        entry_.annotation_release = release;
      }
      continue;
    }
    what = trim_left(what.substr(what.starts_with(',') ? 1 : 0));
    const auto version = [&](std::string_view label) {
      return to_number(without_last(what.substr(label.size()), '.'));
    };
    if (what.starts_with("integrated into")) {
      entry_.created = *date;
    } else if (what.starts_with("sequence version ")) {
      entry_.sequence_updated = *date;
      entry_.sequence_version = version("sequence version ");
      if (!entry_.sequence_version) return fail("DT line: bad version", here, what);
    } else if (what.starts_with("entry version ")) {
      entry_.annotation_updated = *date;
      entry_.entry_version = version("entry version ");
      if (!entry_.entry_version) return fail("DT line: bad version", here, what);
    } else {
      return fail("DT line: expected 'integrated into', 'sequence version' or 'entry version'", here,
                  what.empty() ? line : what);
    }
  }
}

void Parser::organism(const Block& lines) {
  const std::string_view text = evident(without_last(join(lines), '.')).value;
  // Entries of the eighties have one OS line per species, each with a full stop of its own.
  entry_.organism = text;
}

void Parser::lineage(const Block& lines) {
  std::string_view text = without_last(evident(join(lines)).value, '.');
  while (!text.empty())
    if (const std::string_view taxon = trim(take_until(text, ';')); !taxon.empty()) entry_.lineage.push_back(taxon);
}

// "NCBI_TaxID=9606, 10090 {ECO:...};"
void Parser::taxonomy(const Block& lines) {
  std::string_view text = evident(without_last(join(lines), ';')).value;
  const std::string_view whole = text;
  if (take_until(text, '=') == whole) return fail("OX line: expected NCBI_TaxID=", lines, whole);
  while (!text.empty()) {
    const std::string_view item = trim(take_until(text, ','));
    const auto id = to_number(item);
    if (!id) return fail(fmt::format("OX line: '{}' is not a taxonomy identifier", item.substr(0, 40)), lines, item);
    entry_.taxonomy_ids.push_back(*id);
  }
}

// "NCBI_TaxID=9606; Homo sapiens (Human)."
void Parser::hosts(Block lines) {
  while (!lines.empty()) {
    const Block here = lines;
    std::string_view line = lines.take_line();
    std::string_view key = take_until(line, ';');
    const std::string_view label = key;
    take_until(key, '=');
    const auto id = to_number(trim(evident(key).value));
    if (!id) return fail("OH line: expected NCBI_TaxID= and a number", here, label);
    entry_.hosts.push_back({*id, without_last(trim(line), '.')});
  }
}

void Parser::keywords(const Block& lines) {
  std::string_view text = without_last(join(lines), '.');
  while (!text.empty())
    if (const Text keyword = evident(take_until(text, ';')); !keyword.value.empty()) entry_.keywords.push_back(keyword);
}

// "CCDS; CCDS11001.1; -. [P62258-1]"
void Parser::cross_references(Block lines) {
  while (!lines.empty()) {
    const Block here = lines;
    const Text parts = evident(lines.take_line());
    std::string_view line = parts.value;
    CrossReference& reference = entry_.cross_references.emplace_back();
    reference.evidence = parts.evidence;
    if (line.ends_with(']')) {
      if (const std::size_t open = line.rfind(" ["); open != line.npos) {
        reference.isoform = line.substr(open + 2, line.size() - open - 3);
        line = trim_right(line.substr(0, open));
      }
    }
    line = without_last(line, '.');
    reference.database = take_until(line, ';');
    line = trim_left(line);
    if (line.empty()) return fail("DR line: expected a database and an identifier", here);
    auto& strings = entry_.strings_;
    const auto take_part = [&line] {  // identifiers may hold semicolons that no blank follows
      const std::size_t end = line.find("; ");
      const std::string_view part = line.substr(0, end);
      line = end == line.npos ? std::string_view() : trim_left(line.substr(end + 2));
      return part;
    };
    reference.id = take_part();
    reference.properties.first = static_cast<std::uint32_t>(strings.size());
    while (!line.empty()) strings.push_back(take_part());
    reference.properties.count = static_cast<std::uint32_t>(strings.size()) - reference.properties.first;
  }
}

void Parser::protein_existence(const Block& lines) {
  const std::string_view text = join(lines);
  const auto level = to_number(text.substr(0, text.find(':')));
  if (!level || *level < 1 || *level > 5) return fail("PE line: expected a level from 1 to 5", lines, text);
  entry_.protein_existence = static_cast<std::uint8_t>(*level);
}

// "SEQUENCE   153 AA;  17238 MW;  01153CF30C2DEDFF CRC64;"
void Parser::sequence_line(Block lines) {
  const Block here = lines;
  sq_line_ = lines.first_line;
  std::string_view line = lines.take_line();
  const std::string_view whole = line;
  if (!line.starts_with("SEQUENCE")) return fail("SQ line: expected SEQUENCE", here, line);
  line.remove_prefix(8);
  const auto length = number_before(take_until(line, ';'), "AA");
  const std::string_view weight = trim(take_until(line, ';'));
  const auto mass = number_before(weight, "MW");
  if (!length || !mass) return fail("SQ line: expected the length in AA and the weight in MW", here, whole);
  entry_.length = *length;
  entry_.mol_weight = *mass;
  const std::string_view sum = trim(take_until(line, ';'));
  const std::string_view digits = sum.substr(0, sum.find(' '));
  Checksum& checksum = entry_.checksum;
  checksum.text = digits;
  if (sum.ends_with(" CRC64")) checksum.kind = Checksum::Kind::Crc64;
  if (sum.ends_with(" CRC32")) checksum.kind = Checksum::Kind::Crc32;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), checksum.value, 16);
  if (checksum.kind == Checksum::Kind::None || end.ec != std::errc{} || end.ptr != digits.data() + digits.size())
    return fail("SQ line: expected a CRC64", here, sum.empty() ? whole : sum);
}

void Parser::sequence(const Block& block) {
  if (sq_line_ == 0) return fail("a sequence without an SQ line before it", block);
  // Groups of ten are copied sixteen bytes at a time, hence the slack.
  constexpr std::size_t group = 10, slack = 16;
  const std::string_view last = block.lines.back();
  const auto size = static_cast<std::size_t>(last.data() + last.size() - block.lines.front().data());
  char* const begin = entry_.arena_.take(size + slack);
  char* end = begin;
  for (const std::string_view line : block.lines) {
    const char* next = line.data();
    const char* const stop = next + line.size();
    while (next != stop && *next == ' ') ++next;
    for (; stop - next >= static_cast<std::ptrdiff_t>(slack) && next[group] == ' '; next += group + 1, end += group)
      std::memcpy(end, next, slack);
    for (; next != stop; ++next)
      if (*next != ' ') *end++ = *next;
  }
  // Checked afterwards, in a loop that vectorises; a group may hold a blank where it should not.
  unsigned char bad = 0;
  for (const char* c = begin; c != end; ++c)
    bad |= static_cast<unsigned char>(static_cast<unsigned char>(*c - 'A') > 25);
  if (bad != 0) {
    end = begin;
    for (const std::string_view line : block.lines)
      for (const char& c : line) {
        if (c == ' ') continue;
        if (c < 'A' || c > 'Z') return fail(fmt::format("sequence: '{}' is not an amino acid code", c), block, {&c, 1});
        *end++ = c;
      }
  }
  entry_.arena_.give_back(end);
  entry_.sequence = {begin, static_cast<std::size_t>(end - begin)};
}

void Parser::check_whole() {
  const Entry& e = entry_;
  const auto lines = static_cast<std::uint32_t>(e.scratch_.lines.size());
  if (id_line_ == 0)
    return fail(lines == 0 ? "an empty entry" : "no ID line: this is not an entry of a UniProtKB flat file", 1);
  if (!terminated_) {  // whatever else is wrong with the last line follows from that
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
