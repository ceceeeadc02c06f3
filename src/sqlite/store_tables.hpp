#pragma once
/// The tables of a store: how they are made, and how progress goes in and out.

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

/// Makes the tables that are missing, unless `read_only`; an error when they are of another version.
[[nodiscard]] Result<void> check_format(Database& database, bool read_only);

/// SQLite's integers are signed; a number above 2^63-1 comes back as it went in.
inline std::int64_t integer(std::uint64_t number) { return static_cast<std::int64_t>(number); }
inline std::uint64_t number(const Statement& row, int column) {
  return static_cast<std::uint64_t>(row.integer(column));
}
inline std::uint32_t small_number(const Statement& row, int column) {
  return static_cast<std::uint32_t>(row.integer(column));
}
void bind_optional(Statement& statement, int parameter, const std::optional<Position>& position);
[[nodiscard]] std::optional<Position> position_of(const Statement& row, int column);

/// A value that this store's own tables do not take concerns no row of the user's.
[[nodiscard]] Result<void> run(Statement& statement);

// --- progress, within a transaction ----------------------------------------------------------------------------------

inline constexpr std::string_view owner_sql = "SELECT run, finished FROM etl_checkpoints WHERE pipeline=?";
inline constexpr std::string_view settle_sql =
    "INSERT INTO etl_settled(pipeline, partition, first_seq, end_seq) VALUES(?, ?, ?, ?) "
    "ON CONFLICT(pipeline, partition, first_seq) DO UPDATE SET end_seq=max(end_seq, excluded.end_seq)";
/// Batches that come in order need no ranges: one page less to write for each transaction.
inline constexpr std::string_view extend_sql =
    "UPDATE etl_partitions SET watermark=?4 WHERE pipeline=?1 AND partition=?2 AND watermark>=?3 AND watermark<?4";
inline constexpr std::string_view taken_sql =
    "SELECT 1 FROM etl_partitions WHERE pipeline=?1 AND partition=?2 AND watermark>?3 UNION ALL "
    "SELECT 1 FROM etl_settled WHERE pipeline=?1 AND partition=?2 AND first_seq<?4 AND end_seq>?3 LIMIT 1";
/// The watermark may have been extended beyond the one whose position comes now.
inline constexpr std::string_view advance_sql =
    "INSERT INTO etl_partitions(pipeline, partition, watermark, position, position_seq) VALUES(?, ?, ?, ?, ?) "
    "ON CONFLICT(pipeline, partition) DO UPDATE SET watermark=max(watermark, excluded.watermark), "
    "position=iif(excluded.position_seq>=position_seq, excluded.position, position), "
    "position_seq=max(position_seq, excluded.position_seq)";
inline constexpr std::string_view forget_sql =
    "DELETE FROM etl_settled WHERE pipeline=? AND partition=? AND first_seq<? AND end_seq<=?";

/// For `extend_sql`, `settle_sql` and `taken_sql`.
void bind_range(Statement& statement, const std::string& pipeline, std::uint32_t partition, SeqRange range);
[[nodiscard]] Result<void> settle(Statement& statement, const std::string& pipeline, std::uint32_t partition,
                                  SeqRange range);
[[nodiscard]] Result<void> advance(Statement& statement, const std::string& pipeline,
                                   const PartitionProgress& progress);
[[nodiscard]] Result<void> forget(Statement& statement, const std::string& pipeline, const PartitionProgress& progress);

/// The run whose progress it is; empty when there is none.
struct OwningRun {
  std::string run;
  bool finished = false;
};
[[nodiscard]] Result<OwningRun> owner_of(Statement& statement, const std::string& pipeline);

/// What is stored of the partitions, or of one of them, ranges joined to the watermark.
[[nodiscard]] Result<std::map<std::uint32_t, PartitionProgress>> progress_of(Database& database,
                                                                             const std::string& pipeline,
                                                                             std::optional<std::uint32_t> only = {});
/// In a transaction, as are the next two.
[[nodiscard]] Result<std::optional<Checkpoint>> checkpoint_of(Database& database, const std::string& pipeline);
[[nodiscard]] Result<void> forget_all(Database& database, const std::string& pipeline);
[[nodiscard]] Result<void> replace_all(Database& database, const std::string& pipeline, const Checkpoint& checkpoint);

/// Several queries see the same state of the database.
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
