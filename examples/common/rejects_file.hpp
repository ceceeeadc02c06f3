#pragma once
/// The file of --rejects.

#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include <etl/error.hpp>
#include <etl/io/object_store_url.hpp>

namespace program {

/// Checks that the file of --rejects is neither one of the inputs nor `database`, and can be written: before hours of
/// loading and not after them. `database` is empty unless the rows go into a file. Of the URL of an object only the
/// name is checked.
inline etl::Result<void> check_rejects_file(const std::filesystem::path& rejects,
                                            std::span<const std::filesystem::path> files,
                                            const std::filesystem::path& database) {
  if (rejects.empty()) return {};
  const auto local = etl::io::local_path(rejects);
  if (!local) return etl::failure(local.error());
  std::error_code unknown;
  for (const std::filesystem::path& file : files)
    if (file == rejects || std::filesystem::equivalent(file, *local, unknown))
      return etl::failure(etl::fatal(fmt::format("--rejects {} is one of the files to load", rejects.string())));
  if (etl::io::is_store_url(rejects.native())) return {};
  const auto same = [&](const std::filesystem::path& other) {
    return std::filesystem::equivalent(other, *local, unknown) ||
           std::filesystem::weakly_canonical(other, unknown) == std::filesystem::weakly_canonical(*local, unknown);
  };
  if (!database.empty() && (same(database) || same(database.string() + "-wal") || same(database.string() + "-shm")))
    return etl::failure(etl::fatal(fmt::format("--rejects {} is the database of --store", rejects.string())));
  if (!std::ofstream(*local, std::ios::app))
    return etl::failure(etl::fatal(fmt::format("--rejects {} cannot be written", rejects.string())));
  return {};
}

}  // namespace program
