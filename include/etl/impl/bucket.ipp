#pragma once
/// The compiled part of `Bucket`.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/intake/batcher.hpp>
#include <etl/detail/intake/bucket_engine.hpp>
#include <etl/detail/intake/owned_lane.hpp>
#include <etl/detail/intake/weighed_intake.hpp>
#include <etl/detail/load/stage.hpp>
#include <etl/detail/meta/process.hpp>
#include <etl/detail/run/environment.hpp>
#include <etl/detail/run/outcome.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>

namespace etl::inline v0::detail {

/// Checks the options. One error names every option that is invalid or that a bucket does not support.
[[nodiscard]] inline Options bucket_options(Options options) {
  auto problem = options.validate();
  const auto refuse = [&problem](bool given, std::string_view what) {
    if (!given) return;
    if (problem)
      problem->context.append("; ");
    else
      problem = Error{.code = Errc::InvalidOptions, .context = "invalid options: "};
    problem->context.append("a bucket has no ").append(what);
  };
  const DeliveryOptions usual;
  const DeliveryOptions& delivery = options.delivery;
  refuse(options.mode == Mode::Fused, "fused mode");
  refuse(options.order == Order::ByKey, "order ByKey: its items have no key");
  refuse(options.extractors.has_value(), "extractors");
  refuse(options.errors.dead_letters != nullptr,
         "errors.dead_letters: give it a callable for lost items, which writes them");
  refuse(delivery.checkpoints != nullptr, "delivery.checkpoints");
  refuse(delivery.save_every != usual.save_every, "delivery.save_every");
  refuse(delivery.restart, "delivery.restart");
  refuse(delivery.incremental, "delivery.incremental");
  refuse(delivery.dry_run, "delivery.dry_run");
  refuse(options.progress.show != ProgressOptions::Show::Off, "progress");
  if (problem) throw Exception(std::move(*problem));
  return options;
}

struct BucketEngine::Parts {
  Parts(StageCalls& calls, ItemQueue& queue, LostItems* lost, Options its_options, StopToken its_stop)
      : options(bucket_options(std::move(its_options))),
        environment(options),
        executor(options.executor ? options.executor : Executor::pool(options.workers)),
        batcher(std::make_shared<Batcher>(options, environment, executor.backend(), executor.backend(),
                                          calls.traits().item, false)),
        stage(calls, options, environment, options.workers, *batcher, executor, nullptr, {}, lost),
        intake(*batcher, queue, calls.traits().item, options),
        stop(std::move(its_stop)) {
    // `Order::Source` needs the weighed intake too: workers take items out of the shared queue in any order.
    if (options.batch_bytes || options.memory || options.order == Order::Source)
      batcher->set_source(&weighed.emplace(*batcher, calls.traits().item, options));
    else
      batcher->set_source(&intake);
    on_drain.emplace(stop.drain(), Drain{batcher->control()});
    on_abandon.emplace(stop.abandon(), Abandon{batcher->control()});
  }
  [[nodiscard]] RunReport make_report() noexcept {
    batcher->control().close();
    intake.seal_stragglers();
    RunReport made;
    made.pipeline = std::move(name);
    settle_outcome(made, batcher->finish());
    if (stage.wants_lost()) tell_left(made);
    stage.report(made);
    made.elapsed = batcher->now() - started;
    return made;
  }

  /// Hands over the items of batches that could not be taken out of the queue.
  void tell_left(RunReport& made) noexcept {
    auto error = guarded([&]() -> std::optional<Error> {
      const Error why = made.errors.empty() ? fatal("stopped before it was loaded") : made.errors.front().error;
      intake.each_left(
          [&](const void* items, std::uint32_t count) { stage.lost_items().tell(made, items, count, why); });
      return std::nullopt;
    });
    if (error) made.add_error({.error = std::move(*error), .pipeline = made.pipeline, .stage = Stage::DeadLetter});
  }

  struct Drain {
    RunControl& control;
    void operator()() const { control.request_drain(); }
  };
  struct Abandon {
    RunControl& control;
    void operator()() const { control.request_abandon(); }
  };
  const Options options;
  const Environment environment;
  const Executor executor;
  std::string name = options.name;  // for the report
  const std::shared_ptr<Batcher> batcher;
  PipelineStage stage;
  const TimePoint started = batcher->now();
  SharedIntake intake;
  std::optional<WeighedIntake> weighed;           // replaces the shared intake if items are weighed or ordered
  std::atomic<std::uint32_t> next_partition = 1;  // 0 is the shared intake
  const StopToken stop;
  std::optional<std::stop_callback<Drain>> on_drain;
  std::optional<std::stop_callback<Abandon>> on_abandon;
  std::mutex finish_mutex;
  std::optional<RunReport> report;
};

ETLPIPE_COMPILED BucketEngine::BucketEngine(StageCalls& calls, ItemQueue& queue, LostItems* lost, Options options,
                                            StopToken stop)
    : parts_(std::make_unique<Parts>(calls, queue, lost, std::move(options), std::move(stop))),
      intake_(&parts_->intake),
      weighed_(parts_->weighed.has_value()) {}
ETLPIPE_COMPILED BucketEngine::~BucketEngine() { static_cast<void>(finish()); }

ETLPIPE_COMPILED Pushed BucketEngine::try_push_weighed(void* item, std::uint64_t weight) {
  return parts_->weighed->try_push(item, weight);
}
ETLPIPE_COMPILED bool BucketEngine::push_weighed(void* item, std::uint64_t weight) {
  return parts_->weighed->push(item, weight);
}
ETLPIPE_COMPILED void BucketEngine::count_refused() noexcept {
  const auto lock = parts_->batcher->lock();
  parts_->batcher->count_refused();
}
ETLPIPE_COMPILED TimePoint BucketEngine::due(std::chrono::nanoseconds timeout) const {
  return after(parts_->batcher->now(), timeout);
}
ETLPIPE_COMPILED bool BucketEngine::wait_for_room_until(TimePoint due) {
  return weighed_ ? parts_->weighed->wait_for_room_until(due) : parts_->intake.wait_for_room_until(due);
}
ETLPIPE_COMPILED Lane& BucketEngine::open_lane() {
  return parts_->batcher->open_lane(parts_->next_partition.fetch_add(1, std::memory_order_relaxed));
}
ETLPIPE_COMPILED void BucketEngine::finish_lane(Lane& lane) noexcept {
  if (process_id() == maker_) parts_->batcher->finish_lane(static_cast<OwnedLane&>(lane), FlushReason::Close);
}
ETLPIPE_COMPILED void BucketEngine::close() { parts_->batcher->control().close(); }
ETLPIPE_COMPILED const RunReport& BucketEngine::finish() {
  const std::lock_guard lock(parts_->finish_mutex);
  if (!parts_->report) parts_->report = parts_->make_report();
  return *parts_->report;
}
ETLPIPE_COMPILED RunStatus BucketEngine::status() const {
  RunStatus status;
  status.elapsed = parts_->batcher->now() - parts_->started;
  parts_->batcher->status(status);
  parts_->stage.status(status);
  return status;
}

}  // namespace etl::inline v0::detail
