#pragma once
/// The tables of a store: how they are made, and how progress is written and read.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/seq_ranges.hpp>
#include <etl/error.hpp>
#include <etl/position.hpp>
#include <etl/sqlite/database.hpp>

namespace etl::inline v0::sqlite::detail {

/// Makes missing tables, unless `read_only`. Returns an error if the tables have another version.
[[nodiscard]] Result<std::int64_t> check_format(Database& database, bool read_only);

/// SQLite's integers are signed. A number above 2^63-1 is still read back unchanged.
inline std::int64_t integer(std::uint64_t number) { return static_cast<std::int64_t>(number); }
inline std::uint64_t number(const Statement& row, int column) {
  return static_cast<std::uint64_t>(row.integer(column));
}
inline std::uint32_t small_number(const Statement& row, int column) {
  return static_cast<std::uint32_t>(row.integer(column));
}
void bind_optional(Statement& statement, int parameter, const std::optional<Position>& position);
[[nodiscard]] std::optional<Position> position_of(const Statement& row, int column);

/// Runs a statement of the store. If the store's own tables refuse a value, the error does not concern a row of the
/// user's.
[[nodiscard]] Result<void> run(Statement& statement);

// --- progress, within a transaction ----------------------------------------------------------------------------------

inline constexpr std::string_view owner_sql = "SELECT run, finished FROM etl_checkpoints WHERE pipeline=?";
inline constexpr std::string_view settle_sql =
    "INSERT INTO etl_settled(pipeline, partition, first_seq, end_seq) VALUES(?, ?, ?, ?) "
    "ON CONFLICT(pipeline, partition, first_seq) DO UPDATE SET end_seq=max(end_seq, excluded.end_seq)";
/// Batches that arrive in order extend the watermark and need no ranges, which saves one page to write per
/// transaction.
inline constexpr std::string_view extend_sql =
    "UPDATE etl_partitions SET watermark=?4 WHERE pipeline=?1 AND partition=?2 AND watermark>=?3 AND watermark<?4";
inline constexpr std::string_view taken_sql =
    "SELECT 1 FROM etl_partitions WHERE pipeline=?1 AND partition=?2 AND watermark>?3 UNION ALL "
    "SELECT 1 FROM etl_settled WHERE pipeline=?1 AND partition=?2 AND first_seq<?4 AND end_seq>?3 LIMIT 1";
/// `extend_sql` may have moved the watermark further than the watermark of this position.
inline constexpr std::string_view advance_sql =
    "INSERT INTO etl_partitions(pipeline, partition, watermark, position, position_seq) VALUES(?, ?, ?, ?, ?) "
    "ON CONFLICT(pipeline, partition) DO UPDATE SET watermark=max(watermark, excluded.watermark), "
    "position=iif(excluded.position_seq>=position_seq, excluded.position, position), "
    "position_seq=max(position_seq, excluded.position_seq)";
inline constexpr std::string_view forget_sql =
    "DELETE FROM etl_settled WHERE pipeline=? AND partition=? AND first_seq<? AND end_seq<=?";

/// Binds the parameters of `extend_sql`, `settle_sql` and `taken_sql`.
void bind_range(Statement& statement, const std::string& pipeline, std::uint32_t partition, SeqRange range);
[[nodiscard]] Result<void> settle(Statement& statement, const std::string& pipeline, std::uint32_t partition,
                                  SeqRange range);
[[nodiscard]] Result<void> advance(Statement& statement, const std::string& pipeline,
                                   const PartitionProgress& progress);
[[nodiscard]] Result<void> forget(Statement& statement, const std::string& pipeline, const PartitionProgress& progress);

/// The run to which the progress belongs; empty if there is none.
struct OwningRun {
  std::string run;
  bool finished = false;
};
[[nodiscard]] Result<OwningRun> owner_of(Statement& statement, const std::string& pipeline);

/// The stored progress of all partitions, or of one of them. Ranges next to the watermark are joined to it.
[[nodiscard]] Result<std::map<std::uint32_t, PartitionProgress>> progress_of(Database& database,
                                                                             const std::string& pipeline,
                                                                             std::optional<std::uint32_t> only = {});
/// This function and the next two must be called in a transaction.
[[nodiscard]] Result<std::optional<Checkpoint>> checkpoint_of(Database& database, const std::string& pipeline);
[[nodiscard]] Result<void> forget_all(Database& database, const std::string& pipeline);
[[nodiscard]] Result<void> replace_all(Database& database, const std::string& pipeline, const Checkpoint& checkpoint);

/// Makes several queries see the same state of the database.
class Snapshot {
 public:
  explicit Snapshot(Database& database) : database_(&database), begun_(database.execute("BEGIN")) {}
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  ~Snapshot() {
    if (begun_) static_cast<void>(database_->execute("ROLLBACK"));
  }
  [[nodiscard]] const Result<void>& begun() const noexcept { return begun_; }

 private:
  Database* database_;
  Result<void> begun_;
};

}  // namespace etl::inline v0::sqlite::detail
