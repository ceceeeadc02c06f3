#include <etl/jobs/worker.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "failures.hpp"
#include "heart.hpp"
#include "known_files.hpp"
#include "pauses.hpp"
#include "rest.hpp"

namespace etl::inline v0::jobs {

std::string Work::fingerprint() const {
  return fmt::format("{} [{}, {}) {}", input.fingerprint, unit.place.begin, unit.place.end, job.spec);
}

int WorkerReport::exit_code() const noexcept {
  if (error) return 1;
  if (stopped) return 4;
  return quarantined > 0 || rejected > 0 ? 3 : 0;
}

namespace detail {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

std::string some_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host[0] = '?';
  return fmt::format("{}:{}:{:04x}", host.data(), ::getpid(), std::random_device()() & 0xFFFFU);
}

class Worker {
 public:
  Worker(JobStore& jobs, const RunUnit& run_unit, const std::function<Result<void>(const std::string&)>& forget,
         const WorkerOptions& options, const StopToken& stop)
      : jobs_(jobs), run_unit_(run_unit), forget_(forget), options_(options), stop_(stop) {
    claim_ = {.worker = options.name.empty() ? some_name() : options.name, .lease = options.lease, .job = options.job};
  }

  WorkerReport run() {
    Result<void> ended;
    auto thrown = error_of([&] { ended = work(); });
    const bool failed = thrown || !ended;
    if (failed) hand_all_back();
    if (thrown)
      report_.error = std::move(thrown);
    else if (!ended && stop_.drain().stop_requested() && ended.error().error_class == ErrorClass::Transient)
      report_.stopped = true;
    else if (!ended)
      report_.error = std::move(ended.error());
    return report_;
  }

 private:
  Result<void> work() {
    // Heartbeats come three times as often.
    constexpr milliseconds least(10);
    if (options_.lease < least)
      return failure(Error{.code = etl::Errc::InvalidOptions,
                           .context = fmt::format("WorkerOptions::lease is {} ms: it must be at least {} ms",
                                                  options_.lease.count(), least.count())});
    // Before the first claim: each run would be refused, which counts as an attempt at its unit.
    auto unusable = run_options("a unit").validate();
    if (!unusable && options_.run.errors.dead_letters)
      unusable = Error{.code = etl::Errc::InvalidOptions,
                       .context =
                           "errors.dead_letters is set, but dead letters of units are kept in the database of "
                           "the job: leave it out"};
    if (unusable) {
      unusable->context.insert(0, "WorkerOptions::run: ");
      return failure(std::move(*unusable));
    }
    auto beats = insist([&] { return jobs_.again(); });
    if (!beats) return failure(std::move(beats.error()));
    heart_.emplace(std::move(*beats), options_.lease);
    auto reclaimed = SteadyClock::now() - options_.lease;
    while (!heart_->none_waits() || !stop_.drain().stop_requested()) {
      if (heart_->none_waits() && SteadyClock::now() - reclaimed > options_.lease / 2) {
        reclaimed = SteadyClock::now();
        if (auto taken = reclaim(); !taken) return failure(std::move(taken.error()));
      }
      if (auto claimed = claim(); !claimed) return claimed;
      if (heart_->none_waits()) {
        rest_.claimed_nothing();
        const auto more = rest();
        if (!more) return failure(more.error());
        if (!*more) break;
        continue;
      }
      rest_.claimed();
      if (auto done = land_all(); !done) return done;
    }
    if (heart_->end() || answer_lost_)
      static_cast<void>(insist([&] { return jobs_.release_all(claim_.worker); }).has_value());
    report_.stopped = stop_.drain().stop_requested();
    return {};
  }
  /// So that other workers need not wait for the end of the leases. If this fails, they do.
  void hand_all_back() {
    const bool left = heart_ && heart_->end();
    if (!left && !has_units_ && !answer_lost_) return;
    static_cast<void>(error_of([&] { static_cast<void>(jobs_.release_all(claim_.worker).has_value()); }));
  }

  /// Repeats an operation while the database cannot be reached. After a stop, it is repeated only for a few seconds.
  template <class Operation>
  auto insist(Operation operation) -> decltype(operation()) {
    constexpr auto patience = std::chrono::seconds(5);
    std::optional<SteadyClock::time_point> last;
    for (bool first = true;; first = false) {
      // The answer to a claim may have been lost, so first release the units that nobody works on.
      auto freed = first || has_units_ ? Result<void>() : jobs_.release_all(claim_.worker);
      auto done = freed ? operation() : decltype(operation())(failure(freed.error()));
      if (done || done.error().error_class != ErrorClass::Transient) {
        pauses_.reset();
        return done;
      }
      // Other workers probably lost the database too. They get the time of one lease to report again.
      no_reclaim_before_ = SteadyClock::now() + options_.lease;
      const bool stopping = stop_.drain().stop_requested();
      if (stopping && !last) last = SteadyClock::now() + patience;
      if (stopping && SteadyClock::now() > *last) return done;
      jobs_.wait(pauses_.next(), stopping ? std::stop_token() : stop_.drain(), Hints::Heed);
    }
  }

  Result<std::uint64_t> reclaim() {
    if (SteadyClock::now() < no_reclaim_before_) return std::uint64_t{0};
    return insist([&] { return jobs_.reclaim(); });
  }
  /// Claims a unit, unless the end of the last one has done so.
  Result<void> claim() {
    if (!heart_->none_waits()) return {};
    if (answer_lost_) {
      if (auto freed = insist([&] { return jobs_.release_all(claim_.worker); }); !freed) return freed;
      answer_lost_ = false;
    }
    claim_.most = 1;
    auto claimed = insist([&] { return jobs_.claim(claim_); });
    if (!claimed) return failure(std::move(claimed.error()));
    heart_->keep(std::move(*claimed));
    return {};
  }
  /// Nothing to claim. Waits until there may be something; false: there will be nothing. While it waits, it reads, and
  /// writes only where there is something to do.
  Result<bool> rest() {
    while (!stop_.drain().stop_requested()) {
      if (rest_.wait()) return true;
      const auto found = look_around();
      if (!found) return failure(found.error());
      if (found->pending) return true;
      if (found->open == 0 && !options_.stay) return false;
    }
    return true;
  }
  Result<Outlook> look_around() {
    for (;;) {
      auto found = insist([&] { return jobs_.look(options_.job); });
      if (!found) return found;
      if (found->overdue) {
        const auto taken = reclaim();
        if (!taken) return failure(taken.error());
        found->pending = found->pending || *taken > 0;
      }
      if (!found->ended) return found;
      const auto settled = insist([&] { return jobs_.settle(); });
      if (!settled) return failure(settled.error());
      if (*settled == 0) return found;  // another worker is about to
    }
  }
  Result<const Job*> job_of(Id id) {
    if (const auto found = known_.find(id); found != known_.end()) return &found->second;
    auto job = insist([&] { return jobs_.find(std::to_string(id)); });
    if (!job) return failure(std::move(job.error()));
    auto inputs = insist([&] { return jobs_.inputs(id); });
    if (!inputs) return failure(std::move(inputs.error()));
    inputs_[id] = std::move(*inputs);
    return &known_.insert_or_assign(id, std::move(*job)).first->second;
  }

  /// Lands the units that were claimed together, and records their ends together.
  Result<void> land_all() {
    has_units_ = true;
    const auto began = SteadyClock::now();
    std::size_t units = 0;
    for (;; ++units) {
      const StopSource source;
      const auto unit = heart_->begin(source);
      if (!unit) break;
      if (auto done = land(*unit, source); !done) return done;
    }
    pace(units, SteadyClock::now() - began);
    auto done = record([&](const auto& leases) { return finished_and_claimed(leases); });
    const Heart::Gone gone = heart_->gone();
    report_.released += gone.released;
    report_.lost += gone.lost;
    has_units_ = !heart_->none_waits();
    return done;
  }
  /// Decides how many units the next claim takes: more as long as all of them together take a few milliseconds, which
  /// is the time of a transaction. Otherwise other workers would wait for units that this one holds.
  void pace(std::size_t units, SteadyClock::duration taken) {
    if (taken > 2 * short_time)
      together_ = std::max<std::size_t>(1, together_ / 4);
    else if (taken <= short_time && units >= together_)
      together_ = std::min(2 * together_, most_together);
  }
  Result<void> land(const Claimed& unit, const StopSource& source) {
    const auto job = job_of(unit.lease.job);
    if (!job) return failure(job.error());
    Work work{.job = **job, .input = inputs_[unit.lease.job].at(unit.place.input), .unit = unit};
    RunReport run = run_of(work, source);
    const bool lost = heart_->leave(run.ok());
    report_.records += run.items.loaded;
    report_.rejected += run.ok() ? run.items.rejected + run.earlier_rejects.value_or(0) : 0;
    if (run.ok()) {
      landed_.push_back({std::move(work), std::move(run)});
      return {};
    }
    // First those before it, so that `on_unit` is told of all in their order.
    if (auto done = record([&](const auto& leases) { return finished(leases); }); !done) return done;
    return conclude(work, run, lost);
  }

  [[nodiscard]] Options run_options(std::string name) const {
    Options options = options_.run;
    options.name = std::move(name);
    // If the end of a unit was not recorded, the next run finds nothing left to do.
    options.delivery = {.incremental = true};
    return options;
  }
  RunReport run_of(const Work& work, const StopSource& source) {
    Options options = run_options(work.unit.pipeline());
    RunReport report{.pipeline = options.name, .outcome = Outcome::Failed};
    if (auto same = files_.check(work.input); !same) {
      unseen_ = same.error().error_class == ErrorClass::Transient;
      report.add_error({.error = std::move(same.error()), .pipeline = options.name, .stage = Stage::PreProcess});
      return report;
    }
    StopSource both = source;
    const std::stop_callback drain(stop_.drain(), [&] { both.request_drain(); });
    const std::stop_callback abandon(stop_.abandon(), [&] { both.request_abandon(); });
    const auto still_mine = [&]() -> Result<void> {
      auto lost = jobs_.beat({&work.unit.lease, 1}, options_.lease);
      if (!lost) return failure(std::move(lost.error()));
      return lost->empty() ? Result<void>() : failure(lease_lost(work.unit.lease));
    };
    auto thrown = error_of([&] { report = run_unit_(work, still_mine, std::move(options), both.stop_token()); });
    if (thrown) report.add_error({.error = std::move(*thrown), .pipeline = work.unit.pipeline()});
    if (!report.ok()) return report;
    // If a file was moved away after it was read, its records are complete all the same.
    if (auto same = files_.check(work.input); !same && same.error().code == Errc::InputChanged) {
      report.outcome = Outcome::Failed;
      same.error().context.insert(
          0, "the file changed while it was read, so records of the old and of the new file may be landed: ");
      report.add_error({.error = std::move(same.error()), .pipeline = report.pipeline, .stage = Stage::Extract});
    }
    return report;
  }

  /// Records in the database how a unit has ended that is not landed.
  Result<void> conclude(const Work& work, const RunReport& run, bool lost) {
    const Lease& lease = work.unit.lease;
    const Error* const why = run.errors.empty() ? nullptr : &run.errors.front().error;
    const auto is = [&](auto code) { return why != nullptr && why->code == code; };
    // A lease also counts as lost if the job was cancelled; the unit can then still be handed back.
    const bool timed_out = run.outcome == Outcome::DrainTimeout && !stop_.drain().stop_requested();
    // A stop may also end a source with an error: the statement that it waits for is cancelled.
    const bool source_ended = run.outcome == Outcome::Failed && stop_.drain().stop_requested() && !run.errors.empty() &&
                              run.errors.front().stage == Stage::Extract;
    const bool stopped =
        run.outcome == Outcome::Cancelled || (run.outcome == Outcome::DrainTimeout && !timed_out) || source_ended;
    Result<std::string_view> what = std::string_view();
    if (std::exchange(unseen_, false))
      // The unit is not to blame. Other workers may take it after a pause, and this worker takes other units.
      what = hand_back(lease, pauses_.up_to(pause_after(++times_unseen_[lease.unit])));
    else if (lost || stopped || is(Errc::LeaseLost) || is(etl::Errc::Superseded))
      what = hand_back(lease, {});
    else if (timed_out || (why != nullptr && (why->error_class == ErrorClass::Transient || exhausted(*why))))
      what = let_pass(work, run);
    else
      what = fail(work, run);
    if (!what) return failure(std::move(what.error()));
    count(*what);
    tell(work, run, *what);
    return {};
  }
  void count(std::string_view what) {
    (what == "done"          ? report_.done
     : what == "released"    ? report_.released
     : what == "failed"      ? report_.failed
     : what == "quarantined" ? report_.quarantined
                             : report_.lost)++;
  }
  void tell(const Work& work, const RunReport& run, std::string_view what) {
    if (!options_.on_unit) return;
    auto thrown = error_of([&] { options_.on_unit({.work = work, .run = run, .what = what}); });
    if (!thrown) return;
    thrown->context.insert(0, "on_unit: ");
    throw Exception(std::move(*thrown));
  }
  /// Records the ends of the units that are landed. `finish(leases)` returns those that are lost.
  template <class Finish>
  Result<void> record(Finish finish) {
    if (landed_.empty()) return {};
    const auto landed = std::exchange(landed_, {});
    std::vector<Lease> leases;
    for (const LandedUnit& one : landed) leases.push_back(one.work.unit.lease);
    const Result<std::vector<Lease>> lost = finish(leases);
    if (!lost) return failure(lost.error());
    heart_->recorded();
    std::vector<std::string_view> ends;
    for (const LandedUnit& one : landed) {
      const Lease& lease = one.work.unit.lease;
      passing_.erase(lease.unit);
      times_unseen_.erase(lease.unit);
      const bool mine = std::ranges::none_of(*lost, [&](const Lease& other) { return other.unit == lease.unit; });
      // The progress of the unit is no longer needed. If it stays because the database cannot be reached, it does no
      // harm.
      if (mine) static_cast<void>(forget_(one.work.unit.pipeline()).has_value());
      ends.emplace_back(mine ? "done" : "lost");
      count(ends.back());
    }
    for (std::size_t i = 0; i < landed.size(); ++i) tell(landed[i].work, landed[i].run, ends[i]);
    return {};
  }
  Result<std::vector<Lease>> finished(const std::vector<Lease>& leases) {
    return insist([&] { return jobs_.finish(leases); });
  }
  /// Also claims the next units, in the same transaction.
  Result<std::vector<Lease>> finished_and_claimed(const std::vector<Lease>& leases) {
    if (stop_.drain().stop_requested()) return finished(leases);
    claim_.most = together_;
    auto both = jobs_.finish_and_claim(leases, claim_);
    if (!both) {
      answer_lost_ = true;
      return finished(leases);
    }
    // At once, because what follows the end of a unit, such as `on_unit`, may take longer than a lease.
    heart_->keep(std::move(both->claimed));
    return std::move(both->lost);
  }
  Result<std::string_view> hand_back(const Lease& lease, milliseconds pause) {
    return told(insist([&] { return jobs_.release(lease, pause); }), "released");
  }
  /// Handles an error that may pass, such as a database that cannot be reached: it does not count as an attempt. But
  /// if several runs in a row fail in this way without a loaded record, the unit has failed.
  Result<std::string_view> let_pass(const Work& work, const RunReport& run) {
    constexpr std::uint32_t most = 5;
    std::uint32_t& in_a_row = passing_[work.unit.lease.unit];
    in_a_row = run.items.loaded > 0 ? 1 : in_a_row + 1;
    if (in_a_row % most == 0) return fail(work, run);
    return hand_back(work.unit.lease, pauses_.up_to(pause_after(in_a_row)));
  }
  /// The pause doubles with each failure in a row, up to a minute.
  [[nodiscard]] milliseconds pause_after(std::uint32_t failures) const {
    const auto doubled = options_.pause * (std::int64_t{1} << std::min<std::uint32_t>(failures - 1, 10));
    return std::min<milliseconds>(doubled, std::chrono::minutes(1));
  }
  Result<std::string_view> fail(const Work& work, const RunReport& run) {
    const Lease& lease = work.unit.lease;
    const std::string text = failure_text(work, run);
    if (only_repeats(run)) return told(insist([&] { return jobs_.quarantine(lease, text); }), "quarantined");
    auto state = insist([&] { return jobs_.fail(lease, text, pause_after(work.unit.attempt)); });
    if (state) return std::string_view(*state == UnitState::Quarantined ? "quarantined" : "failed");
    return told(failure(std::move(state.error())), "");
  }
  /// Returns the result of the operation. A lease that was lost just now is not an error of the worker.
  static Result<std::string_view> told(Result<void> done, std::string_view what) {
    if (done) return what;
    if (done.error().code == Errc::LeaseLost) return std::string_view("lost");
    return failure(std::move(done.error()));
  }

  JobStore& jobs_;
  const RunUnit& run_unit_;
  const std::function<Result<void>(const std::string&)>& forget_;
  const WorkerOptions& options_;
  const StopToken& stop_;
  ClaimOptions claim_;
  WorkerReport report_;
  KnownFiles files_;
  Pauses pauses_;
  Rest rest_{jobs_, pauses_, options_.poll, stop_};
  std::map<Id, Job> known_;
  std::map<Id, std::vector<Input>> inputs_;
  // For each unit, how many runs in a row have ended here with an error that may pass.
  std::map<Id, std::uint32_t> passing_;
  bool unseen_ = false;                       // the disk of the last unit's file cannot be seen here
  std::map<Id, std::uint32_t> times_unseen_;  // for each unit, how often
  SteadyClock::time_point no_reclaim_before_ = SteadyClock::now();
  struct LandedUnit {
    Work work;
    RunReport run;
  };
  std::vector<LandedUnit> landed_;  // whose ends are not recorded
  bool has_units_ = false;          // that are claimed, at work or landed
  bool answer_lost_ = false;        // of `finish_and_claim`: units may be this worker's that it does not know of
  static constexpr std::size_t most_together = 16;
  static constexpr milliseconds short_time{10};
  std::size_t together_ = 1;  // how many units the next claim takes
  std::optional<Heart> heart_;
};

}  // namespace

WorkerReport work(JobStore& jobs, const RunUnit& run_unit,
                  const std::function<Result<void>(const std::string&)>& forget, const WorkerOptions& options,
                  const StopToken& stop) {
  StopSource own;  // drains also where the caller's token has the second level only
  const std::stop_callback drain(stop.drain(), [&own] { own.request_drain(); });
  const std::stop_callback abandon(stop.abandon(), [&own] {
    own.request_drain();
    own.request_abandon();
  });
  const StopToken both = own.stop_token();
  return Worker(jobs, run_unit, forget, options, both).run();
}

}  // namespace detail
}  // namespace etl::inline v0::jobs
