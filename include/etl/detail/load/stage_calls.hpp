#pragma once
/// What the engine asks of a pipeline: once per batch, and without knowing its types.

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

/// How `transform` wants its item: untouched, as its own to change, or moved; or its batch; or there is none.
enum class Takes : std::uint8_t { Const, Mutable, Moved, Span, Nothing };

/// What else a `load` wants (G15, G16).
enum class LoadWith : std::uint8_t { Nothing, Key, Transaction };

/// The user's state of one worker.
class WorkerState {
 public:
  WorkerState() = default;
  WorkerState(const WorkerState&) = delete;
  WorkerState& operator=(const WorkerState&) = delete;
  virtual ~WorkerState() = default;
};

/// Results of `transform`, next to one another.
class Results {
 public:
  Results() = default;
  Results(const Results&) = delete;
  Results& operator=(const Results&) = delete;
  virtual ~Results() = default;
  [[nodiscard]] virtual std::uint32_t count() const noexcept = 0;
  [[nodiscard]] virtual std::byte* data() const noexcept = 0;
  virtual void truncate(std::uint32_t count) noexcept = 0;
  /// Moves the results of `from`, which are of the same type, behind its own; with `StageTraits::joins_results`.
  virtual void join(Results& from) = 0;
};

/// What is known of a pipeline's transform and load without calling them.
struct StageTraits {
  const ItemType& item;
  std::size_t result_size;  ///< bytes from one result to the next
  Takes takes;
  LoadWith with;
  bool concurrent;       ///< `load` is const
  bool has_bytes;        ///< `bytes(const E&)`
  bool has_key;          ///< `key(const E&)`
  bool describes;        ///< `describe(const E&)`, of items that are as they were extracted when they are rejected
  bool serializes;       ///< `serialize(const E&)` or else `describe(const E&)`, of the same items
  bool copies_results;   ///< for another attempt they are copied; others are moved
  bool returns_results;  ///< and then back to their places
  bool joins_results;    ///< they can be moved behind others
  /// Whether load gets the items themselves.
  [[nodiscard]] bool in_place() const noexcept { return takes == Takes::Span || takes == Takes::Nothing; }
};

/// Transform and load of one pipeline. Any of these calls may throw what the user's code throws. Thread-safe as the
/// pipeline is: calls with `const` members come from all workers at once.
class StageCalls {
 public:
  StageCalls() = default;
  StageCalls(const StageCalls&) = delete;
  StageCalls& operator=(const StageCalls&) = delete;
  virtual ~StageCalls() = default;

  [[nodiscard]] virtual const StageTraits& traits() const noexcept = 0;
  [[nodiscard]] virtual std::unique_ptr<WorkerState> make_worker() = 0;
  [[nodiscard]] virtual std::unique_ptr<Results> make_results() = 0;

  /// The weight of items next to one another, with `has_bytes`.
  [[nodiscard]] virtual std::uint64_t bytes(const void* items, std::uint32_t first, std::uint32_t count) = 0;
  /// Of the items of a work, which may be a part of a batch.
  [[nodiscard]] virtual std::uint64_t bytes(const Work& work) = 0;
  /// The hash of the key of each item of a batch, with `has_key`.
  virtual void hash_keys(const Batch& batch, std::span<std::size_t> hashes) = 0;
  /// Transforms the items from `i` to `end`, and counts `i` up. Returns, or throws, the error of the item `i`.
  /// `stop` is for a transform that takes one.
  [[nodiscard]] virtual std::optional<Error> transform_items(WorkerState& worker, Work& work, std::uint32_t& i,
                                                             std::uint32_t end, const std::stop_token& stop) = 0;
  /// The batch in place, for Takes::Span.
  [[nodiscard]] virtual std::optional<Error> transform_batch(WorkerState& worker, const Batch& batch,
                                                             const std::stop_token& stop) = 0;
  /// One call of `load`. `key` or `session` is there as `traits().with` says.
  [[nodiscard]] virtual std::optional<Error> load(WorkerState& worker, const std::byte* results, std::size_t count,
                                                  BatchContext& context, const IdempotencyKey* key,
                                                  StoreConnection* session) = 0;
  /// What `describe` says of an item, counted within the work, with `describes`.
  [[nodiscard]] virtual std::string describe(const Work& work, std::uint32_t item) = 0;
  /// What a dead letter holds of an item, with `serializes`.
  [[nodiscard]] virtual std::string serialize(const Work& work, std::uint32_t item) = 0;
  /// A connection of the store, for LoadWith::Transaction.
  [[nodiscard]] virtual Result<std::unique_ptr<StoreConnection>> connect() = 0;

  // --- for another attempt at some results ------------------------------------------------------------
  /// Appends a copy of the result at `from`, or the result itself, to `to`.
  virtual void take(std::byte* from, Results& to) = 0;
  /// Moves the result `i` of `from` back to its place.
  virtual void put_back(Results& from, std::uint32_t i, std::byte* place) = 0;
};

}  // namespace etl::inline v0::detail
