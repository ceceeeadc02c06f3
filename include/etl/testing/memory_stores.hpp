#pragma once
/// Checkpoints, dead letters and rows in memory, for tests. Like files, they outlive a run.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::testing {

template <class Row>
class MemoryStore;

/// Thread-safe.
class MemoryCheckpoints final : public CheckpointStore {
 public:
  [[nodiscard]] Result<std::optional<Checkpoint>> find(const std::string& pipeline) override {
    const std::lock_guard lock(mutex_);
    const auto found = checkpoints_.find(pipeline);
    if (found == checkpoints_.end()) return std::optional<Checkpoint>();
    return std::optional(found->second);
  }
  [[nodiscard]] Result<std::optional<Checkpoint>> claim(const std::string& pipeline, const std::string& run) override {
    const std::lock_guard lock(mutex_);
    const auto found = checkpoints_.find(pipeline);
    if (found == checkpoints_.end()) return std::optional<Checkpoint>();
    found->second.run = run;
    return std::optional(found->second);
  }
  [[nodiscard]] Result<void> save(const std::string& pipeline, const Checkpoint& checkpoint) override {
    const std::lock_guard lock(mutex_);
    ++saves_;
    const auto found = checkpoints_.find(pipeline);
    if (found == checkpoints_.end()) {
      checkpoints_.emplace(pipeline, checkpoint);
      return {};
    }
    Checkpoint& kept = found->second;
    if (!kept.run.empty() && kept.run != checkpoint.run) return failure(superseded(pipeline, checkpoint.run, kept.run));
    kept = Checkpoint(checkpoint);  // all of it, or where memory runs out nothing
    return {};
  }
  [[nodiscard]] Result<void> reset(const std::string& pipeline) override {
    const std::lock_guard lock(mutex_);
    checkpoints_.erase(pipeline);
    return {};
  }
  /// Number of calls of `save`.
  [[nodiscard]] std::uint64_t saves() const {
    const std::lock_guard lock(mutex_);
    return saves_;
  }

 private:
  template <class Row>
  friend class MemoryStore;
  mutable std::mutex mutex_;
  std::map<std::string, Checkpoint> checkpoints_;
  std::uint64_t saves_ = 0;
};

/// Thread-safe.
class MemoryDeadLetters final : public DeadLetterStore {
 public:
  [[nodiscard]] Result<void> write(std::span<const DeadLetter> letters) override {
    const std::lock_guard lock(mutex_);
    for (const DeadLetter& letter : letters) {
      DeadLetter copy = letter;  // made first, so that no memory means no letter, and not an empty one
      letters_.insert_or_assign(letter.id, std::move(copy));
    }
    return {};
  }
  [[nodiscard]] Result<void> list(const std::string& pipeline,
                                  const std::function<bool(const DeadLetter&)>& each) override {
    for (const DeadLetter& letter : letters())
      if ((pipeline.empty() || letter.pipeline == pipeline) && !each(letter)) break;
    return {};
  }
  [[nodiscard]] Result<std::size_t> purge(std::span<const std::string> ids) override {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const std::string& id : ids) count += letters_.erase(id);
    return count;
  }
  /// Deletes some letters and writes others. If memory runs out, does neither.
  [[nodiscard]] Result<void> replace(std::span<const std::string> forgotten, std::span<const DeadLetter> letters) {
    const std::lock_guard lock(mutex_);
    std::map<std::string, DeadLetter> changed = letters_;
    for (const DeadLetter& letter : letters) changed[letter.id] = letter;
    for (const std::string& id : forgotten) changed.erase(id);
    letters_.swap(changed);
    return {};
  }
  /// All letters in the order of partition and seq.
  [[nodiscard]] std::vector<DeadLetter> letters() const {
    std::vector<DeadLetter> all;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [id, letter] : letters_) all.push_back(letter);
    }
    std::ranges::sort(all, {}, [](const DeadLetter& l) { return std::pair(l.partition, l.seq); });
    return all;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, DeadLetter> letters_;  // by id
};

/// The transaction of a `MemoryStore`, which `load` gets. A commit keeps the rows.
template <class Row>
class MemoryTransaction {
 public:
  /// Adds rows.
  void write(std::span<const Row> rows) { rows_.insert(rows_.end(), rows.begin(), rows.end()); }
  /// Adds a row.
  void write(const Row& row) { rows_.push_back(row); }

 private:
  friend class MemoryStore<Row>;
  std::vector<Row> rows_;
};

/// A table in memory, with its dead letters and checkpoints. Thread-safe.
template <class Row>
class MemoryStore final : public TransactionalStore<MemoryTransaction<Row>> {
 public:
  using Tx = MemoryTransaction<Row>;  ///< what `load` gets

  [[nodiscard]] Result<std::unique_ptr<StoreSession<Tx>>> connect() override {
    return std::unique_ptr<StoreSession<Tx>>(std::make_unique<Session>(*this));
  }
  [[nodiscard]] Result<std::optional<Checkpoint>> find(const std::string& pipeline) override {
    return checkpoints_.find(pipeline);
  }
  [[nodiscard]] Result<std::optional<Checkpoint>> claim(const std::string& pipeline, const std::string& run) override {
    const std::lock_guard lock(mutex_);
    return checkpoints_.claim(pipeline, run);
  }
  [[nodiscard]] Result<void> save(const std::string& pipeline, const Checkpoint& checkpoint) override {
    const std::lock_guard lock(mutex_);
    return checkpoints_.save(pipeline, checkpoint);
  }
  [[nodiscard]] Result<void> reset(const std::string& pipeline) override { return checkpoints_.reset(pipeline); }

  /// All committed rows.
  [[nodiscard]] std::vector<Row> rows() const {
    const std::lock_guard lock(mutex_);
    return rows_;
  }
  /// The dead letters.
  [[nodiscard]] MemoryDeadLetters& dead_letters() noexcept { return letters_; }
  /// The dead letters.
  [[nodiscard]] const MemoryDeadLetters& dead_letters() const noexcept { return letters_; }

 private:
  class Session final : public StoreSession<Tx> {
   public:
    explicit Session(MemoryStore& store) : store_(store) {}
    [[nodiscard]] Result<void> begin() override {
      rollback();
      return {};
    }
    [[nodiscard]] Tx& transaction() noexcept override { return tx_; }
    [[nodiscard]] Result<void> savepoint() override {
      marked_ = tx_.rows_.size();
      return {};
    }
    [[nodiscard]] Result<void> rollback_to_savepoint() override {
      tx_.rows_.erase(tx_.rows_.begin() + static_cast<std::ptrdiff_t>(marked_), tx_.rows_.end());
      return {};
    }
    [[nodiscard]] Result<void> record(const Commit& commit) override {
      pipeline_ = commit.pipeline;
      run_ = commit.run;
      settled_.assign(commit.settled.begin(), commit.settled.end());
      advanced_.assign(commit.advanced.begin(), commit.advanced.end());
      letters_.assign(commit.dead_letters.begin(), commit.dead_letters.end());
      purged_.assign(commit.purged.begin(), commit.purged.end());
      return {};
    }
    [[nodiscard]] Result<void> commit() override {
      const std::lock_guard lock(store_.mutex_);
      const std::lock_guard progress_lock(store_.checkpoints_.mutex_);
      std::map<std::string, Checkpoint>& all = store_.checkpoints_.checkpoints_;
      const auto found = all.find(pipeline_);
      if (const std::string owner = found == all.end() ? "" : found->second.run; owner != run_)
        return failure(superseded(pipeline_, run_, owner));
      if (found == all.end()) all.emplace(pipeline_, Checkpoint());
      Checkpoint& checkpoint = all.find(pipeline_)->second;
      for (const SettledRange& range : settled_)
        if (any_settled(checkpoint, range))
          return failure(fatal("another run of this pipeline has loaded these items"));
      // On copies of what changes: where memory runs out, nothing is committed.
      std::map<std::uint32_t, PartitionProgress> changed;
      const auto copy_of = [&](std::uint32_t number) -> PartitionProgress& {
        return changed.try_emplace(number, partition(checkpoint, number)).first->second;
      };
      for (const SettledRange& range : settled_) copy_of(range.partition).gaps.add(range.items);
      for (const PartitionProgress& p : advanced_) {
        PartitionProgress& mine = copy_of(p.partition);
        mine.watermark = std::max(mine.watermark, p.watermark);
        if (p.position_seq < mine.position_seq) continue;
        mine.position = p.position;
        mine.position_seq = p.position_seq;
      }
      for (auto& [number, progress] : changed) join(progress);
      std::vector<Row>& rows = store_.rows_;
      if (const std::size_t needed = rows.size() + tx_.rows_.size(); needed > rows.capacity())
        rows.reserve(std::max(needed, 2 * rows.capacity()));
      if (!purged_.empty() || !letters_.empty())
        if (auto replaced = store_.letters_.replace(purged_, letters_); !replaced) return replaced;
      std::move(tx_.rows_.begin(), tx_.rows_.end(), std::back_inserter(rows));
      for (auto& [number, progress] : changed) std::swap(partition(checkpoint, number), progress);
      rollback();
      return {};
    }
    void rollback() noexcept override {
      tx_.rows_.clear();
      settled_.clear();
      advanced_.clear();
      letters_.clear();
      purged_.clear();
      marked_ = 0;
    }
    [[nodiscard]] Result<bool> is_settled(const std::string& pipeline, const SettledRange& range) override {
      const std::lock_guard lock(store_.checkpoints_.mutex_);
      const auto found = store_.checkpoints_.checkpoints_.find(pipeline);
      if (found == store_.checkpoints_.checkpoints_.end()) return false;
      const SeqRanges there = settled_of(found->second, range.partition);
      return there.end_of(range.items.first) >= range.items.end;
    }

   private:
    [[nodiscard]] static PartitionProgress& partition(Checkpoint& checkpoint, std::uint32_t number) {
      const auto at = std::ranges::lower_bound(checkpoint.partitions, number, {}, &PartitionProgress::partition);
      if (at != checkpoint.partitions.end() && at->partition == number) return *at;
      return *checkpoint.partitions.insert(at, PartitionProgress{.partition = number});
    }
    [[nodiscard]] static SeqRanges settled_of(const Checkpoint& checkpoint, std::uint32_t number) {
      const PartitionProgress* const p = checkpoint.find(number);
      SeqRanges there = p == nullptr ? SeqRanges() : p->gaps;
      if (p != nullptr) there.add({0, p->watermark});
      return there;
    }
    [[nodiscard]] static bool any_settled(const Checkpoint& checkpoint, const SettledRange& range) {
      const SeqRanges there = settled_of(checkpoint, range.partition);
      return there.contains(range.items.first) || there.boundary_after(range.items.first) < range.items.end;
    }
    /// Takes ranges that the watermark has reached into it.
    static void join(PartitionProgress& p) {
      p.gaps.forget_below(p.watermark);
      p.watermark = p.gaps.end_of(p.watermark);
      p.gaps.forget_below(p.watermark);
    }
    MemoryStore& store_;
    Tx tx_;
    std::size_t marked_ = 0;
    std::string pipeline_;
    std::string run_;
    std::vector<SettledRange> settled_;
    std::vector<PartitionProgress> advanced_;
    std::vector<DeadLetter> letters_;
    std::vector<std::string> purged_;
  };

  mutable std::mutex mutex_;
  std::vector<Row> rows_;
  MemoryCheckpoints checkpoints_;
  MemoryDeadLetters letters_;
};

}  // namespace etl::inline v0::testing
