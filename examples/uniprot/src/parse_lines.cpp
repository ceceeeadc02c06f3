// ID, AC, DT, OS, OC, OX, OH, KW, DR, PE and SQ lines, and the residues.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstring>

#include <fmt/format.h>

#include "parser.hpp"

namespace etl::inline v0::uniprot {
namespace {

constexpr std::array<std::string_view, 12> months{"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                  "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};

// Parses a date DD-MMM-YYYY.
std::optional<Date> to_date(std::string_view s) noexcept {
  if (s.size() != 11 || s[2] != '-' || s[6] != '-') return std::nullopt;
  const auto day = to_number(s.substr(0, 2)), year = to_number(s.substr(7));
  const auto month = std::ranges::find(months, s.substr(3, 3));
  if (!day || !year || month == months.end() || *year < 1) return std::nullopt;
  const auto number = static_cast<unsigned>(month - months.begin() + 1);
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)), std::chrono::month(number),
                                         std::chrono::day(*day));
  if (!date.ok()) return std::nullopt;
  return Date{static_cast<std::uint16_t>(*year), static_cast<std::uint8_t>(number), static_cast<std::uint8_t>(*day)};
}

// The number before a unit, such as 153 in "153 AA".
std::optional<std::uint32_t> number_before(std::string_view s, std::string_view unit) noexcept {
  s = trim(s);
  if (!s.ends_with(unit)) return std::nullopt;
  s.remove_suffix(unit.size());
  return to_number(trim_right(s));
}

constexpr std::array<std::string_view, 5> data_classes{"Reviewed", "Unreviewed", "STANDARD", "PRELIMINARY", "IPI"};

}  // namespace

// Parses "ID   CYC_BOVIN   Reviewed;   104 AA." and, before release 9, "ID   CYC_BOVIN   STANDARD;   PRT;   104 AA."
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

// Parses "22-APR-2020, sequence version 1." and, before release 9, "01-JAN-1990 (Rel. 13, Created)".
void Parser::dates(Block lines) {
  while (!lines.empty()) {
    const Block here = lines;
    const std::string_view line = lines.take_line();
    const auto date = to_date(line.substr(0, 11));
    if (!date) {
      keep("expected a date as in '22-APR-2020'", here.first());
      continue;
    }
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
      if (!entry_.sequence_version) keep("expected a number as the version", here.first());
    } else if (what.starts_with("entry version ")) {
      entry_.annotation_updated = *date;
      entry_.entry_version = version("entry version ");
      if (!entry_.entry_version) keep("expected a number as the version", here.first());
    } else {
      keep("expected 'integrated into', 'sequence version' or 'entry version'", here.first());
    }
  }
}

void Parser::organism(const Block& lines) {
  const std::string_view text = evident(without_last(join(lines), '.')).value;
  // Entries from the 1980s have one OS line per species, each with its own full stop.
  entry_.organism = text;
}

void Parser::lineage(const Block& lines) {
  std::string_view text = without_last(evident(join(lines)).value, '.');
  while (!text.empty())
    if (const std::string_view taxon = trim(take_item(text)); !taxon.empty()) entry_.lineage.push_back(taxon);
}

// Parses "NCBI_TaxID=9606, 10090 {ECO:...};".
void Parser::taxonomy(const Block& lines) {
  std::string_view text = evident(without_last(join(lines), ';')).value;
  const std::string_view whole = text;
  if (take_until(text, '=') == whole) return keep("expected NCBI_TaxID=", lines);
  while (!text.empty()) {
    const std::string_view item = trim(take_until(text, ','));
    const auto id = to_number(item);
    if (!id) return keep(fmt::format("'{}' is not a taxonomy identifier", item.substr(0, 40)), lines);
    entry_.taxonomy_ids.push_back(*id);
  }
}

// Parses "NCBI_TaxID=9606; Homo sapiens (Human)."
void Parser::hosts(Block lines) {
  while (!lines.empty()) {
    const Block here = lines;
    std::string_view line = lines.take_line();
    std::string_view key = take_until(line, ';');
    take_until(key, '=');
    const auto id = to_number(trim(evident(key).value));
    if (id)
      entry_.hosts.push_back({*id, without_last(trim(line), '.')});
    else
      keep("expected NCBI_TaxID= and a number", here.first());
  }
}

void Parser::keywords(const Block& lines) {
  std::string_view text = without_last(join(lines), '.');
  while (!text.empty())
    if (const Text keyword = evident(take_item(text)); !keyword.value.empty()) entry_.keywords.push_back(keyword);
}

// Parses "CCDS; CCDS11001.1; -. [P62258-1]".
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
    if (line.empty()) {
      entry_.cross_references.pop_back();
      keep("expected a database and an identifier", here.first());
      continue;
    }
    auto& strings = entry_.strings_;
    const auto take_part = [&line] {  // identifiers may contain semicolons that are not followed by a blank
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
  if (!level || *level < 1 || *level > 5) return keep("expected a level from 1 to 5", lines);
  entry_.protein_existence = static_cast<std::uint8_t>(*level);
}

// Parses "SEQUENCE   153 AA;  17238 MW;  01153CF30C2DEDFF CRC64;".
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
  // Groups of ten are copied sixteen bytes at a time, so some slack is needed.
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
  // Checked afterwards, in a loop that vectorises, because a group may contain a blank at a wrong place.
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

}  // namespace etl::inline v0::uniprot
