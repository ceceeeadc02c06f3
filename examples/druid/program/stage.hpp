#pragma once
// Rows of CSV files, written to a folder that Druid reads.

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include <etl/csv/sniff.hpp>
#include <etl/error.hpp>

namespace program {

/// What was staged: one compressed file with one JSON object a row.
struct Staged {
  std::filesystem::path folder{};  ///< of this load alone
  std::string digest{};            ///< SHA-256 of the rows
  std::uint64_t rows = 0;
};

/// Reads `files`, which all have the header of the first, and writes their rows below `folder`. The same rows always go
/// to the same place. A stop is an error of code `std::errc::operation_canceled`.
[[nodiscard]] etl::Result<Staged> stage(const std::vector<std::filesystem::path>& files, const etl::csv::Sniffed& like,
                                        const std::filesystem::path& folder, const std::string& data_source,
                                        const std::stop_token& stop);

}  // namespace program
