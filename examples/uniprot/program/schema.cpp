#include "schema.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <etl/io/digest.hpp>
#include <etl/sqlite/sink.hpp>
#include <etl/sqlite/table.hpp>
#include <etl/uniprot/format.hpp>

namespace program {
namespace {

namespace sqlite = etl::sqlite;
namespace uniprot = etl::uniprot;
using sqlite::column;
using sqlite::key;
using std::string_view;

using MaybeText = std::optional<string_view>;

MaybeText maybe(string_view text) { return text.empty() ? MaybeText() : MaybeText(text); }

/// The time in UTC, as "2024-05-01T12:30:00Z".
std::string now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

/// Adds the columns that a table of an earlier version lacks.
etl::Result<void> add_missing_columns(sqlite::Database& database) {
  auto table = database.prepare("SELECT 1 FROM pragma_table_info('proteins')");
  if (!table) return etl::failure(std::move(table.error()));
  const auto exists = table->step();
  if (!exists) return etl::failure(exists.error());
  if (!*exists) return {};
  table->reset();
  for (const string_view name : {"source", "loaded_at"}) {
    auto there = database.prepare("SELECT 1 FROM pragma_table_info('proteins') WHERE name = ?");
    if (!there) return etl::failure(std::move(there.error()));
    there->bind(0, name);
    auto found = there->step();
    there->reset();
    if (!found) return etl::failure(std::move(found.error()));
    if (*found) continue;
    if (auto added = database.execute(fmt::format("ALTER TABLE proteins ADD COLUMN {} TEXT", name)); !added)
      return added;
  }
  return {};
}

auto proteins_table() {
  const auto entry = [](auto member) { return [member](const Row& r) -> const auto& { return r.entry.*member; }; };
  return sqlite::table<Row>(
      "proteins", key("accession", [](const Row& r) { return r.entry.accession(); }),
      column("entry_name", entry(&uniprot::Entry::entry_name)),
      column("reviewed", [](const Row& r) { return r.entry.reviewed(); }),
      column("data_class", entry(&uniprot::Entry::data_class)),
      column("protein_name", [](const Row& r) { return maybe(r.entry.protein_name()); }),
      column("gene_name", [](const Row& r) { return maybe(r.entry.gene_name()); }),
      column("organism", entry(&uniprot::Entry::organism)),
      column("taxonomy_id",
             [](const Row& r) {
               return r.entry.taxonomy_ids.empty() ? std::optional<std::uint32_t>() : r.entry.taxonomy_ids.front();
             }),
      column("protein_existence", entry(&uniprot::Entry::protein_existence)),
      column("fragment", [](const Row& r) { return r.entry.has_flag("Fragment") || r.entry.has_flag("Fragments"); }),
      column("length", entry(&uniprot::Entry::length)), column("mol_weight", entry(&uniprot::Entry::mol_weight)),
      column("crc64",
             [](const Row& r) {
               return r.entry.checksum.kind == uniprot::Checksum::Kind::Crc64 ? maybe(r.entry.checksum.text)
                                                                              : MaybeText();
             }),
      column("sequence", entry(&uniprot::Entry::sequence)), column("sequence_md5", &Row::sequence_md5),
      column("created", [](const Row& r) { return maybe(r.created); }),
      column("sequence_update", [](const Row& r) { return maybe(r.sequence_update); }),
      column("sequence_version", entry(&uniprot::Entry::sequence_version)),
      column("annotation_update", [](const Row& r) { return maybe(r.annotation_update); }),
      column("entry_version", entry(&uniprot::Entry::entry_version)),
      column("source", [](const Row& r) { return maybe(r.source); }),
      column("loaded_at", [](const Row&) { return std::optional(now()); }), column("entry_json", &Row::json));
}

auto rejects_table() {
  return sqlite::table<Reject>(
      "rejects", key("file", &Reject::file), key("line", &Reject::line), column("column", &Reject::column),
      column("accession", [](const Reject& r) { return maybe(r.accession); }), column("reason", &Reject::reason));
}

// The further tables: rows of an entry, numbered from 1 in its order.
template <class T>
struct Item {
  const uniprot::Entry* entry;
  std::uint32_t number;
  const T* value;
};
template <class T>
auto accession_key() {
  return key("accession", [](const Item<T>& i) { return i.entry->accession(); });
}
template <class T>
auto number_key() {
  return key("number", &Item<T>::number);
}
template <class T, class Get>
auto text_column(const char* name, Get get) {
  return column(name, [get](const Item<T>& i) { return maybe(get(*i.value)); });
}
std::string joined(std::span<const string_view> parts, string_view separator) {
  std::string text;
  for (const string_view part : parts) {
    if (!text.empty()) text += separator;
    text += part;
  }
  return text;
}
template <class T, class Get>
auto evidence_column(Get get) {
  return column("evidence", [get](const Item<T>& i) -> std::optional<std::string> {
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

auto accessions_table() {
  using T = string_view;
  return sqlite::table<Item<T>>("accessions", accession_key<T>(), number_key<T>(),
                                column("any_accession", [](const Item<T>& i) { return *i.value; }));
}
/// A part that was kept as text.
struct Warning {
  const Row* row;
  const uniprot::Unparsed* part;
};
auto warnings_table() {
  using T = Warning;
  return sqlite::table<Item<T>>(
      "warnings", accession_key<T>(), number_key<T>(),
      column("file", [](const Item<T>& i) { return string_view(i.value->row->source); }),
      column("line", [](const Item<T>& i) { return i.value->row->line + i.value->part->line - 1; }),
      column("kind", [](const Item<T>& i) { return i.value->part->kind; }),
      column("reason", [](const Item<T>& i) { return string_view(i.value->part->reason); }),
      column("text", [](const Item<T>& i) { return i.value->part->text; }));
}
auto genes_table() {
  using T = GeneName;
  return sqlite::table<Item<T>>("genes", accession_key<T>(), number_key<T>(),
                                column("gene", [](const Item<T>& i) { return i.value->gene; }),
                                column("kind", [](const Item<T>& i) { return i.value->kind; }),
                                column("name", [](const Item<T>& i) { return i.value->name.value; }),
                                evidence_column<T>([](const T& g) { return g.name.evidence; }));
}
auto features_table() {
  using T = uniprot::Feature;
  return sqlite::table<Item<T>>("features", accession_key<T>(), number_key<T>(),
                                column("type", [](const Item<T>& i) { return i.value->type; }),
                                column("location", [](const Item<T>& i) { return i.value->location; }),
                                column("start", [](const Item<T>& i) { return i.value->start.value; }),
                                column("end", [](const Item<T>& i) { return i.value->end.value; }),
                                text_column<T>("note", [](const T& f) { return f.note.value; }),
                                text_column<T>("id", [](const T& f) { return f.id; }),
                                evidence_column<T>([](const T& f) { return f.note.evidence; }));
}
auto cross_references_table() {
  using T = uniprot::CrossReference;
  return sqlite::table<Item<T>>(
      "cross_references", accession_key<T>(), number_key<T>(),
      column("database", [](const Item<T>& i) { return i.value->database; }),
      column("id", [](const Item<T>& i) { return i.value->id; }),
      column("properties", [](const Item<T>& i) { return joined(i.entry->of(i.value->properties), "; "); }),
      text_column<T>("isoform", [](const T& r) { return r.isoform; }));
}
auto keywords_table() {
  using T = uniprot::Text;
  return sqlite::table<Item<T>>("keywords", accession_key<T>(), number_key<T>(),
                                column("keyword", [](const Item<T>& i) { return i.value->value; }),
                                evidence_column<T>([](const T& k) { return k.evidence; }));
}
auto comments_table() {
  using T = uniprot::Comment;
  return sqlite::table<Item<T>>("comments", accession_key<T>(), number_key<T>(),
                                text_column<T>("topic", [](const T& c) { return c.topic; }),
                                column("text", [](const Item<T>& i) { return i.value->text.value; }),
                                evidence_column<T>([](const T& c) { return c.text.evidence; }));
}
auto publications_table() {
  using T = uniprot::Reference;
  const auto id_column = [](const char* name, string_view database) {
    return column(name, [database](const Item<T>& i) {
      for (const uniprot::Qualifier& id : i.entry->of(i.value->ids))
        if (id.key == database) return maybe(id.text.value);
      return MaybeText();
    });
  };
  return sqlite::table<Item<T>>("publications", accession_key<T>(), number_key<T>(), id_column("pubmed", "PubMed"),
                                id_column("doi", "DOI"), text_column<T>("title", [](const T& r) { return r.title; }),
                                text_column<T>("authors", [](const T& r) { return r.authors; }),
                                text_column<T>("consortium", [](const T& r) { return r.group; }),
                                text_column<T>("location", [](const T& r) { return r.location; }),
                                text_column<T>("position", [](const T& r) { return r.position; }));
}

/// One further table: the rows of an entry replace those that it had.
template <class Table>
class Children;
template <class T, class... C>
class Children<sqlite::Table<Item<T>, C...>> {
 public:
  static etl::Result<Children> make(sqlite::Database& database, const sqlite::Table<Item<T>, C...>& table) {
    if (auto made = sqlite::create_table(database, table); !made) return etl::failure(std::move(made.error()));
    auto remove = database.prepare("DELETE FROM \"" + table.name + "\" WHERE accession = ?");
    if (!remove) return etl::failure(std::move(remove.error()));
    auto insert = sqlite::inserter(database, table);
    if (!insert) return etl::failure(std::move(insert.error()));
    return Children(std::move(*remove), std::move(*insert));
  }
  template <class Range>
  etl::Result<void> write(const uniprot::Entry& entry, const Range& values) {
    remove_.bind(0, entry.accession());
    if (auto removed = remove_.run(); !removed) return removed;
    std::uint32_t number = 0;
    for (const T& value : values)
      if (auto inserted = insert_.insert({&entry, ++number, &value}); !inserted) return inserted;
    return {};
  }

 private:
  Children(sqlite::Statement remove, sqlite::Inserter<Item<T>, C...> insert)
      : remove_(std::move(remove)), insert_(std::move(insert)) {}
  sqlite::Statement remove_;
  sqlite::Inserter<Item<T>, C...> insert_;
};
template <class Table>
etl::Result<Children<Table>> children(sqlite::Database& database, const Table& table) {
  return Children<Table>::make(database, table);
}
template <class F>
using result_of = typename std::invoke_result_t<F>;

struct FullTables {
  Children<result_of<decltype(accessions_table)>> accessions;
  Children<result_of<decltype(genes_table)>> genes;
  Children<result_of<decltype(features_table)>> features;
  Children<result_of<decltype(cross_references_table)>> cross_references;
  Children<result_of<decltype(keywords_table)>> keywords;
  Children<result_of<decltype(comments_table)>> comments;
  Children<result_of<decltype(publications_table)>> publications;
  std::vector<GeneName> names{};

  static etl::Result<FullTables> make(sqlite::Database& db) {
    auto accessions = children(db, accessions_table());
    if (!accessions) return etl::failure(std::move(accessions.error()));
    auto genes = children(db, genes_table());
    if (!genes) return etl::failure(std::move(genes.error()));
    auto features = children(db, features_table());
    if (!features) return etl::failure(std::move(features.error()));
    auto references = children(db, cross_references_table());
    if (!references) return etl::failure(std::move(references.error()));
    auto keywords = children(db, keywords_table());
    if (!keywords) return etl::failure(std::move(keywords.error()));
    auto comments = children(db, comments_table());
    if (!comments) return etl::failure(std::move(comments.error()));
    auto publications = children(db, publications_table());
    if (!publications) return etl::failure(std::move(publications.error()));
    return FullTables{std::move(*accessions), std::move(*genes),    std::move(*features),    std::move(*references),
                      std::move(*keywords),   std::move(*comments), std::move(*publications)};
  }

  etl::Result<void> write(const uniprot::Entry& e) {
    names.clear();
    std::uint32_t number = 0;
    for (const uniprot::Gene& gene : e.genes) {
      ++number;
      if (!gene.name.value.empty()) names.push_back({number, "name", gene.name});
      for (const uniprot::Text& t : e.of(gene.synonyms)) names.push_back({number, "synonym", t});
      for (const uniprot::Text& t : e.of(gene.ordered_locus_names)) names.push_back({number, "ordered_locus", t});
      for (const uniprot::Text& t : e.of(gene.orf_names)) names.push_back({number, "orf", t});
    }
    if (auto done = accessions.write(e, e.accessions); !done) return done;
    if (auto done = genes.write(e, names); !done) return done;
    if (auto done = features.write(e, e.features); !done) return done;
    if (auto done = cross_references.write(e, e.cross_references); !done) return done;
    if (auto done = keywords.write(e, e.keywords); !done) return done;
    if (auto done = comments.write(e, e.comments); !done) return done;
    return publications.write(e, e.references);
  }
};

template <class Table>
struct InserterOf;
template <class R, class... C>
struct InserterOf<sqlite::Table<R, C...>> {
  using type = sqlite::Inserter<R, C...>;
};

}  // namespace

void complete(Row& row) {
  const uniprot::Entry& e = row.entry;
  const auto iso = [](std::string& text, uniprot::Date date) {
    date.year == 0 ? text.clear() : void(text = uniprot::to_string(date));
  };
  iso(row.created, e.created);
  iso(row.sequence_update, e.sequence_updated);
  iso(row.annotation_update, e.annotation_updated);
  row.sequence_md5 = etl::io::digest(etl::io::DigestKind::Md5, e.sequence);
  row.json.clear();
  uniprot::append_json(row.json, e, row.sequence_md5);
}

struct Writer::Statements {
  InserterOf<result_of<decltype(proteins_table)>>::type proteins;
  InserterOf<result_of<decltype(rejects_table)>>::type rejects;
  Children<result_of<decltype(warnings_table)>> warnings;
  sqlite::Statement forget_rejects;
  std::optional<FullTables> full{};
};

Writer::Writer(std::unique_ptr<Statements> statements) : statements_(std::move(statements)) {}
Writer::Writer(Writer&&) noexcept = default;
Writer& Writer::operator=(Writer&&) noexcept = default;
Writer::~Writer() = default;

etl::Result<Writer> Writer::make(sqlite::Database& database, Tables tables) {
  const auto proteins = proteins_table();
  const auto rejects = rejects_table();
  if (auto added = add_missing_columns(database); !added) return etl::failure(std::move(added.error()));
  if (auto made = sqlite::create_table(database, proteins); !made) return etl::failure(std::move(made.error()));
  if (auto made = sqlite::create_table(database, rejects); !made) return etl::failure(std::move(made.error()));
  auto warnings = children(database, warnings_table());
  if (!warnings) return etl::failure(std::move(warnings.error()));
  auto insert = sqlite::inserter(database, proteins, sqlite::OnConflict::Update);
  if (!insert) return etl::failure(std::move(insert.error()));
  auto reject = sqlite::inserter(database, rejects, sqlite::OnConflict::Update);
  if (!reject) return etl::failure(std::move(reject.error()));
  auto forget = database.prepare("DELETE FROM rejects WHERE file = ?");
  if (!forget) return etl::failure(std::move(forget.error()));
  auto statements = std::make_unique<Statements>(
      Statements{std::move(*insert), std::move(*reject), std::move(*warnings), std::move(*forget)});
  if (tables == Tables::Full) {
    auto full = FullTables::make(database);
    if (!full) return etl::failure(std::move(full.error()));
    statements->full.emplace(std::move(*full));
  }
  return Writer(std::move(statements));
}

etl::Result<void> Writer::write(const Row& row) {
  if (row.reject) return statements_->rejects.insert(*row.reject);
  if (auto written = statements_->proteins.insert(row); !written) return written;
  std::vector<Warning> warnings;
  for (const uniprot::Unparsed& part : row.entry.unparsed) warnings.push_back({&row, &part});
  if (auto written = statements_->warnings.write(row.entry, warnings); !written) return written;
  std::optional<FullTables>& full = statements_->full;
  return full ? full->write(row.entry) : etl::Result<void>();
}

etl::Result<void> Writer::forget_rejects(const std::string& file) {
  statements_->forget_rejects.bind(0, std::string_view(file));
  return statements_->forget_rejects.run();
}

}  // namespace program
