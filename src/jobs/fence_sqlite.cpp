/// Checks the lease within the transaction that writes the rows, in SQLite.

#include <etl/jobs/sqlite.hpp>

namespace etl::inline v0::jobs {

Result<void> check_lease(sqlite::Tx& tx, const Lease& lease, const Landed& landed) {
  auto update = tx.prepare(
      "UPDATE etl_job_units SET records=records+?, rejected=rejected+? WHERE id=? AND epoch=? AND state='running'");
  if (!update) return failure(std::move(update.error()));
  (*update)->bind(0, static_cast<std::int64_t>(landed.records));
  (*update)->bind(1, static_cast<std::int64_t>(landed.rejected));
  (*update)->bind(2, lease.unit);
  (*update)->bind(3, lease.epoch);
  if (auto done = (*update)->run(); !done) return done;
  if (tx.database().changes() == 0) return failure(lease_lost(lease));
  return {};
}

}  // namespace etl::inline v0::jobs
