#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <etl/druid/ingest.hpp>
#include <etl/http/error.hpp>
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
      drop_ended();
      submitting += waiter_.now() - begin;
      if (!adopted) return failure(std::move(adopted.error()));
      WatchOptions watched = options_.watch;
      if (watched.deadline)
        watched.deadline = std::max(*watched.deadline - (waiter_.now() - first), std::chrono::nanoseconds(0));
      if (watched.intervals.empty()) watched.intervals = spec_.mode.intervals();
      const bool spared = *adopted && !in_doubt_ && !options_.stop_adopted && !watched.leave_running;
      if (spared) watched.leave_running = true;
      TaskResult result = watch(client_, spec_.id, watched, stop_);
      if (spared && result.outcome == TaskOutcome::LeftRunning)
        result.reason += ", because another process, or an earlier start, has submitted it";
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
      next_attempt();
    }
  }

 private:
  [[nodiscard]] bool owns_input() const {
    return options_.input.name != nullptr && options_.input.make != nullptr && options_.input.remove != nullptr;
  }
  /// Goes on when the task of the attempt has ended.
  void next_attempt() {
    drop_ended();
    if (owns_input()) ended_ = attempt_;
    ++attempt_;
  }
  /// Removes the input of the attempt before, unless the input of this attempt was made of it.
  void drop_ended() {
    if (ended_) options_.input.remove(*std::exchange(ended_, std::nullopt));
  }
  /// Makes sure that Druid has a task that this ingestion can watch, and tries further ids if necessary. Returns true
  /// if Druid had the task before.
  Result<bool> place() {
    for (;; next_attempt()) {
      in_doubt_ = false;
      // The ids of all attempts differ in their number only.
      if (owns_input()) spec_.input = options_.input.name(0);
      Result<std::string> id = task_id(spec_, options_.content, attempt_);
      if (!id) return failure(std::move(id.error()));
      if (owns_input()) spec_.input = options_.input.name(attempt_);
      spec_.id = std::move(*id);
      Result<TaskStatus> status = Error{.code = Problem::NoTask};
      // Look first, because the input must not be made again while a task reads it.
      if (owns_input()) status = find();
      if (!status && status.error().code == Problem::NoTask) {
        const Result<void> done = make_and_submit();
        if (done) return false;
        if (done.error().code != Problem::TaskExists) return failure(done.error());
        status = find();
      }
      if (!status) return failure(status.error());
      // Appended rows must not be appended again. Rows that replaced others may have been replaced themselves since
      // then.
      const bool ended = status->state == TaskState::Failed ||
                         (status->state == TaskState::Success && spec_.mode.replace() != nullptr);
      had_ended_ = status->state == TaskState::Success;
      if (!ended) return true;
    }
  }
  Result<TaskStatus> find() {
    return retry(options_.retry, [&] { return client_.status(spec_.id, stop_); }, waiter_);
  }
  Result<void> make_and_submit() {
    if (ended_ && options_.input.move && options_.input.move(*ended_, attempt_)) {
      ended_.reset();
    } else if (owns_input()) {
      drop_ended();
      if (Result<void> made = options_.input.make(attempt_); !made) return made;
    }
    std::optional<Error> doubt;  // an earlier try may have succeeded although the last one did not
    const auto submit = [&]() -> Result<std::string> {
      Result<std::string> done = client_.submit(spec_, stop_);
      if (!done && is_in_doubt(done.error())) doubt = done.error();
      return done;
    };
    const Result<std::string> done = retry(options_.retry, submit, waiter_);
    if (done) return {};
    in_doubt_ = doubt.has_value();
    if (done.error().code == Problem::TaskExists) return failure(done.error());
    if (doubt && !is_in_doubt(done.error())) {
      doubt->context = done.error().message();
      doubt->cause = nullptr;
      return failure(std::move(*doubt));
    }
    // Another process may have submitted the task meanwhile.
    if (!doubt && owns_input() && !client_.status(spec_.id, stop_)) options_.input.remove(attempt_);
    return failure(done.error());
  }

  const Client& client_;
  Spec spec_;
  const IngestOptions& options_;
  std::stop_token stop_;
  Waiter waiter_;
  unsigned attempt_ = 0;
  std::optional<unsigned> ended_{};  ///< an attempt whose task has ended, and whose input is still there
  bool in_doubt_ = false;            ///< this process may have submitted the task that it has found
  bool had_ended_ = false;           ///< whether the adopted task had ended when it was found
};

}  // namespace

bool is_in_doubt(const Error& error) noexcept {
  if (http::is_in_doubt(error)) return true;
  return error.error_class == ErrorClass::Transient && http::status_of(error) >= 500;
}

Result<TaskResult> ingest(const Client& client, const Spec& spec, const IngestOptions& options,
                          const std::stop_token& stop) {
  return Ingestion(client, spec, options, stop).run();
}

}  // namespace etl::inline v0::druid
