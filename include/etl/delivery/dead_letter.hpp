#pragma once
/// Rejected items, set aside (contract G7).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/position.hpp>

namespace etl::inline v0 {

/// One rejected item: what it was, what was wrong with it, and where it came from. A value.
struct DeadLetter {
  /// The same for the same item of the same source whenever it is rejected: a store keeps one letter for it.
  std::string id{};
  std::string pipeline{};
  std::string run{};  ///< of the run that rejected it: `RunReport::run`
  std::uint32_t partition = 0;
  std::uint64_t seq = 0;               ///< of the item, counted from 0 in its partition
  std::uint64_t batch = 0;             ///< of the item, counted from 0 in that run: a run that goes on cuts anew
  std::optional<Position> position{};  ///< the last mark of the source before the end of its batch
  Stage stage = Stage::Transform;
  std::uint32_t attempts = 1;                    ///< how often it was tried, replays included
  std::vector<std::string> errors{};             ///< the error and its causes, outermost first
  std::chrono::system_clock::time_point time{};  ///< microseconds
  /// What the pipeline's `describe(const E&)` said of the item: `restore` makes the item of it again. Nothing: the
  /// pipeline has no `describe`.
  std::optional<std::string> payload{};
  /// Which partition it came from (`PartitionProgress::id`); empty for a source that has no partitions.
  std::string partition_id{};
  friend bool operator==(const DeadLetter&, const DeadLetter&) = default;
};

/// Where dead letters are kept. Thread-safe: the workers of a run write at the same time.
class DeadLetterStore {
 public:
  DeadLetterStore() = default;
  DeadLetterStore(const DeadLetterStore&) = delete;
  DeadLetterStore& operator=(const DeadLetterStore&) = delete;
  virtual ~DeadLetterStore() = default;

  /// All are durable when this returns without an error. A letter whose id is there already replaces that.
  [[nodiscard]] virtual Result<void> write(std::span<const DeadLetter> letters) = 0;
  /// Calls `each` for every letter of the pipeline (empty name: of all), by partition and seq, until it returns false.
  /// `each` must not use the store.
  [[nodiscard]] virtual Result<void> list(const std::string& pipeline,
                                          const std::function<bool(const DeadLetter&)>& each) = 0;
  /// Forgets the letters with these ids; how many there were.
  [[nodiscard]] virtual Result<std::size_t> purge(std::span<const std::string> ids) = 0;
};

}  // namespace etl::inline v0
