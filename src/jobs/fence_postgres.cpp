/// Checks the lease within the transaction that writes the rows, in PostgreSQL.

#include <etl/jobs/postgres.hpp>

namespace etl::inline v0::jobs {

Result<void> check_lease(postgres::Tx& tx, const Lease& lease, const Landed& landed) {
  // This locks the row until the commit: a worker that reclaims units skips the row (SKIP LOCKED), or waits.
  const auto rows = tx.query(
      "UPDATE etl_job_units SET records=records+$1, rejected=rejected+$2 WHERE id=$3 AND epoch=$4 AND state='running'",
      landed.records, landed.rejected, lease.unit, lease.epoch);
  if (!rows) return failure(rows.error());
  if (rows->affected() == 0) return failure(lease_lost(lease));
  return {};
}

}  // namespace etl::inline v0::jobs
