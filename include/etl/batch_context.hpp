#pragma once
/// Information about the batch that a pipeline's `load` gets.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/position.hpp>

namespace etl::inline v0 {

class PartKeys;

/// The batch of the current `load` call. Belongs to that call.
class BatchContext {
 public:
  /// Where a batch comes from. Filled in by the library.
  struct Place {
    std::uint64_t batch = 0;                            ///< number of the batch in this run, from 0
    std::uint32_t partition = 0;                        ///< index of the partition
    std::uint64_t first_seq = 0;                        ///< first source item, counted from 0 in its partition
    std::uint64_t last_seq = 0;                         ///< last source item, inclusive
    const std::optional<Position>* position = nullptr;  ///< last mark at or before the end of the batch
    const std::stop_token* stop = nullptr;              ///< stopped by an abandon
    const std::stop_token* waits = nullptr;             ///< ends waits; null: `stop` does
    std::size_t size = 0;                               ///< number of results in this call
    bool bisects = false;                               ///< `ErrorPolicy::isolation` is `Isolation::Bisect`
  };
  /// Made by the library for each call; a test may make its own.
  explicit BatchContext(const Place& place) : place_(place) {}

  /// Number of the batch in this run, from 0. Several load calls of one batch share it.
  [[nodiscard]] std::uint64_t batch() const noexcept { return place_.batch; }
  /// Index of the batch's partition in `partitions()`; 0 without partitions.
  [[nodiscard]] std::uint32_t partition() const noexcept { return place_.partition; }
  /// First source item of the batch, counted from 0 in its partition.
  [[nodiscard]] std::uint64_t first_seq() const noexcept { return place_.first_seq; }
  /// Last source item of the batch, inclusive.
  [[nodiscard]] std::uint64_t last_seq() const noexcept { return place_.last_seq; }
  /// The last mark that the source set in this run, at or before the end of this batch.
  [[nodiscard]] const std::optional<Position>& position() const noexcept { return *place_.position; }
  /// Stopped only by an abandon or at the drain deadline, so that a sink that watches the token still takes the last
  /// batches of a drain (G10).
  [[nodiscard]] const std::stop_token& stop_token() const noexcept { return *place_.stop; }
  /// Stopped when the run loads nothing more: by the same, and at once after a failure elsewhere. For a wait before
  /// anything is sent, such as for a connection (G4).
  [[nodiscard]] const std::stop_token& wait_stop_token() const noexcept {
    return place_.waits == nullptr ? *place_.stop : *place_.waits;
  }
  /// The former name of `stop_token`.
  [[deprecated("renamed to stop_token")]] [[nodiscard]] const std::stop_token& stop() const noexcept {
    return stop_token();
  }

  /// Whether the bad results of a refused batch are found by sending parts of it (`Isolation::Bisect`). For a sink that
  /// sends a batch in parts: once a part is stored, an error of class Rejected for the whole batch would be wrong.
  [[nodiscard]] bool bisects() const noexcept { return place_.bisects; }

  /// Makes the keys of parts of this call; null if `load` takes no key, or in a context that a test has made.
  [[nodiscard]] const PartKeys* part_keys() const noexcept { return part_keys_; }

  /// Says that this result was not loaded and the others were. It counts as rejected within the budget (G6).
  /// Throws `etl::Exception` for an index outside the batch, which makes the run fail.
  void reject(std::size_t index, Error error) {
    if (index >= place_.size)
      throw Exception(fatal("BatchContext::reject: no result " + std::to_string(index) + " in this batch"));
    rejects().emplace_back(index, std::move(error));
  }
  void reject(std::size_t index, std::string why) { reject(index, rejected(std::move(why))); }
  /// Says that this result was not loaded and the others were. `load` is called again with all results marked in this
  /// way, as `Options::retry` says (G6). Each index may be given once, either to `reject` or to `retry`.
  void retry(std::size_t index, Error error) {
    if (index >= place_.size)
      throw Exception(fatal("BatchContext::retry: no result " + std::to_string(index) + " in this batch"));
    retries().emplace_back(index, std::move(error));
  }
  void retry(std::size_t index, std::string why) { retry(index, transient(std::move(why))); }

  /// Results by index in the call, each with its error.
  using Marked = std::vector<std::pair<std::size_t, Error>>;
  /// The results that this call has rejected so far. A `load` may change the errors that a sink gave.
  [[nodiscard]] Marked& rejects() { return marks().rejects; }
  /// The results to be retried so far.
  [[nodiscard]] Marked& retries() { return marks().retries; }
  /// Used by stores: a table is written with this context. Returns whether another one was written with it before.
  [[nodiscard]] bool begin_write() noexcept { return std::exchange(written_, true); }
  /// Used by the library.
  void set_part_keys(const PartKeys* keys) noexcept { part_keys_ = keys; }
  /// Whether any result is rejected or to be retried.
  [[nodiscard]] bool has_marks() const noexcept {
    return marks_ && !(marks_->rejects.empty() && marks_->retries.empty());
  }

 private:
  struct Marks {
    Marked rejects;
    Marked retries;
  };
  [[nodiscard]] Marks& marks() {
    if (!marks_) marks_ = std::make_unique<Marks>();
    return *marks_;
  }

  Place place_;
  const PartKeys* part_keys_ = nullptr;
  bool written_ = false;
  std::unique_ptr<Marks> marks_;  // null while no result is marked
};

}  // namespace etl::inline v0
