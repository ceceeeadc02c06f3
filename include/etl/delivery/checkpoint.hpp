#pragma once
/// How far a pipeline has got, kept for the next run (contract G13, G14, G17).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/seq_ranges.hpp>
#include <etl/error.hpp>
#include <etl/position.hpp>

namespace etl::inline v0 {

/// Progress of one partition.
struct PartitionProgress {
  /// Number of the partition in the checkpoint. A later run may list the same partitions in another order, so it is not
  /// the index in `partitions()`.
  std::uint32_t partition = 0;
  /// Every item with a smaller Seq is settled (G14).
  std::uint64_t watermark = 0;
  /// The last mark of the source at or below the watermark.
  std::optional<Position> position{};
  std::uint64_t position_seq = 0;  ///< number of items before `position`
  /// Items settled beyond the watermark. At most one range for each batch that can be in flight (`Options::capacity`).
  SeqRanges gaps{};
  /// Ends of the partition beyond the watermark that incremental runs with idempotency keys have met, ascending. Every
  /// later run ends a batch there too: so a batch keeps its key when the partition has grown (G16).
  std::vector<std::uint64_t> ends{};
  /// Identity of the partition, such as a path or a range of keys. Empty for a source without partitions.
  std::string id{};
  /// Fingerprint of the partition's data, or empty. A partition whose data has changed is not resumed (G17).
  std::string fingerprint{};
  friend bool operator==(const PartitionProgress&, const PartitionProgress&) = default;
};

/// Everything that a run needs to resume an earlier run. A value.
struct Checkpoint {
  /// What the pipeline's `fingerprint()` returned when the first of these runs began.
  std::string fingerprint{};
  /// The `batch_size` with which idempotency keys were made. Later runs must use the same (G16).
  std::uint64_t batch_size = 0;
  /// Whether the whole source is settled. The next run then begins at the start, unless it is incremental.
  bool finished = false;
  /// Id of the run that owns the progress (`CheckpointStore::claim`).
  std::string run{};
  /// All partitions that runs of this pipeline have had, in ascending order of their numbers.
  std::vector<PartitionProgress> partitions{};

  /// Progress of the partition with this number, or null. Logarithmic in their number.
  [[nodiscard]] const PartitionProgress* find(std::uint32_t partition) const noexcept;
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

/// Keeps checkpoints, one for each pipeline name. A run uses it from one thread at a time. Several runs may share a
/// store only if the implementation says so.
class CheckpointStore {
 public:
  CheckpointStore() = default;
  CheckpointStore(const CheckpointStore&) = delete;
  CheckpointStore& operator=(const CheckpointStore&) = delete;
  virtual ~CheckpointStore() = default;

  /// The checkpoint of a pipeline. Nothing if none was saved, or if it was reset.
  [[nodiscard]] virtual Result<std::optional<Checkpoint>> find(const std::string& pipeline) = 0;
  /// Returns what `find` returns, and makes `run` the owner of the pipeline's progress. If another run is still at
  /// work, is stuck, or is on another machine, a store that can do so refuses its later commits and saves with
  /// `Errc::Superseded` (G15), and a commit of it that is in progress has ended when this returns.
  [[nodiscard]] virtual Result<std::optional<Checkpoint>> claim(const std::string& pipeline,
                                                                const std::string& /*run*/) {
    return find(pipeline);
  }
  /// Replaces the pipeline's checkpoint as a whole. The checkpoint is durable when this returns without an error.
  [[nodiscard]] virtual Result<void> save(const std::string& pipeline, const Checkpoint& checkpoint) = 0;
  /// Deletes the pipeline's checkpoint. It is no error if there is none.
  [[nodiscard]] virtual Result<void> reset(const std::string& pipeline) = 0;
};

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/checkpoint.ipp>
#endif
