#pragma once
/// The compiled part of `Checkpoint`.

#include <algorithm>
#include <cstdint>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>

namespace etl::inline v0 {

ETLPIPE_COMPILED const PartitionProgress* Checkpoint::find(std::uint32_t partition) const noexcept {
  const auto at = std::ranges::lower_bound(partitions, partition, {}, &PartitionProgress::partition);
  return at != partitions.end() && at->partition == partition ? &*at : nullptr;
}

}  // namespace etl::inline v0
