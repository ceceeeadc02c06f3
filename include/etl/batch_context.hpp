#pragma once
/// What a pipeline's `load` may ask about its batch.

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

/// The batch of the current `load` call. Belongs to that call.
class BatchContext {
 public:
  struct Place {
    std::uint64_t batch = 0;
    std::uint32_t partition = 0;
    std::uint64_t first_seq = 0;
    std::uint64_t last_seq = 0;
    const std::optional<Position>* position = nullptr;
    const std::stop_token* stop = nullptr;
    std::size_t size = 0;
  };
  explicit BatchContext(const Place& place) : place_(place) {}

  /// Number of the batch in this run, from 0. Several load calls of one batch share it.
  [[nodiscard]] std::uint64_t batch() const noexcept { return place_.batch; }
  [[nodiscard]] std::uint32_t partition() const noexcept { return place_.partition; }
  /// The source items of the batch, counted from 0 in their partition, both inclusive.
  [[nodiscard]] std::uint64_t first_seq() const noexcept { return place_.first_seq; }
  [[nodiscard]] std::uint64_t last_seq() const noexcept { return place_.last_seq; }
  /// The last mark the source set at or before the end of this batch, in this run.
  [[nodiscard]] const std::optional<Position>& position() const noexcept { return *place_.position; }
  /// Stopped at the second stop level or at the drain deadline only, so that a cooperative sink does
  /// not refuse the last batch (G10).
  [[nodiscard]] const std::stop_token& stop() const noexcept { return *place_.stop; }

  /// This result is not loaded, the others are: it counts as rejected within the budget (G6).
  /// Throws `etl::Exception`, which fails the run, for an index outside the batch.
  void reject(std::size_t index, Error error) {
    if (index >= place_.size)
      throw Exception(fatal("BatchContext::reject: no result " + std::to_string(index) + " in this batch"));
    rejects().emplace_back(index, std::move(error));
  }
  void reject(std::size_t index, std::string why) { reject(index, rejected(std::move(why))); }
  /// This result was not loaded, the others were: `load` is called again with those that say so, as
  /// `Options::retry` says (G6). An index may be given once, to `reject` or to `retry`.
  void retry(std::size_t index, Error error) {
    if (index >= place_.size)
      throw Exception(fatal("BatchContext::retry: no result " + std::to_string(index) + " in this batch"));
    retries().emplace_back(index, std::move(error));
  }
  void retry(std::size_t index, std::string why) { retry(index, transient(std::move(why))); }

  using Marked = std::vector<std::pair<std::size_t, Error>>;
  /// What this call has rejected so far, by index: a `load` may add to errors that a sink gave.
  [[nodiscard]] Marked& rejects() { return marks().rejects; }
  /// The same of `retry`.
  [[nodiscard]] Marked& retries() { return marks().retries; }
  /// Whether there are any of either.
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
  std::unique_ptr<Marks> marks_;  // a batch without any pays for none
};

}  // namespace etl::inline v0
