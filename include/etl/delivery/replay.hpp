#pragma once
/// Dead letters, tried again (contract G7).

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/detail/environment.hpp>
#include <etl/detail/runner.hpp>
#include <etl/detail/traits.hpp>
#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/options.hpp>
#include <etl/pipeline.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0 {
namespace detail {

/// Which letters of a replay have gone through, and what became of the others.
class ReplayedLetters final : public CheckpointStore {
 public:
  explicit ReplayedLetters(std::vector<DeadLetter> letters) : letters_(std::move(letters)) {}
  [[nodiscard]] const std::vector<DeadLetter>& letters() const noexcept { return letters_; }
  void rejected(std::uint64_t seq, const Error& error, Stage stage) {
    DeadLetter letter = letters_[seq];
    letter.stage = stage;
    ++letter.attempts;
    letter.errors.clear();
    for (const Error* e = &error; e != nullptr; e = e->cause.get())
      letter.errors.push_back(e->context.empty() ? e->code.message() : e->context);
    again_.push_back({seq, std::move(letter)});
  }
  /// Forgets what has gone through and updates what was rejected again.
  [[nodiscard]] Result<void> settle(DeadLetterStore& store) {
    if (!progress_) return {};
    std::vector<DeadLetter> again;
    std::vector<std::string> done;
    for (std::uint64_t seq = 0; seq < letters_.size(); ++seq) {
      if (seq >= progress_->watermark && !progress_->gaps.contains(seq)) continue;
      const auto rejected = std::ranges::find(again_, seq, &std::pair<std::uint64_t, DeadLetter>::first);
      if (rejected != again_.end())
        again.push_back(rejected->second);
      else
        done.push_back(letters_[seq].id);
    }
    if (auto written = store.write(again); !written) return written;
    auto purged = store.purge(done);
    if (!purged) return failure(std::move(purged.error()));
    return {};
  }

  // The replay's own progress.
  [[nodiscard]] Result<std::optional<Checkpoint>> find(const std::string& /*pipeline*/) override {
    return std::optional<Checkpoint>();
  }
  [[nodiscard]] Result<void> save(const std::string& /*pipeline*/, const Checkpoint& checkpoint) override {
    if (const PartitionProgress* p = checkpoint.find(0)) progress_ = *p;
    return {};
  }
  [[nodiscard]] Result<void> reset(const std::string& /*pipeline*/) override { return {}; }

 private:
  const std::vector<DeadLetter> letters_;
  std::vector<std::pair<std::uint64_t, DeadLetter>> again_;
  std::optional<PartitionProgress> progress_;
};

}  // namespace detail

/// Runs the pipeline on the items of its dead letters in `letters`, made again by its `restore(std::string_view)` from
/// what its `describe` said, in place of what it extracts. Letters that go through are forgotten, those that are
/// rejected again stay with the new reason. A letter without payload is refused by its id, before anything is loaded.
/// At least once: a crash between a load and the end of the replay leaves letters that were loaded.
template <class P>
[[nodiscard]] RunReport replay(P&& pipeline, DeadLetterStore& letters, const Options& options = {}, Stop stop = {}) {
  using Plain = std::remove_reference_t<P>;
  using E = extracted_t<Plain>;
  static_assert(
      detail::HasRestore<Plain, E>,
      "etl: to be replayed, a pipeline needs `E restore(std::string_view payload) const`, which makes an item "
      "again from what describe said of it");
  RunReport failed;
  failed.pipeline = options.name;
  const auto fail = [&failed](Error error, Stage stage) {
    failed.outcome = Outcome::Failed;
    failed.add_error({.error = std::move(error), .pipeline = failed.pipeline, .stage = stage});
    return std::move(failed);
  };
  std::vector<DeadLetter> found;
  auto listed = letters.list(options.name, [&](const DeadLetter& letter) { return found.push_back(letter), true; });
  if (!listed) return fail(std::move(listed.error()), Stage::DeadLetter);
  for (const DeadLetter& letter : found)
    if (!letter.payload)
      return fail(
          {.code = Errc::NoPayload,
           .context = "dead letter " + letter.id + " of '" + letter.pipeline +
                      "' has no payload: its pipeline had no `describe` when it was rejected; load its source again, "
                      "or purge it"},
          Stage::DeadLetter);

  const auto replayed = std::make_shared<detail::ReplayedLetters>(std::move(found));
  Options own = options;
  own.delivery = {.checkpoints = replayed};
  own.errors.dead_letters.reset();
  own.errors.max_rejects = std::max<std::uint64_t>(own.errors.max_rejects, replayed->letters().size());
  own.errors.max_reject_ratio = 1.0;
  own.errors.on_reject = [&](const Rejection& r) {
    replayed->rejected(r.seq, r.error, r.stage);
    if (options.errors.on_reject) options.errors.on_reject(r);
  };
  if (own.name.empty()) own.name = "replay";
  const auto source = [&](Emitter<E>& out) -> std::optional<Error> {
    for (const DeadLetter& letter : replayed->letters()) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(pipeline.restore(std::string_view()))>, Result<E>>) {
        Result<E> item = std::as_const(pipeline).restore(*letter.payload);
        if (!item) return std::move(item.error());
        if (!out.push(std::move(*item))) return std::nullopt;
      } else {
        if (!out.push(E(std::as_const(pipeline).restore(*letter.payload)))) return std::nullopt;
      }
    }
    return std::nullopt;
  };
  RunReport report =
      detail::Runner<Plain>(pipeline, own, detail::Environment(own), std::move(stop), nullptr, source).execute();
  if (auto settled = replayed->settle(letters); !settled) {
    report.outcome = Outcome::Failed;
    report.add_error({.error = std::move(settled.error()), .pipeline = own.name, .stage = Stage::DeadLetter});
  }
  return report;
}

}  // namespace etl::inline v0
