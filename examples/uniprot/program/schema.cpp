#include "schema.hpp"

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <etl/io/digest.hpp>
#include <etl/sqlite/sink.hpp>
#include <etl/sqlite/table.hpp>
#include <etl/uniprot/format.hpp>

#include "tables.hpp"

namespace program {
namespace {

namespace sqlite = etl::sqlite;
namespace uniprot = etl::uniprot;
using namespace tables;  // NOLINT(google-build-using-namespace)
using std::string_view;

/// Makes tables and columns for SQLite.
struct Sqlite {
  template <class Row, class... C>
  static auto table(const char* name, C... columns) {
    return sqlite::table<Row>(name, std::move(columns)...);
  }
  template <class Get>
  static auto key(const char* name, Get get) {
    return sqlite::key(name, get);
  }
  template <class Get>
  static auto column(const char* name, Get get) {
    return sqlite::column(name, get);
  }
};

etl::Result<bool> finds_row(sqlite::Database& database, string_view query, string_view value) {
  auto statement = database.prepare(query);
  if (!statement) return etl::failure(std::move(statement.error()));
  statement->bind(0, value);
  return statement->step();
}
etl::Result<bool> has_table(sqlite::Database& database, string_view name) {
  return finds_row(database, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", name);
}

/// Adds columns that a table of an earlier version does not have.
etl::Result<void> add_missing_columns(sqlite::Database& database) {
  const auto exists = has_table(database, "proteins");
  if (!exists) return etl::failure(exists.error());
  if (!*exists) return {};
  for (const string_view name : {"source", "loaded_at", "content_md5"}) {
    const auto found = finds_row(database, "SELECT 1 FROM pragma_table_info('proteins') WHERE name = ?", name);
    if (!found) return etl::failure(found.error());
    if (*found) continue;
    if (auto added = database.execute(fmt::format("ALTER TABLE proteins ADD COLUMN {} TEXT", name)); !added)
      return added;
  }
  return {};
}

/// A further table. New rows of an entry replace its old rows.
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
  Children<result_of<decltype(accessions_table<Sqlite>)>> accessions;
  Children<result_of<decltype(genes_table<Sqlite>)>> genes;
  Children<result_of<decltype(features_table<Sqlite>)>> features;
  Children<result_of<decltype(cross_references_table<Sqlite>)>> cross_references;
  Children<result_of<decltype(keywords_table<Sqlite>)>> keywords;
  Children<result_of<decltype(comments_table<Sqlite>)>> comments;
  Children<result_of<decltype(publications_table<Sqlite>)>> publications;
  std::vector<GeneName> names{};

  static etl::Result<FullTables> make(sqlite::Database& db) {
    auto accessions = children(db, accessions_table<Sqlite>());
    if (!accessions) return etl::failure(std::move(accessions.error()));
    auto genes = children(db, genes_table<Sqlite>());
    if (!genes) return etl::failure(std::move(genes.error()));
    auto features = children(db, features_table<Sqlite>());
    if (!features) return etl::failure(std::move(features.error()));
    auto references = children(db, cross_references_table<Sqlite>());
    if (!references) return etl::failure(std::move(references.error()));
    auto keyword_rows = children(db, keywords_table<Sqlite>());
    if (!keyword_rows) return etl::failure(std::move(keyword_rows.error()));
    auto comments = children(db, comments_table<Sqlite>());
    if (!comments) return etl::failure(std::move(comments.error()));
    auto publications = children(db, publications_table<Sqlite>());
    if (!publications) return etl::failure(std::move(publications.error()));
    return FullTables{std::move(*accessions),   std::move(*genes),    std::move(*features),    std::move(*references),
                      std::move(*keyword_rows), std::move(*comments), std::move(*publications)};
  }

  etl::Result<void> write(const uniprot::Entry& e) {
    gene_names(e, names);
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

void complete(Row& row, std::string_view text) {
  const uniprot::Entry& e = row.entry;
  const auto iso = [](std::string& date_text, uniprot::Date date) {
    date.year == 0 ? date_text.clear() : void(date_text = uniprot::to_string(date));
  };
  iso(row.created, e.created);
  iso(row.sequence_update, e.sequence_updated);
  iso(row.annotation_update, e.annotation_updated);
  row.sequence_md5 = etl::io::digest(etl::io::DigestKind::Md5, e.sequence);
  row.content_md5 = etl::io::digest(etl::io::DigestKind::Md5, text);
  row.json.clear();
  uniprot::append_json(row.json, e, row.sequence_md5);
}

struct Writer::Statements {
  InserterOf<result_of<decltype(proteins_table<Sqlite>)>>::type proteins;
  InserterOf<result_of<decltype(rejects_table<Sqlite>)>>::type rejects;
  Children<result_of<decltype(warnings_table<Sqlite>)>> warnings;
  sqlite::Statement forget_rejects;
  sqlite::Statement find_same;
  std::optional<FullTables> full{};
};

Writer::Writer(std::unique_ptr<Statements> statements) : statements_(std::move(statements)) {}
Writer::Writer(Writer&&) noexcept = default;
Writer& Writer::operator=(Writer&&) noexcept = default;
Writer::~Writer() = default;

etl::Result<Writer> Writer::make(sqlite::Database& database, Tables tables) {
  const auto proteins = proteins_table<Sqlite>();
  const auto rejects = rejects_table<Sqlite>();
  if (auto added = add_missing_columns(database); !added) return etl::failure(std::move(added.error()));
  if (auto made = sqlite::create_table(database, proteins); !made) return etl::failure(std::move(made.error()));
  if (auto made = sqlite::create_table(database, rejects); !made) return etl::failure(std::move(made.error()));
  auto warnings = children(database, warnings_table<Sqlite>());
  if (!warnings) return etl::failure(std::move(warnings.error()));
  auto insert = sqlite::inserter(database, proteins, sqlite::OnConflict::Update);
  if (!insert) return etl::failure(std::move(insert.error()));
  auto reject = sqlite::inserter(database, rejects, sqlite::OnConflict::Update);
  if (!reject) return etl::failure(std::move(reject.error()));
  auto forget = database.prepare("DELETE FROM rejects WHERE file = ?");
  if (!forget) return etl::failure(std::move(forget.error()));
  const auto has_further = has_table(database, "accessions");
  if (!has_further) return etl::failure(has_further.error());
  std::optional<FullTables> full;
  if (tables == Tables::Full || *has_further) {
    auto made = FullTables::make(database);
    if (!made) return etl::failure(std::move(made.error()));
    full.emplace(std::move(*made));
  }
  // Each entry has rows in `accessions`, once the further tables are written.
  auto same =
      database.prepare(std::string("SELECT 1 FROM proteins p WHERE accession = ? AND content_md5 = ?") +
                       (full ? " AND EXISTS (SELECT 1 FROM accessions a WHERE a.accession = p.accession)" : ""));
  if (!same) return etl::failure(std::move(same.error()));
  return Writer(std::make_unique<Statements>(Statements{std::move(*insert), std::move(*reject), std::move(*warnings),
                                                        std::move(*forget), std::move(*same), std::move(full)}));
}

etl::Result<void> Writer::write(const Row& row) {
  if (row.reject) return statements_->rejects.insert(*row.reject);
  if (skip_unchanged_) {
    sqlite::Statement& same = statements_->find_same;
    same.bind(0, row.entry.accession());
    same.bind(1, string_view(row.content_md5));
    const auto found = same.step();
    same.reset();
    if (!found) return etl::failure(found.error());
    if (*found) return {};
  }
  if (auto written = statements_->proteins.insert(row); !written) return written;
  std::vector<Warning> warnings;
  for (const uniprot::Unparsed& part : row.entry.unparsed) warnings.push_back({&row, &part});
  if (auto written = statements_->warnings.write(row.entry, warnings); !written) return written;
  std::optional<FullTables>& full = statements_->full;
  return full ? full->write(row.entry) : etl::Result<void>();
}

etl::Result<void> Writer::write(std::span<const Row> rows, sqlite::Tx& /*tx*/) {
  for (const Row& row : rows)
    if (auto written = write(row); !written) return written;
  return {};
}

etl::Result<void> Writer::forget_rejects(const std::string& file) {
  statements_->forget_rejects.bind(0, std::string_view(file));
  return statements_->forget_rejects.run();
}

}  // namespace program
