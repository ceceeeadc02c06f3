#pragma once
/// The calls of a run to its pipeline besides transform and load.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <etl/config.hpp>
#include <etl/detail/intake/lane.hpp>
#include <etl/detail/load/stage_calls.hpp>
#include <etl/error.hpp>

namespace etl::inline v0 {

struct RunReport;

namespace detail {

/// A partition of this run: its id, and the fingerprint of its data (`PartitionProgress`).
struct PartitionName {
  std::string id{};
  std::string fingerprint{};
};

/// Extracts one partition into a lane. May throw what the user's code throws.
class PartitionSource {
 public:
  PartitionSource() = default;
  PartitionSource(const PartitionSource&) = delete;
  PartitionSource& operator=(const PartitionSource&) = delete;
  virtual ~PartitionSource() = default;
  [[nodiscard]] virtual std::optional<Error> extract(Lane& lane) = 0;
};

/// The list that `partitions()` returned; items may refer to it. Throws what its iterators throw. The owner must
/// serialise the calls. Partitions that were taken may be extracted at the same time.
class PartitionList {
 public:
  PartitionList() = default;
  PartitionList(const PartitionList&) = delete;
  PartitionList& operator=(const PartitionList&) = delete;
  virtual ~PartitionList() = default;
  [[nodiscard]] virtual std::vector<PartitionName> names() = 0;
  /// Number of partitions, or `most` if there are more: a list may be endless.
  [[nodiscard]] virtual std::size_t count(std::size_t most) = 0;
  [[nodiscard]] virtual bool at_end() = 0;
  [[nodiscard]] virtual std::unique_ptr<PartitionSource> take_next() = 0;
};

/// Which optional members a pipeline has, as far as a run needs to know.
struct PipelineTraits {
  bool has_payload;
  bool replays;  ///< makes items from payloads
  bool has_partitions;
  bool identifies_partitions;
  bool has_fingerprint;
  bool acknowledges;
  bool has_pre_process;
  bool has_post_process;
  bool has_expected_items;
  bool has_expected_bytes;
};

/// A whole pipeline. Each of these calls may throw what the user's code throws.
class PipelineCalls : public StageCalls {
 public:
  [[nodiscard]] virtual const PipelineTraits& pipeline_traits() const noexcept = 0;
  [[nodiscard]] virtual std::string fingerprint() = 0;
  [[nodiscard]] virtual std::optional<Error> pre_process(const std::stop_token& stop) = 0;
  [[nodiscard]] virtual std::optional<Error> post_process(const RunReport& report, const std::stop_token& stop) = 0;
  [[nodiscard]] virtual std::uint64_t expected_items() = 0;
  [[nodiscard]] virtual std::uint64_t expected_bytes() = 0;
  /// Extracts a pipeline without partitions. If the source knows its size, this sets `expected`, unless it is already
  /// set.
  [[nodiscard]] virtual std::optional<Error> extract(Lane& lane, std::atomic<std::uint64_t>& expected) = 0;
  /// The partitions, or null if the pipeline has none.
  [[nodiscard]] virtual std::unique_ptr<PartitionList> partitions() = 0;
};

}  // namespace detail
}  // namespace etl::inline v0
