#pragma once
/// Entries as text for other programs.

#include <cstdint>
#include <string>
#include <string_view>

#include <etl/uniprot/entry.hpp>

namespace etl::inline v0::uniprot {

/// YYYY-MM-DD
[[nodiscard]] std::string to_string(Date date);
/// How JSON is laid out.
enum class JsonStyle : std::uint8_t {
  Compact,  ///< without blanks and line ends
  Pretty,   ///< a member or element a line, two blanks deeper for each level; no line end after the object
};

/// Appends the entry as one JSON object (RFC 8259). `sequence_md5`: lower-case hex of the MD5 of the sequence.
void append_json(std::string& out, const Entry& entry, std::string_view sequence_md5,
                 JsonStyle style = JsonStyle::Compact);
/// Appends the entry as FASTA with UniProt's header (sp for reviewed entries, tr for others) and lines of 60 residues.
void append_fasta(std::string& out, const Entry& entry);

}  // namespace etl::inline v0::uniprot
