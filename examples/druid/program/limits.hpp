#pragma once
// The conditions under which a file may be loaded.

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string_view>

#include <CLI/CLI.hpp>
#include <etl/csv/validate.hpp>
#include <etl/error.hpp>

#include "input.hpp"

namespace program {

/// Adds the options that set the limits.
void add_limits(CLI::App& command, etl::csv::ValidationLimits& limits);
/// The validation of a file that is too large, which need not be read; otherwise nothing.
[[nodiscard]] std::optional<etl::csv::Validation> too_large(const std::filesystem::path& file,
                                                            const etl::csv::ValidationLimits& limits);
/// Returns everything that is wrong with a file; `time` is its column of the time, empty: any. Returns an error if the
/// file does not exist, or after a stop.
[[nodiscard]] etl::Result<etl::csv::Validation> validate(const std::filesystem::path& file, const InputOptions& options,
                                                         const etl::csv::ValidationLimits& limits,
                                                         std::string_view time, const std::stop_token& stop);

}  // namespace program
