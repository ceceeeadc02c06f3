#pragma once
/// Checkpoints, dead letters and rows in memory, for tests. They outlive a run as files would.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
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
    Checkpoint& kept = checkpoints_[pipeline];
    if (!kept.run.empty() && kept.run != checkpoint.run) return failure(superseded(pipeline, checkpoint.run, kept.run));
    kept = checkpoint;
    return {};
  }
  [[nodiscard]] Result<void> reset(const std::string& pipeline) override {
    const std::lock_guard lock(mutex_);
    checkpoints_.erase(pipeline);
    return {};
  }
  [[nodiscard]] std::uint64_t saves() const {
    const std::lock_guard lock(mutex_);
    return saves_;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Checkpoint> checkpoints_;
  std::uint64_t saves_ = 0;
};

/// Thread-safe.
class MemoryDeadLetters final : public DeadLetterStore {
 public:
  [[nodiscard]] Result<void> write(std::span<const DeadLetter> letters) override {
    const std::lock_guard lock(mutex_);
    for (const DeadLetter& letter : letters) letters_[letter.id] = letter;
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
  /// All, by partition and seq.
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

template <class Row>
class MemoryStore;

/// What `load` gets of a `MemoryStore`: rows written to it are kept when it commits.
template <class Row>
class MemoryTransaction {
 public:
  void write(std::span<const Row> rows) { rows_.insert(rows_.end(), rows.begin(), rows.end()); }
  void write(const Row& row) { rows_.push_back(row); }

 private:
  friend class MemoryStore<Row>;
  std::vector<Row> rows_;
};

/// A table with the dead letters and checkpoints that belong to it. Thread-safe.
template <class Row>
class MemoryStore final : public TransactionalStore<MemoryTransaction<Row>> {
 public:
  using Tx = MemoryTransaction<Row>;

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

  [[nodiscard]] std::vector<Row> rows() const {
    const std::lock_guard lock(mutex_);
    return rows_;
  }
  [[nodiscard]] MemoryDeadLetters& dead_letters() noexcept { return letters_; }
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
      Checkpoint checkpoint = store_.checkpoints_.find(pipeline_).value_or(std::nullopt).value_or(Checkpoint());
      if (checkpoint.run != run_) return failure(superseded(pipeline_, run_, checkpoint.run));
      for (const SettledRange& range : settled_)
        if (store_.any_settled(pipeline_, range))
          return failure(fatal("another run of this pipeline has loaded these items"));
      store_.rows_.insert(store_.rows_.end(), tx_.rows_.begin(), tx_.rows_.end());
      (void)store_.letters_.write(letters_);
      (void)store_.letters_.purge(purged_);
      for (const SettledRange& range : settled_) partition(checkpoint, range.partition).gaps.add(range.items);
      for (const PartitionProgress& p : advanced_) {
        PartitionProgress& mine = partition(checkpoint, p.partition);
        if (p.watermark <= mine.watermark) continue;
        mine.watermark = p.watermark;
        mine.position = p.position;
        mine.position_seq = p.position_seq;
      }
      for (PartitionProgress& p : checkpoint.partitions) {
        p.gaps.forget_below(p.watermark);
        p.watermark = p.gaps.end_of(p.watermark);
        p.gaps.forget_below(p.watermark);
      }
      (void)store_.checkpoints_.save(pipeline_, checkpoint);
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
      const Checkpoint found = store_.checkpoints_.find(pipeline).value_or(std::nullopt).value_or(Checkpoint());
      const PartitionProgress* p = found.find(range.partition);
      return p != nullptr && (range.items.first < p->watermark || p->gaps.contains(range.items.first));
    }

   private:
    [[nodiscard]] static PartitionProgress& partition(Checkpoint& checkpoint, std::uint32_t number) {
      const auto at = std::ranges::lower_bound(checkpoint.partitions, number, {}, &PartitionProgress::partition);
      if (at != checkpoint.partitions.end() && at->partition == number) return *at;
      return *checkpoint.partitions.insert(at, PartitionProgress{.partition = number});
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

  [[nodiscard]] bool any_settled(const std::string& pipeline, const SettledRange& range) {
    const Checkpoint found = checkpoints_.find(pipeline).value_or(std::nullopt).value_or(Checkpoint());
    const PartitionProgress* p = found.find(range.partition);
    if (p == nullptr) return false;
    SeqRanges there = p->gaps;
    there.add({0, p->watermark});
    for (std::uint64_t seq = range.items.first; seq < range.items.end; ++seq)
      if (there.contains(seq)) return true;
    return false;
  }

  mutable std::mutex mutex_;
  std::vector<Row> rows_;
  MemoryCheckpoints checkpoints_;
  MemoryDeadLetters letters_;
};

}  // namespace etl::inline v0::testing
