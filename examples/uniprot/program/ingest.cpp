// etl-uniprot ingest: entries into SQLite, parsed by all workers, written by one.
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <etl/etl.hpp>
#include <etl/sqlite/database.hpp>

#include "inputs.hpp"
#include "options.hpp"
#include "schema.hpp"

namespace program {
namespace {

namespace sqlite = etl::sqlite;
namespace uniprot = etl::uniprot;

struct Ingestion {
  const Ingest& options;
  sqlite::Database database;
  Writer writer;
  std::uint64_t estimate = 0;

  std::uint64_t expected_items() const { return estimate; }

  // One file after the other: of two entries with the same accession the later one stays.
  void extract(etl::Emitter<uniprot::RawEntry>& out) { extract_files(options.files, out); }
  Row worker() const { return {}; }
  void transform(const uniprot::RawEntry& raw, etl::Out<Row>& out, Row& row) const {
    row.reject = parse(raw, options.files, row.entry);
    if (!row.reject) {
      if (!wanted(row.entry, options.selection)) return;
      complete(row);
    }
    std::swap(out.next(), row);  // both keep their memory
  }
  // Not const: SQLite has one writer at a time. A bad entry goes to the table 'rejects' in the same transaction, and is
  // counted against the budget.
  etl::Result<void> load(std::span<const Row> batch, etl::BatchContext& context) {
    auto transaction = database.begin();
    if (!transaction) return etl::failure(std::move(transaction.error()));
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const Row& row = batch[i];
      if (auto written = writer.write(row); !written) return written;
      if (row.reject) context.reject(i, row.reject->text());
    }
    return transaction->commit();
  }
};

int fail(const etl::Error& error, int exit_code = 1) {
  fmt::print(stderr, "etl-uniprot: {}\n", error.message());
  return exit_code;
}

}  // namespace

int ingest(const Ingest& options, const etl::Stop& stop) {
  if (auto problem = check_inputs(options.files)) return fail(*problem, 2);
  auto database = sqlite::Database::open(options.database);
  if (!database) return fail(database.error());
  auto writer = Writer::make(*database, options.tables);
  if (!writer) return fail(writer.error());
  for (const auto& file : options.files)
    if (auto forgotten = writer->forget_rejects(display_name(file)); !forgotten) return fail(forgotten.error());

  Ingestion ingestion{.options = options, .database = std::move(*database), .writer = std::move(*writer)};
  etl::Options run{.batch_size = options.batch_size,
                   .timeout = options.timeout,
                   .workers = options.workers,
                   .order = etl::Order::Source,
                   .name = "ingest"};
  run.errors.max_rejects = options.max_rejects;
  run.errors.max_reject_ratio = options.max_reject_ratio;
  std::uint64_t shown = 0;
  run.errors.on_reject = [&shown](const etl::Rejection& r) {  // one call at a time
    constexpr std::uint64_t most = 10;
    if (++shown <= most) fmt::print(stderr, "rejected {}\n", r.error.message());
    if (shown == most) fmt::print(stderr, "further ones are in the table 'rejects' only\n");
  };
  if (!options.quiet) {
    run.progress.show = etl::ProgressOptions::Show::Auto;
    ingestion.estimate = estimate_entries(options.files);
  }

  const etl::RunReport report = etl::run(ingestion, run, stop);
  if (report.ok() && report.items.extracted == 0) fmt::print(stderr, "etl-uniprot: the input holds no entries\n");
  if (options.json)
    fmt::print("{}\n", report.json());
  else if (!options.quiet)
    fmt::print("{}\n", report.text());
  if (!report.ok() && !report.errors.empty()) fmt::print(stderr, "etl-uniprot: {}\n", report.errors.front().text());
  return report.exit_code();
}

}  // namespace program
