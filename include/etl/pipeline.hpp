#pragma once
/// The concepts that a pipeline must meet, and the messages of the compiler if it does not.

#include <concepts>
#include <cstdint>
#include <iterator>
#include <span>
#include <type_traits>
#include <utility>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/detail/meta/traits.hpp>
#include <etl/emitter.hpp>
#include <etl/out.hpp>

namespace etl::inline v0 {

/// The type of extracted items: `P::extracted`, or what `extract` emits.
template <class P>
using extracted_t = typename detail::ExtractedOf<std::remove_cv_t<P>>::type;
/// The type of loaded results: `P::loaded`, or what `load` takes.
template <class P>
using loaded_t = typename detail::LoadedOf<std::remove_cv_t<P>>::type;

namespace detail {

template <class E>
concept Item =
    std::is_object_v<E> && !std::is_const_v<E> && std::is_move_constructible_v<E> && !std::is_same_v<E, Unknown>;

template <class R, class E>
concept RangeOf = std::ranges::input_range<R> && std::is_constructible_v<E, std::ranges::range_reference_t<R>>;

template <class P, class E>
concept PartitionedExtractor = requires(const P& p, partition_t<P> part, emitter_t<P, E>& out) {
  { p.extract(part, out) } -> VoidLike;
} || requires(const P& p, partition_t<P> part) {
  { p.extract(part) } -> RangeOf<E>;
};

template <class P, class E>
concept WholeExtractor = requires(P& p, emitter_t<P, E>& out) {
  { p.extract(out) } -> VoidLike;
} || requires(P& p) {
  { p.extract() } -> RangeOf<E>;
};

template <class P, class E, class T>
[[nodiscard]] consteval bool transform_fits() {
  constexpr Takes takes = transform_takes<P, E, T>();
  using W = worker_t<P>;
  if constexpr (takes == Takes::Nothing) {
    return std::is_same_v<E, T> && !TransformsFrom<P, W, T, E&> && !TransformsFrom<P, W, T, E&&> &&
           !requires { &P::transform; };
  } else if constexpr (takes == Takes::Span) {
    return VoidLike<decltype(call_transform(std::declval<const P&>(), std::declval<W&>(),
                                            std::declval<const std::stop_token&>(), std::declval<std::span<T>>()))>;
  } else {
    using I = item_t<takes, E>;
    if constexpr (TransformCallable<const P, W, I, Out<T>&>)
      return VoidLike<decltype(call_transform(std::declval<const P&>(), std::declval<W&>(),
                                              std::declval<const std::stop_token&>(), std::declval<I>(),
                                              std::declval<Out<T>&>()))>;
    else
      return TransformReturn<decltype(call_transform(std::declval<const P&>(), std::declval<W&>(),
                                                     std::declval<const std::stop_token&>(), std::declval<I>())),
                             T>;
  }
}

template <class P, class T, class... X>
[[nodiscard]] consteval bool load_fits_with() {
  using W = worker_t<P>;
  if constexpr (LoadCallable<P, T, W, X...>)
    return VoidLike<decltype(call_load(std::declval<P&>(), std::declval<std::span<const T>>(),
                                       std::declval<BatchContext&>(), std::declval<W&>(), std::declval<X&>()...))>;
  else
    return false;
}
template <class P, class T, class Tx>
[[nodiscard]] consteval bool load_fits() {
  constexpr LoadWith with = load_with<P, T, Tx>();
  if constexpr (!std::is_same_v<Tx, NoTransaction>)
    return with == LoadWith::Transaction && load_fits_with<P, T, Tx>();
  else if constexpr (with == LoadWith::Key)
    return load_fits_with<P, T, const IdempotencyKey>();
  else
    return load_fits_with<P, T>();
}

}  // namespace detail

/// Produces items of type E: `void extract(etl::Emitter<E>&)`, or an `extract()` that returns an input range, which is
/// read lazily. With `partitions()`, `extract` is const, takes a partition as first argument, and runs on several
/// threads. Items may refer to a range or to partitions that were returned by value: these live until the items are
/// settled.
template <class P, class E>
concept Extractor = detail::Item<E> && ((detail::HasPartitions<P> && detail::PartitionedExtractor<P, E>) ||
                                        (!detail::HasPartitions<P> && detail::WholeExtractor<P, E>));

/// Turns an E into results of type T. `transform` is const and runs on all workers at once. It takes `const E&`, or
/// `E&` or `E&&` to move parts out of the item. It writes to an `etl::Out<T>&`, or returns `T`, `std::optional<T>` or
/// `etl::Result<T>`. If E is T, it may be `void transform(std::span<T>) const`, which changes a batch in place, or may
/// be missing. A `std::stop_token` may follow the item and its `Out<T>&`, before the worker's state. It is
/// stopped at the second level of a stop (G10).
template <class P, class E, class T>
concept Transformer = detail::Item<E> && detail::Item<T> && detail::transform_fits<P, E, T>();

/// Takes batches of results: `load(std::span<const T>)`. Optional further arguments, in this order: an
/// `etl::BatchContext&`; an `etl::IdempotencyKey`, or with `etl::with_store(pipeline, store)` the store's transaction
/// `Tx&`; the worker's state. All workers call a const `load` at once; a `load` that is not const gets one call at a
/// time.
template <class P, class T, class Tx = detail::NoTransaction>
concept Loader = detail::Item<T> && detail::load_fits<P, T, Tx>();

/// A pipeline from E to T, both deduced by default.
template <class P, class E = extracted_t<P>, class T = loaded_t<P>, class Tx = detail::NoTransaction>
concept Pipeline = Extractor<P, E> && Transformer<P, E, T> && Loader<P, T, Tx>;

namespace detail {

/// Says in one sentence what is wrong with a pipeline. Only the first sentence that applies is shown.
template <class P, class Tx = NoTransaction>
consteval bool check_pipeline() {
  using Plain = std::remove_cv_t<P>;
  using E = extracted_t<P>;
  using T = loaded_t<P>;
  using W = worker_t<P>;
  if constexpr (!Item<E>)
    static_assert(Item<E>,
                  "etl: cannot tell what the pipeline extracts: write `void extract(etl::Emitter<E>& out)` or an "
                  "extract() that returns a range, or pin the type with `using extracted = E;` (movable, not const)");
  else if constexpr (!Item<T>)
    static_assert(Item<T>,
                  "etl: cannot tell what the pipeline loads: write `void load(std::span<const T> batch)`, or pin the "
                  "type with `using loaded = T;` (movable, not const)");
  else if constexpr (HasPartitions<P> && !PartitionedExtractor<P, E>)
    static_assert(PartitionedExtractor<P, E>,
                  "etl: with partitions(), extract must be const and callable as "
                  "extract(partition, etl::Emitter<E>&), or return a range of E for a partition; positions of type P "
                  "need `using position = P;` and etl::Emitter<E, P>&");
  else if constexpr (!Extractor<P, E>)
    static_assert(Extractor<P, E>,
                  "etl: extract must be callable as extract(etl::Emitter<E>&) and return void or "
                  "etl::Result<void>, or return an input range of E; positions of type P need `using position = P;` "
                  "and etl::Emitter<E, P>&");
  else if constexpr (!HasWorker<P> &&
                     requires { requires std::is_member_function_pointer_v<decltype(&Plain::worker)>; })
    static_assert(HasWorker<P>, "etl: worker() must be const and take no argument: it makes the state of one worker");
  else if constexpr (GenericTransform<Plain, E>)
    static_assert(!GenericTransform<Plain, E>,
                  "etl: the second argument of transform needs its type instead of auto: with worker() it could be "
                  "the worker's state as well as an etl::Out<T>&");
  else if constexpr (GenericLoad<Plain, T> && std::is_same_v<Tx, NoTransaction>)
    static_assert(!GenericLoad<Plain, T>,
                  "etl: the second argument of load needs its type instead of auto: with worker() it could be the "
                  "worker's state as well as an etl::BatchContext&");
  else if constexpr (transform_takes<P, E, T>() == Takes::Nothing &&
                     (TransformsFrom<Plain, W, T, const E&> || TransformsFrom<Plain, W, T, E&&>))
    static_assert(Transformer<P, E, T>,
                  "etl: transform must be const: it runs on all workers at once (keep scratch memory in "
                  "a per-worker state, `auto worker() const`)");
  else if constexpr (!Transformer<P, E, T> && transform_takes<P, E, T>() != Takes::Nothing)
    static_assert(Transformer<P, E, T>,
                  "etl: transform must return T, std::optional<T> or etl::Result<T>, or return void and "
                  "write to an etl::Out<T>&, where T is what load takes");
  else if constexpr (!Transformer<P, E, T>)
    static_assert(Transformer<P, E, T>,
                  "etl: the pipeline needs `T transform(const E& item) const` or `void transform(const E& "
                  "item, etl::Out<T>& out) const`, where E is what extract emits and T what load takes");
  else if constexpr (!Loader<P, T, Tx> && Loader<Plain, T, Tx>)
    static_assert(Loader<P, T, Tx>, "etl: a constant pipeline needs a const load");
  else if constexpr (!Loader<P, T, Tx> && !std::is_same_v<Tx, NoTransaction>)
    static_assert(Loader<P, T, Tx>,
                  "etl: with a store, load must take its transaction: load(std::span<const T>, Tx&), with an "
                  "etl::BatchContext& before it and the worker's state after it if wanted, and return void or "
                  "etl::Result<void>");
  else if constexpr (!Loader<P, T, Tx>)
    static_assert(
        Loader<P, T, Tx>,
        "etl: load must be callable as load(std::span<const T>), optionally followed by "
        "etl::BatchContext&, an etl::IdempotencyKey and the worker's state, and return void or "
        "etl::Result<void> (one that takes a store's transaction is run as etl::with_store(pipeline, store))");
  else if constexpr (!HasPreProcess<P> &&
                     requires { requires std::is_member_function_pointer_v<decltype(&Plain::pre_process)>; })
    static_assert(HasPreProcess<P>, "etl: pre_process must be callable with a std::stop_token or with nothing");
  else if constexpr (!HasPostProcess<P> &&
                     requires { requires std::is_member_function_pointer_v<decltype(&Plain::post_process)>; })
    static_assert(
        HasPostProcess<P>,
        "etl: post_process must be callable with a const etl::RunReport&, with that and a std::stop_token, or with "
        "nothing");
  else if constexpr (!HasBytes<P, E> &&
                     requires { requires std::is_member_function_pointer_v<decltype(&Plain::bytes)>; })
    static_assert(HasBytes<P, E>, "etl: bytes must be const, take a const E& and return a number of bytes");
  else if constexpr (!HasDescribe<P, E> &&
                     requires { requires std::is_member_function_pointer_v<decltype(&Plain::describe)>; })
    static_assert(HasDescribe<P, E>, "etl: describe must be const, take a const E& and return a string");
  else if constexpr (!HasSerialize<P, E> &&
                     requires { requires std::is_member_function_pointer_v<decltype(&Plain::serialize)>; })
    static_assert(HasSerialize<P, E>, "etl: serialize must be const, take a const E& and return a string");
  else if constexpr (!HasDeserialize<P, E> &&
                     requires { requires std::is_member_function_pointer_v<decltype(&Plain::deserialize)>; })
    static_assert(HasDeserialize<P, E>,
                  "etl: deserialize must be const, take a std::string_view and return an E or an etl::Result<E>");
  else if constexpr (!HasKey<P, E> && requires { requires std::is_member_function_pointer_v<decltype(&Plain::key)>; })
    static_assert(HasKey<P, E>, "etl: key must be const, take a const E& and return something that std::hash takes");
  else if constexpr (!HasRestore<P, E> &&
                     requires { requires std::is_member_function_pointer_v<decltype(&Plain::restore)>; })
    static_assert(HasRestore<P, E>,
                  "etl: restore must be const, take a std::string_view and return an E or an etl::Result<E>");
  else if constexpr (!HasFingerprint<P> &&
                     requires { requires std::is_member_function_pointer_v<decltype(&Plain::fingerprint)>; })
    static_assert(HasFingerprint<P>, "etl: fingerprint must be const, take no argument and return a string");
  else if constexpr (!HasExpectedItems<P> &&
                     requires { requires std::is_member_function_pointer_v<decltype(&Plain::expected_items)>; })
    static_assert(HasExpectedItems<P>, "etl: expected_items must be const, take no argument and return a number");
  else if constexpr (!HasExpectedBytes<P> &&
                     requires { requires std::is_member_function_pointer_v<decltype(&Plain::expected_bytes)>; })
    static_assert(HasExpectedBytes<P>, "etl: expected_bytes must be const, take no argument and return a number");
  else if constexpr (load_with<P, T, Tx>() != LoadWith::Nothing && acknowledging<P>)
    static_assert(!acknowledging<P>,
                  "etl: a source that acknowledges (`acknowledges = true`) cannot be run with a store or with "
                  "idempotency keys: both count its items from the start, which the next run does not get again");
  else if constexpr (Replayable<P> && acknowledging<P>)
    static_assert(!acknowledging<P>,
                  "etl: a source is either replayed by position (`using position = ...`) or consumed by "
                  "acknowledgement (`acknowledges = true`), not both");
  else if constexpr (load_with<P, T, Tx>() != LoadWith::Nothing && !HasFingerprint<P>)
    static_assert(HasFingerprint<P>,
                  "etl: a pipeline with a store or an idempotency key needs `std::string fingerprint() const`: it says "
                  "which source and which settings its progress and its keys belong to, so that other data is not "
                  "mistaken for loaded data");
  else if constexpr (load_with<P, T, Tx>() != LoadWith::Nothing && HasPartitions<P>) {
    if constexpr (!IdentifiesPartitions<P>)
      static_assert(IdentifiesPartitions<P>,
                    "etl: a pipeline with a store or an idempotency key needs to recognise its partitions: give it "
                    "`std::string partition_id(const Partition&) const` (strings, paths and integers are their own "
                    "id)");
  }
  return Pipeline<P, E, T, Tx>;
}

}  // namespace detail
}  // namespace etl::inline v0
