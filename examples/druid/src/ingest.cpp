#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <etl/druid/ingest.hpp>
#include <etl/policy/retry.hpp>
#include <etl/policy/waiter.hpp>

namespace etl::inline v0::druid {
namespace {

class Ingestion {
 public:
  Ingestion(const Client& client, const Spec& spec, const IngestOptions& options, const std::stop_token& stop)
      : client_(client), spec_(spec), options_(options), stop_(stop), waiter_(stop, options.watch.executor) {}

  Result<TaskResult> run() {
    if (auto problem = options_.retry.validate()) return failure(std::move(*problem));
    if (auto problem = options_.locks.validate()) return failure(std::move(*problem));
    RetryPolicy locks = options_.locks;
    if (options_.watch.deadline) locks.max_elapsed = *options_.watch.deadline;
    const TimePoint first = waiter_.now();
    Backoff backoff(locks, first, options_.watch.seed.value_or(etl::detail::random_seed()));
    std::chrono::nanoseconds submitting{};
    for (;;) {
      const TimePoint begin = waiter_.now();
      Result<bool> adopted = place();
      submitting += waiter_.now() - begin;
      if (!adopted) return failure(std::move(adopted.error()));
      WatchOptions watched = options_.watch;
      if (watched.deadline)
        watched.deadline = std::max(*watched.deadline - (waiter_.now() - first), std::chrono::nanoseconds(0));
      if (watched.intervals.empty()) watched.intervals = spec_.mode.intervals();
      TaskResult result = watch(client_, spec_.id, watched, stop_);
      result.adopted = *adopted;
      result.had_ended = *adopted && had_ended_;
      result.submit_time = submitting;
      if (!is_lock_conflict(result)) return result;
      const auto delay = backoff.after(transient(result.reason), waiter_.now());
      if (delay && options_.on_locked) options_.on_locked(*delay);
      if (!delay || !waiter_.wait_for(*delay)) {
        if (waiter_.stopped()) {
          result.outcome = TaskOutcome::ShutDown;
          result.reason = "stopped while other tasks had locked the times of the rows";
          return result;
        }
        constexpr std::size_t shown = 200;  // Druid lists all intervals
        result.reason = fmt::format(
            "other tasks have locked the times of the rows at each of {} attempts: load the rows when these tasks have "
            "ended, allow more time by a longer deadline, or give all of these tasks concurrent locks: {}{}",
            backoff.attempts(), result.reason.substr(0, shown), result.reason.size() > shown ? "..." : "");
        return result;
      }
      ++attempt_;
    }
  }

 private:
  /// Makes sure that Druid has a task that this ingestion can watch, and tries further ids if necessary. Returns true
  /// if Druid had the task before.
  Result<bool> place() {
    for (;; ++attempt_) {
      Result<std::string> id = task_id(spec_, options_.content, attempt_);
      if (!id) return failure(std::move(id.error()));
      spec_.id = std::move(*id);
      const Result<std::string> done = submit();
      if (done) return false;
      if (done.error().code != Problem::TaskExists) return failure(done.error());
      const Result<TaskStatus> status = retry(options_.retry, [&] { return client_.status(spec_.id, stop_); }, waiter_);
      if (!status) return failure(status.error());
      // Appended rows must not be appended again. Rows that replaced others may have been replaced themselves since
      // then.
      const bool ended = status->state == TaskState::Failed ||
                         (status->state == TaskState::Success && spec_.mode.replace() != nullptr);
      had_ended_ = status->state == TaskState::Success;
      if (!ended) return true;
    }
  }
  Result<std::string> submit() {
    return retry(options_.retry, [&] { return client_.submit(spec_, stop_); }, waiter_);
  }

  const Client& client_;
  Spec spec_;
  const IngestOptions& options_;
  std::stop_token stop_;
  Waiter waiter_;
  unsigned attempt_ = 0;
  bool had_ended_ = false;  ///< whether the adopted task had ended when it was found
};

}  // namespace

Result<TaskResult> ingest(const Client& client, const Spec& spec, const IngestOptions& options,
                          const std::stop_token& stop) {
  return Ingestion(client, spec, options, stop).run();
}

}  // namespace etl::inline v0::druid
