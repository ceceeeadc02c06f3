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

/// Result of an attempt to push an item.
enum class Pushed : std::uint8_t { Yes, Full, Refused };

/// The items of a shared intake, in the order in which they were published.
class ItemQueue {
 public:
  ItemQueue() = default;
  ItemQueue(const ItemQueue&) = delete;
  ItemQueue& operator=(const ItemQueue&) = delete;
  virtual ~ItemQueue() = default;
  /// Result of `take`.
  struct Taken {
    std::uint32_t out = 0;          ///< items that have left the queue
    std::uint32_t kept = 0;         ///< those of `out` that are in the buffer; the move of each other item threw
    std::optional<Error> thrown{};  ///< error of the first such move
  };
  /// Moves up to `most` items into the slots from `at` on, without gaps.
  virtual Taken take(Buffer& buffer, std::uint32_t at, std::uint32_t most) noexcept = 0;
};

/// Counts published items and seals *numbers* of items. The worker that runs such a batch takes that many items out of
/// the queue in bulk. Only the first and the last item of a batch take the lock. Thread-safe.
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
  /// Waits until another push may succeed. Returns false after close, stop or failure; the item is then counted.
  [[nodiscard]] bool wait_for_room(Pushed pushed);
  /// Waits for room until `due` at most, on the batcher's clock. Returns false if there is still no room, or after
  /// close, stop or failure.
  [[nodiscard]] bool wait_for_room_until(TimePoint due);

  /// Waits for the pushes that began before intake was refused, and seals their items.
  void seal_stragglers();
  /// Calls `tell(items, count)` for items that are still in the queue because no batch has taken them. Called after
  /// the end of the run. Throws if memory runs out.
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
  /// Number of items that are published and not sealed. It exceeds a batch while producers that saw a full batch wait
  /// for the lock.
  [[nodiscard]] std::uint64_t open_items() const noexcept {
    return published_.load(std::memory_order_seq_cst) - sealed_.load(std::memory_order_relaxed);
  }
  TimePoint seal_due(TimePoint now, BatchQueue& sealed) noexcept override;
  void refuse(BatchQueue& sealed) noexcept override;
  void materialise(Batch& batch) override;
  void settled(std::uint32_t held) noexcept override;

 private:
  static constexpr std::uint64_t refused = std::uint64_t{1} << 63;

  struct OnTheWay {  // gives the place of a held item back if `enqueue` throws
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
  const std::uint64_t bound_;                             // largest number of items held
  alignas(64) std::atomic<std::uint64_t> held_ = 0;       // items on their way or not settled, and the `refused` bit
  alignas(64) std::atomic<std::uint64_t> published_ = 0;  // items put into the queue since the start
  std::atomic<std::uint64_t> sealed_ = 0;     // items given to batches since the start; written under the lock
  std::uint64_t settled_ = 0;                 // published items that are settled; under the lock
  const std::unique_ptr<OwnedLane> buffers_;  // owns the buffers; under the lock
  bool timed_ = false;
  TimePoint opened_{};
  std::uint64_t next_ordinal_ = 0;
};

}  // namespace etl::inline v0::detail
