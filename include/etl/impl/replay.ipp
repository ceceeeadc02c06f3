#pragma once
/// The compiled part of `replay`.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/idempotency_key.hpp>
#include <etl/delivery/replay.hpp>
#include <etl/delivery/seq_ranges.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/error.hpp>
#include <etl/options.hpp>
#include <etl/policy/retry.hpp>
#include <etl/policy/waiter.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0::detail {

/// The letter of an item that was rejected again: it keeps the place of the old letter and gets what is new. `now` is
/// the letter that the replay has made; it counts the results that the replay has tried, which are those that were not
/// loaded before.
[[nodiscard]] inline DeadLetter tried_again(DeadLetter old, const DeadLetter& now) {
  old.stage = now.stage;
  old.errors = now.errors;
  ++old.attempts;
  if (now.stage == Stage::Load) ++old.replays;
  if (old.results == 0) {
    old.results = now.results;
    old.loaded = now.loaded;
  } else if (!now.loaded.empty()) {
    const SeqRanges before = old.loaded;
    std::uint64_t tried = 0;
    for (std::uint64_t result = 0; result < old.results; ++result)
      if (!before.contains(result) && now.loaded.contains(tried++)) old.loaded.add({result, result + 1});
  }
  return old;
}

struct ReplayedLetters::Parts {
  const std::vector<DeadLetter>& letters;
  DeadLetterStore& store;
  std::mutex mutex{};
  std::map<std::uint64_t, DeadLetter> again{};  // protected by the mutex, as the workers of the replay add to it
  SeqRanges settled{};                          // used by one thread at a time
};

ETLPIPE_COMPILED ReplayedLetters::ReplayedLetters(const std::vector<DeadLetter>& letters, DeadLetterStore& store)
    : parts_(new Parts{letters, store}) {}
ETLPIPE_COMPILED ReplayedLetters::~ReplayedLetters() = default;

ETLPIPE_COMPILED Result<void> ReplayedLetters::write(std::span<const DeadLetter> letters) {
  const std::lock_guard lock(parts_->mutex);
  for (const DeadLetter& letter : letters)
    parts_->again.insert_or_assign(letter.seq, tried_again(parts_->letters[letter.seq], letter));
  return {};
}
ETLPIPE_COMPILED Result<void> ReplayedLetters::list(const std::string& /*pipeline*/,
                                                    const std::function<bool(const DeadLetter&)>& /*each*/) {
  return {};
}
ETLPIPE_COMPILED Result<std::size_t> ReplayedLetters::purge(std::span<const std::string> /*ids*/) {
  return std::size_t{0};
}

ETLPIPE_COMPILED Result<std::optional<Checkpoint>> ReplayedLetters::find(const std::string& /*pipeline*/) {
  return std::optional<Checkpoint>();
}
ETLPIPE_COMPILED Result<void> ReplayedLetters::save(const std::string& /*pipeline*/, const Checkpoint& checkpoint) {
  const PartitionProgress* const progress = checkpoint.find(0);
  if (progress == nullptr) return {};
  SeqRanges settled = progress->gaps;
  if (progress->watermark > 0) settled.add({0, progress->watermark});
  std::vector<DeadLetter> again;
  std::vector<std::string> done;
  {
    const std::lock_guard lock(parts_->mutex);
    for (const SeqRange& range : settled.ranges())
      for (std::uint64_t seq = parts_->settled.end_of(range.first); seq < range.end; ++seq) {
        if (parts_->settled.contains(seq)) continue;
        const auto rejected = parts_->again.find(seq);
        if (rejected != parts_->again.end())
          again.push_back(rejected->second);
        else
          done.push_back(parts_->letters[seq].id);
      }
  }
  if (!again.empty())
    if (auto written = parts_->store.write(again); !written) return written;
  if (!done.empty())
    if (auto purged = parts_->store.purge(done); !purged) return failure(std::move(purged.error()));
  parts_->settled = std::move(settled);
  return {};
}
ETLPIPE_COMPILED Result<void> ReplayedLetters::reset(const std::string& /*pipeline*/) { return {}; }

ETLPIPE_COMPILED Result<void> record_replayed(StoreConnection& connection, const Commit& commit,
                                              const std::vector<DeadLetter>& letters) {
  std::vector<DeadLetter> again;
  std::set<std::uint64_t> rejected;
  for (const DeadLetter& letter : commit.dead_letters) {
    again.push_back(tried_again(letters[letter.seq], letter));
    rejected.insert(letter.seq);
  }
  std::vector<std::string> done;
  for (const SettledRange& range : commit.settled)
    for (std::uint64_t seq = range.items.first; seq < range.items.end; ++seq)
      if (!rejected.contains(seq)) done.push_back(letters[seq].id);
  return connection.record({commit.pipeline, commit.settled, commit.advanced, again, done, commit.run});
}

/// The name under which the store keeps the progress of a replay.
[[nodiscard]] inline std::string replay_name(const Options& options) { return "replay of " + options.name; }

ETLPIPE_COMPILED Result<std::vector<DeadLetter>> letters_to_replay(DeadLetterStore& store, const Options& options,
                                                                   const StopToken& stop, bool one_result,
                                                                   CheckpointStore* progress) {
  if (options.name.empty())
    return failure(Error{.code = Errc::InvalidOptions,
                         .context = "invalid options: a replay needs the name of the pipeline whose dead letters it "
                                    "tries again"});
  if (auto problem = options.retry.validate()) return failure(std::move(*problem));
  std::vector<DeadLetter> found;
  const auto list = [&]() -> Result<void> {
    found.clear();
    if (progress != nullptr && !options.delivery.dry_run) {
      // As at the beginning of a run, progress that cannot be read is no obstacle.
      const auto claimed = progress->claim(replay_name(options), "that begins now");
      if (!claimed && claimed.error().error_class == ErrorClass::Transient) return failure(claimed.error());
    }
    return store.list(options.name, [&](const DeadLetter& letter) { return found.push_back(letter), true; });
  };
  auto listed = retry(options.retry, list, Waiter(stop.drain(), options.executor));
  if (!listed) return failure(std::move(listed.error()));
  for (const DeadLetter& letter : found)
    if (!letter.payload)
      return failure(Error{
          .code = Errc::NoPayload,
          .context = "dead letter " + letter.id + " of '" + letter.pipeline +
                     "' has no payload: its pipeline had neither `serialize` nor `describe` when it was rejected, or "
                     "its transform moved the item away; load its source again, or purge it"});
  for (const DeadLetter& letter : found)
    if (one_result && letter.results > 1)
      return failure(Error{
          .code = Errc::InvalidOptions,
          .context = "dead letter " + letter.id + " of '" + letter.pipeline + "': transform had made " +
                     std::to_string(letter.results) +
                     " results of its item, some of which are loaded, and this pipeline has no transform that makes "
                     "several results: replay it with the former transform, or purge the letter"});
  return found;
}

ETLPIPE_COMPILED bool is_unreadable(const Error& error) noexcept {
  return error.error_class != ErrorClass::Transient && error.code != std::errc::not_enough_memory;
}
ETLPIPE_COMPILED Error unreadable(const DeadLetter& letter, Error error) {
  const bool stays = is_unreadable(error);
  error.context = "dead letter " + letter.id + " of '" + letter.pipeline + "' cannot be read: " + error.context +
                  (stays ? "; mend `deserialize`, or purge the letter" : "");
  if (stays) error.error_class = ErrorClass::Fatal;
  return error;
}
ETLPIPE_COMPILED void add_unreadable(RunReport& report, std::vector<ErrorRecord>& letters) noexcept {
  for (ErrorRecord& letter : letters) {
    const bool decides = report.outcome != Outcome::Failed && report.outcome != Outcome::Inconsistent;
    if (decides) report.outcome = Outcome::Failed;
    report.add_error(std::move(letter), decides);
  }
}

ETLPIPE_COMPILED std::string item_id(const DeadLetter& letter) {
  return letter.id + ' ' + std::to_string(letter.replays);
}

ETLPIPE_COMPILED Options replay_options(const Options& options, std::size_t letters) {
  Options own = options;
  own.name = replay_name(options);
  // Letters are deleted when nothing is loaded any more, because their store may share a connection with the sink.
  own.delivery = {.save_every = Options::never, .restart = true, .dry_run = options.delivery.dry_run};
  own.errors.dead_letters.reset();
  own.errors.max_rejects = std::max<std::uint64_t>(own.errors.max_rejects.value_or(0), letters);
  own.errors.max_reject_ratio.reset();
  return own;
}

ETLPIPE_COMPILED RunReport replay_not_begun(const Options& options, const StopToken& stop, Error error) noexcept {
  RunReport report;
  const bool stopped = error.error_class == ErrorClass::Transient && stop.drain().stop_requested();
  ErrorRecord record{.error = std::move(error), .stage = options.name.empty() ? Stage::Configure : Stage::DeadLetter};
  static_cast<void>(guarded([&]() -> std::optional<Error> {
    report.pipeline = options.name;
    record.pipeline = options.name;
    return std::nullopt;
  }));
  report.outcome = stopped ? Outcome::Cancelled : Outcome::Failed;
  report.add_error(std::move(record));
  return report;
}

ETLPIPE_COMPILED RunReport after_replay(RunReport report, const Options& options) noexcept {
  static_cast<void>(guarded([&]() -> std::optional<Error> {
    if (!report.rejects_at.empty()) report.rejects_at = "dead letters of '" + options.name + "'";
    return std::nullopt;
  }));
  return report;
}

ETLPIPE_COMPILED RunReport after_replay(RunReport report, const Options& own, const Options& options,
                                        const StopToken& stop, CheckpointStore& store) noexcept {
  const auto superseded = [](const ErrorRecord& e) { return e.error.code == Errc::Superseded; };
  // Otherwise no progress of this replay is kept there.
  if (!own.delivery.dry_run && std::ranges::none_of(report.errors, superseded)) {
    auto error = guarded([&]() -> std::optional<Error> {
      const auto reset_own = [&]() -> Result<void> {
        const auto found = store.find(own.name);
        if (!found) return failure(found.error());
        // Not the progress of another replay, which is at work.
        return *found && (*found)->run == report.run ? store.reset(own.name) : Result<void>();
      };
      auto reset = retry(own.retry, reset_own, Waiter(stop.drain(), own.executor));
      if (reset) return std::nullopt;
      reset.error().context =
          fmt::format("{}the progress of '{}' is still in the store, where it does no harm: {}",
                      report.ok() ? "everything is loaded and saved, but " : "", own.name, reset.error().context);
      return std::move(reset.error());
    });
    if (error) {
      ErrorRecord record{.error = std::move(*error), .stage = Stage::Checkpoint};
      static_cast<void>(
          guarded([&]() -> std::optional<Error> { return record.pipeline = options.name, std::nullopt; }));
      report.add_error(std::move(record));
    }
  }
  return after_replay(std::move(report), options);
}

}  // namespace etl::inline v0::detail
