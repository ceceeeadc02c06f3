#pragma once
// The files of a load into their table, several at once.

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
  bool counts_dropped = true;            ///< the database tells how many rows it keeps
  std::vector<etl::Error> unreadable{};  ///< what the patterns match and cannot be looked at
};

/// Under this name progress and dead letters of a file are kept.
[[nodiscard]] std::string job_name(const Load& options, const std::filesystem::path& file);
/// Under this name stands which scripts have run since rows were last loaded: nothing is kept when rows come.
[[nodiscard]] std::string merges_name(const Load& options);
/// Each by a pipeline of its own: what is wrong with one is in its result, and leaves the others alone.
template <class Into>
void load_files(const Load& options, Into& into, const std::optional<etl::csv::Mapping>& mapping,
                const TargetColumns& table, const Files& files, Summary& summary, const etl::StopToken& stop);
extern template void load_files(const Load&, IntoSqlite&, const std::optional<etl::csv::Mapping>&, const TargetColumns&,
                                const Files&, Summary&, const etl::StopToken&);
extern template void load_files(const Load&, IntoPostgres&, const std::optional<etl::csv::Mapping>&,
                                const TargetColumns&, const Files&, Summary&, const etl::StopToken&);

}  // namespace program
