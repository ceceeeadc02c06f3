#pragma once
/// Files whose contents survive a crash.

#include <filesystem>
#include <string>
#include <string_view>

#include <etl/error.hpp>

#include "posix.hpp"

namespace etl::inline v0::io::detail {

/// The folder of a file. The path may have no folder part.
[[nodiscard]] std::filesystem::path folder_of(const std::filesystem::path& file);
/// Writes all bytes at the file's current offset. Returns 0, or the error number.
[[nodiscard]] int write_all(const Fd& file, std::string_view bytes) noexcept;
/// Makes the written bytes durable. Returns 0, or the error number.
[[nodiscard]] int sync(const Fd& file) noexcept;
/// Reads the rest of a file from its current offset. `path` is for the error.
[[nodiscard]] Result<std::string> read_all(const Fd& file, const std::filesystem::path& path);
/// Makes the names of the files in the folder durable.
[[nodiscard]] Result<void> sync_folder(const std::filesystem::path& folder);
/// Makes a folder. Makes its name and the names of all folders above durable, even if another process made them.
[[nodiscard]] Result<void> make_folder(const std::filesystem::path& folder);
/// Opens a file to read and write, with further `flags` of open(), and waits until no other process or thread has it
/// locked. The file is the current file of this name, even if it was replaced meanwhile.
[[nodiscard]] Result<Fd> open_locked(const std::filesystem::path& path, int flags);
/// Replaces the contents of a file. Even after a crash, the file has either the old or the new contents; with several
/// writers at once, it has those of one writer. Keeps the file's permissions, and a symbolic link to it.
[[nodiscard]] Result<void> replace_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace etl::inline v0::io::detail
