#pragma once
/// One UniProtKB entry, as the flat-file format describes it (UniProt Knowledgebase user manual, "The different line
/// types").

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <etl/uniprot/arena.hpp>

namespace etl::inline v0::uniprot {

/// A part of one of an entry's shared lists; `Entry::of` gives its elements.
template <class T>
struct Part {
  std::uint32_t first = 0;  ///< index of the first element
  std::uint32_t count = 0;  ///< number of elements
};

/// A text with the evidence given for it, "ECO:0000269|PubMed:123" each, without the braces.
struct Text {
  std::string_view value{};           ///< the text
  Part<std::string_view> evidence{};  ///< its evidence
};

/// The date of a DT line. Year 0 means no date.
struct Date {
  std::uint16_t year = 0;  ///< the year
  std::uint8_t month = 0;  ///< 1 to 12
  std::uint8_t day = 0;    ///< 1 to 31
  friend bool operator==(const Date&, const Date&) = default;
};

/// One RecName, AltName or SubName block of the DE lines.
struct ProteinName {
  /// RecName, AltName or SubName.
  enum class Kind : std::uint8_t { Recommended, Alternative, Submitted };
  /// Whether the name is of the protein, or in a "Contains:" or "Includes:" block.
  enum class Section : std::uint8_t { Main, Contains, Includes };
  Kind kind = Kind::Recommended;    ///< the kind of the block
  Section section = Section::Main;  ///< where it is
  std::uint16_t component = 0;      ///< which of the "Contains:" or "Includes:" blocks, from 0
  std::string_view type{};          ///< "Full", or "Allergen", "Biotech", "CD_antigen", "INN"
  Text full{};                      ///< may be empty: a name that has only a short form or an EC number
  Part<Text> shorts{};              ///< short names
  Part<Text> ec_numbers{};          ///< EC numbers
};

/// A gene of the GN lines.
struct Gene {
  Text name{};                       ///< may be empty
  Part<Text> synonyms{};             ///< Synonyms
  Part<Text> ordered_locus_names{};  ///< OrderedLocusNames
  Part<Text> orf_names{};            ///< ORFNames
};

/// A host of a virus (OH line).
struct Host {
  std::uint32_t taxonomy_id = 0;  ///< NCBI taxonomy identifier
  std::string_view name{};        ///< its name
};

/// `STRAIN=K12` of an RC line, `PubMed=123` of an RX line, `/ligand="Zn(2+)"` of an FT line (without the slash).
struct Qualifier {
  std::string_view key{};  ///< the key
  Text text{};             ///< the value
};

/// A reference (RN to RL lines).
struct Reference {
  std::uint32_t number = 0;           ///< RN
  Part<std::string_view> evidence{};  ///< its evidence
  std::string_view position{};        ///< RP without the final full stop
  Part<Qualifier> comments{};         ///< RC
  Part<Qualifier> ids{};              ///< RX
  std::string_view group{};           ///< RG
  std::string_view authors{};         ///< RA
  std::string_view title{};           ///< RT without quotes
  std::string_view location{};        ///< RL
};

/// A comment of the CC lines.
struct Comment {
  std::string_view topic{};  ///< its topic, such as "FUNCTION"
  Text text{};               ///< its text
};

/// A cross-reference (DR line).
struct CrossReference {
  std::string_view database{};          ///< abbreviation of the database
  std::string_view id{};                ///< primary identifier there
  Part<std::string_view> properties{};  ///< the other fields
  std::string_view isoform{};           ///< the isoform; empty: all
  Part<std::string_view> evidence{};    ///< its evidence
};

/// One end of a feature. `modifier` is '<', '>' or '?' as in the file, or 0.
struct Place {
  std::optional<std::uint32_t> value{};  ///< position in the sequence, from 1, if known
  char modifier = 0;                     ///< '<', '>', '?' or 0
};

/// A feature of the FT lines.
struct Feature {
  std::string_view type{};      ///< its key, such as "BINDING"
  std::string_view location{};  ///< as in the file; the two columns of the old format are joined by ".."
  std::string_view sequence{};  ///< the isoform that the location counts in, when it is not the canonical one
  Place start{};                ///< the first residue
  Place end{};                  ///< the last residue
  Text note{};                  ///< /note, with the evidence of the feature
  std::string_view id{};        ///< /id
  Part<Qualifier> others{};     ///< "ligand", "ligand_id" and the like
};

/// The checksum of an SQ line.
struct Checksum {
  /// The algorithm.
  enum class Kind : std::uint8_t { None, Crc32, Crc64 };
  Kind kind = Kind::None;   ///< the algorithm
  std::uint64_t value = 0;  ///< the checksum
  std::string_view text{};  ///< as in the file
};

/// A part of an entry that does not follow the format. The entry is good all the same: the part is kept as text.
/// A comment without a topic, or an old name whose brackets do not match, is in its field as well.
struct Unparsed {
  std::string_view kind{};  ///< the code of its lines: "GN", "FT"
  std::uint32_t line = 1;   ///< from 1, within the entry
  std::string reason{};     ///< what is wrong
  std::string_view text{};  ///< its lines as they stand in the file
};

/// A whole entry. Its texts point into the parsed bytes where they stand there in one piece, else into the entry's own
/// memory; after `own` (or `Parse::Owning`) all are the entry's own. Reusable: parsing into it again allocates only to
/// grow. Movable, not copyable. A value of one thread at a time.
struct Entry {
  // ID, AC, DT
  std::string_view entry_name{};               ///< ID: the name
  std::string_view data_class{};               ///< Reviewed, Unreviewed; before release 9 STANDARD, PRELIMINARY; IPI
  std::uint32_t declared_length = 0;           ///< ID: the length
  std::vector<std::string_view> accessions{};  ///< the first is the primary one
  Date created{};                              ///< integrated into UniProtKB
  Date sequence_updated{};                     ///< last change of the sequence
  Date annotation_updated{};                   ///< last change of the entry
  std::optional<std::uint32_t> sequence_version{};  ///< version of the sequence
  std::optional<std::uint32_t> entry_version{};     ///< version of the entry
  std::string_view created_release{};               ///< before release 9: the release of `created`, "13" or "2.26"
  std::string_view sequence_release{};              ///< the same for `sequence_updated`
  std::string_view annotation_release{};            ///< the same for `annotation_updated`
  // DE, GN
  std::vector<ProteinName> names{};       ///< all names
  std::vector<std::string_view> flags{};  ///< Precursor, Fragment, Fragments
  std::vector<Gene> genes{};              ///< the genes
  // OS, OG, OC, OX, OH
  std::string_view organism{};                ///< without the final full stop
  Text organelle{};                           ///< OG
  std::vector<std::string_view> lineage{};    ///< OC, from the domain down
  std::vector<std::uint32_t> taxonomy_ids{};  ///< one; old entries may name several species
  std::vector<Host> hosts{};                  ///< hosts of a virus
  // RN to RL, CC, DR, PE, KW, FT
  std::vector<Reference> references{};              ///< the references
  std::vector<Comment> comments{};                  ///< the comments
  std::string_view license{};                       ///< the block of the CC lines that is none of the comments
  std::vector<CrossReference> cross_references{};   ///< the cross-references
  std::optional<std::uint8_t> protein_existence{};  ///< 1 (evidence at protein level) to 5 (uncertain)
  std::vector<Text> keywords{};                     ///< the keywords
  std::vector<Feature> features{};                  ///< the features
  // SQ
  std::uint32_t length = 0;                       ///< number of residues
  std::uint64_t mol_weight = 0;                   ///< Da
  Checksum checksum{};                            ///< checksum of the sequence
  std::string_view sequence{};                    ///< the residues
  std::vector<std::string_view> unknown_lines{};  ///< lines with a code that is not of the format, whole
  std::vector<Unparsed> unparsed{};               ///< in the order of the file; what the fields above lack of it

  /// The primary accession; empty if there is none.
  [[nodiscard]] std::string_view accession() const noexcept {
    return accessions.empty() ? std::string_view() : accessions.front();
  }
  /// Whether it is an entry of Swiss-Prot.
  [[nodiscard]] bool reviewed() const noexcept { return data_class == "Reviewed" || data_class == "STANDARD"; }
  /// Whether the DE lines have this flag.
  [[nodiscard]] bool has_flag(std::string_view flag) const noexcept;
  /// The recommended name (of the old format: the first), or null.
  [[nodiscard]] const ProteinName* recommended_name() const noexcept;
  /// The recommended name, else the first submitted one; empty when there is none.
  [[nodiscard]] std::string_view protein_name() const noexcept;
  /// Name of the first gene, or its first ordered locus or ORF name; empty when there is none.
  [[nodiscard]] std::string_view gene_name() const noexcept;

  /// The elements of a part of this entry.
  [[nodiscard]] std::span<const std::string_view> of(Part<std::string_view> part) const noexcept {
    return std::span(strings_).subspan(part.first, part.count);
  }
  [[nodiscard]] std::span<const Text> of(Part<Text> part) const noexcept {
    return std::span(texts_).subspan(part.first, part.count);
  }
  [[nodiscard]] std::span<const Qualifier> of(Part<Qualifier> part) const noexcept {
    return std::span(qualifiers_).subspan(part.first, part.count);
  }

 private:
  friend class Parser;
  std::vector<std::string_view> strings_{};
  std::vector<Text> texts_{};
  std::vector<Qualifier> qualifiers_{};
  Arena arena_{};
  struct Scratch {  // of the parser, kept for its memory
    std::vector<std::string_view> lines{}, pieces{};
    std::vector<Text> shorts{}, ec_numbers{};
  };
  Scratch scratch_{};
};

}  // namespace etl::inline v0::uniprot
