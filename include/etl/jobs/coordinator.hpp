#pragma once
/// Makes a job and its units.

#include <filesystem>
#include <functional>
#include <span>
#include <stop_token>
#include <string>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/jobs/job.hpp>
#include <etl/jobs/split.hpp>
#include <etl/jobs/store.hpp>

namespace etl::inline v0::jobs {

/// Makes a job of files: takes their fingerprints, cuts them into units, and starts the job. Workers may take units
/// while later ones are still being cut. If the process dies, the same call continues: it keeps the units that exist. A
/// job whose units all exist is returned unchanged, and its files are not read again. For a Completed job nothing is
/// done, because this version is ingested (S0-29). `on_job` is called on this thread as soon as the job exists.
[[nodiscard]] Result<Job> coordinate(JobStore& store, const JobKey& key, const std::string& spec,
                                     std::span<const std::filesystem::path> files, const SplitOptions& options,
                                     const std::stop_token& stop = {},
                                     const std::function<void(const Job&)>& on_job = {});

}  // namespace etl::inline v0::jobs
