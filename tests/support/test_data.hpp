#pragma once
/// The shared test data, which is not part of this tree.

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "support/source_tree.hpp"

namespace test {

/// The folder, or nothing: the environment variable ETLPIPE_TEST_DATA, else the compile definition of that name, else
/// `shared/data` beside this tree.
inline std::optional<std::filesystem::path> data_folder() {
  namespace fs = std::filesystem;
  const auto folder = [](const fs::path& path) -> std::optional<fs::path> {
    std::error_code ignored;
    if (path.empty() || !fs::is_directory(path, ignored)) return std::nullopt;
    return path;
  };
  if (const char* named = std::getenv("ETLPIPE_TEST_DATA"); named != nullptr) return folder(named);
#ifdef ETLPIPE_TEST_DATA
  if (auto configured = folder(ETLPIPE_TEST_DATA)) return configured;
#endif
  return folder(source_tree().parent_path() / "shared" / "data");
}

}  // namespace test
