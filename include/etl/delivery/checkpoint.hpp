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
  /// Its number in the checkpoint. The run translates it: a later run may list the same partitions in another order.
  std::uint32_t partition = 0;
  /// Every item below it is settled (G14).
  std::uint64_t watermark = 0;
  /// The last mark of the source at or below the watermark, and how many items lie before it.
  std::optional<Position> position{};
  std::uint64_t position_seq = 0;
  /// Settled beyond the watermark. At most as many ranges as batches were under way at once (`Options::capacity`).
  SeqRanges gaps{};
  /// Which partition it is, wherever it stands in the list: a path, a range of keys. Empty for a source that has no
  /// partitions.
  std::string id{};
  /// Of the partition's data, or empty: a partition whose data has changed is not resumed (G17).
  std::string fingerprint{};
  friend bool operator==(const PartitionProgress&, const PartitionProgress&) = default;
};

/// Everything a pipeline needs to go on where it was. A value.
struct Checkpoint {
  /// Of pipeline and source, as `fingerprint()` of the pipeline said when the first of these runs began.
  std::string fingerprint{};
  /// Of the batches that idempotency keys were made for; it is used again (G16).
  std::uint64_t batch_size = 0;
  /// The whole source is settled: the next run starts anew, unless it is incremental.
  bool finished = false;
  /// Id of the run that keeps it (`CheckpointStore::claim`).
  std::string run{};
  /// All partitions that a run of this pipeline has had, in ascending order of their numbers.
  std::vector<PartitionProgress> partitions{};

  /// Progress of the partition with this number, or null. Logarithmic in their number.
  [[nodiscard]] const PartitionProgress* find(std::uint32_t partition) const noexcept;
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

/// Where checkpoints are kept, one for each pipeline name. A run calls it from one thread at a time; one store may
/// serve several runs only if the implementation says so.
class CheckpointStore {
 public:
  CheckpointStore() = default;
  CheckpointStore(const CheckpointStore&) = delete;
  CheckpointStore& operator=(const CheckpointStore&) = delete;
  virtual ~CheckpointStore() = default;

  /// Nothing: this pipeline has never been saved, or was reset.
  [[nodiscard]] virtual Result<std::optional<Checkpoint>> find(const std::string& pipeline) = 0;
  /// What `find` gives, and from now on the pipeline belongs to `run`, in place of the run of the last checkpoint
  /// saved: a store that can, refuses with `Errc::Superseded` what another run commits or saves that is still at
  /// work, stuck, or on another machine (a fence, G15).
  [[nodiscard]] virtual Result<std::optional<Checkpoint>> claim(const std::string& pipeline,
                                                                const std::string& /*run*/) {
    return find(pipeline);
  }
  /// Replaces the pipeline's checkpoint as a whole. It is durable when this returns without an error.
  [[nodiscard]] virtual Result<void> save(const std::string& pipeline, const Checkpoint& checkpoint) = 0;
  /// Forgets it; no error when there is none.
  [[nodiscard]] virtual Result<void> reset(const std::string& pipeline) = 0;
};

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/checkpoint.ipp>
#endif
