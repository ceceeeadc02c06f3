#pragma once
/// Dead letters: rejected items that are kept (contract G7).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/seq_ranges.hpp>
#include <etl/error.hpp>
#include <etl/position.hpp>

namespace etl::inline v0 {

/// One rejected item: what it was, what was wrong with it, and where it came from. A value.
struct DeadLetter {
  /// Identity of the item: the same item of the same source always gets the same id, so a store keeps one letter for
  /// it.
  std::string id{};
  std::string pipeline{};                        ///< `Options::name` of the run
  std::string run{};                             ///< id of the run that rejected the item: `RunReport::run`
  std::uint32_t partition = 0;                   ///< number of the partition
  std::uint64_t seq = 0;                         ///< number of the item, counted from 0 in its partition
  std::uint64_t batch = 0;                       ///< number of the item's batch in that run, from 0
  std::optional<Position> position{};            ///< the last mark of the source before the end of the batch
  Stage stage = Stage::Transform;                ///< stage that rejected the item
  std::uint32_t attempts = 1;                    ///< attempts at it in that run, and one for each replay
  std::vector<std::string> errors{};             ///< the error and its causes, outermost first
  std::chrono::system_clock::time_point time{};  ///< when it was rejected, in microseconds
  /// The item: what the pipeline's `serialize(const E&)` returned, or else its `describe(const E&)`. `deserialize`
  /// makes the item from it. Nothing if the pipeline has neither.
  std::optional<std::string> payload{};
  /// Identity of the partition (`PartitionProgress::id`); empty for a source without partitions.
  std::string partition_id{};
  /// If `load` rejected only some results of the item: how many results `transform` had made of it. Otherwise 0.
  std::uint64_t results = 0;
  /// Numbers of those results that are loaded, from 0 within the item. A replay does not load them again.
  SeqRanges loaded{};
  std::uint32_t replays = 0;  ///< number of replays whose `load` has rejected the item again
  friend bool operator==(const DeadLetter&, const DeadLetter&) = default;
};

/// Keeps dead letters. Thread-safe: the workers of a run write at the same time.
class DeadLetterStore {
 public:
  DeadLetterStore() = default;
  DeadLetterStore(const DeadLetterStore&) = delete;
  DeadLetterStore& operator=(const DeadLetterStore&) = delete;
  virtual ~DeadLetterStore() = default;

  /// Writes letters. All are durable when this returns without an error. A letter replaces an earlier one with its id.
  [[nodiscard]] virtual Result<void> write(std::span<const DeadLetter> letters) = 0;
  /// Calls `each` for every letter of the pipeline (with an empty name: of all pipelines), in the order of partition
  /// and seq, until `each` returns false. `each` must not use the store.
  [[nodiscard]] virtual Result<void> list(const std::string& pipeline,
                                          const std::function<bool(const DeadLetter&)>& each) = 0;
  /// Deletes the letters with these ids, and returns how many there were.
  [[nodiscard]] virtual Result<std::size_t> purge(std::span<const std::string> ids) = 0;
};

}  // namespace etl::inline v0
