/// The tables of jobs, and their migrations.

#include <array>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "sql.hpp"

namespace etl::inline v0::jobs::detail {
namespace {

// Each migration is a list of statements that never changes after its release. `@id` is the type of a number that the
// database assigns. Heartbeats change no indexed column, so that PostgreSQL can update the row in place (HOT).
constexpr std::array version_1{
    std::string_view(R"(CREATE TABLE etl_jobs(
      id @id, organisation TEXT NOT NULL, type TEXT NOT NULL, version TEXT NOT NULL, spec TEXT NOT NULL,
      state TEXT NOT NULL CHECK(state IN ('preparing','running','completed','completed_with_quarantine','cancelled')),
      sealed INTEGER NOT NULL DEFAULT 0, unit_bytes BIGINT NOT NULL, max_attempts INTEGER NOT NULL,
      created_at BIGINT NOT NULL, finished_at BIGINT NOT NULL DEFAULT 0, UNIQUE(organisation, type, version)))"),
    std::string_view(R"(CREATE TABLE etl_job_inputs(
      job BIGINT NOT NULL REFERENCES etl_jobs(id) ON DELETE CASCADE, number INTEGER NOT NULL, path TEXT NOT NULL,
      fingerprint TEXT NOT NULL, size BIGINT NOT NULL, PRIMARY KEY(job, number)))"),
    std::string_view(R"(CREATE TABLE etl_job_units(
      id @id, job BIGINT NOT NULL REFERENCES etl_jobs(id) ON DELETE CASCADE, number BIGINT NOT NULL,
      state TEXT NOT NULL DEFAULT 'pending' CHECK(state IN ('pending','running','done','quarantined')),
      input INTEGER NOT NULL, begin_at BIGINT NOT NULL, end_at BIGINT NOT NULL, first_line BIGINT NOT NULL,
      restart TEXT NOT NULL, epoch BIGINT NOT NULL DEFAULT 0, worker TEXT NOT NULL DEFAULT '',
      attempts INTEGER NOT NULL DEFAULT 0, not_before BIGINT NOT NULL DEFAULT 0, lease_until BIGINT NOT NULL DEFAULT 0,
      beat_at BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL, claimed_at BIGINT NOT NULL DEFAULT 0,
      finished_at BIGINT NOT NULL DEFAULT 0, records BIGINT NOT NULL DEFAULT 0, rejected BIGINT NOT NULL DEFAULT 0,
      error TEXT NOT NULL DEFAULT '', UNIQUE(job, number)) @space)"),
    std::string_view("CREATE INDEX etl_job_units_pending ON etl_job_units(job, number) WHERE state='pending'"),
    std::string_view("CREATE INDEX etl_job_units_running ON etl_job_units(job, number) WHERE state='running'"),
    std::string_view("CREATE INDEX etl_job_units_quarantined ON etl_job_units(job, number) WHERE state='quarantined'"),
};
constexpr std::array migrations{std::span<const std::string_view>(version_1)};
constexpr auto newest = static_cast<std::int64_t>(migrations.size());

Result<std::int64_t> version_of(Sql& sql) {
  const auto there = sql.has_table("etl_job_schema");
  if (!there) return failure(there.error());
  if (!*there) return 0;
  const auto found = sql.run("SELECT version FROM etl_job_schema");
  if (!found) return failure(found.error());
  return found->size() == 0 ? 0 : found->integer(0, 0);
}

Result<void> refuse_newer(const Sql& sql, std::int64_t version) {
  if (version <= newest) return {};
  return failure(
      Error{.code = Errc::NewerSchema,
            .context = fmt::format("{}: its tables etl_job* have schema {}, and this program knows schemas up "
                                   "to {}: use a newer version of the program; nothing was changed",
                                   sql.name(), version, newest)});
}

}  // namespace

Result<void> migrate(Sql& sql) {
  auto version = version_of(sql);
  if (!version) return failure(std::move(version.error()));
  if (auto good = refuse_newer(sql, *version); !good) return good;
  if (*version == newest) return {};
  return sql.transaction([&]() -> Result<void> {
    if (auto locked = sql.lock_schema(); !locked) return locked;
    version = version_of(sql);  // another process may have migrated already, perhaps to a newer version
    if (!version) return failure(version.error());
    if (auto good = refuse_newer(sql, *version); !good) return good;
    if (*version == newest) return {};
    if (*version == 0)
      for (const std::string_view statement : {"CREATE TABLE IF NOT EXISTS etl_job_schema(version INTEGER NOT NULL)",
                                               "INSERT INTO etl_job_schema VALUES(0)"})
        if (auto done = sql.run(statement); !done) return failure(std::move(done.error()));
    for (auto i = static_cast<std::size_t>(*version); i < migrations.size(); ++i)
      for (const std::string_view statement : migrations[i])
        if (auto done = sql.run(statement); !done) return failure(std::move(done.error()));
    if (auto done = sql.run("UPDATE etl_job_schema SET version=?1", {newest}); !done)
      return failure(std::move(done.error()));
    return {};
  });
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

}  // namespace etl::inline v0::jobs::detail
