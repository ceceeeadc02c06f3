#pragma once
// Opens a plain file at any offset.

#include <cstdint>
#include <filesystem>

#include <etl/io/source.hpp>

namespace etl::inline v0::csv {

/// Opens the file at an offset. `consumed` and `size_hint` count from the beginning of the file. Returns null if the
/// file cannot be read from any offset: it is not a regular file, or its content is gzip.
[[nodiscard]] Result<io::Source> open_at(const std::filesystem::path& path, std::uint64_t offset);

}  // namespace etl::inline v0::csv
