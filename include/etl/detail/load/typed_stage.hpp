#pragma once
/// Implements the engine's calls for the transform and load of a user's pipeline.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/load/stage_calls.hpp>
#include <etl/detail/load/work.hpp>
#include <etl/detail/meta/traits.hpp>
#include <etl/error.hpp>
#include <etl/out.hpp>
#include <etl/pipeline.hpp>

namespace etl::inline v0::detail {

/// Whether results are copied for another attempt. If a move cannot fail, results are moved and returned instead,
/// because a type may claim to be copyable and not be so, such as a struct with a vector of std::unique_ptr.
template <class T>
inline constexpr bool copies = std::is_copy_constructible_v<T> && !std::is_nothrow_move_constructible_v<T>;

template <class T>
class ResultsOf final : public Results {
 public:
  [[nodiscard]] std::uint32_t count() const noexcept override { return out.count(); }
  [[nodiscard]] std::byte* data() const noexcept override {
    return reinterpret_cast<std::byte*>(out.results().data());  // NOLINT(*-reinterpret-cast): bytes of an object
  }
  void truncate(std::uint32_t count) noexcept override { out.truncate(count); }
  void join([[maybe_unused]] Results& from) override {
    if constexpr (std::is_move_constructible_v<T>) {
      Out<T>& other = static_cast<ResultsOf&>(from).out;
      out.reserve(out.count() + other.count());
      for (T& result : other.results()) {
        if constexpr (std::is_default_constructible_v<T> && reusable<T> && std::is_nothrow_swappable_v<T>) {
          using std::swap;
          swap(out.next(), result);  // both elements keep their memory
        } else {
          out.push(std::move(result));
        }
      }
    }
  }
  Out<T> out{};
};

template <class W>
class WorkerOfType final : public WorkerState {
 public:
  template <class F>
  explicit WorkerOfType(const F& make) : value(make()) {}
  W value;
};

/// `Base` is StageCalls or a class derived from it.
template <class P, class Tx = NoTransaction, class Base = StageCalls>
class TypedStage : public Base {
 public:
  using E = extracted_t<P>;
  using T = loaded_t<P>;
  using W = worker_t<P>;
  static constexpr Takes takes = transform_takes<P, E, T>();
  static constexpr LoadWith with = load_with<P, T, Tx>();
  /// Whether `load` is const, so that all workers call it at the same time.
  static constexpr bool concurrent = Loader<const P, T, Tx> && load_with<const P, T, Tx>() == with;
  /// A rejected item is as it was extracted.
  static constexpr bool untouched = takes == Takes::Const || takes == Takes::Nothing;
  static constexpr bool describes_items = HasDescribe<P, E> && untouched;

  /// `store` may be null unless `with` is LoadWith::Transaction.
  explicit TypedStage(P& pipeline, TransactionalStore<Tx>* store = nullptr) : pipeline_(pipeline), store_(store) {}

  [[nodiscard]] const StageTraits& traits() const noexcept final {
    static constexpr StageTraits traits{.item = item_type<E>,
                                        .result_size = sizeof(T),
                                        .takes = takes,
                                        .with = with,
                                        .concurrent = concurrent,
                                        .has_bytes = HasBytes<P, E>,
                                        .has_key = HasKey<P, E>,
                                        .describes = describes_items,
                                        .serializes = describes_items || (HasSerialize<P, E> && untouched),
                                        .keeps_all = HasSerialize<P, E> && untouched,
                                        .copies_results = copies<T>,
                                        .returns_results = overwritable<T> || std::is_nothrow_move_constructible_v<T>,
                                        .joins_results = std::is_move_constructible_v<T>};
    return traits;
  }
  [[nodiscard]] std::unique_ptr<WorkerState> make_worker() final {
    return std::make_unique<WorkerOfType<W>>([&]() -> W {
      if constexpr (HasWorker<P>)
        return constant().worker();  // constructed in place, so that the type need not be movable
      else
        return {};
    });
  }
  [[nodiscard]] std::unique_ptr<Results> make_results() final { return std::make_unique<ResultsOf<T>>(); }

  [[nodiscard]] std::uint64_t bytes([[maybe_unused]] const void* items, [[maybe_unused]] std::uint32_t first,
                                    [[maybe_unused]] std::uint32_t count) final {
    std::uint64_t sum = 0;
    if constexpr (HasBytes<P, E>)
      for (const E& item : std::span<const E>(static_cast<const E*>(items) + first, count))
        sum += static_cast<std::uint64_t>(constant().bytes(item));
    return sum;
  }
  [[nodiscard]] std::uint64_t bytes([[maybe_unused]] const Work& work) final {
    std::uint64_t sum = 0;
    if constexpr (HasBytes<P, E>)
      for (std::uint32_t i = 0; i < work.size(); ++i)
        sum += static_cast<std::uint64_t>(constant().bytes(std::as_const(work.batch->template items<E>()[work.at(i)])));
    return sum;
  }
  void hash_keys([[maybe_unused]] const Batch& batch, [[maybe_unused]] std::span<std::size_t> hashes) final {
    if constexpr (HasKey<P, E>) {
      const std::span<const E> items = batch.template items<E>();
      for (std::size_t i = 0; i < items.size(); ++i) hashes[i] = hash_of(constant().key(items[i]));
    }
  }

  [[nodiscard]] std::optional<Error> transform_items(WorkerState& worker, Work& work, std::uint32_t& i,
                                                     std::uint32_t end,
                                                     [[maybe_unused]] const std::stop_token& stop) final {
    if constexpr (takes == Takes::Span)
      return std::nullopt;
    else
      return work.split ? transform_some<true>(value_of(worker), work, i, end, stop)
                        : transform_some<false>(value_of(worker), work, i, end, stop);
  }
  [[nodiscard]] std::optional<Error> transform_batch([[maybe_unused]] WorkerState& worker,
                                                     [[maybe_unused]] const Batch& batch,
                                                     [[maybe_unused]] const std::stop_token& stop) final {
    if constexpr (takes == Takes::Span)
      return error_of([&] { return call_transform(constant(), value_of(worker), stop, batch.template items<E>()); });
    else
      return std::nullopt;
  }
  [[nodiscard]] std::optional<Error> load(WorkerState& worker, const std::byte* results, std::size_t count,
                                          BatchContext& context, [[maybe_unused]] const IdempotencyKey* key,
                                          [[maybe_unused]] StoreConnection* session) final {
    // NOLINTNEXTLINE(*-reinterpret-cast): from `Results::data`, or a batch
    const std::span<const T> batch(reinterpret_cast<const T*>(results), count);
    W& state = value_of(worker);
    std::conditional_t<concurrent, const P, P>& pipeline = pipeline_;  // the pipeline may also have a non-const `load`
    return error_of([&]() -> decltype(auto) {
      if constexpr (with == LoadWith::Key)
        return call_load(pipeline, batch, context, state, *key);
      else if constexpr (with == LoadWith::Transaction)
        return call_load(pipeline, batch, context, state, static_cast<StoreSession<Tx>*>(session)->transaction());
      else
        return call_load(pipeline, batch, context, state);
    });
  }
  [[nodiscard]] std::string describe([[maybe_unused]] const Work& work, [[maybe_unused]] std::uint32_t item) final {
    if constexpr (describes_items)
      return std::string(std::string_view(constant().describe(item_of(work, item))));
    else
      return {};
  }
  [[nodiscard]] std::string serialize(const Work& work, std::uint32_t item) final {
    if constexpr (HasSerialize<P, E> && untouched)
      return std::string(std::string_view(constant().serialize(item_of(work, item))));
    else
      return describe(work, item);
  }
  [[nodiscard]] Result<std::unique_ptr<StoreConnection>> connect() final {
    if constexpr (with == LoadWith::Transaction) {
      auto session = store_->connect();
      if (!session) return failure(std::move(session.error()));
      return std::unique_ptr<StoreConnection>(std::move(*session));
    } else {
      return std::unique_ptr<StoreConnection>();
    }
  }

  // With LoadWith::Transaction the whole transaction is repeated, so single results are not taken out.
  void take([[maybe_unused]] std::byte* from, [[maybe_unused]] Results& to) final {
    if constexpr (with != LoadWith::Transaction) {
      if constexpr (copies<T>)
        out_of(to).push(std::as_const(result_at(from)));
      else
        out_of(to).push(std::move(result_at(from)));
    }
  }
  void put_back([[maybe_unused]] Results& from, [[maybe_unused]] std::uint32_t i,
                [[maybe_unused]] std::byte* place) final {
    if constexpr (with != LoadWith::Transaction) {
      if constexpr (std::is_nothrow_move_constructible_v<T>) {
        T* const at = std::addressof(result_at(place));
        std::destroy_at(at);
        std::construct_at(at, std::move(out_of(from).results()[i]));
      } else if constexpr (overwritable<T>) {
        result_at(place) = std::move(out_of(from).results()[i]);
      }
    }
  }

 protected:
  [[nodiscard]] const P& constant() const noexcept { return pipeline_; }
  [[nodiscard]] static Out<T>& out_of(Results& results) noexcept { return static_cast<ResultsOf<T>&>(results).out; }
  P& pipeline_;

 private:
  [[nodiscard]] static W& value_of(WorkerState& worker) noexcept { return static_cast<WorkerOfType<W>&>(worker).value; }
  [[nodiscard]] static T& result_at(std::byte* at) noexcept {
    return *reinterpret_cast<T*>(at);  // NOLINT(*-reinterpret-cast): from `Results::data`, or a batch
  }
  /// The hash of a C string is that of its text, not of its address.
  template <class Key>
  [[nodiscard]] static std::size_t hash_of(const Key& key) {
    if constexpr (std::is_same_v<Key, const char*> || std::is_same_v<Key, char*>)
      return key == nullptr ? 0 : std::hash<std::string_view>()(key);
    else
      return std::hash<Key>()(key);
  }
  /// Returns a rejected item. Without transform the results are the items. In a part of a split batch, items that are
  /// not copied were moved to the part's results, except those whose move failed.
  [[nodiscard]] static const E& item_of(const Work& work, std::uint32_t item) {
    if constexpr (takes == Takes::Nothing && !copies<E>) {
      if (work.split)
        if (const auto at = work.moved_to(item)) return out_of(*work.results).results()[*at];
    }
    return work.batch->template items<E>()[work.at(item)];
  }

  /// `part` is true if the work has only some of the batch's items.
  template <bool part>
  [[nodiscard]] std::optional<Error> transform_some(W& worker, Work& work, std::uint32_t& i, std::uint32_t end,
                                                    const std::stop_token& stop) {
    Out<T>& out = out_of(*work.results);
    E* const items = static_cast<E*>(work.batch->buffer->data) + work.batch->begin;
    out.reserve(i == 0 ? work.size() : out.count() + end - i);
    for (; i < end; ++i)
      if (auto failed = transform_item(worker, work, out, i, items[part ? work.at(i) : i], stop)) return failed;
    return std::nullopt;
  }
  /// Returns the error that rejects or fails the item, if any. The results of such an item are removed again.
  ETLPIPE_ALWAYS_INLINE std::optional<Error> transform_item([[maybe_unused]] W& worker, Work& work, Out<T>& out,
                                                            std::uint32_t i, E& item,
                                                            [[maybe_unused]] const std::stop_token& stop) {
    [[maybe_unused]] const P& pipeline = pipeline_;
    work.mark = out.count();
    if constexpr (takes == Takes::Nothing) {
      if constexpr (copies<E>)
        out.push(std::as_const(item));
      else
        out.push(std::move(item));
    } else if constexpr (TransformCallable<const P, W, item_t<takes, E>, Out<T>&>) {
      auto error =
          error_of([&] { return call_transform(pipeline, worker, stop, static_cast<item_t<takes, E>>(item), out); });
      if (error) [[unlikely]]
        return error;
      if (out.is_rejected()) [[unlikely]]
        return out.take_rejection(work.mark);
    } else {
      put(out, call_transform(pipeline, worker, stop, static_cast<item_t<takes, E>>(item)));
      if (out.is_rejected()) [[unlikely]]
        return out.take_rejection(work.mark);
    }
    if (out.count() != work.mark + 1) [[unlikely]]
      work.note_count(i, out.count() - work.mark);
    return std::nullopt;
  }
  template <class R>
  ETLPIPE_ALWAYS_INLINE static void put(Out<T>& out, R&& result) {
    using Plain = std::remove_cvref_t<R>;
    if constexpr (std::is_same_v<Plain, Result<T>> && !std::is_same_v<T, Result<T>>) {
      if (result)
        out.push(*std::forward<R>(result));
      else
        out.reject(std::forward<R>(result).error());
    } else if constexpr (std::is_same_v<Plain, std::optional<T>>) {
      if (result) out.push(*std::forward<R>(result));
    } else {
      out.push(std::forward<R>(result));
    }
  }

  TransactionalStore<Tx>* const store_;
};

}  // namespace etl::inline v0::detail
