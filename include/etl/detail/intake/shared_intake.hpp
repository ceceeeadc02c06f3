#pragma once
/// Single items from threads without a lane, cut into batches.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/intake/slots.hpp>
#include <etl/error.hpp>
#include <etl/options.hpp>

namespace etl::inline v0::detail {

class Batcher;

/// What became of an item that was pushed.
enum class Pushed : std::uint8_t { Yes, Full, Refused };

/// The items of a shared intake, in the order in which they were published.
class ItemQueue {
 public:
  ItemQueue() = default;
  ItemQueue(const ItemQueue&) = delete;
  ItemQueue& operator=(const ItemQueue&) = delete;
  virtual ~ItemQueue() = default;
  /// What `take` has done.
  struct Taken {
    std::uint32_t out = 0;          ///< items that are no longer in the queue
    std::uint32_t kept = 0;         ///< those of them that are in the buffer; the move of each other one has thrown
    std::optional<Error> thrown{};  ///< by the first such move
  };
  /// Moves up to `most` items to the slots from `at` on, which they fill without gaps.
  virtual Taken take(Buffer& buffer, std::uint32_t at, std::uint32_t most) noexcept = 0;
};

/// Counts what is published and seals *numbers* of items; the worker that runs such a batch takes that
/// many items out of the queue in bulk. The lock is taken by the first and the last item of a batch only.
/// Thread-safe.
class SharedIntake final : public BatchSource {
 public:
  SharedIntake(Batcher& batcher, ItemQueue& queue, const ItemType& type, const Options& options);
  ~SharedIntake() override;

  /// Calls `enqueue`, which puts one item into the queue, if there is room for it. Never blocks. Throws what `enqueue`
  /// throws; the item is then not in the queue.
  template <class F>
  [[nodiscard]] Pushed try_push(F&& enqueue) {
    const std::uint64_t held = held_.fetch_add(1, std::memory_order_acq_rel);
    if (held >= bound_) [[unlikely]] {
      let_go();
      return (held & refused) != 0 ? Pushed::Refused : Pushed::Full;
    }
    OnTheWay on_the_way{this};
    std::forward<F>(enqueue)();
    on_the_way.intake = nullptr;
    const std::uint64_t published = published_.fetch_add(1, std::memory_order_seq_cst) + 1;
    const std::uint64_t open = published - sealed_.load(std::memory_order_seq_cst);
    if (open == 1 || open >= batch_size_) [[unlikely]]
      look_after_open();
    return Pushed::Yes;
  }
  /// Waits until another push is worth while. False: closed, stopped or failed, and the item is counted.
  [[nodiscard]] bool wait_for_room(Pushed pushed);
  /// Waits for room until `due` at most, on the batcher's clock. False: there is none, or closed, stopped or failed.
  [[nodiscard]] bool wait_for_room_until(TimePoint due);

  /// After intake was refused: waits for the pushes that are just being made, and seals them.
  void seal_stragglers();
  /// After the end: calls `tell(items, count)` for items that are still in the queue, since no batch has taken
  /// them. Throws without memory.
  template <class F>
  void each_left(F&& tell) {
    Buffer buffer(type_, static_cast<std::uint32_t>(batch_size_), nullptr);
    for (;;) {
      const ItemQueue::Taken taken = queue_.take(buffer, 0, static_cast<std::uint32_t>(batch_size_));
      if (taken.out == 0) return;
      tell(buffer.data, taken.kept);
      if (type_.reused) continue;
      type_.destroy(buffer.data, 0, taken.kept);
      buffer.live = 0;
    }
  }

  // --- for the batcher ------------------------------------------------------------------------------
  /// Published and not sealed; more than a batch while producers that saw it full wait for the lock.
  [[nodiscard]] std::uint64_t open_items() const noexcept {
    return published_.load(std::memory_order_seq_cst) - sealed_.load(std::memory_order_relaxed);
  }
  TimePoint seal_due(TimePoint now, BatchQueue& sealed) noexcept override;
  void refuse(BatchQueue& sealed) noexcept override;
  void materialise(Batch& batch) override;
  void settled(std::uint32_t held) noexcept override;

 private:
  static constexpr std::uint64_t refused = std::uint64_t{1} << 63;

  struct OnTheWay {  // an item that is held; should it not get into the queue, it is so no more
    SharedIntake* intake;
    ~OnTheWay() {
      if (intake != nullptr) intake->let_go();
    }
  };
  void let_go();
  [[nodiscard]] static std::uint64_t bound_of(const Options& options);
  void look_after_open();
  void start_open(TimePoint now) noexcept;
  void seal_rest(BatchQueue& sealed) noexcept;
  [[nodiscard]] bool seal(std::uint64_t count, FlushReason reason, TimePoint time, BatchQueue& sealed) noexcept;

  Batcher& batcher_;
  ItemQueue& queue_;
  const ItemType& type_;
  const Options& options_;
  const std::uint64_t batch_size_;
  const std::uint64_t bound_;                             // items held at most
  alignas(64) std::atomic<std::uint64_t> held_ = 0;       // on their way or not settled; and the refused bit
  alignas(64) std::atomic<std::uint64_t> published_ = 0;  // put into the queue, ever
  std::atomic<std::uint64_t> sealed_ = 0;                 // given to batches, ever; written under the lock
  std::uint64_t settled_ = 0;                             // of those that were published; under the lock
  const std::unique_ptr<OwnedLane> buffers_;              // owns the buffers; under the lock
  bool timed_ = false;
  TimePoint opened_{};
  std::uint64_t next_ordinal_ = 0;
};

}  // namespace etl::inline v0::detail
