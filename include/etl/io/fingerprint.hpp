#pragma once
/// Whether a file is still the one that was read before (contract G17).

#include <filesystem>
#include <string>

#include <etl/error.hpp>

namespace etl::inline v0::io {

/// One line that is another when the file was changed: its size, modification time (ns), and SHA-256 of its first and
/// last MiB. Its name is not part of it. An error for what is no regular file: a pipe cannot be read again.
[[nodiscard]] Result<std::string> fingerprint(const std::filesystem::path& path);

}  // namespace etl::inline v0::io
