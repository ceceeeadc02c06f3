/// The tables of a store: how they are made, and how their rows are read.

#include "store_tables.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "state.hpp"
#include "store_script.hpp"

namespace etl::inline v0::postgres::detail {
namespace {

// Since 2, letters have their batch; since 3, partitions have an id; since 4, partitions have ends; since 5, letters
// say which results are loaded.
constexpr std::int64_t format = 5;

/// Settled ranges are stored in the partition's row beside the watermark. The lock of this row makes writers take
/// turns.
std::string schema_sql(const Names& names) {
  return fmt::format(R"(
CREATE TABLE IF NOT EXISTS {0}(format bigint NOT NULL);
CREATE TABLE IF NOT EXISTS {1}(
  pipeline text PRIMARY KEY, fingerprint text NOT NULL, batch_size bigint NOT NULL, finished boolean NOT NULL,
  run text NOT NULL);
CREATE TABLE IF NOT EXISTS {2}(
  pipeline text, partition bigint, watermark bigint NOT NULL, position text, position_seq bigint NOT NULL,
  settled bigint[] NOT NULL, id text NOT NULL, fingerprint text NOT NULL, ends bigint[] NOT NULL DEFAULT '{{}}',
  PRIMARY KEY(pipeline, partition));
CREATE TABLE IF NOT EXISTS {3}(
  id text PRIMARY KEY, pipeline text NOT NULL, run text NOT NULL, partition bigint NOT NULL, seq bigint NOT NULL,
  batch bigint NOT NULL, position text, stage text NOT NULL, attempts bigint NOT NULL, errors text[] NOT NULL,
  time timestamptz NOT NULL, payload bytea, partition_id text NOT NULL, results bigint NOT NULL DEFAULT 0,
  loaded bigint[] NOT NULL DEFAULT '{{}}', replays bigint NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS etl_dead_letters_place ON {3}(pipeline, partition, seq);
INSERT INTO {0} SELECT 5 WHERE NOT EXISTS (SELECT 1 FROM {0});
)",
                     names.store, names.checkpoints, names.partitions, names.letters);
}

/// Makes tables of format 4 to tables of format 5. Programs that know format 4 only can still finish their runs.
std::string from_4_to_5(const Names& names) {
  return fmt::format(R"(
ALTER TABLE {1} ADD COLUMN IF NOT EXISTS results bigint NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS loaded bigint[] NOT NULL DEFAULT '{{}}',
  ADD COLUMN IF NOT EXISTS replays bigint NOT NULL DEFAULT 0;
UPDATE {0} SET format=5 WHERE format=4;
)",
                     names.store, names.letters);
}

/// Runs statements about the store's tables in a transaction, while no other process does the same.
Result<void> change_tables(Connection& connection, std::string_view sql, std::string_view doing) {
  Result<Transaction> transaction = connection.begin();
  if (!transaction) return failure(std::move(transaction.error()));
  const std::string all = fmt::format("SELECT pg_advisory_xact_lock(hashtext('etl_store'));{}", sql);
  if (auto made = run(connection, all, doing); !made) return failure(std::move(made.error()));
  Result<void> committed = transaction->commit();
  if (committed) return {};
  return failure(repeatable(std::move(committed.error())));
}

}  // namespace

std::int64_t Names::key_of(std::string_view pipeline) const noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const std::string_view part : {std::string_view(in), std::string_view("\0", 1), pipeline})
    for (const char c : part) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return static_cast<std::int64_t>(hash >> 1U);
}

std::string holders_of(std::int64_t key) {
  return fmt::format(
      "(SELECT pid FROM pg_locks WHERE locktype='advisory' AND granted AND objsubid=1 AND database=(SELECT oid FROM "
      "pg_database WHERE datname=current_database()) AND (classid::bigint<<32 | objid::bigint)={} AND "
      "pid<>pg_backend_pid()) holders",
      key);
}

Result<std::string> schema_of(Connection& connection, std::string_view wanted) {
  if (!wanted.empty()) return std::string(wanted);
  const auto rows = connection.query("SELECT current_schema()");
  if (!rows) return failure(rows.error());
  if (!rows->is_null(0, 0)) return std::string(rows->text(0, 0));
  return failure(own_error(
      "3F000", ErrorClass::Fatal,
      fmt::format("{}: no schema of the search path exists: name a schema for the store's tables", connection.name())));
}

Result<void> check_format(Connection& connection, const Names& names) {
  constexpr std::string_view doing = "make the store's tables";
  const auto there =
      connection.query("SELECT to_regclass($1) IS NOT NULL, to_regnamespace($2) IS NOT NULL", names.store, names.in);
  if (!there) return failure(there.error());
  if (there->text(0, 0) != "t") {
    // IF NOT EXISTS alone does not help against another process that makes the same tables at the same time. The schema
    // is made only if needed, because that takes an additional right.
    const std::string schema = there->text(0, 1) != "t" ? "CREATE SCHEMA IF NOT EXISTS " + names.in + ";" : "";
    if (auto made = change_tables(connection, schema + schema_sql(names), doing); !made) return made;
  }
  const auto format_of = [&]() -> Result<std::int64_t> {
    const auto found = connection.query("SELECT format FROM " + names.store);
    if (!found) return failure(found.error());
    return found->size() == 0 ? 0 : found->integer(0, 0);
  };
  Result<std::int64_t> found = format_of();
  if (found && *found == 4) {
    if (auto made = change_tables(connection, from_4_to_5(names), "renew the store's tables"); !made) return made;
    found = format_of();
  }
  if (!found) return failure(std::move(found.error()));
  const std::int64_t has = *found;
  if (has == format) return {};
  return failure(
      fatal(fmt::format("{}: the tables {}.etl_* have format {}, and this program knows format {}: use the "
                        "version of etlpipe that made them, or another schema; or drop the tables etl_*, which deletes "
                        "all progress and all dead letters",
                        connection.name(), names.in, has, format)));
}

Error repeatable(Error error) {
  if (error.code != Errc::OutcomeUnknown) return error;
  error.code = sqlstate("08007");
  error.error_class = ErrorClass::Transient;
  return error;
}

// --- reading ---------------------------------------------------------------------------------------------------------

namespace {

std::uint64_t number(const Rows& rows, int row, int column) {
  return static_cast<std::uint64_t>(rows.integer(row, column));
}
std::uint32_t small_number(const Rows& rows, int row, int column) {
  return static_cast<std::uint32_t>(rows.integer(row, column));
}
std::string text_of(const Rows& rows, int row, int column) { return unescaped(rows.text(row, column)); }
std::optional<Position> position_of(const Rows& rows, int row, int column) {
  if (rows.is_null(row, column)) return std::nullopt;
  return Position(text_of(rows, row, column));
}

/// Parses an array such as "{10,20,30,40}".
std::vector<std::uint64_t> numbers_of(std::string_view array) {
  std::vector<std::uint64_t> numbers;
  const char* at = array.data();
  const char* const end = at + array.size();
  while (end - at > 2) {
    std::int64_t value = 0;
    at = std::from_chars(at + 1, end, value).ptr;  // after '{' or ','
    numbers.push_back(static_cast<std::uint64_t>(value));
  }
  return numbers;
}
SeqRanges ranges_of(std::string_view array) {
  SeqRanges ranges;
  const std::vector<std::uint64_t> numbers = numbers_of(array);
  for (std::size_t i = 1; i < numbers.size(); i += 2) ranges.add({numbers[i - 1], numbers[i]});
  return ranges;
}

Stage stage_of(std::string_view text) {
  for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(Stage::Manage); ++i)  // Manage is the last stage
    if (text == to_string(static_cast<Stage>(i))) return static_cast<Stage>(i);
  return Stage::Transform;
}

}  // namespace

PartitionProgress progress_of(const Rows& rows, int row) {
  return {.partition = small_number(rows, row, 0),
          .watermark = number(rows, row, 1),
          .position = position_of(rows, row, 2),
          .position_seq = number(rows, row, 3),
          .gaps = ranges_of(rows.text(row, 4)),
          .ends = numbers_of(rows.text(row, 7)),
          .id = text_of(rows, row, 5),
          .fingerprint = text_of(rows, row, 6)};
}

std::string owner_of(const Rows& rows, int column) {
  return rows.size() == 0 || rows.is_null(0, column) ? std::string() : text_of(rows, 0, column);
}

DeadLetter letter_of(const Rows& rows, int row) {
  // Counts nanoseconds, so it cannot represent every number of microseconds.
  using Time = std::chrono::system_clock::time_point;
  constexpr auto micros = [](Time time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  };
  DeadLetter letter{.id = text_of(rows, row, 0),
                    .pipeline = text_of(rows, row, 1),
                    .run = text_of(rows, row, 2),
                    .partition = small_number(rows, row, 3),
                    .seq = number(rows, row, 4),
                    .batch = number(rows, row, 5),
                    .position = position_of(rows, row, 6),
                    .stage = stage_of(rows.text(row, 7)),
                    .attempts = small_number(rows, row, 8)};
  std::string_view errors = rows.text(row, 9);
  for (std::size_t end = errors.find('\n'); end != std::string_view::npos; end = errors.find('\n')) {
    letter.errors.push_back(unescaped(errors.substr(0, end)));
    errors.remove_prefix(end + 1);
  }
  letter.time =
      Time(std::chrono::microseconds(std::clamp(rows.integer(row, 10), micros(Time::min()), micros(Time::max()))));
  if (!rows.is_null(row, 11)) {
    const std::string_view digits = rows.text(row, 11);
    letter.payload.emplace();
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
      unsigned char byte = 0;
      std::from_chars(digits.data() + i, digits.data() + i + 2, byte, 16);
      *letter.payload += static_cast<char>(byte);
    }
  }
  letter.partition_id = text_of(rows, row, 12);
  letter.results = number(rows, row, 13);
  letter.loaded = ranges_of(rows.text(row, 14));
  letter.replays = small_number(rows, row, 15);
  return letter;
}

Result<std::optional<Checkpoint>> checkpoint_of(Connection& connection, const Names& names,
                                                const std::string& pipeline) {
  // One statement sees one state of the database. The row of the checkpoint itself comes first.
  const auto rows = connection.query(
      fmt::format(
          "SELECT {0}, 1 AS part FROM {1} WHERE pipeline=$1 UNION ALL SELECT batch_size, 0, run, finished::int, "
          "NULL, '', fingerprint, NULL, 0 FROM {2} WHERE pipeline=$1 ORDER BY part, partition",
          progress_columns, names.partitions, names.checkpoints),
      stored(connection, pipeline));
  if (!rows) return failure(rows.error());
  if (rows->size() == 0) return std::nullopt;
  Checkpoint checkpoint;  // if there is progress without a checkpoint row, "nothing" would load everything again
  for (int row = 0; row < rows->size(); ++row) {
    if (rows->integer(row, progress_column_count) == 1) {
      checkpoint.partitions.push_back(progress_of(*rows, row));
      continue;
    }
    checkpoint.batch_size = number(*rows, row, 0);
    checkpoint.finished = rows->integer(row, 3) != 0;
    checkpoint.fingerprint = text_of(*rows, row, 6);
    checkpoint.run = text_of(*rows, row, 2);
  }
  return checkpoint;
}

}  // namespace etl::inline v0::postgres::detail
