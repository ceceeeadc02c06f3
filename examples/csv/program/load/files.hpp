#pragma once
// Loads several files into their table at the same time.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <etl/csv/mapping.hpp>
#include <etl/error.hpp>
#include <etl/stop.hpp>

#include "into.hpp"
#include "load.hpp"
#include "summary.hpp"

namespace program {

struct Files {
  std::vector<std::filesystem::path> paths{};
  std::uint64_t table_generation = 1;    ///< `TableRecord::generation`
  bool counts_dropped = true;            ///< the database reports how many rows it keeps
  std::vector<etl::Error> unreadable{};  ///< files that the patterns match and that cannot be inspected
};

/// The name under which progress and dead letters of a file are kept.
[[nodiscard]] std::string job_name(const Load& options, const std::filesystem::path& file);
/// The name under which the store keeps which scripts have run since rows were last loaded. New rows delete this
/// record.
[[nodiscard]] std::string merges_name(const Load& options);
/// Loads each file with its own pipeline. An error of one file is in the result of that file, and does not affect the
/// others.
template <class Into>
void load_files(const Load& options, Into& into, const std::optional<etl::csv::Mapping>& mapping,
                const TargetColumns& table, const Files& files, Summary& summary, const etl::StopToken& stop);
extern template void load_files(const Load&, IntoSqlite&, const std::optional<etl::csv::Mapping>&, const TargetColumns&,
                                const Files&, Summary&, const etl::StopToken&);
extern template void load_files(const Load&, IntoPostgres&, const std::optional<etl::csv::Mapping>&,
                                const TargetColumns&, const Files&, Summary&, const etl::StopToken&);

}  // namespace program
