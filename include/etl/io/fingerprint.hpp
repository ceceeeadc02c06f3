#pragma once
/// Whether a file is still the one that was read before (contract G17).

#include <filesystem>
#include <string>

#include <etl/error.hpp>

namespace etl::inline v0::io {

/// One line that changes when the file changes: size, modification time (ns), and SHA-256 of the first and last MiB.
/// The name is not included. For a URL of an object: its size and etag. An error if `path` is not a regular file,
/// because a pipe cannot be read again.
[[nodiscard]] Result<std::string> fingerprint(const std::filesystem::path& path);

}  // namespace etl::inline v0::io
