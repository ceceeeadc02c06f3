#pragma once
/// The calls of the engine to a pipeline: once per batch, and independent of the pipeline's types.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include <etl/batch_context.hpp>
#include <etl/config.hpp>
#include <etl/delivery/idempotency_key.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/detail/intake/slots.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::detail {

struct Batch;
struct Work;

/// How `transform` takes its argument: as a const item, as an item that it may change, as a moved item, or as the
/// whole batch. Nothing: there is no transform.
enum class Takes : std::uint8_t { Const, Mutable, Moved, Span, Nothing };

/// The additional argument of `load` (G15, G16).
enum class LoadWith : std::uint8_t { Nothing, Key, Transaction };

/// The user's state of one worker.
class WorkerState {
 public:
  WorkerState() = default;
  WorkerState(const WorkerState&) = delete;
  WorkerState& operator=(const WorkerState&) = delete;
  virtual ~WorkerState() = default;
};

/// Results of `transform`, stored next to one another.
class Results {
 public:
  Results() = default;
  Results(const Results&) = delete;
  Results& operator=(const Results&) = delete;
  virtual ~Results() = default;
  [[nodiscard]] virtual std::uint32_t count() const noexcept = 0;
  [[nodiscard]] virtual std::byte* data() const noexcept = 0;
  virtual void truncate(std::uint32_t count) noexcept = 0;
  /// Moves the results of `from`, which has the same type, to the end of these results. Only if
  /// `StageTraits::joins_results`.
  virtual void join(Results& from) = 0;
};

/// What is known about a pipeline's transform and load without calling them.
struct StageTraits {
  const ItemType& item;
  std::size_t result_size;  ///< bytes from one result to the next
  Takes takes;
  LoadWith with;
  bool concurrent;       ///< `load` is const
  bool has_bytes;        ///< the pipeline has `bytes(const E&)`
  bool has_key;          ///< the pipeline has `key(const E&)`
  bool describes;        ///< the pipeline has `describe(const E&)`, and rejected items are still as they were extracted
  bool serializes;       ///< the same, with `serialize(const E&)` or else `describe(const E&)`
  bool keeps_all;        ///< the same, only with `serialize(const E&)`, so that different items have different texts
  bool copies_results;   ///< results are copied for another attempt; otherwise they are moved
  bool returns_results;  ///< moved results can be returned to their places
  bool joins_results;    ///< results can be moved to the end of other results
  /// Whether `load` gets the items themselves.
  [[nodiscard]] bool in_place() const noexcept { return takes == Takes::Span || takes == Takes::Nothing; }
};

/// Transform and load of one pipeline. Each of these calls may throw what the user's code throws. Thread-safe in the
/// same way as the pipeline: all workers call its `const` members at the same time.
class StageCalls {
 public:
  StageCalls() = default;
  StageCalls(const StageCalls&) = delete;
  StageCalls& operator=(const StageCalls&) = delete;
  virtual ~StageCalls() = default;

  [[nodiscard]] virtual const StageTraits& traits() const noexcept = 0;
  [[nodiscard]] virtual std::unique_ptr<WorkerState> make_worker() = 0;
  [[nodiscard]] virtual std::unique_ptr<Results> make_results() = 0;

  /// Weight of consecutive items. Only if `has_bytes`.
  [[nodiscard]] virtual std::uint64_t bytes(const void* items, std::uint32_t first, std::uint32_t count) = 0;
  /// Weight of the items of a work, which may be a part of a batch.
  [[nodiscard]] virtual std::uint64_t bytes(const Work& work) = 0;
  /// Computes the hash of each item's key in a batch. Only if `has_key`.
  virtual void hash_keys(const Batch& batch, std::span<std::size_t> hashes) = 0;
  /// Transforms the items from `i` to `end`, and increments `i` for each. Returns or throws the error of item `i`.
  /// `stop` is for a transform that takes a stop token.
  [[nodiscard]] virtual std::optional<Error> transform_items(WorkerState& worker, Work& work, std::uint32_t& i,
                                                             std::uint32_t end, const std::stop_token& stop) = 0;
  /// Gets the transformed items of a work. A replay removes results that are loaded already.
  [[nodiscard]] virtual std::optional<Error> transformed(Work& /*work*/) { return std::nullopt; }
  /// Transforms the batch in place. For Takes::Span.
  [[nodiscard]] virtual std::optional<Error> transform_batch(WorkerState& worker, const Batch& batch,
                                                             const std::stop_token& stop) = 0;
  /// Calls `load` once. `traits().with` says whether `key` or `session` is given.
  [[nodiscard]] virtual std::optional<Error> load(WorkerState& worker, const std::byte* results, std::size_t count,
                                                  BatchContext& context, const IdempotencyKey* key,
                                                  StoreConnection* session) = 0;
  /// The description of an item, which is counted within the work. Only if `describes`.
  [[nodiscard]] virtual std::string describe(const Work& work, std::uint32_t item) = 0;
  /// The payload of an item's dead letter. Only if `serializes`.
  [[nodiscard]] virtual std::string serialize(const Work& work, std::uint32_t item) = 0;
  /// Opens a connection to the store. For LoadWith::Transaction.
  [[nodiscard]] virtual Result<std::unique_ptr<StoreConnection>> connect() = 0;

  // --- for another attempt at some results ------------------------------------------------------------
  /// Appends the result at `from` to `to`: a copy, or the moved result.
  virtual void take(std::byte* from, Results& to) = 0;
  /// Moves result `i` of `from` back to its place.
  virtual void put_back(Results& from, std::uint32_t i, std::byte* place) = 0;
};

}  // namespace etl::inline v0::detail
