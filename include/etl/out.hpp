#pragma once
/// Takes the results of a pipeline's `transform`.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/intake/slots.hpp>
#include <etl/error.hpp>

namespace etl::inline v0 {

/// Receives the results of one source item. Without a result the item is filtered; several results expand it; `reject`
/// rejects it and drops its results so far. Belongs to the call that got it.
template <class T>
class Out {
 public:
  Out() = default;
  Out(const Out&) = delete;
  Out& operator=(const Out&) = delete;

  /// The next result slot. It may hold a used result, whose memory is reused: assign every field.
  /// Valid until the next call on this object.
  ETLPIPE_ALWAYS_INLINE T& next()
    requires(std::is_default_constructible_v<T> && detail::reusable<T>)
  {
    if (count_ < slots_.live) [[likely]]
      return slots_.data()[count_++];
    return fresh();
  }
  /// Appends a result.
  template <class U = T>
    requires std::is_constructible_v<T, U&&>
  ETLPIPE_ALWAYS_INLINE void push(U&& result) {
    if (count_ >= slots_.capacity()) [[unlikely]]
      grow();
    detail::Slots<T>::put(slots_.data(), count_, slots_.live, std::forward<U>(result));
    ++count_;
  }
  /// Rejects the item; the last call wins.
  void reject(Error error) { rejection_ = std::move(error); }
  void reject(std::string why) { rejection_ = rejected(std::move(why)); }

  /// Number of results so far. This and the members below are for the library.
  [[nodiscard]] ETLPIPE_ALWAYS_INLINE std::uint32_t count() const noexcept { return count_; }
  /// Whether the item was rejected.
  [[nodiscard]] ETLPIPE_ALWAYS_INLINE bool is_rejected() const noexcept { return rejection_.has_value(); }
  /// The error of the rejected item; drops results from `back_to` on.
  [[nodiscard]] Error take_rejection(std::uint32_t back_to) {
    truncate(back_to);
    return std::exchange(rejection_, std::nullopt).value_or(Error{});
  }
  /// All results.
  [[nodiscard]] std::span<T> results() const noexcept { return {slots_.data(), count_}; }
  /// Drops the results from `count` on. Elements that cannot be reused are destroyed.
  void truncate(std::uint32_t count) noexcept {
    count_ = count;
    if constexpr (!detail::reusable<T> && !detail::plain_data<T>) {
      std::destroy_n(slots_.data() + count, slots_.live - count);
      slots_.live = count;
    }
  }
  /// Makes room for `capacity` results.
  void reserve(std::uint32_t capacity) {
    if (capacity > slots_.capacity()) grow_to(capacity);
  }

 private:
  ETLPIPE_NOINLINE T& fresh() {
    if (count_ >= slots_.capacity()) grow();
    std::construct_at(slots_.data() + count_);
    slots_.live = count_ + 1;
    return slots_.data()[count_++];
  }
  ETLPIPE_NOINLINE void grow() { grow_to(slots_.capacity() < 8 ? 16 : slots_.capacity() * 2); }
  void grow_to(std::uint32_t capacity) {
    detail::Slots<T> larger(capacity);
    if constexpr (detail::plain_data<T>) {
      std::uninitialized_move_n(slots_.data(), count_, larger.data());
      larger.live = count_;
    } else {
      for (; larger.live < slots_.live; ++larger.live)
        std::construct_at(larger.data() + larger.live, std::move_if_noexcept(slots_.data()[larger.live]));
    }
    slots_.swap(larger);
  }

  detail::Slots<T> slots_;
  std::uint32_t count_ = 0;
  std::optional<Error> rejection_;
};

}  // namespace etl::inline v0
