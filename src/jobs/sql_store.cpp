/// Jobs and units in SQL, the same for SQLite and PostgreSQL.

#include <algorithm>
#include <charconv>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <etl/jobs/fenced_store.hpp>
#include <etl/text.hpp>

#include "sql.hpp"

namespace etl::inline v0::jobs {
namespace detail {

std::uint64_t Table::number(std::size_t row, std::size_t column) const {
  return static_cast<std::uint64_t>(integer(row, column));
}
std::int64_t Table::integer(std::size_t row, std::size_t column) const {
  const std::string& text = rows[row][column];
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

namespace {

constexpr std::string_view job_columns = "id, organisation, type, version, spec, state, unit_bytes";

JobState job_state(std::string_view text) {
  for (const JobState state : {JobState::Preparing, JobState::Running, JobState::Completed,
                               JobState::CompletedWithQuarantine, JobState::Cancelled})
    if (text == to_string(state)) return state;
  throw Exception(fatal(fmt::format("the state '{}' of a job is unknown to this program", text)));
}
Job job_of(const Table& table, std::size_t row) {
  return {.id = table.integer(row, 0),
          .key = {table.text(row, 1), table.text(row, 2), table.text(row, 3)},
          .spec = table.text(row, 4),
          .state = job_state(table.text(row, 5)),
          .unit_bytes = table.number(row, 6)};
}
Result<void> nothing(const Result<Table>& done) {
  if (!done) return failure(done.error());
  return {};
}
/// `text` in a form that the database takes: bytes that are not UTF-8, and NUL, become `\xHH`. If `unicode` is false,
/// all bytes that are not ASCII become `\xHH`.
std::string storable(std::string_view text, bool unicode) {
  std::string made;
  while (!text.empty()) {
    const unsigned char first = static_cast<unsigned char>(text.front());
    const std::size_t size = first < 0x80 ? 1 : unicode ? utf8_size(text) : 0;
    if (size == 0 || first == 0)
      fmt::format_to(std::back_inserter(made), "\\x{:02x}", first);
    else
      made.append(text.substr(0, size));
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return made;
}
std::int64_t signed_of(std::uint64_t value) { return static_cast<std::int64_t>(value); }

/// Lists units and epochs as "(1,7),(2,9)".
std::string list_of(std::span<const Lease> leases) {
  std::string list;
  for (const Lease& one : leases)
    fmt::format_to(std::back_inserter(list), "{}({},{})", list.empty() ? "" : ",", one.unit, one.epoch);
  return list;
}
/// SQL for the first unit of a job in a state, or NULL. The order follows the index for that state: with EXISTS,
/// PostgreSQL may read the whole table if its statistics are old.
std::string first_unit(std::string_view job, std::string_view state, std::string_view more = "") {
  return fmt::format(
      "(SELECT p.number FROM etl_job_units p WHERE p.job={} AND p.state='{}' {} ORDER BY p.number LIMIT 1)", job, state,
      more);
}
/// The leases whose units are missing in the result.
std::vector<Lease> missing(std::span<const Lease> leases, const Table& found) {
  std::vector<Lease> lost;
  for (const Lease& one : leases) {
    bool there = false;
    for (std::size_t row = 0; row < found.size() && !there; ++row) there = found.integer(row, 0) == one.unit;
    if (!there) lost.push_back(one);
  }
  return lost;
}

class SqlJobStore final : public JobStore {
 public:
  SqlJobStore(std::unique_ptr<Sql> sql, std::uint32_t max_attempts)
      : sql_(std::move(sql)), max_attempts_(max_attempts) {}

  Result<std::unique_ptr<JobStore>> again() override {
    auto sql = sql_->again();
    if (!sql) return failure(std::move(sql.error()));
    return std::make_unique<SqlJobStore>(std::move(*sql), max_attempts_);
  }
  const std::string& name() const noexcept override { return sql_->name(); }

  // --- the coordinator's ---

  Result<Job> create(const JobKey& key, const std::string& spec, std::span<const Input> inputs,
                     std::uint64_t unit_bytes) override {
    Result<Job> job;
    auto done = sql_->transaction([&]() -> Result<void> {
      const auto made = sql_->run(
          "INSERT INTO etl_jobs(organisation, type, version, spec, state, unit_bytes, max_attempts, created_at) "
          "VALUES(?1, ?2, ?3, ?4, 'preparing', ?5, ?6, @now) ON CONFLICT(organisation, type, version) DO NOTHING "
          "RETURNING id",
          {key.organisation, key.type, key.version, spec, signed_of(unit_bytes), std::int64_t{max_attempts_}});
      if (!made) return failure(made.error());
      for (std::size_t i = 0; made->size() > 0 && i < inputs.size(); ++i)
        if (auto added = sql_->run(
                "INSERT INTO etl_job_inputs VALUES(?1, ?2, ?3, ?4, ?5)",
                {made->integer(0, 0), signed_of(i), inputs[i].path, inputs[i].fingerprint, signed_of(inputs[i].size)});
            !added)
          return failure(std::move(added.error()));
      const auto found = sql_->run(
          fmt::format("SELECT {} FROM etl_jobs WHERE organisation=?1 AND type=?2 AND version=?3", job_columns),
          {key.organisation, key.type, key.version});
      if (!found) return failure(found.error());
      job = job_of(*found, 0);
      return {};
    });
    if (!done) return failure(std::move(done.error()));
    if (auto same = check_same(*job, spec, inputs, unit_bytes); !same) return failure(std::move(same.error()));
    return job;
  }

  Result<void> add_units(Id job, std::uint64_t first, std::span<const UnitPlace> units) override {
    return sql_->transaction([&]() -> Result<void> {
      for (const UnitPlace& unit : units)
        if (auto added = add_unit(job, first++, unit); !added) return added;
      return sql_->hint();
    });
  }
  Result<void> start(Id job) override {
    return nothing(sql_->write(
        "UPDATE etl_jobs SET sealed=1, state=CASE WHEN state='preparing' THEN 'running' ELSE state END WHERE id=?1",
        {job}));
  }
  Result<void> cancel(Id job) override {
    return change(job, "cancel",
                  "UPDATE etl_jobs SET state='cancelled' WHERE id=?1 AND state IN ('preparing','running','cancelled') "
                  "RETURNING id");
  }
  Result<void> resume(Id job) override {
    return sql_->transaction([&]() -> Result<void> {
      if (auto done =
              change_within(job, "resume",
                            "UPDATE etl_jobs SET state=CASE WHEN state<>'cancelled' THEN state WHEN sealed=1 THEN "
                            "'running' ELSE 'preparing' END WHERE id=?1 AND state IN "
                            "('preparing','running','cancelled') RETURNING id");
          !done)
        return done;
      return sql_->hint();
    });
  }
  Result<std::uint64_t> retry_quarantined(Id job) override {
    std::uint64_t count = 0;
    auto done = sql_->transaction([&]() -> Result<void> {
      // The job comes first. `settle` locks the job's row too, so neither transaction can miss the changes of the
      // other.
      if (auto changed =
              change_within(job, "retry the quarantined units of",
                            "UPDATE etl_jobs SET finished_at=0, state=CASE WHEN state="
                            "'completed_with_quarantine' THEN 'running' ELSE state END WHERE id=?1 RETURNING id");
          !changed)
        return changed;
      const auto units = sql_->run(
          "UPDATE etl_job_units SET state='pending', attempts=0, not_before=0 WHERE job=?1 AND state='quarantined' "
          "RETURNING id",
          {job});
      if (!units) return failure(units.error());
      count = units->size();
      // A job without quarantined units keeps its state.
      if (count == 0) return failure(Error{.code = Errc::WrongState});
      return sql_->hint();
    });
    if (!done && done.error().code == Errc::WrongState && done.error().context.empty()) return std::uint64_t{0};
    if (!done) return failure(std::move(done.error()));
    return count;
  }
  Result<std::uint64_t> settle() override {
    // A unit leaves two dead rows in PostgreSQL, and autovacuum comes once a minute at most. After many units the next
    // job should not find theirs in the index of pending units.
    constexpr std::size_t many = 1000;
    bool large = false;
    std::uint64_t count = 0;
    const auto any = sql_->run(ended_job());
    if (!any) return failure(any.error());
    if (any->size() == 0) return count;
    auto done = sql_->transaction([&]() -> Result<void> {
      const auto locked = sql_->run("SELECT id FROM etl_jobs WHERE state='running' ORDER BY id @skip");
      if (!locked) return failure(locked.error());
      for (std::size_t row = 0; row < locked->size(); ++row) {
        const auto ended = sql_->run(
            fmt::format("UPDATE etl_jobs SET finished_at=@now, state=CASE WHEN {} IS NULL THEN 'completed' ELSE "
                        "'completed_with_quarantine' END WHERE id=?1 AND state='running' AND {} IS NULL AND {} IS NULL "
                        "RETURNING id",
                        first_unit("?1", "quarantined"), first_unit("?1", "pending"), first_unit("?1", "running")),
            {locked->integer(row, 0)});
        if (!ended) return failure(ended.error());
        count += ended->size();
        if (ended->size() == 0) continue;
        const auto units = sql_->run(fmt::format("SELECT 1 FROM etl_job_units WHERE job=?1 LIMIT {}", many),
                                     {locked->integer(row, 0)});
        if (!units) return failure(units.error());
        large = large || units->size() == many;
      }
      return count > 0 ? sql_->hint() : Result<void>();  // workers that wait may return now
    });
    if (!done) return failure(std::move(done.error()));
    if (large) sql_->clean();
    return count;
  }

  // --- what there is ---

  Result<Job> find(std::string_view which) override {
    std::int64_t number = -1;
    if (const auto [end, error] = std::from_chars(which.data(), which.data() + which.size(), number);
        error != std::errc{} || end != which.data() + which.size())
      number = -1;
    const auto found = sql_->run(
        fmt::format(
            "SELECT {} FROM etl_jobs WHERE id=?1 OR version=?2 ORDER BY CASE WHEN id=?1 THEN 0 ELSE 1 END, id DESC",
            job_columns),
        {number, std::string(which)});
    if (!found) return failure(found.error());
    if (found->size() > 0) return job_of(*found, 0);
    return failure(not_found(fmt::format("no job has the number or the name '{}'", which)));
  }
  Result<std::vector<Input>> inputs(Id job) override {
    const auto found =
        sql_->run("SELECT path, fingerprint, size FROM etl_job_inputs WHERE job=?1 ORDER BY number", {job});
    if (!found) return failure(found.error());
    std::vector<Input> all;
    for (std::size_t row = 0; row < found->size(); ++row)
      all.push_back({found->text(row, 0), found->text(row, 1), found->number(row, 2)});
    return all;
  }
  Result<Progress> progress(Id job) override {
    auto all = progress_of("WHERE id=?1", {job});
    if (!all) return failure(std::move(all.error()));
    if (all->empty()) return failure(not_found(fmt::format("there is no job {}", job)));
    return std::move(all->front());
  }
  Result<std::vector<Progress>> list() override { return progress_of("", {}); }
  Result<std::vector<UnitStatus>> units(Id job, UnitState state, std::size_t most) override {
    const auto found = sql_->run(
        "SELECT id, number, input, begin_at, end_at, first_line, worker, attempts, records, rejected, @now-beat_at, "
        "error "
        "FROM etl_job_units WHERE job=?1 AND state=?2 ORDER BY number LIMIT ?3",
        {job, std::string(to_string(state)), signed_of(most)});
    if (!found) return failure(found.error());
    std::vector<UnitStatus> all;
    for (std::size_t row = 0; row < found->size(); ++row)
      all.push_back({.id = found->integer(row, 0),
                     .number = found->number(row, 1),
                     .state = state,
                     .place = {.input = static_cast<std::uint32_t>(found->number(row, 2)),
                               .begin = found->number(row, 3),
                               .end = found->number(row, 4),
                               .first_line = found->number(row, 5)},
                     .worker = found->text(row, 6),
                     .attempts = static_cast<std::uint32_t>(found->number(row, 7)),
                     .records = found->number(row, 8),
                     .rejected = found->number(row, 9),
                     .beat_age = std::chrono::milliseconds(
                         state == UnitState::Running ? std::max<std::int64_t>(0, found->integer(row, 10)) : 0),
                     .error = found->text(row, 11)});
    return all;
  }
  Result<std::uint64_t> open_jobs(std::optional<Id> only) override {
    const auto found = sql_->run(
        "SELECT count(*) FROM etl_jobs WHERE state IN ('preparing','running') AND (id=?1 OR ?1=0)", {only.value_or(0)});
    if (!found) return failure(found.error());
    return found->number(0, 0);
  }

  Result<Outlook> look(std::optional<Id> only) override {
    const auto found = sql_->run(
        fmt::format("SELECT (SELECT count(*) FROM etl_jobs j WHERE j.state IN ('preparing','running') AND (j.id=?1 OR "
                    "?1=0)), (SELECT j.id FROM etl_jobs j WHERE j.state IN ('preparing','running') AND (j.id=?1 OR "
                    "?1=0) AND {} IS NOT NULL ORDER BY j.id LIMIT 1), (SELECT u.id FROM etl_job_units u WHERE "
                    "u.state='running' AND u.lease_until<@now ORDER BY u.job, u.number LIMIT 1), ({})",
                    first_unit("j.id", "pending", "AND p.not_before<=@now"), ended_job()),
        {only.value_or(0)});
    if (!found) return failure(found.error());
    const auto any = [&](std::size_t column) { return !found->text(0, column).empty(); };
    return Outlook{.open = found->number(0, 0), .pending = any(1), .overdue = any(2), .ended = any(3)};
  }

  // --- the worker's ---

  Result<std::vector<Claimed>> claim(const ClaimOptions& options) override {
    return claimed_in(
        options, [&](std::string_view sql, std::initializer_list<Value> values) { return sql_->write(sql, values); });
  }
  Result<std::vector<Lease>> beat(std::span<const Lease> leases, std::chrono::milliseconds lease) override {
    if (leases.empty()) return std::vector<Lease>();
    const auto kept = sql_->write(
        fmt::format("{}UPDATE etl_job_units SET beat_at=@now, lease_until=@now+?1 FROM (VALUES {}) AS v WHERE "
                    "id=v.column1 AND epoch=v.column2 AND state='running' AND EXISTS(SELECT 1 FROM etl_jobs j WHERE "
                    "j.id=etl_job_units.job AND j.state IN ('preparing','running')) RETURNING id",
                    varying, list_of(leases)),
        {in_ms(lease)});
    if (!kept) return failure(kept.error());
    return missing(leases, *kept);
  }
  Result<std::vector<Lease>> finish(std::span<const Lease> leases) override {
    if (leases.empty()) return std::vector<Lease>();
    return not_among(leases, sql_->write(finished(leases)));
  }
  Result<Handover> finish_and_claim(std::span<const Lease> leases, const ClaimOptions& options) override {
    Handover both;
    auto done = sql_->transaction([&]() -> Result<void> {
      if (!leases.empty()) {
        auto lost = not_among(leases, sql_->run(finished(leases)));
        if (!lost) return failure(std::move(lost.error()));
        both.lost = std::move(*lost);
      }
      auto claimed = claimed_in(
          options, [&](std::string_view sql, std::initializer_list<Value> values) { return sql_->run(sql, values); });
      if (!claimed) return failure(std::move(claimed.error()));
      both.claimed = std::move(*claimed);
      return {};
    });
    if (!done) return failure(std::move(done.error()));
    return both;
  }
  Result<void> release(const Lease& lease, std::chrono::milliseconds pause) override {
    return sql_->transaction([&]() -> Result<void> {
      auto state = end(lease,
                       "UPDATE etl_job_units SET state='pending', not_before=@now+?3 WHERE id=?1 AND epoch=?2 AND "
                       "state='running' RETURNING state",
                       {lease.unit, lease.epoch, in_ms(pause)});
      if (!state) return failure(std::move(state.error()));
      return sql_->hint();
    });
  }
  Result<UnitState> fail(const Lease& lease, const std::string& error, std::chrono::milliseconds pause) override {
    return committed(lease,
                     "UPDATE etl_job_units SET attempts=attempts+1, error=?4, not_before=@now+?3, state=CASE WHEN "
                     "attempts+1>=(SELECT max_attempts FROM etl_jobs WHERE etl_jobs.id=job) THEN 'quarantined' ELSE "
                     "'pending' END WHERE id=?1 AND epoch=?2 AND state='running' RETURNING state",
                     {lease.unit, lease.epoch, in_ms(pause), storable(error, sql_->takes_unicode())});
  }
  Result<void> quarantine(const Lease& lease, const std::string& error) override {
    auto state =
        committed(lease,
                  "UPDATE etl_job_units SET attempts=attempts+1, error=?3, state='quarantined' WHERE id=?1 AND "
                  "epoch=?2 AND state='running' RETURNING state",
                  {lease.unit, lease.epoch, storable(error, sql_->takes_unicode())});
    if (!state) return failure(std::move(state.error()));
    return {};
  }
  Result<std::uint64_t> reclaim() override {
    const auto taken = sql_->write(
        "WITH expired AS MATERIALIZED (SELECT u.id AS unit FROM etl_job_units u WHERE u.state='running' AND "
        "u.lease_until<@now ORDER BY u.job, u.number LIMIT 1000 @skip) "
        "UPDATE etl_job_units SET attempts=attempts+1, not_before=0, state=CASE WHEN attempts+1>=(SELECT max_attempts "
        "FROM "
        "etl_jobs WHERE etl_jobs.id=job) THEN 'quarantined' ELSE 'pending' END, error='its worker ' || worker || "
        "' was not heard of until the end of its lease' FROM expired WHERE id=unit AND state='running' RETURNING id");
    if (!taken) return failure(taken.error());
    return taken->size();
  }
  Result<void> release_all(const std::string& worker) override {
    return nothing(sql_->write(
        "UPDATE etl_job_units SET state='pending', not_before=0 WHERE state='running' AND worker=?1", {worker}));
  }
  bool wait(std::chrono::milliseconds most, const std::stop_token& stop, Hints hints) override {
    return sql_->wait(most, stop, hints);
  }

 private:
  [[nodiscard]] Error not_found(std::string_view what) const {
    return {.code = Errc::NotFound, .context = fmt::format("{}: {}", name(), what)};
  }
  /// Changes the unit of a lease. Returns the new state.
  Result<UnitState> end(const Lease& lease, std::string_view statement, std::initializer_list<Value> values) {
    const auto changed = sql_->run(statement, values);
    if (!changed) return failure(changed.error());
    if (changed->size() == 0) return failure(lease_lost(lease));
    return changed->text(0, 0) == to_string(UnitState::Quarantined) ? UnitState::Quarantined : UnitState::Pending;
  }
  /// `run(sql, values)` is a statement of a transaction, or a transaction.
  template <class Run>
  Result<std::vector<Claimed>> claimed_in(const ClaimOptions& options, Run run) {
    if (options.most > 1) {
      // Of several units that a worker has when it dies, one may be to blame. Each loses an attempt, so it must not be
      // the last one; and those that have lost one are claimed alone.
      auto claimed = claimed_where(" AND u.attempts=0 AND (SELECT m.max_attempts FROM etl_jobs m WHERE m.id=u.job)>1",
                                   options.most, options, run);
      if (!claimed || !claimed->empty()) return claimed;
    }
    return claimed_where("", std::min<std::size_t>(options.most, 1), options, run);
  }
  template <class Run>
  Result<std::vector<Claimed>> claimed_where(std::string_view more, std::size_t most, const ClaimOptions& options,
                                             Run run) {
    // MATERIALIZED: PostgreSQL would otherwise be free to run the subquery several times, and to lock more rows than it
    // is to. The LIMIT is a number and not a parameter, for which PostgreSQL would plan to sort all that is pending.
    const auto claimed = run(
        fmt::format(
            "WITH picked AS MATERIALIZED (SELECT u.id AS unit FROM etl_job_units u WHERE u.job=(SELECT j.id FROM "
            "etl_jobs j WHERE j.state IN ('preparing','running') AND (j.id=?3 OR ?3=0) AND {} IS NOT NULL "
            "ORDER BY j.id LIMIT 1) AND u.state='pending' AND u.not_before<=@now{} ORDER BY u.number LIMIT {} @skip) "
            "UPDATE etl_job_units SET state='running', epoch=epoch+1, worker=?1, claimed_at=@now, beat_at=@now, "
            "lease_until=@now+?2 FROM picked WHERE id=unit "
            "RETURNING id, job, epoch, number, attempts, input, begin_at, end_at, first_line, restart",
            first_unit("j.id", "pending", "AND p.not_before<=@now"), more, most),
        {options.worker, in_ms(options.lease), options.job.value_or(0)});
    if (!claimed) return failure(claimed.error());
    std::vector<Claimed> all;
    for (std::size_t row = 0; row < claimed->size(); ++row)
      all.push_back({.lease = {claimed->integer(row, 0), claimed->integer(row, 1), claimed->integer(row, 2)},
                     .number = claimed->number(row, 3),
                     .attempt = static_cast<std::uint32_t>(claimed->number(row, 4) + 1),
                     .place = {.input = static_cast<std::uint32_t>(claimed->number(row, 5)),
                               .begin = claimed->number(row, 6),
                               .end = claimed->number(row, 7),
                               .first_line = claimed->number(row, 8),
                               .restart = claimed->text(row, 9)}});
    std::ranges::sort(all, {}, &Claimed::number);
    return all;
  }
  static std::string finished(std::span<const Lease> leases) {
    return fmt::format(
        "{}UPDATE etl_job_units SET state='done', finished_at=@now, error='' FROM (VALUES {}) AS v "
        "WHERE id=v.column1 AND epoch=v.column2 AND state IN ('running','done') RETURNING id",
        varying, list_of(leases));
  }
  static Result<std::vector<Lease>> not_among(std::span<const Lease> leases, const Result<Table>& found) {
    if (!found) return failure(found.error());
    return missing(leases, *found);
  }
  /// A running job without a unit that is pending or running.
  static std::string ended_job() {
    return fmt::format(
        "SELECT e.id FROM etl_jobs e WHERE e.state='running' AND {} IS NULL AND {} IS NULL ORDER BY e.id LIMIT 1",
        first_unit("e.id", "pending"), first_unit("e.id", "running"));
  }
  Result<void> add_unit(Id job, std::uint64_t number, const UnitPlace& unit) {
    const auto added = sql_->run(
        "INSERT INTO etl_job_units(job, number, input, begin_at, end_at, first_line, restart, created_at) "
        "SELECT id, CAST(?2 AS BIGINT), CAST(?3 AS INTEGER), CAST(?4 AS BIGINT), CAST(?5 AS BIGINT), CAST(?6 AS "
        "BIGINT), CAST(?7 AS TEXT), @now FROM etl_jobs WHERE id=?1 AND sealed=0 "
        "ON CONFLICT(job, number) DO NOTHING RETURNING id",
        {job, signed_of(number), std::int64_t{unit.input}, signed_of(unit.begin), signed_of(unit.end),
         signed_of(unit.first_line), unit.restart});
    if (!added) return failure(added.error());
    if (added->size() > 0) return {};
    // The process that cut the file before this one may have been of a version that cuts at other places.
    const auto found = sql_->run(
        "SELECT begin_at, end_at FROM etl_job_units WHERE job=?1 AND number=?2 AND (input<>?3 OR begin_at<>?4 OR "
        "end_at<>?5)",
        {job, signed_of(number), std::int64_t{unit.input}, signed_of(unit.begin), signed_of(unit.end)});
    if (!found) return failure(found.error());
    if (found->size() == 0) return {};
    return failure(
        Error{.code = Errc::JobDiffers,
              .context = fmt::format("{}: unit {} of job {} was cut at bytes {} to {}, and now at {} to {}, "
                                     "perhaps by another version of this program: make a new job",
                                     name(), number, job, found->text(0, 0), found->text(0, 1), unit.begin, unit.end)});
  }
  Result<UnitState> committed(const Lease& lease, std::string_view statement, std::initializer_list<Value> values) {
    Result<UnitState> state = UnitState::Pending;
    auto done = sql_->transaction([&]() -> Result<void> {
      state = end(lease, statement, values);
      if (!state) return failure(state.error());
      return {};
    });
    if (!done) return failure(std::move(done.error()));
    return state;
  }
  Result<void> change(Id job, std::string_view doing, std::string_view statement) {
    return sql_->transaction([&] { return change_within(job, doing, statement); });
  }
  Result<void> change_within(Id job, std::string_view doing, std::string_view statement) {
    const auto changed = sql_->run(statement, {job});
    if (!changed) return failure(changed.error());
    if (changed->size() > 0) return {};
    const auto found = sql_->run("SELECT state FROM etl_jobs WHERE id=?1", {job});
    if (!found) return failure(found.error());
    if (found->size() == 0)
      return failure(not_found(fmt::format("cannot {} job {}: there is no such job", doing, job)));
    return failure(
        Error{.code = Errc::WrongState,
              .context = fmt::format("{}: cannot {} job {}, which is {}", name(), doing, job, found->text(0, 0))});
  }
  Result<void> check_same(const Job& job, const std::string& spec, std::span<const Input> inputs,
                          std::uint64_t unit_bytes) {
    const auto differs = [&](std::string_view what) {
      return failure(
          Error{.code = Errc::JobDiffers,
                .context = fmt::format("{}: job {} '{}' exists and has other {}: give the new job another name", name(),
                                       job.id, job.key.version, what)});
    };
    if (job.spec != spec) return differs("settings");
    if (job.unit_bytes != unit_bytes) return differs("units (unit_bytes)");
    const auto there = this->inputs(job.id);
    if (!there) return failure(there.error());
    const auto same = [](const Input& a, const Input& b) { return a.path == b.path && a.fingerprint == b.fingerprint; };
    if (!std::ranges::equal(*there, inputs, same)) return differs("inputs, or one of them has changed");
    return {};
  }
  Result<std::vector<Progress>> progress_of(std::string_view where, std::initializer_list<Value> values) {
    const auto jobs = sql_->run(
        fmt::format(
            "SELECT {}, CASE WHEN finished_at>0 THEN finished_at ELSE @now END-created_at FROM etl_jobs {} ORDER BY "
            "id",
            job_columns, where),
        values);
    if (!jobs) return failure(jobs.error());
    std::vector<Progress> all;
    for (std::size_t row = 0; row < jobs->size(); ++row) {
      Progress one{.job = job_of(*jobs, row), .elapsed = std::chrono::milliseconds(jobs->integer(row, 7))};
      const auto counts = sql_->run(
          "SELECT state, count(*), sum(end_at-begin_at), sum(records), sum(rejected) FROM etl_job_units WHERE job=?1 "
          "GROUP BY state",
          {one.job.id});
      if (!counts) return failure(counts.error());
      for (std::size_t i = 0; i < counts->size(); ++i) add(one, *counts, i);
      all.push_back(std::move(one));
    }
    return all;
  }
  static void add(Progress& to, const Table& counts, std::size_t row) {
    const std::string& state = counts.text(row, 0);
    (state == "pending"   ? to.pending
     : state == "running" ? to.running
     : state == "done"    ? to.done
                          : to.quarantined) = counts.number(row, 1);
    to.bytes += counts.number(row, 2);
    if (state == "done") to.bytes_done = counts.number(row, 2);
    to.records += counts.number(row, 3);
    to.rejected += counts.number(row, 4);
  }

  std::unique_ptr<Sql> sql_;
  std::uint32_t max_attempts_;
};

}  // namespace
}  // namespace detail

Result<Backend> backend_of(std::string_view url) {
  if (url.starts_with("sqlite:") && url.size() > 7) return Backend::Sqlite;
  if (url.starts_with("postgresql://") || url.starts_with("postgres://")) return Backend::Postgres;
  return failure(Error{.code = etl::Errc::InvalidOptions,
                       .context = fmt::format("'{}' is not the URL of a store: write sqlite:PATH or "
                                              "postgresql://USER@HOST/DATABASE",
                                              url)});
}
std::string sqlite_path(std::string_view url) { return std::string(url.substr(url.find(':') + 1)); }

Result<std::unique_ptr<JobStore>> open(std::string_view url, const StoreOptions& options) {
  const auto backend = backend_of(url);
  if (!backend) return failure(backend.error());
  Result<std::unique_ptr<detail::Sql>> sql =
      failure(Error{.code = etl::Errc::InvalidOptions,
                    .context = fmt::format("this etlpipe was built without the component '{}'",
                                           *backend == Backend::Sqlite ? "sqlite" : "postgres")});
#ifdef ETLPIPE_JOBS_SQLITE
  if (*backend == Backend::Sqlite) sql = detail::open_sqlite(sqlite_path(url), options);
#endif
#ifdef ETLPIPE_JOBS_POSTGRES
  if (*backend == Backend::Postgres) sql = detail::open_postgres(std::string(url), options);
#endif
  if (!sql) return failure(std::move(sql.error()));
  if (auto ready = detail::migrate(**sql); !ready) return failure(std::move(ready.error()));
  return std::make_unique<detail::SqlJobStore>(std::move(*sql), options.max_attempts);
}

}  // namespace etl::inline v0::jobs
