#pragma once
// Loads JSON files: an object on each line, or an array of objects.

#include <cstddef>
#include <filesystem>
#include <optional>

#include <etl/csv/mapping.hpp>
#include <etl/error.hpp>
#include <etl/stop.hpp>

#include "load.hpp"
#include "plan.hpp"

namespace program {

/// Like `plan_file`. `told` is what a mapping says about the file, or null.
[[nodiscard]] etl::Result<FilePlan> plan_json(const std::filesystem::path& file, const Load& options,
                                              const etl::csv::FileMapping* told,
                                              const std::optional<TargetColumns>& table, const etl::StopToken& stop,
                                              std::size_t look);

}  // namespace program
