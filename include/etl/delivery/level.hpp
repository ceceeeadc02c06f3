#pragma once
/// The delivery level of a pipeline, known from its type (contract: levels).

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/detail/meta/traits.hpp>
#include <etl/pipeline.hpp>

namespace etl::inline v0 {

/// How often the target shows the effect of an item after any crash, if progress is kept.
enum class Delivery : std::uint8_t {
  AtLeastOnce,      ///< at least once: after a crash, items loaded since the last checkpoint are loaded again
  EffectivelyOnce,  ///< once: repetitions do not happen, or the target recognises them by their key
  at_least_once [[deprecated("renamed to AtLeastOnce")]] = AtLeastOnce,             ///< the former name
  effectively_once [[deprecated("renamed to EffectivelyOnce")]] = EffectivelyOnce,  ///< the former name
};

namespace detail {

template <class P>
concept DeclaresDelivery = requires { requires std::same_as<decltype(P::delivery), const Delivery>; };
/// The most that a pipeline's target can do, as the pipeline declares it.
template <class P>
[[nodiscard]] consteval Delivery declared_delivery() {
  if constexpr (DeclaresDelivery<P>)
    return P::delivery;
  else
    return Delivery::EffectivelyOnce;
}

template <class P, class Tx>
[[nodiscard]] consteval Delivery delivery_of() {
  if (declared_delivery<P>() == Delivery::AtLeastOnce) return Delivery::AtLeastOnce;
  return Replayable<P> && HasFingerprint<P> && load_with<P, loaded_t<P>, Tx>() != LoadWith::Nothing
             ? Delivery::EffectivelyOnce
             : Delivery::AtLeastOnce;
}
template <class P>
struct DeliveryOf {
  using Plain = std::remove_const_t<P>;
  using Tx = NoTransaction;
};
template <class P, class T>
struct DeliveryOf<WithStore<P, T>> {
  using Plain = std::remove_cvref_t<P>;
  using Tx = T;
};

}  // namespace detail

/// The level of a pipeline, or of a pipeline with its store (`decltype(etl::with_store(pipeline, store))`). It is
/// EffectivelyOnce if the source is replayable (the pipeline has `using position = ...`) and has a `fingerprint()`,
/// and `load` takes a store's transaction or an `etl::IdempotencyKey`. A pipeline whose target shows repeated items
/// nevertheless declares `static constexpr etl::Delivery delivery = etl::Delivery::AtLeastOnce;`.
template <class P>
inline constexpr Delivery delivery_of = detail::delivery_of<typename detail::DeliveryOf<std::remove_cvref_t<P>>::Plain,
                                                            typename detail::DeliveryOf<std::remove_cvref_t<P>>::Tx>();

/// Returns the pipeline if it delivers at least this level. Otherwise it does not compile, and the error says what is
/// missing.
///
///     auto report = etl::run(etl::require_delivery<etl::Delivery::EffectivelyOnce>(etl::with_store(sales, store)),
///     options);
template <Delivery level, class P>
[[nodiscard]] constexpr P&& require_delivery(P&& pipeline) {
  using Of = detail::DeliveryOf<std::remove_cvref_t<P>>;
  if constexpr (level == Delivery::EffectivelyOnce) {
    constexpr bool replayable = detail::Replayable<typename Of::Plain>;
    constexpr bool takes_part =
        detail::load_with<typename Of::Plain, loaded_t<typename Of::Plain>, typename Of::Tx>() !=
        detail::LoadWith::Nothing;
    constexpr bool named = detail::HasFingerprint<typename Of::Plain>;
    constexpr bool repeats = detail::declared_delivery<typename Of::Plain>() == Delivery::AtLeastOnce;
    if constexpr (repeats)
      static_assert(
          !repeats,
          "etl: effectively once needs a target that shows repeated items once, and this pipeline's `delivery` "
          "declares that its target shows them again: use another mode of the target, or require "
          "etl::Delivery::AtLeastOnce");
    else if constexpr (!replayable)
      static_assert(replayable,
                    "etl: effectively once needs a source that can be read again: extract the same items in the same "
                    "order, mark places with out.mark(), begin at out.resume_from(), and say so with `using position = "
                    "...;`");
    else if constexpr (!named)
      static_assert(named,
                    "etl: effectively once needs `std::string fingerprint() const`: it says which source and which "
                    "settings the progress and the keys belong to, so that other data is not mistaken for loaded data");
    else
      static_assert(
          takes_part,
          "etl: effectively once needs a load that takes part in it: a store's transaction as argument, run as "
          "etl::with_store(pipeline, store), or an etl::IdempotencyKey that the target compares");
  }
  return std::forward<P>(pipeline);
}

/// The former name of `require_delivery`.
template <Delivery level, class P>
[[deprecated("renamed to etl::require_delivery")]] [[nodiscard]] constexpr P&& require(P&& pipeline) {
  return require_delivery<level>(std::forward<P>(pipeline));
}

}  // namespace etl::inline v0
