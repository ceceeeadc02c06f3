#pragma once
/// Measures whether a lane should run its batches itself or hand them over to workers.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <etl/config.hpp>
#include <etl/executor.hpp>

namespace etl::inline v0::detail {

/// Compares the time between seals in both modes. Chooses the producer's own thread if that is at most 6 % slower.
/// Measures again at intervals that double from 256 to 16384 batches. One object per lane.
class InlineChoice {
 public:
  /// Returns whether the producer runs this batch. Call it at each seal. `batch_cost` is the duration of a recent
  /// batch. Without a free token the producer cannot run the batch, and the time until the next seal says nothing
  /// about running inline.
  [[nodiscard]] bool run_inline(TimePoint now, std::chrono::nanoseconds batch_cost, bool token_free) noexcept {
    const std::chrono::nanoseconds since = now - last_;
    last_ = now;
    if (batch_cost > std::chrono::milliseconds(1)) {  // too long to keep a source waiting
      *this = InlineChoice{};
      last_ = now;
      return false;
    }
    if (!prevented_) {
      if (left_ > 0 && left_ <= samples) sum_ += since;
      if (left_ > 0) --left_;
      if (left_ == 0) advance();
    }
    prevented_ = inline_ && !token_free;
    return inline_ && token_free;
  }

 private:
  enum class Phase : std::uint8_t { First, Second, Hold };
  static constexpr std::uint32_t settle = 4;  // batches of the former mode that are still on their way
  static constexpr std::uint32_t samples = 8;
  static constexpr std::uint32_t shortest = 256;
  static constexpr std::uint32_t longest = 16384;

  void advance() noexcept {
    if (phase_ == Phase::Hold) return measure(Phase::First, inline_, samples);
    mean_[inline_ ? 1 : 0] = sum_;
    if (phase_ == Phase::First) return measure(Phase::Second, !inline_, settle + samples);
    const bool better_inline = static_cast<double>(mean_[1].count()) <= 1.06 * static_cast<double>(mean_[0].count());
    hold_ = better_inline == chosen_ ? std::min(hold_ * 2, longest) : shortest;
    chosen_ = better_inline;
    measure(Phase::Hold, chosen_, hold_);
  }
  void measure(Phase phase, bool run_inline, std::uint32_t batches) noexcept {
    phase_ = phase;
    inline_ = run_inline;
    left_ = batches;
    sum_ = {};
  }

  Phase phase_ = Phase::First;
  bool inline_ = false;
  bool chosen_ = false;
  bool prevented_ = false;  // the last batch should have run inline, but was handed over
  std::uint32_t left_ = settle + samples;
  std::uint32_t hold_ = shortest / 2;
  std::chrono::nanoseconds sum_{};
  std::array<std::chrono::nanoseconds, 2> mean_{};
  TimePoint last_{};
};

}  // namespace etl::inline v0::detail
