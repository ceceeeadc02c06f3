#pragma once
/// Hands the lost items of a bucket to the user's `on_lost`.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <etl/config.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/load/work.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/detail/run/run_control.hpp>
#include <etl/error.hpp>
#include <etl/lost_item.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// Hands over each item once, one item at a time. There is one exception: if the callable itself asks for an abandon,
/// the items that this drops are handed over within that call. Thread-safe.
class LostTeller {
 public:
  /// `lost` is null if the user wants no lost items.
  LostTeller(LostItems* lost, const ItemType& type) : lost_(lost), type_(type) {}

  [[nodiscard]] bool wanted() const noexcept { return lost_ != nullptr; }
  /// Hands over all items of a batch that was never begun.
  void tell(RunControl& control, const Batch& batch) noexcept {
    if (!wanted()) return;
    const Error why = control.end_reason();
    for (std::uint32_t i = 0; i < batch.size(); ++i)
      tell(control, at(batch.buffer->data, batch.begin + i), LostAs::Abandoned, why);
  }
  /// Hands over the lost items of a batch that was begun.
  void tell(RunControl& control, const Work& work) noexcept {
    if (!wanted() || !work.loses()) return;
    const Error why = control.end_reason();
    work.each_lost([&](std::uint32_t item, Fate fate, const Error* reason) {
      const LostAs how = fate == Fate::Rejected  ? LostAs::Rejected
                         : fate == Fate::InDoubt ? LostAs::InDoubt
                                                 : LostAs::Abandoned;
      tell(control, at(work.batch->buffer->data, work.batch->begin + work.at(item)), how,
           reason != nullptr ? *reason : why);
    });
  }
  /// Hands over items that lie next to one another. Called after the end of the run; errors go into the report.
  void tell(RunReport& report, const void* items, std::uint32_t count, const Error& why) noexcept {
    for (std::uint32_t i = 0; i < count; ++i)
      if (auto error = tell_one(at(items, i), LostAs::Abandoned, why))
        report.add_error({.error = std::move(*error), .pipeline = report.pipeline, .stage = Stage::DeadLetter});
  }

 private:
  [[nodiscard]] const void* at(const void* items, std::uint32_t i) const noexcept {
    return static_cast<const std::byte*>(items) + i * type_.size;
  }
  /// Hands over one item. An exception of the user's callable fails the bucket, but the other items are still handed
  /// over.
  void tell(RunControl& control, const void* item, LostAs how, const Error& why) noexcept {
    if (auto error = tell_one(item, how, why)) control.fail({.error = std::move(*error), .stage = Stage::DeadLetter});
  }
  [[nodiscard]] std::optional<Error> tell_one(const void* item, LostAs how, const Error& why) noexcept {
    auto thrown = guarded([&]() -> std::optional<Error> {
      const std::lock_guard lock(mutex_);
      return lost_->tell(item, how, why), std::nullopt;
    });
    if (!thrown) return std::nullopt;
    return guarded([&]() -> std::optional<Error> {
      Error failed = fatal("on_lost has failed for an item that is " + std::string(to_string(how)));
      failed.cause = std::make_shared<const Error>(std::move(*thrown));
      return failed;
    });
  }

  LostItems* const lost_;
  const ItemType& type_;
  std::recursive_mutex mutex_;
};

}  // namespace etl::inline v0::detail
