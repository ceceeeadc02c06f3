#pragma once
/// What becomes of rejected items: budget, hook, report, dead letter (contract G6, G7).

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/idempotency_key.hpp>
#include <etl/detail/batch.hpp>
#include <etl/detail/batcher.hpp>
#include <etl/detail/environment.hpp>
#include <etl/detail/guard.hpp>
#include <etl/detail/traits.hpp>
#include <etl/detail/work.hpp>
#include <etl/error.hpp>
#include <etl/options.hpp>
#include <etl/pipeline.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// An error of a batch, with its place.
template <class E>
[[nodiscard]] ErrorRecord place(const Batch<E>& batch, Stage stage, Error error) {
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

/// Thread-safe.
template <class P>
class Rejecter {
 public:
  using E = extracted_t<P>;
  using T = loaded_t<P>;
  using Work = detail::Work<E, T>;
  /// Whether items are as they were extracted when their transform has ended.
  static constexpr Takes takes = transform_takes<P, E, T>();
  static constexpr bool describes = HasDescribe<P, E> && (takes == Takes::Const || takes == Takes::Nothing);

  Rejecter(const P& pipeline, const Options& options, const Environment& environment)
      : pipeline_(pipeline), options_(options), environment_(environment) {}
  void attach(Batcher<E>& batcher) { batcher_ = &batcher; }

  [[nodiscard]] bool is_rejection(const Error& error) const noexcept {
    if (error.code == Errc::UserException) return options_.errors.unclassified == Unclassified::Reject;
    return error.error_class == ErrorClass::Rejected;
  }

  /// Draws what transform rejected on the budget and reports it. False: that has failed the run.
  [[nodiscard]] bool settle_transform(Work& work) noexcept {
    for (const Rejected& rejection : work.rejections) {
      if (!settle(work, rejection, Stage::Transform)) return false;
      ++work.told;
    }
    return true;
  }
  /// The same for what load rejected; items that an earlier attempt at this batch has reported are not reported again.
  [[nodiscard]] bool settle_load(Work& work) noexcept {
    for (const Rejected& rejection : work.load_rejections) {
      if (std::ranges::find(work.told_items, rejection.item) != work.told_items.end()) continue;
      if (!settle(work, rejection, Stage::Load)) return false;
      work.told_items.push_back(rejection.item);
    }
    return true;
  }

  /// The letters of everything rejected in the batch. May throw what `describe` throws.
  [[nodiscard]] std::vector<DeadLetter> letters(const Work& work, std::string_view fingerprint,
                                                std::string_view run) const {
    std::vector<DeadLetter> letters;
    const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    const auto add = [&](const std::vector<Rejected>& rejections, Stage stage, std::uint32_t attempts) {
      for (const Rejected& r : rejections) letters.push_back(letter(work, r, stage, attempts, fingerprint, run, now));
    };
    add(work.rejections, Stage::Transform, 1);
    add(work.load_rejections, Stage::Load, std::max(1U, work.attempts));
    return letters;
  }

 private:
  [[nodiscard]] bool settle(const Work& work, const Rejected& rejection, Stage stage) noexcept {
    ErrorRecord record = place(*work.batch, stage, rejection.error);
    record.first_seq = record.last_seq = work.batch->first_seq + work.at(rejection.item);
    if (auto error = guarded([&]() -> std::optional<Error> { return tell(work, rejection, stage); })) {
      record.error = std::move(*error);
      return batcher_->fail(std::move(record)), false;
    }
    if (const auto problem = batcher_->draw_reject()) {
      record.error = {.code = Errc::RejectBudget,
                      .context = "reject budget exceeded (" + *problem + ")",
                      .cause = std::make_shared<const Error>(rejection.error)};
      return batcher_->fail(std::move(record)), false;
    }
    batcher_->note(std::move(record));
    return true;
  }
  std::optional<Error> tell(const Work& work, const Rejected& rejection, Stage stage) {
    if (!options_.errors.on_reject) return std::nullopt;
    const Batch<E>& batch = *work.batch;
    const std::uint32_t item = work.at(rejection.item);
    std::string description;
    if constexpr (describes) description = std::string_view(pipeline_.describe(batch.items()[item]));
    const std::lock_guard lock(mutex_);
    options_.errors.on_reject({.pipeline = environment_.name,
                               .stage = stage,
                               .batch = batch.number,
                               .partition = batch.partition,
                               .seq = batch.first_seq + item,
                               .error = rejection.error,
                               .description = description});
    return std::nullopt;
  }
  [[nodiscard]] DeadLetter letter(const Work& work, const Rejected& rejection, Stage stage, std::uint32_t attempts,
                                  std::string_view fingerprint, std::string_view run,
                                  std::chrono::system_clock::time_point now) const {
    const Batch<E>& batch = *work.batch;
    const std::uint32_t item = work.at(rejection.item);
    const std::uint64_t seq = batch.first_seq + item;
    DeadLetter letter;
    letter.id = KeyHash().add(environment_.name).add(fingerprint).add(batch.partition).add(seq).key().text();
    letter.pipeline = environment_.name;
    letter.run = run;
    letter.partition = batch.partition;
    letter.seq = seq;
    letter.batch = batch.number;
    letter.position = batch.position;
    letter.stage = stage;
    letter.attempts = attempts;
    letter.errors.push_back(own_message(rejection.error));
    for (const Error* cause = rejection.error.cause.get(); cause != nullptr; cause = cause->cause.get())
      letter.errors.push_back(own_message(*cause));
    letter.time = now;
    if constexpr (describes) letter.payload.emplace(std::string_view(pipeline_.describe(batch.items()[item])));
    return letter;
  }
  [[nodiscard]] static std::string own_message(const Error& error) {
    return error.context.empty() ? error.code.message() : error.context;
  }

  const P& pipeline_;
  const Options& options_;
  const Environment& environment_;
  Batcher<E>* batcher_ = nullptr;
  std::mutex mutex_;
};

}  // namespace etl::inline v0::detail
