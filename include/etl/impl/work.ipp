#pragma once
/// The compiled part of `Work`.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/detail/intake/batch.hpp>
#include <etl/detail/load/work.hpp>
#include <etl/error.hpp>
#include <etl/executor.hpp>

namespace etl::inline v0::detail {

ETLPIPE_COMPILED std::optional<BatchLedger> Split::add(const BatchLedger& part) {
  const std::lock_guard lock(mutex_);
  whole_.add(part);
  return --left_ == 0 ? std::optional(whole_) : std::nullopt;
}

template <class F>
void Work::for_each_item(F&& call) const {
  auto next_count = counts_.begin();
  std::uint32_t result = 0;
  for (std::uint32_t item = 0; item < size(); ++item) {
    std::uint32_t count = 1;
    if (next_count != counts_.end() && next_count->item == item) count = (next_count++)->results;
    call(item, result, result + count);
    result += count;
  }
}

inline void count_fate(BatchLedger& ledger, Fate fate) noexcept {
  switch (fate) {
    case Fate::Committed: ++ledger.results.committed; break;
    case Fate::Rejected: ++ledger.results.rejected; break;
    case Fate::InDoubt: ++ledger.results.in_doubt; break;
    case Fate::Abandoned: ++ledger.results.abandoned; break;
  }
}

ETLPIPE_COMPILED void Work::count_items(BatchLedger& ledger) const {
  auto rejected = rejections.begin();
  for_each_item([&](std::uint32_t item, std::uint32_t first, std::uint32_t end) {
    if (rejected != rejections.end() && rejected->item == item) {
      ++rejected;
      ++ledger.items.rejected;
      return;
    }
    if (first == end) return void(++ledger.items.filtered);
    switch (*std::max_element(fates_.begin() + first, fates_.begin() + end)) {
      case Fate::Committed: ++ledger.items.loaded; break;
      case Fate::Rejected: ++ledger.items.rejected; break;
      case Fate::InDoubt:
      case Fate::Abandoned: ++ledger.items.abandoned; break;
    }
  });
}

ETLPIPE_COMPILED void Work::start(Batch* of, TimePoint now) noexcept {
  batch = of;
  partition_ = of->partition;
  ordinal_ = of->ordinal;
  began = now;
  ready = false;
  produced = mark = told = attempts = 0;
  bytes = 0;
}

ETLPIPE_COMPILED void Work::start_part(Batch* of, TimePoint now, std::shared_ptr<Split> whole, std::uint32_t lane,
                                       std::uint32_t lanes) {
  start(of, now);
  split = std::move(whole);
  partition_ = of->partition * lanes + lane;
}

ETLPIPE_COMPILED void Work::clear() noexcept {
  split.reset();
  which.clear();
  results->truncate(0);
  rejections.clear();
  load_rejections.clear();
  drawn.clear();
  reported = 0;
  counts_.clear();
  fates_.clear();
  lost_ = unkept_ = false;
}

ETLPIPE_COMPILED void Work::forget_load() noexcept {
  load_rejections.clear();
  reported = 0;
  fates_.clear();
}

ETLPIPE_COMPILED void Work::reject_item(std::uint32_t i, Error error) {
  results->truncate(mark);
  counts_.push_back({i, 0});
  rejections.push_back({i, std::move(error)});
}

ETLPIPE_COMPILED void Work::join(Work& of_later_items) {
  counts_.insert(counts_.end(), of_later_items.counts_.begin(), of_later_items.counts_.end());
  std::ranges::move(of_later_items.rejections, std::back_inserter(rejections));
}

ETLPIPE_COMPILED void Work::set(std::uint32_t from, std::uint32_t to, Fate fate) {
  if (fates_.empty()) fates_.assign(produced, Fate::Committed);
  std::fill(fates_.begin() + from, fates_.begin() + to, fate);
}

ETLPIPE_COMPILED void Work::lose() noexcept {
  lost_ = true;
  produced = results->count();
}

ETLPIPE_COMPILED void Work::lose_unreported() {
  if (reported == load_rejections.size()) return;
  auto lost = load_rejections.begin() + static_cast<std::ptrdiff_t>(reported);
  std::vector<std::uint32_t> items;
  for (; lost != load_rejections.end(); ++lost) items.push_back(lost->item);
  std::ranges::sort(items);
  for_each_item([&](std::uint32_t item, std::uint32_t first, std::uint32_t end) {
    if (std::binary_search(items.begin(), items.end(), item))
      std::replace(fates_.begin() + first, fates_.begin() + end, Fate::Rejected, Fate::Abandoned);
  });
  load_rejections.resize(reported);
}

ETLPIPE_COMPILED void Work::reject_results(std::uint32_t from, std::vector<std::pair<std::size_t, Error>>& rejects,
                                           std::uint32_t tried) {
  std::ranges::sort(rejects, {}, &std::pair<std::size_t, Error>::first);
  if (fates_.empty()) fates_.assign(produced, Fate::Committed);
  auto next_reject = rejects.begin();
  for_each_item([&](std::uint32_t item, std::uint32_t first, std::uint32_t end) {
    bool told_before =
        std::any_of(fates_.begin() + first, fates_.begin() + end, [](Fate f) { return f == Fate::Rejected; });
    for (; next_reject != rejects.end() && next_reject->first + from < end; ++next_reject) {
      fates_[next_reject->first + from] = Fate::Rejected;
      if (!std::exchange(told_before, true)) load_rejections.push_back({item, std::move(next_reject->second), tried});
    }
  });
}

ETLPIPE_COMPILED void Work::add_loaded(std::span<DeadLetter> letters) const {
  if (counts_.empty() || fates_.empty()) return;  // the only result of a rejected item is rejected
  std::vector<std::pair<std::uint32_t, DeadLetter*>> wanted;
  for (std::size_t i = 0; i < letters.size(); ++i) wanted.emplace_back(load_rejections[i].item, &letters[i]);
  std::ranges::sort(wanted, {}, &std::pair<std::uint32_t, DeadLetter*>::first);
  auto letter_at = wanted.begin();
  for_each_item([&](std::uint32_t item, std::uint32_t first, std::uint32_t end) {
    if (letter_at == wanted.end() || letter_at->first != item) return;
    DeadLetter& letter = *(letter_at++)->second;
    for (std::uint32_t i = first; i < end; ++i)
      if (fates_[i] == Fate::Committed) letter.loaded.add({i - first, i - first + 1});
    if (!letter.loaded.empty()) letter.results = end - first;
  });
}

ETLPIPE_COMPILED std::vector<std::uint32_t> Work::drop_loaded(std::span<const DeadLetter> letters) {
  std::vector<std::uint32_t> kept;
  std::vector<Count> counts;
  std::vector<Rejected> rejected_items;
  auto rejection = rejections.begin();
  for_each_item([&](std::uint32_t item, std::uint32_t first, std::uint32_t end) {
    const DeadLetter& letter = letters[batch->first_seq + at(item)];
    const std::size_t before = kept.size();
    if (rejection != rejections.end() && rejection->item == item) {
      rejected_items.push_back(std::move(*rejection++));
    } else if (letter.results > 0 && letter.results != end - first) {
      rejected_items.push_back(
          {item, rejected("transform makes " + std::to_string(end - first) + " results of this item, and made " +
                          std::to_string(letter.results) +
                          " when some of them were loaded, so nobody can tell which are loaded: let it make the same "
                          "results in the same order; or load the rest by other means, and purge the dead letter")});
    } else {
      for (std::uint32_t i = first; i < end; ++i)
        if (!letter.loaded.contains(i - first)) kept.push_back(i);
    }
    const auto results_left = static_cast<std::uint32_t>(kept.size() - before);
    if (results_left != 1) counts.push_back({item, results_left});
  });
  rejections.swap(rejected_items);
  counts_.swap(counts);
  return kept;
}

ETLPIPE_COMPILED std::optional<std::uint32_t> Work::moved_to(std::uint32_t item) const noexcept {
  const auto failed = std::ranges::lower_bound(rejections, item, {}, &Rejected::item);
  if (failed != rejections.end() && failed->item == item) return std::nullopt;
  return item - static_cast<std::uint32_t>(failed - rejections.begin());
}

ETLPIPE_COMPILED const Error* Work::reason(std::uint32_t item) const noexcept {
  const auto found = std::ranges::find(load_rejections, item, &Rejected::item);
  return found == load_rejections.end() ? nullptr : &found->error;
}

ETLPIPE_COMPILED BatchLedger Work::ledger() const {
  BatchLedger ledger;
  ledger.results.produced = produced;
  if (batch->skipped) {
    ledger.items.skipped = size();
  } else if (lost_) {
    ledger.results.abandoned = produced;
    ledger.items.rejected = told;
    ledger.items.abandoned = size() - told;
  } else if (fates_.empty()) {
    ledger.results.committed = produced;
    ledger.items.rejected = rejections.size();
    for (const Count& c : counts_) ledger.items.filtered += c.results == 0;
    ledger.items.filtered -= ledger.items.rejected;  // a rejected item has no result either
    ledger.items.loaded = size() - ledger.items.filtered - ledger.items.rejected;
  } else {
    for (const Fate fate : fates_) count_fate(ledger, fate);
    count_items(ledger);
  }
  if (unkept_) {
    ledger.items.abandoned += std::exchange(ledger.items.rejected, 0);
    ledger.results.abandoned += std::exchange(ledger.results.rejected, 0);
  }
  return ledger;
}

}  // namespace etl::inline v0::detail
