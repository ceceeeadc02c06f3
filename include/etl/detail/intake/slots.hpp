#pragma once
/// Raw storage whose elements stay alive between uses.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/config.hpp>

namespace etl::inline v0 {

/// Whether used batch slots keep their elements constructed, so that later elements are assigned to them. This keeps
/// every allocation of an element on one thread, or avoids it. Specialise to `false` for three kinds of types: types
/// that own handles (files, sockets, locks), so that they are released as soon as their batch is settled; types whose
/// assignment or destruction uses memory that `Emitter::retain` keeps (strings of an arena), because that memory is
/// gone by then; and types with a member whose assignment changes the object that it refers to (a `std::tuple<int&>`).
template <class E>
inline constexpr bool reuse_slots = true;

namespace detail {

/// Whether an assignment changes the object that is referred to, as for a tuple of references.
template <class E>
inline constexpr bool assigns_through = std::is_assignable_v<const E&, E>;
template <class E>
inline constexpr bool assigns_through<E&> = true;
template <class A, class B>
inline constexpr bool assigns_through<std::pair<A, B>> = assigns_through<A> || assigns_through<B>;
template <class... A>
inline constexpr bool assigns_through<std::tuple<A...>> = (assigns_through<A> || ...);
template <>
inline constexpr bool assigns_through<std::vector<bool>::reference> = true;

template <class E>
inline constexpr bool overwritable = std::is_move_assignable_v<E> && !assigns_through<E>;
template <class E>
inline constexpr bool reusable = reuse_slots<E> && overwritable<E>;

/// Slots of such types are written without a check whether they hold an element.
template <class E>
inline constexpr bool plain_data = std::is_trivially_copyable_v<E>;

/// A fixed array of slots; the first `live` hold elements (at least those, for plain data). Owned by one
/// thread at a time.
template <class E>
class Slots {
 public:
  Slots() = default;
  explicit Slots(std::uint32_t capacity)
      : data_(static_cast<E*>(::operator new(capacity * sizeof(E), std::align_val_t{alignment}))),
        capacity_(capacity) {}
  Slots(Slots&& other) noexcept { swap(other); }
  Slots& operator=(Slots&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Slots() {
    std::destroy_n(data_, live);
    ::operator delete(data_, std::align_val_t{alignment});
  }
  void swap(Slots& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(capacity_, other.capacity_);
    std::swap(live, other.live);
  }

  [[nodiscard]] E* data() const noexcept { return data_; }
  [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

  /// Puts a value into slot `n`, which is at most `live` (exactly `live` for types that are not reused).
  template <class U>
  ETLPIPE_ALWAYS_INLINE static void put(E* data, std::uint32_t n, std::uint32_t& live, U&& value) {
    if constexpr (plain_data<E>) {
      std::construct_at(data + n, std::forward<U>(value));
      return;
    }
    if constexpr (reusable<E>) {
      if (n < live) [[likely]] {
        if constexpr (std::is_assignable_v<E&, U&&>)
          data[n] = std::forward<U>(value);
        else
          data[n] = E(std::forward<U>(value));
        return;
      }
    }
    std::construct_at(data + n, std::forward<U>(value));
    live = n + 1;
  }

  static constexpr std::size_t alignment = alignof(E) > 64 ? alignof(E) : 64;
  std::uint32_t live = 0;

 private:
  E* data_ = nullptr;
  std::uint32_t capacity_ = 0;
};

/// The operations that the engine needs on items whose type it does not know.
struct ItemType {
  std::size_t size;
  std::size_t alignment;  ///< alignment of an array of items
  bool reused;            ///< `reusable`
  void (*destroy)(void* items, std::uint32_t first, std::uint32_t count) noexcept;
  /// Moves items to the slots from `at` on of an array whose first `live` slots hold elements. Destroys no item. If a
  /// move throws, some of the items have been moved away.
  void (*move)(void* items, std::uint32_t first, std::uint32_t count, void* to, std::uint32_t at, std::uint32_t& live);
};

template <class E>
inline constexpr ItemType item_type{
    .size = sizeof(E),
    .alignment = Slots<E>::alignment,
    .reused = reusable<E>,
    .destroy = [](void* items, std::uint32_t first,
                  std::uint32_t count) noexcept { std::destroy_n(static_cast<E*>(items) + first, count); },
    .move =
        [](void* items, std::uint32_t first, std::uint32_t count, void* to, std::uint32_t at, std::uint32_t& live) {
          for (std::uint32_t i = 0; i < count; ++i)
            Slots<E>::put(static_cast<E*>(to), at + i, live, std::move(static_cast<E*>(items)[first + i]));
        }};

}  // namespace detail
}  // namespace etl::inline v0
