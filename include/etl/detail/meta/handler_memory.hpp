#pragma once
/// Preallocated memory for one Asio handler at a time.

#include <atomic>
#include <cstddef>
#include <new>

#include <etl/config.hpp>

namespace etl::inline v0::detail {

/// Memory for one handler. Uses the heap while the memory is taken, or if it is too small. Thread-safe.
class HandlerMemory {
 public:
  HandlerMemory() = default;
  HandlerMemory(const HandlerMemory&) = delete;
  HandlerMemory& operator=(const HandlerMemory&) = delete;

  void* allocate(std::size_t size) {
    if (size <= sizeof(room_) && !taken_.exchange(true, std::memory_order_acquire)) return room_;
    return ::operator new(size);
  }
  void deallocate(void* p) noexcept {
    if (p == room_) return taken_.store(false, std::memory_order_release);
    ::operator delete(p);
  }

 private:
  alignas(std::max_align_t) std::byte room_[256];
  std::atomic<bool> taken_ = false;
};

/// The allocator that Asio uses for a handler.
template <class T>
class HandlerAllocator {
 public:
  using value_type = T;
  explicit HandlerAllocator(HandlerMemory& memory) noexcept : memory_(&memory) {}
  template <class U>
  HandlerAllocator(const HandlerAllocator<U>& other) noexcept
      : memory_(other.memory_) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] T* allocate(std::size_t n) { return static_cast<T*>(memory_->allocate(n * sizeof(T))); }
  void deallocate(T* p, std::size_t) noexcept { memory_->deallocate(p); }
  [[nodiscard]] friend bool operator==(const HandlerAllocator& a, const HandlerAllocator& b) noexcept {
    return a.memory_ == b.memory_;
  }

 private:
  template <class>
  friend class HandlerAllocator;
  HandlerMemory* memory_;
};

}  // namespace etl::inline v0::detail
