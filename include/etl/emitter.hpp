#pragma once
/// What a pipeline's `extract` writes to.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/intake/lane.hpp>
#include <etl/position.hpp>

namespace etl::inline v0 {

/// Takes extracted items into batches. Blocks while the run has all the batches it may hold
/// (back-pressure). Every `push` that was not accepted returns false and is counted (G11); the
/// extractor should then return. Belongs to the thread that got it.
template <class E>
class Emitter {
 public:
  /// Used by the library: one lane per extractor.
  explicit Emitter(detail::Lane& lane) : lane_(lane) {}

  /// False: the run stopped or failed, and the item is untouched.
  ETLPIPE_ALWAYS_INLINE bool push(E&& item) { return lane_.push(std::move(item)); }
  ETLPIPE_ALWAYS_INLINE bool push(const E& item)
    requires std::is_copy_constructible_v<E>
  {
    return lane_.push(item);
  }
  /// Fills the next slot in place: `fill_slot(E&)` finds there an element left from an earlier batch,
  /// whose memory it may reuse. The fastest way to extract records that own strings.
  template <class F>
    requires(std::is_default_constructible_v<E> && detail::reusable<E> && std::is_invocable_v<F, E&>)
  ETLPIPE_ALWAYS_INLINE bool fill(F&& fill_slot) {
    return lane_.fill(std::forward<F>(fill_slot));
  }

  /// Hands the open batch over now. Call it before a wait of unknown length, so that items do not
  /// lie until the timeout.
  void flush() { (*lane_).host->flush(*lane_); }
  /// For a source that polls: sleeps, on the executor's clock, until the time is over or no more items are wanted.
  /// Returns false when no more items are wanted. Meanwhile the thread flushes its open batch when the timeout of that
  /// comes, and runs batches when no worker does (in fused mode it always does).
  bool wait_for(std::chrono::nanoseconds duration) { return (*lane_).host->wait_for(*lane_, duration); }
  /// All items pushed so far lie before `position`, from which the source could resume. After a push that was refused
  /// a mark says nothing, and is ignored: the next run begins before the item that was not taken.
  void mark(Position position) { (*lane_).host->mark(*lane_, std::move(position)); }
  /// Keeps `keep` (the memory that the items pushed from now on point into) alive until all their
  /// batches are settled.
  template <class K>
  void hold(std::shared_ptr<K> keep) {
    (*lane_).host->hold(*lane_, std::move(keep), nullptr);
  }
  /// The same for a source that acknowledges what it has given (G13). The items pushed from now on until the next
  /// `hold` are one chunk. `acknowledge` is called once, on any thread, when everything derived from the chunk has
  /// ended. It gets true when the chunk is complete and all of it is settled; a chunk is complete when the source has
  /// called `hold` again, or `mark` after its last item, or has returned by itself without a stop. It gets false when
  /// something was lost to a failure or a stop, or a push was refused, and always in a dry run, which loads nothing.
  /// It must not throw.
  ///
  /// A source that acknowledges calls `mark` between its chunks only, if at all. Before it waits for the next message
  /// it calls `hold(std::shared_ptr<void>())`: that ends the last chunk, which is then acknowledged meanwhile.
  ///
  /// A source is either consumed by acknowledgement or replayed by position. A run that keeps its progress
  /// (`DeliveryOptions::checkpoints`, a store, or idempotency keys) ends with `Errc::InvalidOptions` at the first call:
  /// the next run would take the messages that are left for those that were loaded. A pipeline may say that it
  /// acknowledges by `static constexpr bool acknowledges = true;`, and such a run is refused before it begins.
  template <class K>
  void hold(std::shared_ptr<K> keep, std::function<void(bool)> acknowledge) {
    (*lane_).host->hold(*lane_, std::move(keep), std::move(acknowledge));
  }
  /// The last mark of this partition that an earlier run settled everything before; nothing on a fresh start. Whoever
  /// asks, before the first push, begins there. Whoever does not ask begins at the start, and what was settled already
  /// is skipped (`replayed`).
  [[nodiscard]] const std::optional<Position>& resume_from() const { return (*lane_).host->resume_from(*lane_); }
  /// For the progress bar: so many bytes of this partition are read, `size` in all (0: not known). With
  /// `ByteSource::consumed` and `size_hint`, or `bytes_read` of a reader, the bar is right from the first chunk on,
  /// also where nobody knows the number of items. Call it once for each chunk.
  void progress(std::uint64_t bytes_read, std::uint64_t size = 0) { (*lane_).host->progress(*lane_, bytes_read, size); }
  /// Stopped as soon as no more items are wanted; wait on it instead of sleeping.
  [[nodiscard]] std::stop_token stop() const noexcept { return (*lane_).host->intake_stop(); }

 private:
  detail::LaneOf<E> lane_;
};

}  // namespace etl::inline v0
