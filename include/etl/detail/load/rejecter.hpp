#pragma once
/// Handles rejected items: budget, hook, report, dead letter (contract G6, G7).

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/idempotency_key.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/load/stage_calls.hpp>
#include <etl/detail/load/work.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/progress/checkpointing.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/detail/run/run_control.hpp>
#include <etl/error.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// An error record with the place of the batch.
[[nodiscard]] inline ErrorRecord place(const Batch& batch, Stage stage, Error error) {
  ErrorRecord record;
  record.error = std::move(error);
  record.stage = stage;
  record.in_batch = true;
  record.batch = batch.number;
  record.partition = batch.partition;
  record.first_seq = batch.first_seq;
  record.last_seq = batch.first_seq + batch.size() - 1;
  return record;
}

/// Charges rejected items to the budget, reports them, and makes their dead letters. Thread-safe.
class Rejecter {
 public:
  Rejecter(StageCalls& calls, const Options& options, const Environment& environment, RunControl& control)
      : calls_(calls), options_(options), environment_(environment), control_(control) {}

  [[nodiscard]] bool is_rejection(const Error& error) const noexcept {
    if (error.code == Errc::UserException) return options_.errors.unclassified == Unclassified::Reject;
    return error.error_class == ErrorClass::Rejected;
  }

  /// Draws the items that transform rejected from the budget and reports them. Returns false if that failed the run.
  [[nodiscard]] bool settle_transform(Work& work) {
    for (const Rejected& rejection : work.rejections) {
      if (!settle(work, rejection, Stage::Transform)) return false;
      ++work.told;
    }
    return true;
  }
  /// Like `settle_transform`, for the items that load rejected.
  [[nodiscard]] bool settle_load(Work& work) { return reserve_load(work) && report_load(work); }
  /// Draws the items that load rejected from the budget. An item that an earlier attempt at this batch has drawn is
  /// not drawn again; if this attempt has loaded the item, its draw is given back. Returns false if that failed the
  /// run.
  [[nodiscard]] bool reserve_load(Work& work) {
    give_back_unneeded(work);
    const std::size_t before = work.drawn.size();
    for (const Rejected& rejection : work.load_rejections) {
      if (std::binary_search(work.drawn.begin(), work.drawn.begin() + static_cast<std::ptrdiff_t>(before),
                             rejection.item))
        continue;
      if (!draw(work, rejection, Stage::Load)) return false;
      work.drawn.push_back(rejection.item);
    }
    std::ranges::sort(work.drawn);
    return true;
  }
  /// Reports the items that load rejected in the final attempt. Returns false if that failed the run.
  [[nodiscard]] bool report_load(Work& work) {
    for (; work.reported < work.load_rejections.size(); ++work.reported)
      if (!report(work, work.load_rejections[work.reported], Stage::Load)) return false;
    return true;
  }

  /// Makes the dead letters of all rejected items of the batch. Throws what `serialize` or `describe` throws.
  /// `progress` may be null.
  [[nodiscard]] std::vector<DeadLetter> letters(const Work& work, const Checkpointing* progress,
                                                std::string_view run) const {
    std::vector<DeadLetter> letters;
    const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    const auto add = [&](const std::vector<Rejected>& rejections, Stage stage) {
      for (const Rejected& r : rejections) letters.push_back(letter(work, r, stage, progress, run, now));
    };
    add(work.rejections, Stage::Transform);
    add(work.load_rejections, Stage::Load);
    work.add_loaded(std::span(letters).last(work.load_rejections.size()));
    return letters;
  }

 private:
  void give_back_unneeded(Work& work) {
    if (work.drawn.empty()) return;
    std::vector<std::uint32_t> needed;
    for (const Rejected& rejection : work.load_rejections) needed.push_back(rejection.item);
    std::ranges::sort(needed);
    const std::size_t unneeded = std::erase_if(
        work.drawn, [&](std::uint32_t item) { return !std::binary_search(needed.begin(), needed.end(), item); });
    if (unneeded > 0) control_.give_rejects_back(unneeded);
  }
  [[nodiscard]] bool settle(const Work& work, const Rejected& rejection, Stage stage) {
    return draw(work, rejection, stage) && report(work, rejection, stage);
  }
  [[nodiscard]] bool draw(const Work& work, const Rejected& rejection, Stage stage) {
    const auto problem = control_.draw_reject();
    if (!problem) return true;
    control_.fail(record_of(work, rejection, stage,
                            {.code = Errc::RejectBudget,
                             .context = "reject budget exceeded (" + *problem + ")",
                             .cause = std::make_shared<const Error>(rejection.error)}));
    return false;
  }
  [[nodiscard]] bool report(const Work& work, const Rejected& rejection, Stage stage) {
    if (auto error = guarded([&]() -> std::optional<Error> { return tell(work, rejection, stage); })) {
      control_.fail(record_of(work, rejection, stage, std::move(*error)));
      return false;
    }
    ErrorRecord record = record_of(work, rejection, stage, rejection.error);
    record.rejected = true;
    control_.note(std::move(record));
    return true;
  }
  [[nodiscard]] static ErrorRecord record_of(const Work& work, const Rejected& rejection, Stage stage, Error error) {
    ErrorRecord record = place(*work.batch, stage, std::move(error));
    record.first_seq = record.last_seq = work.batch->first_seq + work.at(rejection.item);
    return record;
  }
  std::optional<Error> tell(const Work& work, const Rejected& rejection, Stage stage) {
    if (!options_.errors.on_reject) return std::nullopt;
    const Batch& batch = *work.batch;
    std::string description;
    if (calls_.traits().describes) description = calls_.describe(work, rejection.item);
    const std::lock_guard lock(mutex_);
    options_.errors.on_reject({.pipeline = environment_.name,
                               .stage = stage,
                               .batch = batch.number,
                               .partition = batch.partition,
                               .seq = batch.first_seq + work.at(rejection.item),
                               .error = rejection.error,
                               .description = description});
    return std::nullopt;
  }
  [[nodiscard]] DeadLetter letter(const Work& work, const Rejected& rejection, Stage stage,
                                  const Checkpointing* progress, std::string_view run,
                                  std::chrono::system_clock::time_point now) const {
    const Batch& batch = *work.batch;
    const std::uint64_t seq = batch.first_seq + work.at(rejection.item);
    DeadLetter letter;
    if (progress != nullptr) letter.partition_id = progress->partition_id(batch.partition);
    if (calls_.traits().serializes) letter.payload = calls_.serialize(work, rejection.item);
    letter.pipeline = environment_.name;
    letter.run = run;
    letter.partition = batch.partition;
    letter.seq = seq;
    letter.id = id_of(letter, batch, progress, run);
    letter.batch = batch.number;
    letter.position = batch.position;
    letter.stage = stage;
    letter.attempts = rejection.attempts;
    letter.errors.push_back(own_message(rejection.error));
    for (const Error* cause = rejection.error.cause.get(); cause != nullptr; cause = cause->cause.get())
      letter.errors.push_back(own_message(*cause));
    letter.time = now;
    return letter;
  }
  /// Id of a letter: the same each time the item is rejected, and different for different data (G7). If neither a
  /// serialized payload nor a fingerprint tells the data of two runs apart, the id depends on the run, because two
  /// letters for one item are better than one letter for two items. A payload that `describe` returned does not tell
  /// them apart, because it may name only a place, such as file and line. The id also depends on the run if the source
  /// acknowledges: such a source gives each item to one run only, and equal messages of two runs are two items.
  [[nodiscard]] std::string id_of(const DeadLetter& letter, const Batch& batch, const Checkpointing* progress,
                                  std::string_view run) const {
    const std::string_view fingerprint = progress == nullptr ? std::string_view() : progress->fingerprint();
    const std::string_view data = progress == nullptr ? std::string_view() : progress->partition_data(batch.partition);
    KeyHash hash;
    hash.add(environment_.name).add(fingerprint).add(letter.partition_id).add(letter.seq);
    if (letter.payload) hash.add(*letter.payload);
    if (!data.empty()) hash.add(data);
    const auto acknowledges = [](const ChunkRef& chunk) { return chunk->acknowledge != nullptr; };
    if ((!calls_.traits().keeps_all && fingerprint.empty()) || std::ranges::any_of(batch.chunks, acknowledges))
      hash.add(run);
    return hash.key().text();
  }
  [[nodiscard]] static std::string own_message(const Error& error) {
    return error.context.empty() ? error.code.message() : error.context;
  }

  StageCalls& calls_;
  const Options& options_;
  const Environment& environment_;
  RunControl& control_;
  std::mutex mutex_;
};

}  // namespace etl::inline v0::detail
