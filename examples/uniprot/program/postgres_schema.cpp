#include "postgres_schema.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/postgres/sink.hpp>
#include <etl/postgres/table.hpp>

#include "tables.hpp"

namespace program {
namespace {

namespace postgres = etl::postgres;
using namespace tables;  // NOLINT(google-build-using-namespace)

/// Makes tables and columns for PostgreSQL.
struct Postgres {
  template <class Row, class... C>
  static auto table(const char* name, C... columns) {
    return postgres::table<Row>(name, std::move(columns)...);
  }
  template <class Get>
  static auto key(const char* name, Get get) {
    return postgres::key(name, get);
  }
  template <class Get>
  static auto column(const char* name, Get get) {
    return postgres::column(name, get);
  }
};

/// Appends an element of a PostgreSQL array.
void append_quoted(std::string& text, string_view value, bool first) {
  text += first ? "\"" : ",\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  text += '"';
}
/// An array of PostgreSQL such as {"P12345","Q00001"}.
std::string array_of(const std::map<string_view, const Row*>& rows) {
  std::string text = "{";
  for (const auto& [accession, row] : rows) append_quoted(text, accession, text.size() == 1);
  return text + '}';
}

/// The accessions whose entries are already in the table, and in the further tables if `full`, with the same text. Of
/// several rows with one accession the last one counts.
etl::Result<std::set<std::string, std::less<>>> unchanged(postgres::Tx& tx, std::span<const Row> rows, bool full) {
  std::map<string_view, string_view> last;
  for (const Row& row : rows)
    if (!row.reject) last[row.entry.accession()] = row.content_md5;
  std::string accessions = "{", digests = "{";
  for (const auto& [accession, digest] : last) {
    const bool first = accessions.size() == 1;
    append_quoted(accessions, accession, first);
    append_quoted(digests, digest, first);
  }
  const auto found = tx.query(
      std::string("SELECT p.accession FROM unnest($1::text[], $2::text[]) AS v(accession, md5) JOIN proteins p ON "
                  "p.accession = v.accession AND p.content_md5 = v.md5") +
          (full ? " WHERE EXISTS (SELECT 1 FROM accessions a WHERE a.accession = p.accession)" : ""),
      accessions + "}", digests + "}");
  if (!found) return etl::failure(found.error());
  std::set<std::string, std::less<>> all;
  for (int row = 0; row < found->size(); ++row) all.emplace(found->text(row, 0));
  return all;
}

/// Replaces the rows of these entries in a further table.
template <class T, class Table, class Each>
etl::Result<void> replace(postgres::Tx& tx, const Table& table, const std::map<string_view, const Row*>& rows,
                          Each each) {
  const auto gone = tx.query("DELETE FROM \"" + table.name + "\" WHERE accession = ANY($1::text[])", array_of(rows));
  if (!gone) return etl::failure(gone.error());
  std::vector<Item<T>> items;
  for (const auto& of_entry : rows) {
    const Row& row = *of_entry.second;
    std::uint32_t number = 0;
    each(row, [&](const T& value) { items.push_back({&row.entry, ++number, &value}); });
  }
  return tx.write(table, std::span<const Item<T>>(items));
}
/// Like `replace`, for a list member of an entry.
template <class T, class Table, class Member>
etl::Result<void> replace_all(postgres::Tx& tx, const Table& table, const std::map<string_view, const Row*>& rows,
                              Member member) {
  return replace<T>(tx, table, rows, [&](const Row& row, const auto& add) {
    for (const T& value : row.entry.*member) add(value);
  });
}

}  // namespace

etl::postgres::ConnectionOptions connection_options(double statement, double idle) {
  const auto ms = [](double seconds) { return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000)); };
  return {.statement_timeout = ms(statement),
          .lock_timeout = std::min<std::chrono::milliseconds>(ms(statement), std::chrono::minutes(1)),
          .idle_in_transaction_timeout = ms(idle)};
}

struct PostgresWriter::State {
  postgres::Pool pool;
  bool full;
};

PostgresWriter::PostgresWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
PostgresWriter::PostgresWriter(PostgresWriter&&) noexcept = default;
PostgresWriter& PostgresWriter::operator=(PostgresWriter&&) noexcept = default;
PostgresWriter::~PostgresWriter() = default;

etl::Result<PostgresWriter> PostgresWriter::make(postgres::Store& store, Tables tables) {
  auto lease = store.pool().lease();
  if (!lease) return etl::failure(std::move(lease.error()));
  etl::Result<void> made;
  const auto create = [&](const auto& table) {
    if (made) made = postgres::create_table(**lease, table);
  };
  // The lock, because two processes that make the same table at the same time would disturb each other.
  auto transaction = (*lease)->begin();
  if (!transaction) return etl::failure(std::move(transaction.error()));
  if (auto locked = transaction->execute("SELECT pg_advisory_xact_lock(1702128746, 2)"); !locked)
    return etl::failure(std::move(locked.error()));
  const auto has_further = (*lease)->query("SELECT to_regclass('accessions') IS NOT NULL");
  if (!has_further) return etl::failure(has_further.error());
  const bool full = tables == Tables::Full || has_further->text(0, 0) == "t";
  create(proteins_table<Postgres>());
  create(rejects_table<Postgres>());
  create(warnings_table<Postgres>());
  if (full) {
    create(accessions_table<Postgres>());
    create(genes_table<Postgres>());
    create(features_table<Postgres>());
    create(cross_references_table<Postgres>());
    create(keywords_table<Postgres>());
    create(comments_table<Postgres>());
    create(publications_table<Postgres>());
  }
  if (made) made = transaction->commit();
  if (!made) return etl::failure(std::move(made.error()));
  return PostgresWriter(std::make_unique<State>(State{store.pool(), full}));
}

etl::Result<void> PostgresWriter::write(std::span<const Row> rows, postgres::Tx& tx) {
  std::vector<Reject> rejects;
  std::map<string_view, const Row*> last;  // if an entry has two rows, the later one stays
  std::set<std::string, std::less<>> same;
  if (skip_unchanged_) {
    auto found = unchanged(tx, rows, state_->full);
    if (!found) return etl::failure(std::move(found.error()));
    same = std::move(*found);
  }
  const auto is_written = [&](const Row& row) { return !row.reject && !same.contains(row.entry.accession()); };
  for (std::size_t first = 0; first < rows.size();) {
    std::size_t end = first;
    for (; end < rows.size() && is_written(rows[end]); ++end) last[rows[end].entry.accession()] = &rows[end];
    if (auto written =
            tx.write(proteins_table<Postgres>(), rows.subspan(first, end - first), postgres::OnConflict::Update);
        !written)
      return written;
    if (end < rows.size() && rows[end].reject) rejects.push_back(*rows[end].reject);
    first = end + 1;
  }
  if (auto written =
          tx.write(rejects_table<Postgres>(), std::span<const Reject>(rejects), postgres::OnConflict::Update);
      !written)
    return written;
  if (last.empty()) return {};
  std::vector<Warning> warnings;  // their addresses must not change
  std::size_t count = 0;
  for (const auto& [accession, row] : last) count += row->entry.unparsed.size();
  warnings.reserve(count);
  auto done = replace<Warning>(tx, warnings_table<Postgres>(), last, [&](const Row& row, const auto& add) {
    for (const uniprot::Unparsed& part : row.entry.unparsed) add(warnings.emplace_back(Warning{&row, &part}));
  });
  if (!done || !state_->full) return done;
  std::vector<std::vector<GeneName>> names;
  names.reserve(last.size());
  done = replace<GeneName>(tx, genes_table<Postgres>(), last, [&](const Row& row, const auto& add) {
    gene_names(row.entry, names.emplace_back());
    for (const GeneName& name : names.back()) add(name);
  });
  using uniprot::Entry;
  if (done) done = replace_all<string_view>(tx, accessions_table<Postgres>(), last, &Entry::accessions);
  if (done) done = replace_all<uniprot::Feature>(tx, features_table<Postgres>(), last, &Entry::features);
  if (done)
    done = replace_all<uniprot::CrossReference>(tx, cross_references_table<Postgres>(), last, &Entry::cross_references);
  if (done) done = replace_all<uniprot::Text>(tx, keywords_table<Postgres>(), last, &Entry::keywords);
  if (done) done = replace_all<uniprot::Comment>(tx, comments_table<Postgres>(), last, &Entry::comments);
  if (done) done = replace_all<uniprot::Reference>(tx, publications_table<Postgres>(), last, &Entry::references);
  return done;
}

etl::Result<void> PostgresWriter::forget_rejects(const std::string& file) {
  auto lease = state_->pool.lease();
  if (!lease) return etl::failure(std::move(lease.error()));
  if (auto gone = (*lease)->query("DELETE FROM rejects WHERE file = $1", file); !gone)
    return etl::failure(std::move(gone.error()));
  return {};
}

}  // namespace program
