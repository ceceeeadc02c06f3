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
/// Makes a folder, and makes the names of it and of all folders above durable, whoever has made them.
[[nodiscard]] Result<void> make_folder(const std::filesystem::path& folder);
/// Opens a file to read and write with further `flags` (open), and waits until no other process and no other thread has
/// it locked. It is the one of this name even if another was put in its place meanwhile.
[[nodiscard]] Result<Fd> open_locked(const std::filesystem::path& path, int flags);
/// Replaces a file by these bytes: whatever happens, it has the old contents or the new, and with several writers at
/// once those of one of them. Keeps its permissions, and a symbolic link to it.
[[nodiscard]] Result<void> replace_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace etl::inline v0::io::detail
