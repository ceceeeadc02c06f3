#pragma once
/// Takes the items of a pipeline's `extract`.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/intake/lane.hpp>
#include <etl/error.hpp>
#include <etl/position.hpp>

namespace etl::inline v0 {
namespace detail {

[[noreturn]] inline void throw_not_a_position(const Position& saved) {
  throw Exception({.code = Errc::CheckpointMismatch,
                   .context = "the saved position '" + saved.text() +
                              "' is not a position of this source: another version of it has saved the progress; to "
                              "load everything again, set delivery.restart"});
}

}  // namespace detail

/// Collects extracted items into batches. `push` blocks while the run holds as many batches as it may (back-pressure).
/// When `push` does not accept an item, it counts the item and returns false (G11); the extractor should then return.
/// Belongs to the thread that got it.
///
/// A source that resumes takes an `Emitter<E, P>`, where P is its `using position = P;`: `mark` takes a P, and
/// `resume_from` returns one.
template <class E, class P = Position>
class Emitter;

/// With positions that the source makes itself.
template <class E>
class Emitter<E, Position> {
 public:
  /// Used by the library: one lane per extractor.
  explicit Emitter(detail::Lane& lane) : lane_(lane) {}

  /// Adds an item. Returns false if the run was stopped or has failed; the item is then unchanged.
  ETLPIPE_ALWAYS_INLINE bool push(E&& item) { return lane_.push(std::move(item)); }
  ETLPIPE_ALWAYS_INLINE bool push(const E& item)
    requires std::is_copy_constructible_v<E>
  {
    return lane_.push(item);
  }
  /// Adds an item by filling the next slot in place: `fill_slot(E&)` gets an element of an earlier batch, whose memory
  /// it may reuse. This is the fastest way to extract records that own strings.
  template <class F>
    requires(std::is_default_constructible_v<E> && detail::reusable<E> && std::is_invocable_v<F, E&>)
  ETLPIPE_ALWAYS_INLINE bool fill(F&& fill_slot) {
    return lane_.fill(std::forward<F>(fill_slot));
  }

  /// Hands the open batch over now. Call it before a wait of unknown length, so that items do not wait for the timeout.
  void flush() { (*lane_).host->flush(*lane_); }
  /// For a source that polls: sleeps on the executor's clock until `duration` has passed or no more items are wanted.
  /// Returns false if no more items are wanted. Meanwhile the thread flushes its open batch at the batch's timeout, and
  /// runs batches if no worker does (in fused mode always).
  bool wait_for(std::chrono::nanoseconds duration) { return (*lane_).host->wait_for(*lane_, duration); }
  /// Says that the source can resume at `position`: all items pushed so far are before it. After a refused push, marks
  /// are ignored, so that the next run begins before the refused item.
  void mark(Position position) { (*lane_).host->mark(*lane_, std::move(position)); }
  /// Keeps `keep` alive until all items pushed from now on are settled. `keep` owns the memory that these items point
  /// into.
  template <class K>
  void retain(std::shared_ptr<K> keep) {
    (*lane_).host->retain(*lane_, std::move(keep), nullptr);
  }
  /// The same for a source that acknowledges loaded items (G13). The items pushed from now on until the next `retain`
  /// are one chunk. `acknowledge` is called once, on any thread, when everything derived from the chunk has ended; it
  /// must not throw. Its argument is true if the chunk is complete and every item of it is settled. A chunk is complete
  /// when the source has called `retain` again, has called `mark` after the chunk's last item, or has returned without
  /// being stopped. The argument is false if an item was lost to a failure or a stop, or if a push was refused. It is
  /// always false in a dry run, which loads nothing.
  ///
  /// A source that acknowledges may call `mark` only between its chunks. Before it waits for the next message, it
  /// should call `retain(std::shared_ptr<void>())`: this ends the last chunk, which can then be acknowledged during the
  /// wait.
  ///
  /// A source either acknowledges or resumes at a position. If a run keeps progress (`DeliveryOptions::checkpoints`, a
  /// store, or idempotency keys), the first call makes it end with `Errc::InvalidOptions`: the next run would mistake
  /// the remaining messages for those already loaded. If the pipeline has `static constexpr bool acknowledges = true;`,
  /// such a run is refused before it begins.
  template <class K>
  void retain(std::shared_ptr<K> keep, std::function<void(bool)> acknowledge) {
    (*lane_).host->retain(*lane_, std::move(keep), std::move(acknowledge));
  }
  /// The last mark of this partition before which an earlier run has settled every item; nothing on a fresh start. A
  /// source that calls this before its first push must begin at that mark. A source that does not call it begins at the
  /// start, and items that are already settled are skipped (`skipped`).
  [[nodiscard]] const std::optional<Position>& resume_from() const { return (*lane_).host->resume_from(*lane_); }
  /// Whether the run keeps progress or makes idempotency keys: an item is then known by its number after the last mark,
  /// so the source must give the same items in the same order again. A source that cannot do this should refuse such a
  /// run.
  [[nodiscard]] bool keeps_progress() const noexcept { return (*lane_).host->keeps_progress(); }
  /// For the progress bar: the bytes read so far of this partition, and its size (0: not known). With
  /// `ByteSource::consumed` and `size_hint`, or `bytes_read` of a reader, the bar is right from the first chunk on,
  /// even if the number of items is not known. Call it once for each chunk.
  void progress(std::uint64_t bytes_read, std::uint64_t size = 0) { (*lane_).host->progress(*lane_, bytes_read, size); }
  /// Stopped as soon as no more items are wanted. A source should wait on this token instead of sleeping.
  [[nodiscard]] std::stop_token stop_token() const noexcept { return (*lane_).host->intake_stop(); }

  /// The former name of `retain`.
  template <class K>
  [[deprecated("renamed to retain")]] void hold(std::shared_ptr<K> keep) {
    retain(std::move(keep));
  }
  /// The former name of `retain`.
  template <class K>
  [[deprecated("renamed to retain")]] void hold(std::shared_ptr<K> keep, std::function<void(bool)> acknowledge) {
    retain(std::move(keep), std::move(acknowledge));
  }
  /// The former name of `stop_token`.
  [[deprecated("renamed to stop_token")]] [[nodiscard]] std::stop_token stop() const noexcept { return stop_token(); }

 private:
  detail::LaneOf<E> lane_;
};

/// With positions of type P.
template <class E, class P>
class Emitter : public Emitter<E, Position> {
  static_assert(PositionType<P>,
                "etl: the positions of a source (`using position = P;`) are integers, strings, etl::Position, "
                "or a type with `etl::Position position() const` and `static std::optional<P> from(const "
                "etl::Position&)`");
  using Base = Emitter<E, Position>;

 public:
  using Base::Base;

  /// Says that the source can resume at `place`: all items pushed so far are before it. After a refused push, marks are
  /// ignored, so that the next run begins before the refused item.
  void mark(const P& place) { Base::mark(detail::position_from(place)); }
  /// The last mark of this partition before which an earlier run has settled every item; nothing on a fresh start. A
  /// source that calls this before its first push must begin at that mark. A source that does not call it begins at the
  /// start, and items that are already settled are skipped (`skipped`). Throws an `Exception` of code
  /// `Errc::CheckpointMismatch` if the saved mark is not a P: another version of the source has made it.
  [[nodiscard]] std::optional<P> resume_from() const {
    const std::optional<Position>& saved = Base::resume_from();
    if (!saved) return std::nullopt;
    std::optional<P> place = detail::place_at<P>(*saved);
    if (!place) detail::throw_not_a_position(*saved);
    return place;
  }
};

}  // namespace etl::inline v0
