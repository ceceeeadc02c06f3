#include <etl/uniprot/format.hpp>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "json_writer.hpp"

namespace etl::inline v0::uniprot {
namespace {

class EntryJson {
 public:
  EntryJson(std::string& out, const Entry& entry, JsonStyle style) : entry_(entry), json_(out, style) {}

  void write(std::string_view sequence_md5) {
    const Entry& e = entry_;
    json_.object([&] {
      string("accession", e.accession());
      strings("accessions", e.accessions);
      string("entry_name", e.entry_name);
      json_.key("reviewed").boolean(e.reviewed());
      string("data_class", e.data_class);
      string("protein_name", e.protein_name());
      string("recommended_name", e.recommended_name() == nullptr ? "" : e.recommended_name()->full.value);
      names();
      strings("flags", e.flags);
      genes();
      string("organism", e.organism);
      json_.key("taxonomy_id");
      e.taxonomy_ids.empty() ? json_.null() : json_.number(e.taxonomy_ids.front());
      if (e.taxonomy_ids.size() > 1)
        list("taxonomy_ids", e.taxonomy_ids, [this](std::uint32_t id) { json_.number(id); });
      string("organelle", e.organelle.value);
      strings("lineage", e.lineage);
      list("hosts", e.hosts, [this](const Host& host) { json_.number(host.taxonomy_id); });
      list("host_names", e.hosts, [this](const Host& host) { json_.string(host.name); });
      json_.key("protein_existence");
      number_or_null(e.protein_existence);
      dates();
      references();
      list("comments", e.comments, [this](const Comment& comment) {
        json_.object([&] {
          string("topic", comment.topic);
          json_.key("text").string(comment.text.value);
          evidence(comment.text.evidence);
        });
      });
      cross_references();
      list("keywords", e.keywords, [this](const Text& keyword) { json_.string(keyword.value); });
      keyword_evidence();
      features();
      json_.key("length").number(e.length);
      json_.key("mol_weight").number(e.mol_weight);
      string("crc64", e.checksum.kind == Checksum::Kind::Crc64 ? e.checksum.text : "");
      string("crc32", e.checksum.kind == Checksum::Kind::Crc32 ? e.checksum.text : "");
      string("sequence_md5", sequence_md5);
      json_.key("sequence").string(e.sequence);
      if (!e.license.empty()) string("license", e.license);
      if (!e.unknown_lines.empty()) strings("unknown_lines", e.unknown_lines);
      if (!e.unparsed.empty()) unparsed();
    });
  }

 private:
  void string(std::string_view key, std::string_view value) { json_.key(key).string_or_null(value); }
  template <class Number>
  void number_or_null(const std::optional<Number>& value) {
    value ? json_.number(*value) : json_.null();
  }
  template <class Range, class Each>
  void list(std::string_view key, const Range& range, Each&& each) {
    json_.key(key).array_of(range, std::forward<Each>(each));
  }
  template <class Range>
  void strings(std::string_view key, const Range& range) {
    list(key, range, [this](std::string_view s) { json_.string(s); });
  }
  void evidence(Part<std::string_view> part) {
    if (part.count > 0) strings("evidence", entry_.of(part));
  }
  void text(const Text& text) {
    json_.object([&] {
      json_.key("value").string(text.value);
      evidence(text.evidence);
    });
  }
  void texts(std::string_view key, Part<Text> part) {
    if (part.count > 0) list(key, entry_.of(part), [this](const Text& t) { text(t); });
  }
  void unparsed() {
    list("unparsed", entry_.unparsed, [this](const Unparsed& part) {
      json_.object([&] {
        json_.key("kind").string(part.kind);
        json_.key("line").number(part.line);
        json_.key("reason").string(part.reason);
        json_.key("text").string(part.text);
      });
    });
  }
  // Writes frequently used lists as plain strings. Their evidence is in an object beside them.
  void plain_texts(std::string_view key, Part<Text> part) {
    list(key, entry_.of(part), [this](const Text& t) { json_.string(t.value); });
  }

  void name(const ProteinName& name) {
    json_.object([&] {
      if (!name.full.value.empty()) {
        json_.key(name.type == "Full" ? "full" : name.type);
        text(name.full);
      }
      texts("short", name.shorts);
      texts("ec", name.ec_numbers);
    });
  }
  // Writes {"recommended": {...}, "alternative": [...], "submitted": [...]} for one section and component.
  void name_group(ProteinName::Section section, unsigned component) {
    using Kind = ProteinName::Kind;
    const auto each = [&](Kind kind, auto&& write) {
      for (const ProteinName& n : entry_.names)
        if (n.section == section && n.component == component && n.kind == kind) write(n);
    };
    json_.object([&] {
      bool any = false;
      each(Kind::Recommended, [&](const ProteinName& n) {
        if (std::exchange(any, true)) return;
        json_.key("recommended");
        name(n);
      });
      for (const auto& [kind, key] :
           {std::pair{Kind::Alternative, "alternative"}, std::pair{Kind::Submitted, "submitted"}}) {
        if (std::ranges::none_of(entry_.names, [&, k = kind](const ProteinName& n) {
              return n.section == section && n.component == component && n.kind == k;
            }))
          continue;
        json_.key(key).array([&, k = kind] { each(k, [this](const ProteinName& n) { name(n); }); });
      }
      if (section != ProteinName::Section::Main) return;
      for (const auto& [part, key] : {std::pair{ProteinName::Section::Contains, "contains"},
                                      std::pair{ProteinName::Section::Includes, "includes"}}) {
        unsigned count = 0;
        for (const ProteinName& n : entry_.names)
          if (n.section == part) count = std::max(count, n.component + 1U);
        if (count == 0) continue;
        json_.key(key).array([&, p = part] {
          for (unsigned i = 0; i < count; ++i) name_group(p, i);
        });
      }
    });
  }
  void names() {
    json_.key("names");
    name_group(ProteinName::Section::Main, 0);
  }
  void genes() {
    list("genes", entry_.genes, [this](const Gene& gene) {
      json_.object([&] {
        string("name", gene.name.value);
        plain_texts("synonyms", gene.synonyms);
        plain_texts("ordered_locus_names", gene.ordered_locus_names);
        plain_texts("orf_names", gene.orf_names);
        bool any = gene.name.evidence.count > 0;
        for (const Part<Text> part : {gene.synonyms, gene.ordered_locus_names, gene.orf_names})
          for (const Text& t : entry_.of(part)) any = any || t.evidence.count > 0;
        if (!any) return;
        json_.key("evidence").object([&] {
          evidence_of(gene.name);
          for (const Part<Text> part : {gene.synonyms, gene.ordered_locus_names, gene.orf_names})
            for (const Text& t : entry_.of(part)) evidence_of(t);
        });
      });
    });
  }
  // Writes "the text": ["ECO:...", ...].
  void evidence_of(const Text& t) {
    if (t.evidence.count > 0) strings(t.value, entry_.of(t.evidence));
  }
  void keyword_evidence() {
    if (std::ranges::none_of(entry_.keywords, [](const Text& t) { return t.evidence.count > 0; })) return;
    json_.key("keyword_evidence").object([this] {
      for (const Text& t : entry_.keywords) evidence_of(t);
    });
  }
  void date(std::string_view key, Date d) {
    json_.key(key);
    d.year == 0 ? json_.null() : json_.string(to_string(d));
  }
  void dates() {
    json_.key("dates").object([this] {
      const Entry& e = entry_;
      date("created", e.created);
      date("sequence_update", e.sequence_updated);
      json_.key("sequence_version");
      number_or_null(e.sequence_version);
      date("annotation_update", e.annotation_updated);
      json_.key("entry_version");
      number_or_null(e.entry_version);
      if (!e.created_release.empty()) string("created_release", e.created_release);
      if (!e.sequence_release.empty()) string("sequence_release", e.sequence_release);
      if (!e.annotation_release.empty()) string("annotation_release", e.annotation_release);
    });
  }
  void references() {
    list("references", entry_.references, [this](const Reference& r) {
      json_.object([&] {
        json_.key("number").number(r.number);
        json_.key("positions").array([&] {
          if (!r.position.empty()) json_.string(r.position);
        });
        list("comments", entry_.of(r.comments), [this](const Qualifier& q) {
          json_.object([&] {
            string("type", q.key);
            json_.key("text").string(q.text.value);
            evidence(q.text.evidence);
          });
        });
        list("ids", entry_.of(r.ids), [this](const Qualifier& q) {
          json_.object([&] {
            string("database", q.key);
            json_.key("id").string(q.text.value);
          });
        });
        string("group", r.group);
        string("authors", r.authors);
        string("title", r.title);
        string("location", r.location);
        evidence(r.evidence);
      });
    });
  }
  void cross_references() {
    list("cross_references", entry_.cross_references, [this](const CrossReference& r) {
      json_.object([&] {
        string("database", r.database);
        json_.key("id").string(r.id);
        strings("properties", entry_.of(r.properties));
        string("isoform", r.isoform);
        evidence(r.evidence);
      });
    });
  }
  void features() {
    list("features", entry_.features, [this](const Feature& f) {
      json_.object([&] {
        string("type", f.type);
        json_.key("location").string(f.location);
        json_.key("start");
        number_or_null(f.start.value);
        json_.key("end");
        number_or_null(f.end.value);
        if (f.start.modifier != 0) json_.key("start_modifier").string({&f.start.modifier, 1});
        if (f.end.modifier != 0) json_.key("end_modifier").string({&f.end.modifier, 1});
        if (!f.sequence.empty()) string("sequence", f.sequence);
        string("note", f.note.value);
        string("id", f.id);
        strings("evidence", entry_.of(f.note.evidence));
        if (f.others.count == 0) return;
        json_.key("qualifiers").object([&] {
          for (const Qualifier& q : entry_.of(f.others)) string(q.key, q.text.value);
        });
      });
    });
  }

  const Entry& entry_;
  JsonWriter json_;
};

// The name of the organism in UniProt's FASTA headers: without common names, but with the strain.
std::string_view scientific_name(std::string_view organism) {
  constexpr std::array<std::string_view, 6> kept{"(strain",  "(isolate", "(serotype",
                                                 "(subtype", "(clone",   "(serogroup"};
  while (organism.ends_with(')')) {
    std::size_t open = organism.size();
    for (int depth = 0; open-- > 0;) {
      if (organism[open] == ')') ++depth;
      if (organism[open] == '(' && --depth == 0) break;
    }
    if (open == 0 || open >= organism.size() || organism[open - 1] != ' ') break;
    const std::string_view group = organism.substr(open);
    if (std::ranges::any_of(kept, [group](std::string_view k) { return group.starts_with(k); })) break;
    organism = organism.substr(0, open - 1);
  }
  return organism;
}

}  // namespace

std::string to_string(Date date) { return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day); }

void append_json(std::string& out, const Entry& entry, std::string_view sequence_md5, JsonStyle style) {
  EntryJson(out, entry, style).write(sequence_md5);
}

void append_fasta(std::string& out, const Entry& entry) {
  const auto to = std::back_inserter(out);
  fmt::format_to(to, ">{}|{}|{} {}", entry.reviewed() ? "sp" : "tr", entry.accession(), entry.entry_name,
                 entry.protein_name());
  if (entry.has_flag("Fragment")) out += " (Fragment)";
  if (entry.has_flag("Fragments")) out += " (Fragments)";
  if (!entry.organism.empty()) fmt::format_to(to, " OS={}", scientific_name(entry.organism));
  if (!entry.taxonomy_ids.empty()) fmt::format_to(to, " OX={}", entry.taxonomy_ids.front());
  if (!entry.gene_name().empty()) fmt::format_to(to, " GN={}", entry.gene_name());
  if (entry.protein_existence) fmt::format_to(to, " PE={}", *entry.protein_existence);
  if (entry.sequence_version) fmt::format_to(to, " SV={}", *entry.sequence_version);
  out += '\n';
  constexpr std::size_t columns = 60;
  for (std::string_view rest = entry.sequence; !rest.empty(); rest.remove_prefix(std::min(columns, rest.size())))
    out.append(rest.substr(0, columns)) += '\n';
}

}  // namespace etl::inline v0::uniprot
