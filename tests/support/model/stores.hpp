#pragma once
/// Stores that fail as a model test plans, and tell its world what has become durable.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <etl/delivery/checkpoint.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/delivery/transactional_store.hpp>
#include <etl/testing/memory_stores.hpp>

#include "support/model/world.hpp"

namespace model {

/// Any checkpoints, failing as planned. One that is not fenced keeps whatever is saved last.
class ModelCheckpoints final : public etl::CheckpointStore {
 public:
  ModelCheckpoints(World& world, bool fenced) : world_(world), fenced_(fenced) {}
  [[nodiscard]] etl::Result<std::optional<etl::Checkpoint>> find(const std::string& pipeline) override {
    return world_.around(Site::Find, [&] { return world_.fenced.find(pipeline); });
  }
  [[nodiscard]] etl::Result<std::optional<etl::Checkpoint>> claim(const std::string& pipeline,
                                                                  const std::string& run) override {
    return world_.around(Site::Claim,
                         [&] { return fenced_ ? world_.fenced.claim(pipeline, run) : world_.fenced.find(pipeline); });
  }
  [[nodiscard]] etl::Result<void> save(const std::string& pipeline, const etl::Checkpoint& checkpoint) override {
    world_.saving_finished = checkpoint.finished;
    auto saved = world_.around(Site::Save, [&]() -> etl::Result<void> {
      if (!fenced_) (void)world_.fenced.reset(pipeline);
      auto done = world_.fenced.save(pipeline, checkpoint);
      if (done) world_.progress_stored(checkpoint);
      return done;
    });
    world_.saving_finished = false;
    return saved;
  }
  [[nodiscard]] etl::Result<void> reset(const std::string& pipeline) override { return world_.fenced.reset(pipeline); }

 private:
  World& world_;
  const bool fenced_;
};

class ModelLetters final : public etl::DeadLetterStore {
 public:
  explicit ModelLetters(World& world) : world_(world) {}
  [[nodiscard]] etl::Result<void> write(std::span<const etl::DeadLetter> letters) override {
    auto written = world_.around(Site::Letters, [&] {
      auto done = world_.letters.write(letters);
      world_.letters_stored(letters);
      return done;
    });
    if (written) world_.letters_confirmed(letters);
    return written;
  }
  [[nodiscard]] etl::Result<void> list(const std::string& pipeline,
                                       const std::function<bool(const etl::DeadLetter&)>& each) override {
    if (world_.replays == 0) return world_.letters.list(pipeline, each);  // an incremental run only counts them
    return world_.around(Site::Letters, [&] { return world_.letters.list(pipeline, each); });
  }
  [[nodiscard]] etl::Result<std::size_t> purge(std::span<const std::string> ids) override {
    return world_.around(Site::Letters, [&] {
      auto done = world_.letters.purge(ids);
      world_.letters_purged(ids);
      return done;
    });
  }

 private:
  World& world_;
};

/// The letters of `World::store`, for a replay, which lists them.
class StoreLetters final : public etl::DeadLetterStore {
 public:
  explicit StoreLetters(World& world) : world_(world) {}
  [[nodiscard]] etl::Result<void> write(std::span<const etl::DeadLetter> letters) override {
    world_.complain("G15 letters: written outside of a transaction");
    return world_.store.dead_letters().write(letters);
  }
  [[nodiscard]] etl::Result<void> list(const std::string& pipeline,
                                       const std::function<bool(const etl::DeadLetter&)>& each) override {
    return world_.around(Site::Letters, [&] { return world_.store.dead_letters().list(pipeline, each); });
  }
  [[nodiscard]] etl::Result<std::size_t> purge(std::span<const std::string> ids) override {
    world_.complain("G15 letters: purged outside of a transaction");
    return world_.store.dead_letters().purge(ids);
  }

 private:
  World& world_;
};

/// `MemoryStore`, failing as planned.
class ModelStore final : public etl::TransactionalStore<etl::testing::MemoryTransaction<Row>> {
 public:
  using Tx = etl::testing::MemoryTransaction<Row>;
  explicit ModelStore(World& world) : world_(world) {}

  [[nodiscard]] etl::Result<std::unique_ptr<etl::StoreSession<Tx>>> connect() override {
    return world_.around(Site::Connect, [&]() -> etl::Result<std::unique_ptr<etl::StoreSession<Tx>>> {
      auto real = world_.store.connect();
      if (!real) return real;
      return std::unique_ptr<etl::StoreSession<Tx>>(std::make_unique<Session>(world_, std::move(*real)));
    });
  }
  [[nodiscard]] etl::Result<std::optional<etl::Checkpoint>> find(const std::string& pipeline) override {
    return world_.around(Site::Find, [&] { return world_.store.find(pipeline); });
  }
  [[nodiscard]] etl::Result<std::optional<etl::Checkpoint>> claim(const std::string& pipeline,
                                                                  const std::string& run) override {
    if (pipeline == world_.late_pipeline) land_late(world_);  // a claim waits for it
    return world_.around(Site::Claim, [&] { return world_.store.claim(pipeline, run); });
  }
  [[nodiscard]] etl::Result<void> save(const std::string& pipeline, const etl::Checkpoint& checkpoint) override {
    world_.saving_finished = checkpoint.finished;
    auto saved = world_.around(Site::Save, [&] {
      auto done = world_.store.save(pipeline, checkpoint);
      if (done) look_at_progress(world_);
      return done;
    });
    world_.saving_finished = false;
    return saved;
  }
  [[nodiscard]] etl::Result<void> reset(const std::string& pipeline) override { return world_.store.reset(pipeline); }

  /// The rows that a transaction has so far: `load` and its session share them.
  [[nodiscard]] static std::vector<Row>& rows_of(World& world, const Tx& tx) {
    (void)world;
    static std::map<const Tx*, std::vector<Row>> rows;
    return rows[&tx];
  }

  /// The transaction that was being committed when its process died lands, unless its run has been superseded.
  static void land_late(World& world) {
    world.late_pipeline.clear();
    const auto land = std::exchange(world.late, nullptr);
    if (land) land();
  }

 private:
  static void look_at_progress(World& world) {
    if (auto found = world.store.find("model"); found && *found) world.progress_stored(**found);
  }

  class Session final : public etl::StoreSession<Tx> {
   public:
    Session(World& world, std::unique_ptr<etl::StoreSession<Tx>> real) : world_(world), real_(std::move(real)) {}
    [[nodiscard]] etl::Result<void> begin() override {
      return world_.around(Site::Begin, [&] {
        land_late(world_);  // if no claim has waited for it
        forget();
        return real_->begin();
      });
    }
    [[nodiscard]] Tx& transaction() noexcept override { return real_->transaction(); }
    [[nodiscard]] etl::Result<void> savepoint() override {
      return world_.around(Site::Savepoint, [&] {
        marked_ = rows().size();
        return real_->savepoint();
      });
    }
    [[nodiscard]] etl::Result<void> rollback_to_savepoint() override {
      return world_.around(Site::UndoToSavepoint, [&] {
        rows().resize(std::min(marked_, rows().size()));
        return real_->rollback_to_savepoint();
      });
    }
    [[nodiscard]] etl::Result<void> record(const etl::Commit& commit) override {
      return world_.around(Site::Record, [&] {
        letters_.assign(commit.dead_letters.begin(), commit.dead_letters.end());
        purged_.assign(commit.purged.begin(), commit.purged.end());
        pipeline_ = commit.pipeline;
        return real_->record(commit);
      });
    }
    [[nodiscard]] etl::Result<void> commit() override {
      const FaultSpec* const fault = world_.step(Site::Commit);
      if (fault != nullptr && !World::done_first(fault)) {
        if (fault->what == Do::Unknown) doubt();
        if (std::exchange(world_.run.dies_in_commit, false)) leave_behind();
        return etl::failure(world_.error_of(Site::Commit, *fault));
      }
      const std::vector<Row> written = rows();
      const std::size_t before = world_.store.rows().size();
      if (auto done = real_->commit(); !done) return done;
      if (world_.store.rows().size() != before + written.size()) world_.complain("store: not what was written");
      for (const Row& row : written) world_.land(row);
      world_.letters_stored(letters_);
      world_.letters_purged(purged_);
      look_at_progress(world_);
      if (fault != nullptr) {
        doubt();
        return etl::failure(world_.error_of(Site::Commit, *fault));
      }
      for (const Row& row : written) world_.confirm(row);
      world_.letters_confirmed(letters_);
      return {};
    }
    void rollback() noexcept override {
      if (!real_) return;
      rows().clear();
      real_->rollback();
    }
    [[nodiscard]] etl::Result<bool> is_settled(const std::string& pipeline, const etl::SettledRange& range) override {
      auto settled = world_.around(Site::IsSettled, [&] { return real_->is_settled(pipeline, range); });
      if (!settled) return settled;
      for (const Row& row : doubtful_) {
        world_.doubt(row, false);
        if (*settled) world_.confirm(row);
      }
      if (*settled) world_.letters_confirmed(doubtful_letters_);
      doubtful_.clear();
      doubtful_letters_.clear();
      return settled;
    }

   private:
    [[nodiscard]] std::vector<Row>& rows() { return rows_of(world_, real_->transaction()); }
    void forget() {
      rows().clear();
      letters_.clear();
      purged_.clear();
      marked_ = 0;
    }
    /// The process is dead, and the server goes on with the commit.
    void leave_behind() {
      const std::vector<Row> written = rows();
      const auto landing = [&world = world_, real = std::shared_ptr(std::move(real_)), written, letters = letters_,
                            purged = purged_] {
        if (!real->commit()) return;
        world.landing_late = true;
        for (const Row& row : written) world.land(row);
        world.letters_stored(letters);
        world.letters_purged(purged);
        look_at_progress(world);
        world.landing_late = false;
        if (world.replays == 0) world.run.settled_before = world.kept;
      };
      world_.late = landing;
      world_.late_pipeline = pipeline_;
    }
    void doubt() {
      doubtful_ = rows();
      doubtful_letters_ = letters_;
      for (const Row& row : doubtful_) world_.doubt(row, true);
    }
    World& world_;
    std::unique_ptr<etl::StoreSession<Tx>> real_;
    std::size_t marked_ = 0;
    std::vector<etl::DeadLetter> letters_;
    std::vector<std::string> purged_;
    std::string pipeline_;
    std::vector<Row> doubtful_;
    std::vector<etl::DeadLetter> doubtful_letters_;
  };

  World& world_;
};

}  // namespace model
