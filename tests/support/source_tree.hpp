#pragma once
/// Where the sources of these tests are.

#include <filesystem>

namespace test {

/// The repository's root. A compiler cache may have made `__FILE__` relative: then the root is looked for above the
/// current folder.
inline std::filesystem::path source_tree() {
  namespace fs = std::filesystem;
  const fs::path tree = fs::path(__FILE__).parent_path().parent_path().parent_path();
  if (tree.is_absolute()) return tree;
  for (fs::path at = fs::current_path(); at != at.parent_path(); at = at.parent_path())
    if (fs::exists(at / "include" / "etl" / "etl.hpp")) return at;
  return tree;
}

}  // namespace test
