#pragma once
// A plain file from any place on.

#include <cstdint>
#include <filesystem>

#include <etl/io/source.hpp>

namespace etl::inline v0::csv {

/// From the place on; `consumed` and `size_hint` count from the beginning of the file. Null when the file is not one
/// that can be read from any place on: no regular file, or gzip by content.
[[nodiscard]] Result<io::Source> open_at(const std::filesystem::path& path, std::uint64_t offset);

}  // namespace etl::inline v0::csv
