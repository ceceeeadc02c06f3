#pragma once
// Loads files of readings with a stream map.

#include <filesystem>
#include <optional>

#include <etl/csv/mapping.hpp>
#include <etl/error.hpp>

#include "load.hpp"
#include "plan.hpp"

namespace program {

/// Like `plan_file`.
[[nodiscard]] etl::Result<FilePlan> plan_readings(const std::filesystem::path& file, const Load& options,
                                                  const etl::csv::FileMapping& told,
                                                  const std::optional<TargetColumns>& table);

}  // namespace program
