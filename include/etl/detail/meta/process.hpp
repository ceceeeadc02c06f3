#pragma once
/// Objects that belong to the process that created them.

#include <memory>
#include <utility>

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

#include <etl/config.hpp>

namespace etl::inline v0::detail {

/// A number of this process that a child of fork() does not share.
[[nodiscard]] inline long process_id() noexcept {
#if defined(__unix__) || defined(__APPLE__)
  return static_cast<long>(::getpid());
#else
  return 0;
#endif
}

/// Holds a `T` that uses threads. A child of fork() has a copy of the `T` but not its threads, and a lock may be held
/// by a thread that exists only in the parent. Destroying the `T` there would wait for ever, so the child never
/// destroys it and leaks its contents on purpose.
template <class T>
class OfThisProcess {
 public:
  template <class... Args>
  explicit OfThisProcess(Args&&... args) : value_(std::forward<Args>(args)...) {}
  OfThisProcess(const OfThisProcess&) = delete;
  OfThisProcess& operator=(const OfThisProcess&) = delete;
  ~OfThisProcess() {
    if (here()) std::destroy_at(std::addressof(value_));
  }

  /// Whether this process created the object.
  [[nodiscard]] bool here() const noexcept { return process_id() == maker_; }
  [[nodiscard]] T& operator*() noexcept { return value_; }
  [[nodiscard]] const T& operator*() const noexcept { return value_; }
  [[nodiscard]] T* operator->() noexcept { return std::addressof(value_); }
  [[nodiscard]] const T* operator->() const noexcept { return std::addressof(value_); }

 private:
  const long maker_ = process_id();
  union {
    T value_;
  };
};

}  // namespace etl::inline v0::detail
