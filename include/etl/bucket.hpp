#pragma once
/// A bounded batcher used alone: many producers, one processor.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/detail/batcher.hpp>
#include <etl/detail/bucket_processor.hpp>
#include <etl/detail/environment.hpp>
#include <etl/detail/outcome.hpp>
#include <etl/detail/process.hpp>
#include <etl/detail/shared_intake.hpp>
#include <etl/detail/stage.hpp>
#include <etl/detail/weighed_intake.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0 {

/// Collects items into batches and hands them to a processor on worker threads: when a batch holds
/// `batch_size` items or `batch_bytes`, `timeout` after its first item, or when the bucket closes (G12).
/// The processor is callable with `std::span<const T>`, optionally followed by an `etl::BatchContext&`,
/// and returns void or `etl::Result<void>`. One that is callable while constant runs on all workers at
/// once, another (a `mutable` lambda) one call at a time. It may have `bytes(const T&) const`, the weight of an item;
/// otherwise an item weighs its size. All members are thread-safe. A bucket belongs to the process that made it: a
/// child of fork() may only destroy its copy, which then waits for nothing and gives nothing free.
template <class T>
class Bucket {
 public:
  class Producer;

  /// Starts accepting. Throws `etl::Exception` on invalid options, and on those that only a run honours: `mode` has to
  /// be Parallel, `order` not ByKey, and there are neither `extractors`, `delivery`, dead letters nor progress. Throws
  /// `std::system_error` when a thread of its pool cannot start, `std::bad_alloc` without memory. Batches are run on
  /// pushing threads only where those would have to wait.
  template <class F>
    requires detail::Processor<F, T>
  explicit Bucket(F processor, Options options = {}, Stop stop = {})
      : parts_(std::move(processor), checked(std::move(options)), std::move(stop)) {}
  Bucket(const Bucket&) = delete;
  Bucket& operator=(const Bucket&) = delete;
  /// Closes, and waits until everything is processed (G3). Producers have to be gone.
  ~Bucket() {
    if (!parts_.here()) return;
    const std::lock_guard lock(parts_->finish_mutex);
    if (!parts_->report) parts_->report = parts_->make_report();
  }

  /// Blocks while the bucket is full. False: closed, stopped or failed; the item is untouched and counted (G11). Throws
  /// what moving or weighing the item throws; the item is counted as one that was refused.
  bool push(T&& item) {
    Counted counted(*parts_->batcher);
    return counted.told(parts_->push(item));
  }
  bool push(const T& item)
    requires std::is_copy_constructible_v<T>
  {
    Counted counted(*parts_->batcher);
    T copy(item);
    return counted.told(parts_->push(copy));
  }
  /// Never blocks. False: full, closed, stopped or failed; the item is untouched and not counted. Throws what moving or
  /// weighing the item throws; the item is not counted.
  [[nodiscard]] bool try_push(T& item) {
    return (parts_->weighed ? parts_->weighed->try_push(item) : parts_->intake.try_push(item)) == detail::Pushed::Yes;
  }
  /// A handle for one thread with an open batch of its own: several times faster than `push`.
  [[nodiscard]] Producer producer() {
    return Producer(*parts_->batcher,
                    parts_->batcher->open_lane(parts_->next_partition.fetch_add(1, std::memory_order_relaxed)));
  }

  /// No more intake; what is inside is flushed. Returns at once.
  void close() { parts_->batcher->close(); }
  /// Closes, waits until everything is processed, and reports. Later calls return the same report.
  /// Not to be called by the processor. In a child of fork() it throws `etl::Exception`. Throws `std::bad_alloc` when
  /// there is no memory for a copy of the report; a later call may have it.
  RunReport finish() {
    if (!parts_.here())
      throw Exception({.code = Errc::NotRun, .context = "this bucket was made by another process, before fork()"});
    const std::lock_guard lock(parts_->finish_mutex);
    if (!parts_->report) parts_->report = parts_->make_report();
    return *parts_->report;
  }
  [[nodiscard]] RunStatus status() const {
    RunStatus status;
    status.elapsed = Clock::now() - parts_->started;
    parts_->batcher->status(status);
    parts_->stage.status(status);
    return status;
  }

 private:
  struct Drain {
    detail::Batcher* batcher;
    void operator()() const { batcher->request_drain(); }
  };
  struct Abandon {
    detail::Batcher* batcher;
    void operator()() const { batcher->request_abandon(); }
  };
  /// Counts an item as refused unless it is told what became of it: that is, when its push throws.
  class Counted {
   public:
    explicit Counted(detail::Batcher& batcher) : batcher_(&batcher) {}
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() {
      if (batcher_ == nullptr) return;
      const auto lock = batcher_->lock();
      batcher_->count_refused();
    }
    bool told(bool accepted) noexcept {
      batcher_ = nullptr;
      return accepted;
    }

   private:
    detail::Batcher* batcher_;
  };

  struct Parts {
    template <class F>
    Parts(F its_processor, Options its_options, Stop its_stop)
        : options(std::move(its_options)),
          environment(options),
          executor(options.executor ? options.executor : Executor::pool(options.workers)),
          processor(std::make_unique<detail::TypedProcessor<T, F>>(std::move(its_processor))),
          stage(processor->calls(), options, environment, options.workers),
          batcher(std::make_shared<detail::Batcher>(options, environment, executor.backend(), executor.backend(), stage,
                                                    detail::item_type<T>, false)),
          intake(*batcher, options),
          stop(std::move(its_stop)) {
      stage.attach(*batcher, executor);
      if (options.batch_bytes || options.memory)
        batcher->set_source(&weighed.emplace(*batcher, *processor, options));
      else
        batcher->set_source(&intake);
      on_drain.emplace(stop.drain(), Drain{batcher.get()});
      on_abandon.emplace(stop.abandon(), Abandon{batcher.get()});
    }
    bool push(T& item) { return weighed ? weighed->push(item) : intake.push(item); }
    [[nodiscard]] RunReport make_report() noexcept {
      batcher->close();
      intake.seal_stragglers();
      RunReport made;
      made.pipeline = std::move(name);
      detail::settle_outcome(made, batcher->finish());
      stage.report(made);
      made.elapsed = Clock::now() - started;
      return made;
    }

    const Options options;
    const detail::Environment environment;
    const Executor executor;
    std::string name = options.name;  // for the report
    const TimePoint started = Clock::now();
    const std::unique_ptr<detail::ProcessorOf<T>> processor;
    detail::PipelineStage stage;
    std::shared_ptr<detail::Batcher> batcher;
    detail::SharedIntake<T> intake;
    std::optional<detail::WeighedIntake<T>> weighed;  // in its place, where items are weighed
    std::atomic<std::uint32_t> next_partition = 1;    // 0 is the shared intake
    const Stop stop;
    std::optional<std::stop_callback<Drain>> on_drain;
    std::optional<std::stop_callback<Abandon>> on_abandon;
    std::mutex finish_mutex;
    std::optional<RunReport> report;
  };

  /// Every option that is bad, or that a bucket does not honour, is named in one error.
  [[nodiscard]] static Options checked(Options options) {
    auto problem = options.problem();
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
    refuse(options.errors.dead_letters != nullptr, "errors.dead_letters");
    refuse(delivery.checkpoints != nullptr, "delivery.checkpoints");
    refuse(delivery.save_every != usual.save_every, "delivery.save_every");
    refuse(delivery.restart, "delivery.restart");
    refuse(delivery.incremental, "delivery.incremental");
    refuse(delivery.dry_run, "delivery.dry_run");
    refuse(options.progress.show != ProgressOptions::Show::Off, "progress");
    if (problem) throw Exception(std::move(*problem));
    return options;
  }

  detail::OfThisProcess<Parts> parts_;
};

/// Pushes into a bucket from one thread. Must be gone before its bucket; its end flushes its open batch.
/// To be used by one thread at a time.
template <class T>
class Bucket<T>::Producer {
 public:
  Producer(Producer&& other) noexcept : batcher_(other.batcher_), lane_(std::exchange(other.lane_, nullptr)) {}
  Producer& operator=(Producer&&) = delete;
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;
  ~Producer() {
    if (lane_ != nullptr) batcher_->finish_lane(*lane_, detail::Flush::Close);
  }

  /// Blocks while the bucket is full. False: closed, stopped or failed; the item is untouched and counted (G11). Throws
  /// what moving the item throws; the item is counted as one that was refused.
  ETLPIPE_ALWAYS_INLINE bool push(T&& item) { return put(std::move(item)); }
  ETLPIPE_ALWAYS_INLINE bool push(const T& item)
    requires std::is_copy_constructible_v<T>
  {
    return put(item);
  }
  /// Fills the next slot in place, see `Emitter::fill`.
  template <class F>
    requires(std::is_default_constructible_v<T> && detail::reusable<T> && std::is_invocable_v<F, T&>)
  ETLPIPE_ALWAYS_INLINE bool fill(F&& fill_slot) {
    return detail::LaneOf<T>(*lane_).fill(std::forward<F>(fill_slot));
  }
  /// Hands the open batch over now.
  void flush() { batcher_->flush(*lane_); }

 private:
  friend class Bucket;
  template <class U>
  ETLPIPE_ALWAYS_INLINE bool put(U&& item) {
    if constexpr (std::is_nothrow_constructible_v<T, U> && std::is_nothrow_assignable_v<T&, U>) {
      return detail::LaneOf<T>(*lane_).push(std::forward<U>(item));
    } else {
      Counted counted(*batcher_);
      return counted.told(detail::LaneOf<T>(*lane_).push(std::forward<U>(item)));
    }
  }
  Producer(detail::Batcher& batcher, detail::OwnedLane& lane) : batcher_(&batcher), lane_(&lane) {}
  detail::Batcher* batcher_;
  detail::OwnedLane* lane_;
};

}  // namespace etl::inline v0
