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
    return world_.letters.list(pipeline, each);
  }
  [[nodiscard]] etl::Result<std::size_t> purge(std::span<const std::string> ids) override {
    return world_.letters.purge(ids);
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

 private:
  static void look_at_progress(World& world) {
    if (auto found = world.store.find("model"); found && *found) world.progress_stored(**found);
  }

  class Session final : public etl::StoreSession<Tx> {
   public:
    Session(World& world, std::unique_ptr<etl::StoreSession<Tx>> real) : world_(world), real_(std::move(real)) {}
    [[nodiscard]] etl::Result<void> begin() override {
      return world_.around(Site::Begin, [&] {
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
        return real_->record(commit);
      });
    }
    [[nodiscard]] etl::Result<void> commit() override {
      const FaultSpec* const fault = world_.step(Site::Commit);
      if (fault != nullptr && !World::done_first(fault)) {
        if (fault->what == Do::Unknown) doubt();
        return etl::failure(world_.error_of(Site::Commit, *fault));
      }
      const std::vector<Row> written = rows();
      const std::size_t before = world_.store.rows().size();
      if (auto done = real_->commit(); !done) return done;
      if (world_.store.rows().size() != before + written.size()) world_.complain("store: not what was written");
      for (const Row& row : written) world_.land(row);
      world_.letters_stored(letters_);
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
      marked_ = 0;
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
    std::vector<Row> doubtful_;
    std::vector<etl::DeadLetter> doubtful_letters_;
  };

  World& world_;
};

}  // namespace model
