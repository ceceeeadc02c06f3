#pragma once
/// How a batch ingestion runs, and how it cuts segments (Druid manual, "Native batch ingestion"). All types are values.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <etl/config.hpp>

namespace etl::inline v0::druid {

/// Segments are cut by the number of rows as the rows come. The only way that can append.
struct DynamicPartitions {
  std::int64_t max_rows_per_segment = 5'000'000;  ///< most rows of a segment
  std::optional<std::int64_t> max_total_rows{};   ///< in segments that are not published yet
};
/// Rows go to segments by a hash of dimensions. Reads the input twice; roll-up is perfect.
struct HashedPartitions {
  std::vector<std::string> dimensions{};                  ///< empty: all
  std::optional<std::int64_t> num_shards{};               ///< segments per time span; or
  std::optional<std::int64_t> target_rows_per_segment{};  ///< from which Druid computes them
};
/// Rows go to segments by ranges of dimensions, which queries that filter by them read fast. Reads the input twice;
/// roll-up is perfect.
struct RangePartitions {
  std::vector<std::string> dimensions{};                  ///< strings with one value each
  std::optional<std::int64_t> target_rows_per_segment{};  ///< about so many rows a segment; or
  std::optional<std::int64_t> max_rows_per_segment{};     ///< at most so many
  bool assume_grouped = false;                            ///< the input has no two rows of the same time and dimensions
};
/// How rows are divided into the segments of one span of time.
using Partitions = std::variant<DynamicPartitions, HashedPartitions, RangePartitions>;

/// How columns of segments are compressed.
enum class Compression : std::uint8_t {
  Lz4,           ///< Druid's default
  Lzf,           ///< slower and larger than LZ4
  Zstd,          ///< smaller and slower than LZ4
  Uncompressed,  ///< as they are
};

/// Limits, partitions and segments of a task. An aggregate.
struct Tuning {
  Partitions partitions{};                            ///< how segments are cut
  std::int64_t max_sub_tasks = 1;                     ///< that run at once; 1 reads everything in one task
  std::optional<std::int64_t> max_rows_in_memory{};   ///< before they are written to disk; empty: Druid's default
  std::optional<std::int64_t> max_bytes_in_memory{};  ///< the same in bytes
  /// Rows that may be unparseable before the task fails. Druid's own default is to drop any number in silence.
  std::int64_t max_parse_exceptions = 0;
  /// Bad rows whose text the report keeps.
  std::int64_t max_saved_parse_exceptions = 100;
  bool log_parse_exceptions = false;  ///< also in the task's log
  /// How long the task itself waits for its segments to be queryable before it ends; 0: it does not wait.
  std::chrono::milliseconds await_segments{0};
  std::optional<std::int64_t> max_split_bytes{};       ///< of input for one sub-task
  std::optional<std::int64_t> max_split_files{};       ///< of input for one sub-task
  std::optional<Compression> dimension_compression{};  ///< of dimensions; empty: Druid's default
  std::optional<Compression> metric_compression{};     ///< of metrics; empty: Druid's default
};

}  // namespace etl::inline v0::druid
