#pragma once
/// Lets a processor run on several workers at once.

#include <concepts>
#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>

namespace etl::inline v0 {
namespace detail {

/// The type that a std::reference_wrapper refers to. (The wrapper itself is always callable while constant.)
template <class F>
struct Referred {
  using type = F;
  static F& of(F& f) noexcept { return f; }
  static const F& of(const F& f) noexcept { return f; }
};
template <class F>
struct Referred<std::reference_wrapper<F>> {
  using type = F;
  static F& of(std::reference_wrapper<F>& f) noexcept { return f; }
  static const F& of(const std::reference_wrapper<F>& f) noexcept { return f; }
};

}  // namespace detail

/// A processor that all workers may call at the same time; made by `concurrent`.
template <class F>
class Concurrent {
 public:
  /// Wraps `f`.
  explicit Concurrent(F f) : f_(std::move(f)) {}
  /// Calls the function.
  template <class... A>
    requires std::is_invocable_v<const typename detail::Referred<F>::type&, A...>
  decltype(auto) operator()(A&&... a) const {
    return detail::Referred<F>::of(f_)(std::forward<A>(a)...);
  }
  /// The weight of an item, if the processor has `bytes`.
  template <class T>
  [[nodiscard]] std::size_t bytes(const T& item) const
    requires requires(const typename detail::Referred<F>::type& f) {
      { f.bytes(item) } -> std::convertible_to<std::size_t>;
    }
  {
    return detail::Referred<F>::of(f_).bytes(item);
  }

 private:
  F f_;
};

/// Lets all workers of a bucket call `processor` at the same time. By default a bucket makes one call at a time. The
/// processor must be callable while constant, and by several threads at once. To use a processor that outlives the
/// bucket, pass a `std::reference_wrapper`.
///
///     etl::Bucket<Hit> bucket(etl::concurrent([](std::span<const Hit> batch) { send(batch); }), {.workers = 8});
template <class F>
[[nodiscard]] Concurrent<F> concurrent(F processor) {
  return Concurrent<F>(std::move(processor));
}

}  // namespace etl::inline v0
