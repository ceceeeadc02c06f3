#pragma once
/// Parses the text of an entry.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <etl/uniprot/entry.hpp>

namespace etl::inline v0::uniprot {

/// Why an entry is bad.
struct Problem {
  std::uint32_t line = 1;    ///< from 1, within the entry
  std::uint32_t column = 1;  ///< from 1, in bytes
  std::string reason{};      ///< what is wrong
};

/// Who owns the texts of an entry.
enum class Parse : std::uint8_t {
  Views,   ///< texts point into the parsed bytes where they can
  Owning,  ///< the entry owns everything
};

/// Reads one entry, from its ID line to its "//" line, into `entry`, whose former content is lost. Lines may end in LF,
/// CR LF or CR. Checked: ID, AC, SQ and the terminator are there and well-formed; ID and SQ lines agree with the number
/// of residues; CRC64 (ISO 3309, as in UniProt) of the sequence; no NUL byte, valid UTF-8. Other lines that do not
/// follow the format are no problem: they are kept in `Entry::unparsed`, each with its reason, and lines with unknown
/// codes in `Entry::unknown_lines`. On a problem, `entry` holds what was read before it: the accession, if it came that
/// far.
[[nodiscard]] std::optional<Problem> parse(std::string_view text, Entry& entry, Parse mode = Parse::Views);

/// The first field that a reader of many entries looks at, found without parsing the rest. All may be empty.
struct EntryView {
  std::string_view entry_name{};      ///< name in the ID line
  std::string_view data_class{};      ///< class in the ID line
  std::string_view accession{};       ///< the primary accession
  std::string_view organism{};        ///< first OS line
  std::uint32_t taxonomy_id = 0;      ///< first of the OX line; 0: none
  std::string_view sequence_lines{};  ///< with blanks and line ends
  /// Finds the fields in the text of an entry.
  [[nodiscard]] static EntryView of(std::string_view text) noexcept;
};

}  // namespace etl::inline v0::uniprot
