#pragma once
/// The tables of a store: their names, how they are made, and how their rows are read.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/error.hpp>
#include <etl/postgres/connection.hpp>
#include <etl/postgres/table.hpp>

namespace etl::inline v0::postgres::detail {

/// The names of the tables in SQL.
struct Names {
  explicit Names(std::string_view schema)
      : in(quoted(schema)),
        store(in + ".etl_store"),
        checkpoints(in + ".etl_checkpoints"),
        partitions(in + ".etl_partitions"),
        letters(in + ".etl_dead_letters") {}
  /// The key of the advisory lock for a pipeline's progress. Pipelines that share a key by chance only wait a little
  /// for each other.
  [[nodiscard]] std::int64_t key_of(std::string_view pipeline) const noexcept;
  std::string in, store, checkpoints, partitions, letters;
};

/// SQL for a table with the `pid` of the other processes that hold an advisory lock.
[[nodiscard]] std::string holders_of(std::int64_t key);

/// The schema for the tables: `wanted`, or the first of the search path.
[[nodiscard]] Result<std::string> schema_of(Connection& connection, std::string_view wanted);
/// Makes missing tables. Returns an error if the tables have another version.
[[nodiscard]] Result<void> check_format(Connection& connection, const Names& names);
/// Makes an unknown outcome a transient error, because the store's own changes may safely be repeated.
[[nodiscard]] Error repeatable(Error error);

/// PostgreSQL's integers are signed. A number above 2^63-1 is still read back unchanged.
inline std::int64_t integer(std::uint64_t number) { return static_cast<std::int64_t>(number); }

// --- reading ---------------------------------------------------------------------------------------------------------

inline constexpr std::string_view progress_columns =
    "partition, watermark, position, position_seq, settled, id, fingerprint, ends";
inline constexpr int progress_column_count = 8;
[[nodiscard]] PartitionProgress progress_of(const Rows& rows, int row);

/// The run that `Script::owner` selects, or that is in a column of the first row; empty if there is none.
[[nodiscard]] std::string owner_of(const Rows& rows, int column = 0);

/// Each error is followed by a line end, which no error contains. The payload is in hexadecimal digits.
inline constexpr std::string_view letter_columns =
    "id, pipeline, run, partition, seq, batch, position, stage, attempts, "
    "CASE WHEN cardinality(errors) > 0 THEN array_to_string(errors, E'\\n', '') || E'\\n' END, "
    "CASE WHEN isfinite(time) THEN (extract(epoch FROM time) * 1000000)::bigint ELSE 0 END, encode(payload, 'hex'), "
    "partition_id, results, loaded, replays";
[[nodiscard]] DeadLetter letter_of(const Rows& rows, int row);

[[nodiscard]] Result<std::optional<Checkpoint>> checkpoint_of(Connection& connection, const Names& names,
                                                              const std::string& pipeline);

}  // namespace etl::inline v0::postgres::detail
