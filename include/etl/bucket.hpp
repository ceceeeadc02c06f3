#pragma once
/// A bounded batcher used alone: many producers, one processor.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/detail/batcher.hpp>
#include <etl/detail/bucket_engine.hpp>
#include <etl/detail/environment.hpp>
#include <etl/detail/outcome.hpp>
#include <etl/detail/shared_intake.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0 {

/// Collects items into batches and hands them to a processor on worker threads: when a batch holds
/// `batch_size` items or `batch_bytes`, `timeout` after its first item, or when the bucket closes (G12).
/// The processor is callable with `std::span<const T>`, optionally followed by an `etl::BatchContext&`,
/// and returns void or `etl::Result<void>`. One that is callable while constant runs on all workers at
/// once, another (a `mutable` lambda) one call at a time. All members are thread-safe.
template <class T>
class Bucket {
 public:
  class Producer;

  /// Starts accepting. Throws `etl::Exception` on invalid options. `Options::mode` has to be Parallel;
  /// batches are run on pushing threads only where those would have to wait.
  template <class F>
    requires detail::Processor<F, T>
  explicit Bucket(F processor, Options options = {}, Stop stop = {})
      : options_(checked(std::move(options))),
        environment_(options_),
        executor_(options_.executor ? options_.executor : Executor::pool(options_.workers)),
        engine_(std::make_unique<detail::ProcessorEngine<T, F>>(std::move(processor), options_, environment_)),
        batcher_(std::make_shared<detail::Batcher<T>>(options_, environment_, executor_.backend(), executor_.backend(),
                                                      engine_->stage(), false)),
        intake_(*batcher_, options_),
        stop_(std::move(stop)) {
    engine_->attach(*batcher_);
    batcher_->set_source(&intake_);
    on_drain_.emplace(stop_.drain(), Drain{batcher_.get()});
    on_abandon_.emplace(stop_.abandon(), Abandon{batcher_.get()});
  }
  Bucket(const Bucket&) = delete;
  Bucket& operator=(const Bucket&) = delete;
  /// Closes, and waits until everything is processed (G3). Producers have to be gone.
  ~Bucket() { static_cast<void>(finish()); }

  /// Blocks while the bucket is full. False: closed, stopped or failed; the item is untouched and counted (G11).
  bool push(T&& item) { return intake_.push(item); }
  bool push(const T& item)
    requires std::is_copy_constructible_v<T>
  {
    T copy(item);
    return intake_.push(copy);
  }
  /// Never blocks. False: full, closed, stopped or failed; the item is untouched and not counted.
  [[nodiscard]] bool try_push(T& item) { return intake_.try_push(item) == detail::SharedIntake<T>::Pushed::Yes; }
  /// A handle for one thread with an open batch of its own: several times faster than `push`.
  [[nodiscard]] Producer producer() {
    return Producer(*batcher_, batcher_->open_lane(next_partition_.fetch_add(1, std::memory_order_relaxed)));
  }

  /// No more intake; what is inside is flushed. Returns at once.
  void close() { batcher_->close(); }
  /// Closes, waits until everything is processed, and reports. Later calls return the same report.
  /// Not to be called by the processor.
  RunReport finish() {
    const std::lock_guard lock(finish_mutex_);
    if (!report_) report_ = make_report();
    return *report_;
  }
  [[nodiscard]] RunStatus status() const {
    RunStatus status;
    status.elapsed = Clock::now() - started_;
    batcher_->status(status);
    engine_->status(status);
    return status;
  }

 private:
  struct Drain {
    detail::Batcher<T>* batcher;
    void operator()() const { batcher->request_drain(); }
  };
  struct Abandon {
    detail::Batcher<T>* batcher;
    void operator()() const { batcher->request_abandon(); }
  };

  [[nodiscard]] static Options checked(Options options) {
    if (auto problem = options.problem()) throw Exception(std::move(*problem));
    if (options.mode == Mode::Fused)
      throw Exception({.code = Errc::InvalidOptions, .context = "invalid options: a bucket has no fused mode"});
    return options;
  }
  [[nodiscard]] RunReport make_report() {
    batcher_->close();
    intake_.seal_stragglers();
    RunReport report;
    report.pipeline = options_.name;
    detail::settle_outcome(report, batcher_->finish());
    engine_->report(report);
    report.elapsed = Clock::now() - started_;
    return report;
  }

  const Options options_;
  const detail::Environment environment_;
  const Executor executor_;
  const TimePoint started_ = Clock::now();
  std::unique_ptr<detail::BucketEngine<T>> engine_;
  std::shared_ptr<detail::Batcher<T>> batcher_;
  detail::SharedIntake<T> intake_;
  std::atomic<std::uint32_t> next_partition_ = 1;  // 0 is the shared intake
  const Stop stop_;
  std::optional<std::stop_callback<Drain>> on_drain_;
  std::optional<std::stop_callback<Abandon>> on_abandon_;
  std::mutex finish_mutex_;
  std::optional<RunReport> report_;
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

  /// Blocks while the bucket is full. False: closed, stopped or failed; the item is untouched and counted (G11).
  ETLPIPE_ALWAYS_INLINE bool push(T&& item) { return lane_->push(std::move(item)); }
  ETLPIPE_ALWAYS_INLINE bool push(const T& item)
    requires std::is_copy_constructible_v<T>
  {
    return lane_->push(item);
  }
  /// Fills the next slot in place, see `Emitter::fill`.
  template <class F>
    requires(std::is_default_constructible_v<T> && detail::reusable<T> && std::is_invocable_v<F, T&>)
  ETLPIPE_ALWAYS_INLINE bool fill(F&& fill_slot) {
    return lane_->fill(std::forward<F>(fill_slot));
  }
  /// Hands the open batch over now.
  void flush() { batcher_->flush(*lane_); }

 private:
  friend class Bucket;
  Producer(detail::Batcher<T>& batcher, detail::OwnedLane<T>& lane) : batcher_(&batcher), lane_(&lane) {}
  detail::Batcher<T>* batcher_;
  detail::OwnedLane<T>* lane_;
};

}  // namespace etl::inline v0
