#pragma once
// The tables, for SQLite and PostgreSQL. D makes the tables and columns of one of the two.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <etl/uniprot/entry.hpp>

#include "inputs.hpp"
#include "schema.hpp"

namespace program::tables {

namespace uniprot = etl::uniprot;
using std::string_view;

using MaybeText = std::optional<string_view>;

inline MaybeText maybe(string_view text) { return text.empty() ? MaybeText() : MaybeText(text); }

/// The current time in UTC, as "2024-05-01T12:30:00Z".
inline std::string now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

template <class D>
auto proteins_table() {
  const auto entry = [](auto member) { return [member](const Row& r) -> const auto& { return r.entry.*member; }; };
  return D::template table<Row>(
      "proteins", D::key("accession", [](const Row& r) { return r.entry.accession(); }),
      D::column("entry_name", entry(&uniprot::Entry::entry_name)),
      D::column("reviewed", [](const Row& r) { return r.entry.reviewed(); }),
      D::column("data_class", entry(&uniprot::Entry::data_class)),
      D::column("protein_name", [](const Row& r) { return maybe(r.entry.protein_name()); }),
      D::column("gene_name", [](const Row& r) { return maybe(r.entry.gene_name()); }),
      D::column("organism", entry(&uniprot::Entry::organism)),
      D::column("taxonomy_id",
                [](const Row& r) {
                  return r.entry.taxonomy_ids.empty() ? std::optional<std::uint32_t>() : r.entry.taxonomy_ids.front();
                }),
      D::column("protein_existence", entry(&uniprot::Entry::protein_existence)),
      D::column("fragment", [](const Row& r) { return r.entry.has_flag("Fragment") || r.entry.has_flag("Fragments"); }),
      D::column("length", entry(&uniprot::Entry::length)), D::column("mol_weight", entry(&uniprot::Entry::mol_weight)),
      D::column("crc64",
                [](const Row& r) {
                  return r.entry.checksum.kind == uniprot::Checksum::Kind::Crc64 ? maybe(r.entry.checksum.text)
                                                                                 : MaybeText();
                }),
      D::column("sequence", entry(&uniprot::Entry::sequence)), D::column("sequence_md5", &Row::sequence_md5),
      D::column("created", [](const Row& r) { return maybe(r.created); }),
      D::column("sequence_update", [](const Row& r) { return maybe(r.sequence_update); }),
      D::column("sequence_version", entry(&uniprot::Entry::sequence_version)),
      D::column("annotation_update", [](const Row& r) { return maybe(r.annotation_update); }),
      D::column("entry_version", entry(&uniprot::Entry::entry_version)),
      D::column("source", [](const Row& r) { return maybe(r.source); }),
      D::column("loaded_at", [](const Row&) { return std::optional(now()); }), D::column("entry_json", &Row::json),
      D::column("content_md5", [](const Row& r) { return maybe(r.content_md5); }));
}

template <class D>
auto rejects_table() {
  return D::template table<Reject>(
      "rejects", D::key("file", &Reject::file), D::key("line", &Reject::line), D::column("column", &Reject::column),
      D::column("accession", [](const Reject& r) { return maybe(r.accession); }), D::column("reason", &Reject::reason));
}

// A row of a further table. The rows of an entry are numbered from 1 in their order.
template <class T>
struct Item {
  const uniprot::Entry* entry;
  std::uint32_t number;
  const T* value;
};
template <class D, class T>
auto accession_key() {
  return D::key("accession", [](const Item<T>& i) { return i.entry->accession(); });
}
template <class D, class T>
auto number_key() {
  return D::key("number", &Item<T>::number);
}
template <class D, class T, class Get>
auto text_column(const char* name, Get get) {
  return D::column(name, [get](const Item<T>& i) { return maybe(get(*i.value)); });
}
inline std::string joined(std::span<const string_view> parts, string_view separator) {
  std::string text;
  for (const string_view part : parts) {
    if (!text.empty()) text += separator;
    text += part;
  }
  return text;
}
template <class D, class T, class Get>
auto evidence_column(Get get) {
  return D::column("evidence", [get](const Item<T>& i) -> std::optional<std::string> {
    const etl::uniprot::Part<string_view> part = get(*i.value);
    if (part.count == 0) return std::nullopt;
    return joined(i.entry->of(part), ", ");
  });
}

struct GeneName {
  std::uint32_t gene;
  string_view kind;
  uniprot::Text name;
};

template <class D>
auto accessions_table() {
  using T = string_view;
  return D::template table<Item<T>>("accessions", accession_key<D, T>(), number_key<D, T>(),
                                    D::column("any_accession", [](const Item<T>& i) { return *i.value; }));
}
/// A part of an entry that was kept as text.
struct Warning {
  const Row* row;
  const uniprot::Unparsed* part;
};
template <class D>
auto warnings_table() {
  using T = Warning;
  return D::template table<Item<T>>(
      "warnings", accession_key<D, T>(), number_key<D, T>(),
      D::column("file", [](const Item<T>& i) { return string_view(i.value->row->source); }),
      D::column("line", [](const Item<T>& i) { return i.value->row->line + i.value->part->line - 1; }),
      D::column("kind", [](const Item<T>& i) { return i.value->part->kind; }),
      D::column("reason", [](const Item<T>& i) { return string_view(i.value->part->reason); }),
      D::column("text", [](const Item<T>& i) { return i.value->part->text; }));
}
template <class D>
auto genes_table() {
  using T = GeneName;
  return D::template table<Item<T>>("genes", accession_key<D, T>(), number_key<D, T>(),
                                    D::column("gene", [](const Item<T>& i) { return i.value->gene; }),
                                    D::column("kind", [](const Item<T>& i) { return i.value->kind; }),
                                    D::column("name", [](const Item<T>& i) { return i.value->name.value; }),
                                    evidence_column<D, T>([](const T& g) { return g.name.evidence; }));
}
template <class D>
auto features_table() {
  using T = uniprot::Feature;
  return D::template table<Item<T>>("features", accession_key<D, T>(), number_key<D, T>(),
                                    D::column("type", [](const Item<T>& i) { return i.value->type; }),
                                    D::column("location", [](const Item<T>& i) { return i.value->location; }),
                                    D::column("start", [](const Item<T>& i) { return i.value->start.value; }),
                                    D::column("end", [](const Item<T>& i) { return i.value->end.value; }),
                                    text_column<D, T>("note", [](const T& f) { return f.note.value; }),
                                    text_column<D, T>("id", [](const T& f) { return f.id; }),
                                    evidence_column<D, T>([](const T& f) { return f.note.evidence; }));
}
template <class D>
auto cross_references_table() {
  using T = uniprot::CrossReference;
  return D::template table<Item<T>>(
      "cross_references", accession_key<D, T>(), number_key<D, T>(),
      D::column("database", [](const Item<T>& i) { return i.value->database; }),
      D::column("id", [](const Item<T>& i) { return i.value->id; }),
      D::column("properties", [](const Item<T>& i) { return joined(i.entry->of(i.value->properties), "; "); }),
      text_column<D, T>("isoform", [](const T& r) { return r.isoform; }));
}
template <class D>
auto keywords_table() {
  using T = uniprot::Text;
  return D::template table<Item<T>>("keywords", accession_key<D, T>(), number_key<D, T>(),
                                    D::column("keyword", [](const Item<T>& i) { return i.value->value; }),
                                    evidence_column<D, T>([](const T& k) { return k.evidence; }));
}
template <class D>
auto comments_table() {
  using T = uniprot::Comment;
  return D::template table<Item<T>>("comments", accession_key<D, T>(), number_key<D, T>(),
                                    text_column<D, T>("topic", [](const T& c) { return c.topic; }),
                                    D::column("text", [](const Item<T>& i) { return i.value->text.value; }),
                                    evidence_column<D, T>([](const T& c) { return c.text.evidence; }));
}
template <class D>
auto publications_table() {
  using T = uniprot::Reference;
  const auto id_column = [](const char* name, string_view database) {
    return D::column(name, [database](const Item<T>& i) {
      for (const uniprot::Qualifier& id : i.entry->of(i.value->ids))
        if (id.key == database) return maybe(id.text.value);
      return MaybeText();
    });
  };
  return D::template table<Item<T>>("publications", accession_key<D, T>(), number_key<D, T>(),
                                    id_column("pubmed", "PubMed"), id_column("doi", "DOI"),
                                    text_column<D, T>("title", [](const T& r) { return r.title; }),
                                    text_column<D, T>("authors", [](const T& r) { return r.authors; }),
                                    text_column<D, T>("consortium", [](const T& r) { return r.group; }),
                                    text_column<D, T>("location", [](const T& r) { return r.location; }),
                                    text_column<D, T>("position", [](const T& r) { return r.position; }));
}

/// Collects the names of all genes of an entry, for their table.
inline void gene_names(const uniprot::Entry& e, std::vector<GeneName>& names) {
  names.clear();
  std::uint32_t number = 0;
  for (const uniprot::Gene& gene : e.genes) {
    ++number;
    if (!gene.name.value.empty()) names.push_back({number, "name", gene.name});
    for (const uniprot::Text& t : e.of(gene.synonyms)) names.push_back({number, "synonym", t});
    for (const uniprot::Text& t : e.of(gene.ordered_locus_names)) names.push_back({number, "ordered_locus", t});
    for (const uniprot::Text& t : e.of(gene.orf_names)) names.push_back({number, "orf", t});
  }
}

}  // namespace program::tables
