#pragma once
/// Lets idle workers share the slow transforms of a batch.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/dispatch/scheduler.hpp>
#include <etl/detail/load/work.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::detail {

/// The item at which a transform ended early, and the reason.
struct FailedItem {
  std::uint32_t item;
  Error error;
};

/// A range of consecutive items, and the outcome of their transforms.
struct TransformPart {
  std::uint32_t first = 0, end = 0;
  std::unique_ptr<Work> work{};  ///< null if there was no memory for it, or no worker state
  std::optional<FailedItem> failed{};
};

/// Hands out the items of a batch in parts. Each part has its own results; the parts keep the order of the items.
/// Thread-safe.
class SharedTransform final : public SharedWork {
 public:
  /// Transforms a part as a worker. May throw.
  using Transform = std::function<void(std::uint32_t slot, TransformPart& part)>;

  /// `cost` is the transform time per item, measured with the first items.
  SharedTransform(std::uint32_t first, std::uint32_t end, std::size_t workers, std::chrono::nanoseconds cost,
                  Transform transform)
      : next_(first), end_(end), workers_(static_cast<std::uint32_t>(workers)), transform_(std::move(transform)) {
    const auto few = shortest / std::max(cost, std::chrono::nanoseconds(1));
    fewest_ = static_cast<std::uint32_t>(std::clamp<std::int64_t>(few, 1, end - first));
  }

  [[nodiscard]] bool share(std::uint32_t slot) noexcept override {
    TransformPart* part = nullptr;
    auto error = guarded([&]() -> std::optional<Error> {
      part = take();
      if (part != nullptr) transform_(slot, *part);
      return std::nullopt;
    });
    const std::lock_guard lock(mutex_);
    if (error)
      (part == nullptr ? failed_ : part->failed) = FailedItem{part == nullptr ? next_ : part->first, std::move(*error)};
    if (failed_ || (part != nullptr && part->failed)) next_ = end_;  // the batch is lost
    return next_ < end_;
  }
  /// Set if there was no memory for a part.
  [[nodiscard]] std::optional<FailedItem>& failed() noexcept { return failed_; }
  /// The parts in the order of their items. Call this only after all workers have finished.
  [[nodiscard]] std::deque<TransformPart>& parts() noexcept { return parts_; }

 private:
  static constexpr std::chrono::nanoseconds shortest = std::chrono::microseconds(100);

  /// Takes the next part. Parts become smaller, so that all workers end at about the same time.
  [[nodiscard]] TransformPart* take() {
    const std::lock_guard lock(mutex_);
    if (next_ == end_) return nullptr;
    const std::uint32_t left = end_ - next_;
    const std::uint32_t count = std::min(left, std::max(fewest_, left / (2 * workers_)));
    TransformPart& part = parts_.emplace_back(TransformPart{.first = next_, .end = next_ + count});
    next_ += count;
    return &part;
  }

  std::mutex mutex_;
  std::deque<TransformPart> parts_{};
  std::optional<FailedItem> failed_{};
  std::uint32_t next_;
  const std::uint32_t end_;
  const std::uint32_t workers_;
  std::uint32_t fewest_ = 1;
  const Transform transform_;
};

}  // namespace etl::inline v0::detail
