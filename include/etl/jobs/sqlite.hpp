#pragma once
/// Lands units in a SQLite database (contract G19).

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/jobs/fenced_store.hpp>
#include <etl/jobs/job.hpp>
#include <etl/sqlite/store.hpp>

namespace etl::inline v0::jobs {

/// Counts the records in the unit's row. The error is `lease_lost` if the unit no longer has the lease's epoch or is
/// not Running. Call it within a transaction of the database that has the jobs.
[[nodiscard]] Result<void> check_lease(sqlite::Tx& tx, const Lease& lease, const Landed& landed);

}  // namespace etl::inline v0::jobs
