#pragma once
/// Settings of a bucket.

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <etl/config.hpp>
#include <etl/executor.hpp>
#include <etl/memory_budget.hpp>
#include <etl/options.hpp>
#include <etl/policy/circuit_breaker.hpp>
#include <etl/policy/rate_limit.hpp>
#include <etl/policy/retry.hpp>

namespace etl::inline v0 {

/// What a bucket does about rejected items: `ErrorPolicy` without dead letters, in whose place a bucket has a callable
/// for lost items.
struct BucketErrors {
  std::optional<std::uint64_t> max_rejects{};       ///< the number of items that may be rejected; one more is a failure
  std::optional<double> max_reject_ratio{};         ///< the share of items that may be rejected, 0 to 1
  Unclassified unclassified = Unclassified::Fatal;  ///< exceptions that are not an `etl::Exception`
  Isolation isolation = Isolation::Batch;           ///< what is rejected when the processor refuses a batch
  RejectHandler on_reject{};                        ///< called once for every rejected item, one call at a time
};

/// Settings of a `Bucket<T>`. An aggregate: name the fields that you change, in this order. Fields have the meaning and
/// the default of the field of the same name in `etl::Options`.
template <class T>
struct BucketOptions {
  /// No limit, for `timeout` and `drain_deadline`.
  static constexpr std::chrono::nanoseconds never = Options::never;

  std::string name{};                        ///< in the report and in errors
  std::size_t batch_size = 1000;             ///< items in a batch, 1 to 2^30
  std::optional<std::size_t> batch_bytes{};  ///< flush earlier when the items of a batch weigh this much
  /// The weight of an item in bytes, for `batch_bytes` and `memory`. Without it the weight is what the processor's
  /// `bytes(const T&) const` returns; without that too, `sizeof(T)`, and for texts and arrays also what they hold. It
  /// is called by several threads at once. If it throws, the push throws.
  std::function<std::size_t(const T&)> bytes{};
  std::chrono::nanoseconds timeout = std::chrono::seconds(1);  ///< flush this long after a batch's first item
  std::size_t workers = detail::default_workers();             ///< calls of a concurrent processor at once
  std::optional<std::size_t> capacity{};                       ///< sealed batches at most; 2 x workers if not given
  std::optional<std::size_t>
      max_concurrent_loads{};  ///< calls of a concurrent processor at once; `workers` if not given
  Order order = Order::None;   ///< None or Source; the items of a bucket have no key
  std::chrono::nanoseconds drain_deadline = std::chrono::seconds(25);  ///< how long `finish` may continue to load (G9)
  BucketErrors errors{};                                               ///< what to do about rejected items
  RetryPolicy retry{};                                ///< attempts after errors of class Transient (G5)
  RetryHandler on_retry{};                            ///< called after every failed attempt that is followed by another
  bool retry_unknown_outcome = false;                 ///< also repeat a call that cannot say whether it has committed
  std::shared_ptr<RateLimiter> rate_limit{};          ///< items and bytes per second; null for no limit
  std::shared_ptr<CircuitBreaker> circuit_breaker{};  ///< wraps each call; null for none
  Inline inline_batches = Inline::WhenWaiting;        ///< whether a thread that pushes may run batches
  std::shared_ptr<MemoryBudget> memory{};  ///< limits the memory of all runs and buckets that share it; null for none
  Executor executor{};                     ///< where workers run; if empty, a pool of `workers` threads
  BatchHandler on_batch{};                 ///< called for every batch that is settled, see `Options::on_batch`
};

namespace detail {

/// What the engine is given, moved out of `from`, in which `bytes` is left.
template <class T>
[[nodiscard]] Options run_options(BucketOptions<T>& from) {
  Options to{.name = std::move(from.name),
             .batch_size = from.batch_size,
             .batch_bytes = from.batch_bytes,
             .timeout = from.timeout,
             .workers = from.workers,
             .capacity = from.capacity,
             .max_concurrent_loads = from.max_concurrent_loads,
             .order = from.order,
             .drain_deadline = from.drain_deadline};
  to.errors = {.max_rejects = from.errors.max_rejects,
               .max_reject_ratio = from.errors.max_reject_ratio,
               .unclassified = from.errors.unclassified,
               .isolation = from.errors.isolation,
               .on_reject = std::move(from.errors.on_reject)};
  to.retry = std::move(from.retry);
  to.on_retry = std::move(from.on_retry);
  to.retry_unknown_outcome = from.retry_unknown_outcome;
  to.rate_limit = std::move(from.rate_limit);
  to.circuit_breaker = std::move(from.circuit_breaker);
  to.inline_batches = from.inline_batches;
  to.memory = std::move(from.memory);
  to.executor = std::move(from.executor);
  to.on_batch = std::move(from.on_batch);
  return to;
}

/// The weight of an item where nobody has said another.
template <class T>
[[nodiscard]] std::size_t default_weight(const T& item) {
  if constexpr (requires {
                  typename T::value_type;
                  { item.size() } -> std::convertible_to<std::size_t>;
                  { item.data() } -> std::convertible_to<const typename T::value_type*>;
                })
    return sizeof(T) + item.size() * sizeof(typename T::value_type);
  else
    return sizeof(T);
}

}  // namespace detail
}  // namespace etl::inline v0
