/// The tables of a store: SQL, progress and checkpoints.

#include "store_tables.hpp"

#include <charconv>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace etl::inline v0::sqlite::detail {
namespace {

// Since 2, letters have their batch; since 3, partitions have an id; since 4, partitions have ends; since 5, letters
// say which results are loaded.
constexpr std::int64_t format = 5;

constexpr std::string_view schema = R"(
CREATE TABLE IF NOT EXISTS etl_store(format INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS etl_checkpoints(
  pipeline TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, batch_size INTEGER NOT NULL, finished INTEGER NOT NULL,
  run TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS etl_partitions(
  pipeline TEXT, partition INTEGER, watermark INTEGER NOT NULL, position TEXT, position_seq INTEGER NOT NULL,
  id TEXT NOT NULL DEFAULT '', fingerprint TEXT NOT NULL DEFAULT '', ends TEXT NOT NULL DEFAULT '',
  PRIMARY KEY(pipeline, partition)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS etl_settled(
  pipeline TEXT, partition INTEGER, first_seq INTEGER, end_seq INTEGER NOT NULL,
  PRIMARY KEY(pipeline, partition, first_seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS etl_dead_letters(
  id TEXT PRIMARY KEY, pipeline TEXT NOT NULL, run TEXT NOT NULL, partition INTEGER NOT NULL, seq INTEGER NOT NULL,
  batch INTEGER NOT NULL, position TEXT, stage TEXT NOT NULL, attempts INTEGER NOT NULL, errors TEXT,
  time INTEGER NOT NULL, payload BLOB, partition_id TEXT NOT NULL, results INTEGER NOT NULL DEFAULT 0,
  loaded TEXT NOT NULL DEFAULT '', replays INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS etl_dead_letters_place ON etl_dead_letters(pipeline, partition, seq);
INSERT INTO etl_store SELECT 5 WHERE NOT EXISTS (SELECT 1 FROM etl_store);
)";

/// Makes tables of format 4 to tables of format 5. Programs that know format 4 only can still finish their runs.
constexpr std::string_view from_4_to_5 = R"(
ALTER TABLE etl_dead_letters ADD COLUMN results INTEGER NOT NULL DEFAULT 0;
ALTER TABLE etl_dead_letters ADD COLUMN loaded TEXT NOT NULL DEFAULT '';
ALTER TABLE etl_dead_letters ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;
UPDATE etl_store SET format=5;
)";

/// Calls `each` for the rows of a query about one pipeline, or about one of its partitions.
template <class Each>
Result<void> for_rows(Database& database, std::string_view sql, const std::string& pipeline, Each each,
                      std::optional<std::uint32_t> partition = {}) {
  auto query = database.prepare(sql);
  if (!query) return failure(std::move(query.error()));
  query->bind(0, std::string_view(pipeline));
  if (partition) query->bind(1, std::int64_t{*partition});
  for (;;) {
    const auto more = query->step();
    if (!more) return failure(more.error());
    if (!*more) return {};
    each(std::as_const(*query));
  }
}

}  // namespace

Result<std::int64_t> check_format(Database& database, bool read_only) {
  const auto there = [&]() -> Result<std::optional<std::int64_t>> {
    auto table = database.prepare("SELECT 1 FROM sqlite_master WHERE type='table' AND name='etl_store'");
    if (!table) return failure(std::move(table.error()));
    auto row = table->step();
    if (!row) return failure(std::move(row.error()));
    if (!*row) return std::nullopt;
    auto query = database.prepare("SELECT format FROM etl_store");
    if (!query) return failure(std::move(query.error()));
    row = query->step();
    if (!row) return failure(std::move(row.error()));
    if (!*row) return std::nullopt;
    return query->integer(0);
  };
  auto found = there();
  if (found && !*found && read_only)
    return failure(
        fatal(fmt::format("{}: this database is not a store: it has no table etl_store; name the database that a run "
                          "used as its store",
                          database.name())));
  if (found && found->value_or(4) == 4 && !read_only) {
    auto transaction = database.begin();
    if (!transaction) return failure(std::move(transaction.error()));
    found = there();  // another process may have made the tables already, perhaps in a newer version
    if (found && found->value_or(4) == 4) {
      if (auto made = database.execute(*found ? from_4_to_5 : schema); !made) return failure(std::move(made.error()));
      found = there();
    }
    if (found)
      if (auto committed = transaction->commit(); !committed) return failure(std::move(committed.error()));
  }
  if (!found) return failure(std::move(found.error()));
  if (*found == format || (*found == 4 && read_only)) return **found;
  return failure(
      fatal(fmt::format("{}: its tables etl_* have format {}, and this program knows format {}: use the "
                        "version of etlpipe that made them, or another database; or drop the tables etl_*, which "
                        "deletes all progress and all dead letters",
                        database.name(), found->value_or(0), format)));
}

void bind_optional(Statement& statement, int parameter, const std::optional<Position>& position) {
  if (position)
    statement.bind(parameter, std::string_view(position->text()));
  else
    statement.bind(parameter, nullptr);
}
std::optional<Position> position_of(const Statement& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return Position(std::string(row.text(column)));
}

Result<void> run(Statement& statement) {
  Result<void> done = statement.run();
  if (!done && done.error().error_class == ErrorClass::Rejected) done.error().error_class = ErrorClass::Fatal;
  return done;
}

// --- progress --------------------------------------------------------------------------------------------------------

namespace {

/// Parses numbers such as "45 98".
std::vector<std::uint64_t> numbers_of(std::string_view text) {
  std::vector<std::uint64_t> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (std::uint64_t value = 0; at < end; ++at) {
    at = std::from_chars(at, end, value).ptr;
    numbers.push_back(value);
  }
  return numbers;
}

}  // namespace

void bind_range(Statement& statement, const std::string& pipeline, std::uint32_t partition, SeqRange range) {
  statement.bind(0, std::string_view(pipeline));
  statement.bind(1, std::int64_t{partition});
  statement.bind(2, integer(range.first));
  statement.bind(3, integer(range.end));
}
Result<void> settle(Statement& statement, const std::string& pipeline, std::uint32_t partition, SeqRange range) {
  bind_range(statement, pipeline, partition, range);
  return run(statement);
}

Result<OwningRun> owner_of(Statement& statement, const std::string& pipeline) {
  statement.bind(0, std::string_view(pipeline));
  const auto found = statement.step();
  if (!found) return failure(found.error());
  OwningRun owner;
  if (*found) owner = {std::string(statement.text(0)), statement.integer(1) != 0};
  statement.reset();
  return owner;
}

Result<void> advance(Statement& statement, const std::string& pipeline, const PartitionProgress& progress) {
  statement.bind(0, std::string_view(pipeline));
  statement.bind(1, std::int64_t{progress.partition});
  statement.bind(2, integer(progress.watermark));
  bind_optional(statement, 3, progress.position);
  statement.bind(4, integer(progress.position_seq));
  return run(statement);
}

Result<void> forget(Statement& statement, const std::string& pipeline, const PartitionProgress& progress) {
  statement.bind(0, std::string_view(pipeline));
  statement.bind(1, std::int64_t{progress.partition});
  statement.bind(2, integer(progress.watermark));
  statement.bind(3, integer(progress.watermark));
  return run(statement);
}

Result<std::map<std::uint32_t, PartitionProgress>> progress_of(Database& database, const std::string& pipeline,
                                                               std::optional<std::uint32_t> only) {
  std::map<std::uint32_t, PartitionProgress> all;
  const auto at = [&](std::uint32_t partition) -> PartitionProgress& {
    return all.try_emplace(all.end(), partition, PartitionProgress{.partition = partition})->second;
  };
  const std::string_view which = only ? " AND partition=?" : "";
  Result<void> read = for_rows(
      database,
      fmt::format(
          "SELECT partition, watermark, position, position_seq, id, fingerprint, ends FROM etl_partitions WHERE "
          "pipeline=?{} ORDER BY partition",
          which),
      pipeline,
      [&](const Statement& row) {
        PartitionProgress& one = at(small_number(row, 0));
        one.watermark = number(row, 1);
        one.position = position_of(row, 2);
        one.position_seq = number(row, 3);
        one.id = row.text(4);
        one.fingerprint = row.text(5);
        one.ends = numbers_of(row.text(6));
      },
      only);
  if (read)
    read = for_rows(
        database, fmt::format("SELECT partition, first_seq, end_seq FROM etl_settled WHERE pipeline=?{}", which),
        pipeline, [&](const Statement& row) { at(small_number(row, 0)).gaps.add({number(row, 1), number(row, 2)}); },
        only);
  if (!read) return failure(std::move(read.error()));
  for (auto& [partition, one] : all) {
    one.watermark = one.gaps.end_of(one.watermark);
    one.gaps.forget_below(one.watermark);
  }
  return all;
}

// --- checkpoints -----------------------------------------------------------------------------------------------------

Result<std::optional<Checkpoint>> checkpoint_of(Database& database, const std::string& pipeline) {
  std::optional<Checkpoint> checkpoint;
  auto read = for_rows(database, "SELECT fingerprint, batch_size, finished, run FROM etl_checkpoints WHERE pipeline=?",
                       pipeline, [&](const Statement& row) {
                         checkpoint = Checkpoint{.fingerprint = std::string(row.text(0)),
                                                 .batch_size = number(row, 1),
                                                 .finished = row.integer(2) != 0,
                                                 .run = std::string(row.text(3))};
                       });
  if (!read) return failure(std::move(read.error()));
  auto progress = progress_of(database, pipeline);
  if (!progress) return failure(std::move(progress.error()));
  // If there is progress without a checkpoint, the result must not be "nothing", because the run would load everything
  // again.
  if (!checkpoint && !progress->empty()) checkpoint.emplace();
  if (checkpoint)
    for (auto& [partition, one] : *progress) checkpoint->partitions.push_back(std::move(one));
  return checkpoint;
}

Result<void> forget_all(Database& database, const std::string& pipeline) {
  for (const std::string_view table : {"etl_checkpoints", "etl_partitions", "etl_settled"})
    if (auto gone = for_rows(database, fmt::format("DELETE FROM {} WHERE pipeline=?", table), pipeline,
                             [](const Statement&) {});
        !gone)
      return gone;
  return {};
}

namespace {

Result<void> put_partition(Statement& statement, const std::string& pipeline, const PartitionProgress& one) {
  statement.bind(0, std::string_view(pipeline));
  statement.bind(1, std::int64_t{one.partition});
  statement.bind(2, integer(one.watermark));
  bind_optional(statement, 3, one.position);
  statement.bind(4, integer(one.position_seq));
  statement.bind(5, std::string_view(one.id));
  statement.bind(6, std::string_view(one.fingerprint));
  const std::string ends = fmt::format("{}", fmt::join(one.ends, " "));
  statement.bind(7, std::string_view(ends));
  return run(statement);
}

/// Removes the partitions that the checkpoint does not have.
Result<void> forget_others(Database& database, const std::string& pipeline, const Checkpoint& checkpoint) {
  std::vector<std::uint32_t> others;
  auto read =
      for_rows(database, "SELECT partition FROM etl_partitions WHERE pipeline=?", pipeline, [&](const Statement& row) {
        const std::uint32_t partition = small_number(row, 0);
        if (checkpoint.find(partition) == nullptr) others.push_back(partition);
      });
  if (!read) return read;
  auto gone = database.prepare("DELETE FROM etl_partitions WHERE pipeline=? AND partition=?");
  if (!gone) return failure(std::move(gone.error()));
  for (const std::uint32_t partition : others) {
    gone->bind(0, std::string_view(pipeline));
    gone->bind(1, std::int64_t{partition});
    if (auto done = run(*gone); !done) return done;
  }
  return {};
}

}  // namespace

Result<void> replace_all(Database& database, const std::string& pipeline, const Checkpoint& checkpoint) {
  auto head = database.prepare(
      "INSERT OR REPLACE INTO etl_checkpoints(pipeline, fingerprint, batch_size, finished, run) VALUES(?, ?, ?, ?, ?)");
  // A partition that has not changed is not written again, because there may be many.
  auto partition = database.prepare(
      "INSERT INTO etl_partitions AS old(pipeline, partition, watermark, position, position_seq, id, fingerprint, "
      "ends) "
      "VALUES(?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(pipeline, partition) DO UPDATE SET watermark=excluded.watermark, "
      "position=excluded.position, position_seq=excluded.position_seq, id=excluded.id, "
      "fingerprint=excluded.fingerprint, ends=excluded.ends WHERE (old.watermark, old.position, old.position_seq, "
      "old.id, old.fingerprint, old.ends) IS NOT (excluded.watermark, excluded.position, excluded.position_seq, "
      "excluded.id, excluded.fingerprint, excluded.ends)");
  auto gap = database.prepare(settle_sql);
  for (const auto* const statement : {&head, &partition, &gap})
    if (!*statement) return failure(statement->error());
  head->bind(0, std::string_view(pipeline));
  head->bind(1, std::string_view(checkpoint.fingerprint));
  head->bind(2, integer(checkpoint.batch_size));
  head->bind(3, checkpoint.finished ? 1 : 0);
  head->bind(4, std::string_view(checkpoint.run));
  if (auto done = run(*head); !done) return done;
  if (auto done = forget_others(database, pipeline, checkpoint); !done) return done;
  if (auto done = for_rows(database, "DELETE FROM etl_settled WHERE pipeline=?", pipeline, [](const Statement&) {});
      !done)
    return done;
  for (const PartitionProgress& one : checkpoint.partitions) {
    if (auto done = put_partition(*partition, pipeline, one); !done) return done;
    for (const SeqRange range : one.gaps.ranges())
      if (auto done = settle(*gap, pipeline, one.partition, range); !done) return done;
  }
  return {};
}

}  // namespace etl::inline v0::sqlite::detail
