#include <algorithm>
#include <atomic>
#include <span>
#include <thread>
#include <vector>

#include <etl/sqlite/database.hpp>
#include <etl/uniprot/parse.hpp>

#include <swissprot/measured.hpp>

#include "inputs.hpp"
#include "options.hpp"
#include "schema.hpp"

namespace bench::swissprot {
namespace {

namespace fs = std::filesystem;
namespace sqlite = etl::sqlite;
namespace uniprot = etl::uniprot;

std::vector<uniprot::RawEntry> split(std::string_view text) {
  std::vector<uniprot::RawEntry> entries;
  for_each_entry(text, [&](std::string_view one) { entries.push_back({.text = one}); });
  return entries;
}

/// What `Ingestion::transform` does.
void make_row(const uniprot::RawEntry& raw, const std::vector<fs::path>& files, program::Row& row) {
  row.reject = program::parse(raw, files, row.entry);
  if (!row.reject) program::complete(row, raw.text);
}

/// All entries by `workers` threads that share nothing but where they are; one row each, used again.
void transform(const Loading& job, std::span<const uniprot::RawEntry> entries, Measured& result) {
  const std::vector<fs::path> files{job.file};
  std::atomic<std::size_t> next = 0;
  std::atomic<std::uint64_t> problems = 0;
  const auto work = [&] {
    program::Row row;
    for (std::size_t i = 0; (i = next.fetch_add(job.batch)) < entries.size();)
      for (const uniprot::RawEntry& raw : entries.subspan(i, std::min(job.batch, entries.size() - i))) {
        make_row(raw, files, row);
        problems += row.reject.has_value() ? 1 : 0;
        barrier(&row);
      }
  };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < job.workers; ++i) others.emplace_back(work);
  work();
  others.clear();
  result.entries = entries.size();
  result.problems = problems;
}

/// Only writing counts. The rows of a transaction are made just before it: the memory for all of them at once would
/// cost more system time than some of the writing, and `ingest` would look good beside that.
Moment insert(const Loading& job, const fs::path& file, std::span<const uniprot::RawEntry> entries) {
  const std::vector<fs::path> files{job.file};
  std::vector<program::Row> rows(job.batch);
  warm_up();
  Moment start = Moment::now();
  auto database = must(sqlite::Database::open(file));
  auto writer = must(program::Writer::make(database, program::Tables::Proteins));
  for (std::size_t i = 0; i < entries.size(); i += job.batch) {
    const std::size_t size = std::min(job.batch, entries.size() - i);
    const Moment paused = Moment::now();
    for (std::size_t k = 0; k < size; ++k) make_row(entries[i + k], files, rows[k]);
    start = start - (paused - Moment::now());
    auto transaction = must(database.begin());
    for (const program::Row& row : std::span(rows).first(size)) must(writer.write(row));
    must(transaction.commit());
  }
  {  // closing writes the log back
    const auto last_writer = std::move(writer);
    const auto last_connection = std::move(database);
  }
  return Moment::now() - start;
}

void remove_database(const fs::path& file) {
  for (const char* end : {"", "-wal", "-shm"}) fs::remove(file.string() + end);
}

/// Entries in the database, and the residues of them all.
void count(const fs::path& file, Measured& result) {
  auto database = must(sqlite::Database::open(file, {.read_only = true}));
  auto sums =
      must(database.prepare("SELECT count(*), sum(length(sequence)), (SELECT count(*) FROM rejects) FROM proteins"));
  must(sums.step());
  result.problems = static_cast<std::uint64_t>(sums.integer(2));
  result.entries = static_cast<std::uint64_t>(sums.integer(0)) + result.problems;
  result.residues = static_cast<std::uint64_t>(sums.integer(1));
}

void ingest(const Loading& job, const fs::path& database) {
  program::Ingest options;
  options.files = {job.file};
  options.store = "sqlite:" + database.string();
  options.workers = job.workers;
  options.batch_size = job.batch;
  options.quiet = true;
  if (program::ingest(options, etl::StopToken()) != 0) throw std::runtime_error("ingest failed");
}

}  // namespace

Measured load(std::string_view impl, const Loading& job, std::string_view text) {
  Measured result;
  const auto timed = [&result](auto work) {
    warm_up();
    const Moment start = Moment::now();
    work();
    result.used = Moment::now() - start;
  };
  if (impl == "transform") {
    const auto entries = split(text);
    timed([&] { transform(job, entries, result); });
    return result;
  }
  fs::path database = job.file;
  database += ".db";
  const auto entries = split(text);
  // The first round does not count: a virtual machine gets the memory for the file's pages back from its host first,
  // which can take as long as all of the writing.
  for (int round = 0; round < 2; ++round) {
    remove_database(database);
    if (impl == "insert")
      result.used = insert(job, database, entries);
    else
      timed([&] { ingest(job, database); });
  }
  count(database, result);
  remove_database(database);
  return result;
}

}  // namespace bench::swissprot
