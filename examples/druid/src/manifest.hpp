#pragma once
// Which objects a task loads, and whether it has.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::druid {

/// The rows of one batch.
struct StagedObject {
  std::string key{};
  std::uint64_t rows = 0;
};

struct Manifest {
  std::vector<StagedObject> objects{};
  std::string content{};  ///< digest of the keys, which the task's id is made of
  std::string task{};     ///< id of the first task, or of the one that has loaded the rows
  bool loaded = false;    ///< the objects are not needed any more, and may be gone in part
};

[[nodiscard]] std::string to_json(const Manifest& manifest);
/// `name`: of the manifest, in errors.
[[nodiscard]] Result<Manifest> parse_manifest(std::string_view text, std::string_view name);

}  // namespace etl::inline v0::druid
