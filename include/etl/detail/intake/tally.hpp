#pragma once
/// The counts of a run in progress.

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include <etl/config.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/meta/guard.hpp>
#include <etl/executor.hpp>
#include <etl/observe/histogram.hpp>
#include <etl/options.hpp>
#include <etl/report.hpp>

namespace etl::inline v0::detail {

/// Ledgers, flushes, errors, and the reject budget of one run. Guarded by the batcher's lock.
struct Tally {
  BatchLedger ledger{};
  FlushCounts flushes{};
  Histogram sizes{};  ///< batch sizes in items
  Histogram fill{};   ///< time from a batch's first item to its seal
  std::uint64_t inline_batches = 0;
  std::uint64_t max_queue_depth = 0;
  std::uint64_t rejects = 0;
  std::uint64_t refused = 0;  ///< refused pushes, counted as abandoned
  std::uint64_t error_count = 0;
  std::vector<ErrorRecord> errors{};
  bool failed = false;
  bool cancelled = false;
  bool deadline_passed = false;

  void count_seal(std::uint64_t items, FlushReason reason, std::chrono::nanoseconds taken) noexcept {
    ledger.items.extracted += items;
    fill.record(taken);
    sizes.record(std::chrono::nanoseconds(items));
    switch (reason) {
      case FlushReason::Size: ++flushes.size; break;
      case FlushReason::Bytes: ++flushes.bytes; break;
      case FlushReason::Timeout: ++flushes.timeout; break;
      case FlushReason::Source: ++flushes.source; break;
      case FlushReason::Close: ++flushes.close; break;
    }
  }
  void count_refused() noexcept {
    ++ledger.items.extracted;
    ++ledger.items.abandoned;
    ++refused;
  }
  /// Keeps an error for the report.
  void keep(ErrorRecord record, const std::string& pipeline, bool decides) noexcept {
    ++error_count;
    static_cast<void>(guarded([&]() -> std::optional<Error> {  // no memory: the report names the pipeline anyway
      record.pipeline = pipeline;
      return std::nullopt;
    }));
    insert_error(errors, std::move(record), decides);
  }

  /// So many items make a ratio that says something.
  static constexpr std::uint64_t enough = 1000;

  /// Draws one item from the reject budget (G7). If that exceeds the budget, returns the reason.
  [[nodiscard]] std::optional<std::string> draw_reject(const ErrorPolicy& policy) {
    const std::uint64_t most = policy.max_rejects.value_or(policy.max_reject_ratio ? UINT64_MAX : 0);
    if (++rejects > most) return fmt::format("{} rejected, {} allowed by errors.max_rejects", rejects, most);
    if (ledger.items.extracted - ledger.items.skipped < enough)
      return std::nullopt;  // a ratio of so few items says little; the end of the run checks it
    return ratio_problem(policy, false);
  }
  /// `part`: the run was stopped, or has gone on from an earlier run. If the part is small, its ratio says little about
  /// the whole, so it may have as many rejects as a large one.
  [[nodiscard]] std::optional<std::string> ratio_problem(const ErrorPolicy& policy, bool part) const {
    if (!policy.max_reject_ratio) return std::nullopt;
    // Items that an earlier run settled say nothing about the data of this run.
    const std::uint64_t extracted = ledger.items.extracted - ledger.items.skipped;
    const auto base = static_cast<double>(std::max<std::uint64_t>(part ? enough : 1, extracted));
    // The quotient is the nearest double, and so is a ratio such as 0.29: 29 of 100 are exactly as many as allowed.
    if (static_cast<double>(rejects) / base <= *policy.max_reject_ratio) return std::nullopt;
    return fmt::format("{} of {} items rejected, a share of {} allowed by errors.max_reject_ratio", rejects, extracted,
                       *policy.max_reject_ratio);
  }
};

}  // namespace etl::inline v0::detail
