#pragma once
/// A bounded batcher that is used alone: many producers, one processor.

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include <etl/batch_context.hpp>
#include <etl/bucket_options.hpp>
#include <etl/concurrent.hpp>
#include <etl/config.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/intake/bucket_engine.hpp>
#include <etl/detail/intake/intake_queue.hpp>
#include <etl/detail/intake/lane.hpp>
#include <etl/detail/intake/shared_intake.hpp>
#include <etl/detail/intake/slots.hpp>
#include <etl/detail/load/bucket_processor.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/meta/process.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>
#include <etl/lost_item.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>
#include <etl/stop.hpp>

namespace etl::inline v0 {

/// Collects items into batches and hands them to a processor on worker threads: when a batch holds
/// `batch_size` items or `batch_bytes`, `timeout` after its first item, or when the bucket closes (G12).
/// The processor is callable with `std::span<const T>`, optionally followed by an `etl::BatchContext&`,
/// and returns void or `etl::Result<void>`. One worker at a time calls the processor; with `etl::concurrent(processor)`
/// all workers call it at once. To use a processor that outlives the bucket, pass a `std::ref`. All members are
/// thread-safe. A bucket belongs to the process that made it: a child of fork() may only destroy its copy; the
/// destructor then neither waits nor releases anything.
///
/// In a service, set a retry policy that outlasts an outage of the sink (`.retry = {.max_attempts = 100}`: some
/// minutes), because after the last attempt the bucket has failed and takes nothing more. Also pass a callable for
/// items that the bucket took and could not load. To shut down, call `close()`, which ends blocked pushes; join the
/// pushing threads; then call `finish()` and look at its report.
template <class T>
class Bucket {
 public:
  class Producer;

  /// Starts accepting items. Throws `etl::Exception` for invalid options, `std::system_error` if a thread of its pool
  /// cannot start, and `std::bad_alloc` without memory. A pushing thread runs batches only when it would have to wait.
  template <class F>
    requires detail::Processor<F, T>
  explicit Bucket(F processor, BucketOptions<T> options = {}, StopToken stop = {})
      : parts_(std::move(processor), NobodyTold{}, std::move(options), std::move(stop)) {}
  /// The same, with a callable for items that were taken and not loaded: `on_lost(const LostItem<T>&)`. It is called
  /// once for each such item, on any thread, one call at a time, before `finish()` returns. It is not called for an
  /// item that a push refused, because the pushing thread still has this item. It may write the item to a file, or keep
  /// it for another bucket. It may stop or close the bucket, but must not call `finish()`; if it requests an abandon,
  /// it is called for the dropped items before that request returns. If it throws, the bucket fails, but it is still
  /// called for the other items. It is not called for items if there is no memory at all, or if their move constructor
  /// has thrown.
  template <class F, class L>
    requires detail::Processor<F, T> && std::is_invocable_v<L&, const LostItem<T>&>
  Bucket(F processor, L on_lost, BucketOptions<T> options = {}, StopToken stop = {})
      : parts_(std::move(processor), std::move(on_lost), std::move(options), std::move(stop)) {}
  /// The same with settings of a run, such as those of `options_from_environment`. Also throws `etl::Exception` for
  /// settings that a bucket does not honour: `mode` must be Parallel, and `extractors`, `delivery`, dead letters and
  /// progress must not be set.
  template <class F, std::same_as<Options> O>
    requires detail::Processor<F, T>
  Bucket(F processor, const O& options, StopToken stop = {})
      : parts_(std::move(processor), NobodyTold{}, options, std::move(stop)) {}
  template <class F, class L, std::same_as<Options> O>
    requires detail::Processor<F, T> && std::is_invocable_v<L&, const LostItem<T>&>
  Bucket(F processor, L on_lost, const O& options, StopToken stop = {})
      : parts_(std::move(processor), std::move(on_lost), options, std::move(stop)) {}
  Bucket(const Bucket&) = delete;
  Bucket& operator=(const Bucket&) = delete;
  /// Closes, and waits until everything is processed (G3). All producers must have been destroyed.
  ~Bucket() = default;

  /// Adds an item; blocks while the bucket is full, so a processor must not push into its own bucket (`try_push` may).
  /// Returns false if the bucket is closed, stopped or has failed; the item is then unchanged, and is counted as
  /// refused (G11). Throws what moving or weighing the item throws, and counts the item as refused.
  bool push(T&& item) {
    Counted counted(parts_->engine);
    return counted.told(parts_->push(item));
  }
  bool push(const T& item)
    requires std::is_copy_constructible_v<T>
  {
    Counted counted(parts_->engine);
    T copy(item);
    return counted.told(parts_->push(copy));
  }
  /// Adds an item without blocking. Returns false if the bucket is full, closed, stopped or has failed; the item is
  /// then unchanged and not counted. Throws what moving or weighing the item throws; the item is then not counted.
  [[nodiscard]] bool try_push(T& item) { return parts_->try_push(item) == detail::Pushed::Yes; }
  /// As `try_push`, but waits up to `timeout` for room, on the executor's clock. Returns false if the bucket stays
  /// full, is closed, stopped or has failed; the item is then unchanged and not counted. The thread runs no batches
  /// meanwhile.
  [[nodiscard]] bool push_for(T& item, std::chrono::nanoseconds timeout) {
    const TimePoint due = parts_->engine.due(timeout);
    for (;;) {
      const detail::Pushed pushed = parts_->try_push(item);
      if (pushed != detail::Pushed::Full) return pushed == detail::Pushed::Yes;
      if (!parts_->engine.wait_for_room_until(due)) return parts_->try_push(item) == detail::Pushed::Yes;
    }
  }
  /// A handle for one thread, with its own open batch: several times faster than `push`.
  [[nodiscard]] Producer producer() { return Producer(parts_->engine, parts_->engine.open_lane()); }

  /// Refuses further items and flushes the items inside. Returns at once.
  void close() { parts_->engine.close(); }
  /// Closes, waits until everything is processed, and returns the report. Later calls return the same report. The
  /// processor must not call it. In a child of fork() it throws `etl::Exception`. Throws `std::bad_alloc` if there is
  /// no memory for a copy of the report; a later call may succeed.
  RunReport finish() {
    if (!parts_.here())
      throw Exception({.code = Errc::NotRun, .context = "this bucket was made by another process, before fork()"});
    return parts_->engine.finish();
  }
  /// Counts so far.
  [[nodiscard]] RunStatus status() const { return parts_->engine.status(); }

 private:
  /// Counts an item as refused if its push throws.
  class Counted {
   public:
    explicit Counted(detail::BucketEngine& engine) : engine_(&engine) {}
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() {
      if (engine_ != nullptr) engine_->count_refused();
    }
    bool told(bool accepted) noexcept {
      engine_ = nullptr;
      return accepted;
    }

   private:
    detail::BucketEngine* engine_;
  };

  struct NobodyTold {};
  template <class L>
  class LostTold final : public detail::LostItems {
   public:
    explicit LostTold(L on_lost) : on_lost_(std::move(on_lost)) {}
    void tell(const void* item, LostAs how, const Error& error) override {
      on_lost_(LostItem<T>{*static_cast<const T*>(item), how, error});
    }

   private:
    L on_lost_;
  };
  template <class L>
  [[nodiscard]] static std::unique_ptr<detail::LostItems> told(L on_lost) {
    if constexpr (std::is_same_v<L, NobodyTold>)
      return nullptr;
    else
      return std::make_unique<LostTold<L>>(std::move(on_lost));
  }

  class Queue final : public detail::ItemQueue {
   public:
    void put(T&& item) {
      if constexpr (moves_safely) {
        queue_.enqueue(std::move(item));
      } else {
        auto kept = std::make_unique<T>(std::move(item));
        const auto failed =
            detail::guarded([&]() -> std::optional<Error> { return queue_.enqueue(std::move(kept)), std::nullopt; });
        if (!failed) return;
        if constexpr (std::is_move_assignable_v<T>)  // no memory: the caller has the item again
          static_cast<void>(
              detail::guarded([&]() -> std::optional<Error> { return item = std::move(*kept), std::nullopt; }));
        std::rethrow_exception(failed->exception);
      }
    }
    Taken take(detail::Buffer& buffer, std::uint32_t at, std::uint32_t most) noexcept override {
      Taken taken;
      taken.out = static_cast<std::uint32_t>(queue_.dequeue(Slot{&buffer, at, &taken}, most));
      return taken;
    }

   private:
    static constexpr bool moves_safely = std::is_nothrow_move_constructible_v<T>;
    /// What the queue holds. The move of an item must not throw within it.
    using Kept = std::conditional_t<moves_safely, T, std::unique_ptr<T>>;
    static T&& item_in(T& kept) noexcept { return std::move(kept); }
    static T&& item_in(std::unique_ptr<T>& kept) noexcept { return std::move(*kept); }

    struct Slot {  // an output iterator over the slots of a buffer, which goes on by itself
      detail::Buffer* buffer;
      std::uint32_t at;
      Taken* taken;
      Slot& operator*() noexcept { return *this; }
      Slot& operator++() noexcept { return *this; }
      Slot operator++(int) noexcept { return *this; }
      // Were it to throw, the queue would destroy the items that come after this one.
      Slot& operator=(Kept&& kept) noexcept {
        const auto put = [&] {
          detail::Slots<T>::put(static_cast<T*>(buffer->data), at + taken->kept, buffer->live, item_in(kept));
          ++taken->kept;
        };
        if constexpr (std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>) {
          put();
        } else {
          auto thrown = detail::guarded([&]() -> std::optional<Error> { return put(), std::nullopt; });
          if (thrown && !taken->thrown) taken->thrown = std::move(thrown);
        }
        return *this;
      }
    };
    detail::IntakeQueue<Kept> queue_;
  };

  struct Parts {
    template <class F, class L>
    Parts(F its_processor, L on_lost, BucketOptions<T> options, StopToken stop)
        : Parts(std::move(its_processor), std::move(on_lost), std::move(options.bytes), detail::run_options(options),
                std::move(stop)) {}
    template <class F, class L>
    Parts(F its_processor, L on_lost, Options options, StopToken stop)
        : Parts(std::move(its_processor), std::move(on_lost), nullptr, std::move(options), std::move(stop)) {}
    template <class F, class L>
    Parts(F its_processor, L on_lost, std::function<std::size_t(const T&)> weight, Options options, StopToken stop)
        : processor(std::make_unique<detail::TypedProcessor<T, F>>(std::move(its_processor), std::move(weight))),
          lost(told(std::move(on_lost))),
          engine(processor->calls(), queue, lost.get(), std::move(options), std::move(stop)) {}
    [[nodiscard]] detail::Pushed try_push(T& item) {
      if (engine.weighed()) return engine.try_push_weighed(std::addressof(item), processor->weight(item));
      return engine.intake().try_push([&] { queue.put(std::move(item)); });
    }
    [[nodiscard]] bool push(T& item) {
      if (engine.weighed()) return engine.push_weighed(std::addressof(item), processor->weight(item));
      for (;;) {
        const detail::Pushed pushed = try_push(item);
        if (pushed == detail::Pushed::Yes) return true;
        if (!engine.intake().wait_for_room(pushed)) return false;
      }
    }

    const std::unique_ptr<detail::ProcessorOf<T>> processor;
    const std::unique_ptr<detail::LostItems> lost;
    Queue queue;
    detail::BucketEngine engine;
  };

  detail::OfThisProcess<Parts> parts_;
};

/// Pushes into a bucket. Must be destroyed before its bucket; the destructor flushes its open batch, but not in a child
/// of fork(). Belongs to one thread at a time.
template <class T>
class Bucket<T>::Producer {
 public:
  /// Takes over the open batch of `other`.
  Producer(Producer&& other) noexcept : engine_(other.engine_), lane_(std::exchange(other.lane_, nullptr)) {}
  Producer& operator=(Producer&&) = delete;
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;
  ~Producer() {
    if (lane_ != nullptr) engine_->finish_lane(*lane_);
  }

  /// Adds an item; blocks while the bucket is full. Returns false if the bucket is closed, stopped or has failed; the
  /// item is then unchanged, and is counted as refused (G11). Throws what moving the item throws, and counts the item
  /// as refused.
  ETLPIPE_ALWAYS_INLINE bool push(T&& item) { return put(std::move(item)); }
  ETLPIPE_ALWAYS_INLINE bool push(const T& item)
    requires std::is_copy_constructible_v<T>
  {
    return put(item);
  }
  /// Adds an item by filling the next slot in place, see `Emitter::fill`.
  template <class F>
    requires(std::is_default_constructible_v<T> && detail::reusable<T> && std::is_invocable_v<F, T&>)
  ETLPIPE_ALWAYS_INLINE bool fill(F&& fill_slot) {
    return detail::LaneOf<T>(*lane_).fill(std::forward<F>(fill_slot));
  }
  /// Hands the open batch over now.
  void flush() { lane_->host->flush(*lane_); }

 private:
  friend class Bucket;
  template <class U>
  ETLPIPE_ALWAYS_INLINE bool put(U&& item) {
    if constexpr (std::is_nothrow_constructible_v<T, U> && std::is_nothrow_assignable_v<T&, U>) {
      return detail::LaneOf<T>(*lane_).push(std::forward<U>(item));
    } else {
      Counted counted(*engine_);
      return counted.told(detail::LaneOf<T>(*lane_).push(std::forward<U>(item)));
    }
  }
  Producer(detail::BucketEngine& engine, detail::Lane& lane) : engine_(&engine), lane_(&lane) {}
  detail::BucketEngine* engine_;
  detail::Lane* lane_;
};

}  // namespace etl::inline v0

#if !defined(ETLPIPE_COMPILED_CORE)
#include <etl/impl/bucket.ipp>
#include <etl/impl/shared_intake.ipp>
#endif
