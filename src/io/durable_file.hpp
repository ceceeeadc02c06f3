#pragma once
/// Files whose contents survive a crash.

#include <filesystem>
#include <string>
#include <string_view>

#include <etl/error.hpp>

#include "posix.hpp"

namespace etl::inline v0::io::detail {

/// The folder of a file, which may be named without one.
[[nodiscard]] std::filesystem::path folder_of(const std::filesystem::path& file);
/// Writes all bytes at the file's own place. 0, or the error number.
[[nodiscard]] int write_all(const Fd& file, std::string_view bytes) noexcept;
/// Makes durable what was written. 0, or the error number.
[[nodiscard]] int sync(const Fd& file) noexcept;
/// The rest of a file from its present place. `path` is for the error.
[[nodiscard]] Result<std::string> read_all(const Fd& file, const std::filesystem::path& path);
/// Makes durable which files the folder has.
[[nodiscard]] Result<void> sync_folder(const std::filesystem::path& folder);
/// Replaces a file by these bytes: whatever happens, it has the old contents or the new. Keeps its
/// permissions.
[[nodiscard]] Result<void> replace_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace etl::inline v0::io::detail
