#pragma once
// What a file must be to be loaded.

#include <filesystem>
#include <stop_token>

#include <CLI/CLI.hpp>
#include <etl/csv/validate.hpp>
#include <etl/error.hpp>

#include "input.hpp"

namespace program {

/// Options that set the limits.
void add_limits(CLI::App& command, etl::csv::ValidationLimits& limits);
/// Everything that is wrong with a file. An error: the file is not there, or a stop.
[[nodiscard]] etl::Result<etl::csv::Validation> validate(const std::filesystem::path& file, const InputOptions& options,
                                                         const etl::csv::ValidationLimits& limits,
                                                         const std::stop_token& stop);

}  // namespace program
