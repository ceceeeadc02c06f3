#pragma once
/// The permitted forms of a pipeline's members, and the types E and T that follow from them.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/delivery/idempotency_key.hpp>
#include <etl/detail/load/stage_calls.hpp>
#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/out.hpp>

namespace etl::inline v0 {

struct RunReport;

namespace detail {

struct Unknown {};  // a type that could not be deduced

// --- what an argument list says -----------------------------------------------------------------
template <class... A>
struct Emitted {
  using type = Unknown;
};
template <class E, class P, class... A>
struct Emitted<Emitter<E, P>&, A...> {
  using type = E;
};
template <class Partition, class E, class P>
struct Emitted<Partition, Emitter<E, P>&> {
  using type = E;
};

template <class R>
struct RangeValue {
  using type = Unknown;
};
template <std::ranges::input_range R>
struct RangeValue<R> {
  using type = std::remove_cvref_t<std::ranges::range_value_t<R>>;
};

template <class... A>
struct Batched {
  using type = Unknown;
};
template <class T, class... A>
struct Batched<std::span<const T>, A...> {
  using type = T;
};

template <class M>
struct Member {
  using extracted = Unknown;
  using loaded = Unknown;
};
template <class R, class... A>
struct Member<R(A...)> {
  using emitted = typename Emitted<A...>::type;
  using extracted = std::conditional_t<std::is_same_v<emitted, Unknown>, typename RangeValue<R>::type, emitted>;
  using loaded = typename Batched<std::remove_cvref_t<A>...>::type;
};
template <class C, class R, class... A>
struct Member<R (C::*)(A...)> : Member<R(A...)> {};
template <class C, class R, class... A>
struct Member<R (C::*)(A...) const> : Member<R(A...)> {};
template <class C, class R, class... A>
struct Member<R (C::*)(A...) noexcept> : Member<R(A...)> {};
template <class C, class R, class... A>
struct Member<R (C::*)(A...) const noexcept> : Member<R(A...)> {};
template <class R, class... A>
struct Member<R (*)(A...)> : Member<R(A...)> {};
template <class R, class... A>
struct Member<R (*)(A...) noexcept> : Member<R(A...)> {};

template <class P>
struct ExtractedOf {
  using type = Unknown;
};
template <class P>
  requires requires { typename P::extracted; }
struct ExtractedOf<P> {
  using type = typename P::extracted;
};
template <class P>
  requires(
      !requires { typename P::extracted; } && requires { &P::extract; })
struct ExtractedOf<P> {
  using type = typename Member<decltype(&P::extract)>::extracted;
};

template <class P>
struct LoadedOf {
  using type = Unknown;
};
template <class P>
  requires requires { typename P::loaded; }
struct LoadedOf<P> {
  using type = typename P::loaded;
};
template <class P>
  requires(
      !requires { typename P::loaded; } && requires { &P::load; })
struct LoadedOf<P> {
  using type = typename Member<decltype(&P::load)>::loaded;
};

// --- per-worker state -----------------------------------------------------------------------------
struct NoWorker {};

template <class P>
concept HasWorker = requires(const P& p) { p.worker(); };

template <class P>
struct WorkerOf {
  using type = NoWorker;
};
template <HasWorker P>
struct WorkerOf<P> {
  using type = std::remove_cvref_t<decltype(std::declval<const P&>().worker())>;
};

template <class P>
using worker_t = typename WorkerOf<P>::type;

// --- calls, with and without the worker's state ---------------------------------------------------
template <class P, class W, class... A>
concept TransformCallable =
    requires(P& p, W& w, A&&... a) { p.transform(std::forward<A>(a)..., w); } ||
    requires(P& p, A&&... a) { p.transform(std::forward<A>(a)...); } ||
    requires(P& p, W& w, const std::stop_token& stop, A&&... a) { p.transform(std::forward<A>(a)..., stop, w); } ||
    requires(P& p, const std::stop_token& stop, A&&... a) { p.transform(std::forward<A>(a)..., stop); };

template <class P, class W, class... A>
ETLPIPE_ALWAYS_INLINE decltype(auto) call_transform(P& p, [[maybe_unused]] W& w,
                                                    [[maybe_unused]] const std::stop_token& stop, A&&... a) {
  if constexpr (requires { p.transform(std::forward<A>(a)..., w); })
    return p.transform(std::forward<A>(a)..., w);
  else if constexpr (requires { p.transform(std::forward<A>(a)...); })
    return p.transform(std::forward<A>(a)...);
  else if constexpr (requires { p.transform(std::forward<A>(a)..., stop, w); })
    return p.transform(std::forward<A>(a)..., stop, w);
  else
    return p.transform(std::forward<A>(a)..., stop);
}

/// `X` is the argument between batch context and worker state: none, a key, or a store's transaction.
template <class P, class T, class W, class... X>
concept LoadCallable =
    requires(P& p, std::span<const T> s, BatchContext& c, W& w, X&... x) { p.load(s, c, x..., w); } ||
    requires(P& p, std::span<const T> s, BatchContext& c, X&... x) { p.load(s, c, x...); } ||
    requires(P& p, std::span<const T> s, W& w, X&... x) { p.load(s, x..., w); } ||
    requires(P& p, std::span<const T> s, X&... x) { p.load(s, x...); };

template <class P, class T, class W, class... X>
decltype(auto) call_load(P& p, std::span<const T> batch, [[maybe_unused]] BatchContext& c, [[maybe_unused]] W& w,
                         X&... x) {
  if constexpr (requires { p.load(batch, c, x..., w); })
    return p.load(batch, c, x..., w);
  else if constexpr (requires { p.load(batch, c, x...); })
    return p.load(batch, c, x...);
  else if constexpr (requires { p.load(batch, x..., w); })
    return p.load(batch, x..., w);
  else
    return p.load(batch, x...);
}

/// Converts to no other type. A function that accepts it has a generic parameter (`auto&`).
struct AnyArgument {
  AnyArgument() = delete;
  AnyArgument(const AnyArgument&) = delete;
};
template <class P, class E>
concept GenericTransform = HasWorker<P> && requires(const P& p, const E& e, AnyArgument& any) { p.transform(e, any); };
template <class P, class T>
concept GenericLoad = HasWorker<P> && requires(P& p, std::span<const T> s, AnyArgument& any) { p.load(s, any); };

struct NoTransaction {};

/// `Tx` is the transaction of the store that the pipeline is run with, or NoTransaction.
template <class P, class T, class Tx>
[[nodiscard]] consteval LoadWith load_with() {
  using W = worker_t<P>;
  if constexpr (!std::is_same_v<Tx, NoTransaction> && LoadCallable<P, T, W, Tx>)
    return LoadWith::Transaction;
  else if constexpr (!LoadCallable<P, T, W> && LoadCallable<P, T, W, const IdempotencyKey>)
    return LoadWith::Key;
  else
    return LoadWith::Nothing;
}

template <class P>
concept HasPartitions = requires(const P& p) {
  { p.partitions() } -> std::ranges::forward_range;
};

template <class P, class W, class T, class Item>
concept TransformsFrom = TransformCallable<P, W, Item, Out<T>&> || TransformCallable<P, W, Item>;

template <class P, class E, class T>
[[nodiscard]] consteval Takes transform_takes() {
  using W = worker_t<P>;
  using C = const P;
  if constexpr (TransformsFrom<C, W, T, const E&>)
    return Takes::Const;
  else if constexpr (TransformsFrom<C, W, T, E&>)
    return Takes::Mutable;
  else if constexpr (TransformsFrom<C, W, T, E&&>)
    return Takes::Moved;
  else if constexpr (std::is_same_v<E, T> && TransformCallable<C, W, std::span<T>>)
    return Takes::Span;
  else
    return Takes::Nothing;
}

template <Takes takes, class E>
using item_t =
    std::conditional_t<takes == Takes::Const, const E&, std::conditional_t<takes == Takes::Mutable, E&, E&&>>;

// --- return types ---------------------------------------------------------------------------------
template <class R>
concept VoidLike = std::is_void_v<R> || std::is_same_v<std::remove_cvref_t<R>, Result<void>>;

template <class R, class T>
concept TransformReturn =
    std::is_same_v<std::remove_cvref_t<R>, std::optional<T>> || std::is_same_v<std::remove_cvref_t<R>, Result<T>> ||
    (!std::is_void_v<R> && std::is_constructible_v<T, R>);
/// An item, or the reason why there is none.
template <class R, class E>
concept DeserializeReturn = TransformReturn<R, E> && !std::is_same_v<std::remove_cvref_t<R>, std::optional<E>>;

/// Error of a callable's `Result<void>`, or nothing for a callable that returns void.
template <class F>
[[nodiscard]] ETLPIPE_ALWAYS_INLINE std::optional<Error> error_of(F&& call) {
  if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
    std::forward<F>(call)();
    return std::nullopt;
  } else {
    auto result = std::forward<F>(call)();
    if (result) return std::nullopt;
    return std::move(result).error();
  }
}

// --- optional hooks -------------------------------------------------------------------------------
template <class P>
concept HasPreProcess = requires(P& p, std::stop_token t) { p.pre_process(t); } || requires(P& p) { p.pre_process(); };
template <class P>
concept HasPostProcess = requires(P& p, const RunReport& r) { p.post_process(r); } || requires(P& p) {
  p.post_process();
} || requires(P& p, const RunReport& r, std::stop_token t) { p.post_process(r, t); };
template <class P, class E>
concept HasBytes = requires(const P& p, const E& e) {
  { p.bytes(e) } -> std::convertible_to<std::size_t>;
};
template <class P, class E>
concept HasDescribe = requires(const P& p, const E& e) {
  { p.describe(e) } -> std::convertible_to<std::string_view>;
};
template <class P, class E>
concept HasSerialize = requires(const P& p, const E& e) {
  { p.serialize(e) } -> std::convertible_to<std::string_view>;
};
template <class P, class E>
concept HasKey = requires(const P& p, const E& e) {
  { std::hash<std::remove_cvref_t<decltype(p.key(e))>>{}(p.key(e)) } -> std::convertible_to<std::size_t>;
};
template <class P, class E>
concept HasRestore = requires(const P& p, std::string_view payload) {
  { p.restore(payload) } -> DeserializeReturn<E>;
};
template <class P, class E>
concept HasDeserialize = requires(const P& p, std::string_view payload) {
  { p.deserialize(payload) } -> DeserializeReturn<E>;
};
template <class P>
concept HasFingerprint = requires(const P& p) {
  { p.fingerprint() } -> std::convertible_to<std::string>;
};
template <class P>
using partition_t = std::ranges::range_reference_t<decltype(std::declval<const P&>().partitions())>;
template <class P>
concept HasPartitionId = requires(const P& p, partition_t<P> part) {
  { p.partition_id(part) } -> std::convertible_to<std::string>;
};
template <class P>
concept HasPartitionFingerprint = requires(const P& p, partition_t<P> part) {
  { p.partition_fingerprint(part) } -> std::convertible_to<std::string>;
};
template <class Partition>
concept PathLike = requires(const Partition& part) {
  { part.generic_string() } -> std::convertible_to<std::string>;
  { part.native() } -> std::convertible_to<std::string>;
};
template <class Partition>
concept NamesItself = requires(const Partition& part) {
  { part.partition_id() } -> std::convertible_to<std::string>;
};
template <class Partition>
concept Number = std::is_integral_v<std::remove_cvref_t<Partition>>;
template <class Partition>
concept Text = std::is_convertible_v<Partition, std::string_view>;
/// Whether a partition can be recognised wherever it stands in the list (G14).
template <class P>
concept IdentifiesPartitions =
    HasPartitionId<P> || NamesItself<std::remove_cvref_t<partition_t<P>>> ||
    PathLike<std::remove_cvref_t<partition_t<P>>> || Number<partition_t<P>> || Text<partition_t<P>>;

template <class P, class Partition>
[[nodiscard]] std::string partition_id_of(const P& p, const Partition& partition) {
  if constexpr (HasPartitionId<P>)
    return p.partition_id(partition);
  else if constexpr (NamesItself<Partition>)
    return partition.partition_id();
  else if constexpr (PathLike<Partition>)
    return partition.generic_string();
  else if constexpr (Number<Partition>)
    return std::to_string(partition);
  else
    return std::string(std::string_view(partition));
}
/// The fingerprint of a partition. For a path, this is the size and modification time of the file, or empty if the
/// file does not exist.
template <class P, class Partition>
[[nodiscard]] std::string partition_fingerprint_of(const P& p, const Partition& partition) {
  if constexpr (HasPartitionFingerprint<P>) {
    return p.partition_fingerprint(partition);
  } else if constexpr (PathLike<Partition> && !HasPartitionId<P>) {
    std::error_code error;  // found by argument-dependent lookup: code that has paths includes <filesystem>
    const auto size = file_size(partition, error);
    const auto changed = error ? decltype(last_write_time(partition, error)){} : last_write_time(partition, error);
    if (error) return {};
    return std::to_string(size) + " bytes, changed at " + std::to_string(changed.time_since_epoch().count());
  } else {
    return {};
  }
}
template <class P>
concept SaysWhetherItAcknowledges = requires {
  { P::acknowledges } -> std::convertible_to<bool>;
};
/// Whether the pipeline declares that its source is consumed by acknowledgement (`Emitter::retain`).
template <class P>
inline constexpr bool acknowledging = [] {
  if constexpr (SaysWhetherItAcknowledges<P>)  // a requirement in this place crashes Clang 16
    return static_cast<bool>(P::acknowledges);
  else
    return false;
}();
/// A pipeline that declares that it can resume: it extracts the same items in the same order again, from a mark on.
template <class P>
concept Replayable = requires { typename P::position; };
template <class P>
struct PositionOf {
  using type = Position;
};
template <Replayable P>
struct PositionOf<P> {
  using type = typename P::position;
};
/// The argument of `extract`. An `extract` that takes an `Emitter<E>&` accepts it too.
template <class P, class E>
using emitter_t = Emitter<E, typename PositionOf<P>::type>;
template <class P>
concept HasExpectedItems = requires(const P& p) {
  { p.expected_items() } -> std::convertible_to<std::uint64_t>;
};
template <class P>
concept HasExpectedBytes = requires(const P& p) {
  { p.expected_bytes() } -> std::convertible_to<std::uint64_t>;
};

}  // namespace detail
}  // namespace etl::inline v0
