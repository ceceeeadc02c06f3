#pragma once
/// Cuts files into units at ends of records, in one pass, and opens one unit without reading what is before it.

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/io/record_splitter.hpp>
#include <etl/io/source.hpp>
#include <etl/jobs/job.hpp>

namespace etl::inline v0::jobs {

/// Settings of a split. An aggregate.
struct SplitOptions {
  io::RecordSplitter records{};  ///< where records end
  std::uint64_t unit_bytes =
      32 << 20;  ///< size of a unit in inflated bytes, and up to a quarter (at most 256 KiB) or a record more
  std::uint64_t max_record = std::uint64_t{256} << 20;  ///< a longer record is an error that names its place
};

/// Reads `path` once, from its first byte to its last, and calls `each` with the units in their order; if `each`
/// returns an error, the split ends with it. There are no gaps between units, and each unit ends where a record ends.
/// In a gzip file every unit has a restart point: a place between two blocks of its deflate stream with the 32 KiB
/// before it (zlib's examples/zran.c), so that the cost of all units is linear in the size of the file. CRC-32 and
/// length of every member are checked here. A file in another compression becomes one unit.
[[nodiscard]] Result<void> split(const std::string& path, std::uint32_t input, const SplitOptions& options,
                                 const std::function<Result<void>(UnitPlace)>& each, const std::stop_token& stop = {});

/// The bytes of a unit, inflated. Errors name the file, and offsets of the file. The content is not checked against a
/// CRC-32 here, because `split` has done so; compare `io::fingerprint` first.
[[nodiscard]] Result<io::Source> open_unit(const std::string& path, const UnitPlace& place);

}  // namespace etl::inline v0::jobs
