#pragma once
// The objects that a task loads, and whether it has loaded them.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::druid {

/// An object with the rows of one batch.
struct StagedObject {
  std::string key{};
  std::uint64_t rows = 0;
};

struct Manifest {
  std::vector<StagedObject> objects{};
  std::string content{};  ///< digest of the keys; the id of the task is made from it
  std::string task{};     ///< id of the first task, or of the task that has loaded the rows
  bool loaded = false;    ///< the objects are no longer needed, and some may already be removed
};

[[nodiscard]] std::string to_json(const Manifest& manifest);
/// `name` is the name of the manifest in errors.
[[nodiscard]] Result<Manifest> parse_manifest(std::string_view text, std::string_view name);

}  // namespace etl::inline v0::druid
