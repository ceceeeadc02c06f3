#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include <etl/testing/conformance.hpp>
#include <etl/testing/memory_stores.hpp>

#include "support/catch.hpp"

namespace conformance_test {

using namespace etl::testing;

TEST_CASE("the memory stores keep the contract") {
  MemoryCheckpoints checkpoints;
  CHECK_NOTHROW(check_checkpoint_store(checkpoints));
  MemoryDeadLetters letters;
  CHECK_NOTHROW(check_dead_letter_store(letters));
  MemoryStore<int> store;
  CHECK_NOTHROW(check_transactional_store<MemoryTransaction<int>>(
      store, store.dead_letters(), [](MemoryTransaction<int>& tx) { tx.write(1); },
      [&] { return store.rows().size(); }));
}

TEST_CASE("a store that breaks a promise is told which") {
  struct Forgetful final : etl::CheckpointStore {
    etl::Result<std::optional<etl::Checkpoint>> find(const std::string&) override {
      return std::optional<etl::Checkpoint>();
    }
    etl::Result<void> save(const std::string&, const etl::Checkpoint&) override { return {}; }
    etl::Result<void> reset(const std::string&) override { return {}; }
  } forgetful;
  CHECK_THROWS_WITH(check_checkpoint_store(forgetful), "conformance: find returns what was saved");

  // Everything but the fence: whoever commits is taken for the owner.
  using Tx = MemoryTransaction<int>;
  struct Unfenced final : etl::TransactionalStore<Tx> {
    struct Session final : etl::StoreSession<Tx> {
      Session(std::unique_ptr<etl::StoreSession<Tx>> session, etl::CheckpointStore& checkpoints)
          : real(std::move(session)), store(checkpoints) {}
      etl::Result<void> begin() override { return real->begin(); }
      Tx& transaction() noexcept override { return real->transaction(); }
      etl::Result<void> savepoint() override { return real->savepoint(); }
      etl::Result<void> rollback_to_savepoint() override { return real->rollback_to_savepoint(); }
      etl::Result<void> record(const etl::Commit& commit) override {
        owner = store.find(commit.pipeline).value().value_or(etl::Checkpoint()).run;
        return real->record(
            {commit.pipeline, commit.settled, commit.advanced, commit.dead_letters, commit.purged, owner});
      }
      etl::Result<void> commit() override { return real->commit(); }
      void rollback() noexcept override { real->rollback(); }
      etl::Result<bool> is_settled(const std::string& pipeline, const etl::SettledRange& range) override {
        return real->is_settled(pipeline, range);
      }
      std::unique_ptr<etl::StoreSession<Tx>> real;
      etl::CheckpointStore& store;
      std::string owner;
    };
    etl::Result<std::unique_ptr<etl::StoreSession<Tx>>> connect() override {
      return std::make_unique<Session>(std::move(*memory.connect()), memory);
    }
    etl::Result<std::optional<etl::Checkpoint>> find(const std::string& name) override { return memory.find(name); }
    etl::Result<std::optional<etl::Checkpoint>> claim(const std::string& name, const std::string& run) override {
      return memory.claim(name, run);
    }
    etl::Result<void> save(const std::string& name, const etl::Checkpoint& checkpoint) override {
      return memory.save(name, checkpoint);
    }
    etl::Result<void> reset(const std::string& name) override { return memory.reset(name); }
    MemoryStore<int> memory;
  } unfenced;
  CHECK_THROWS_WITH(check_transactional_store<Tx>(
                        unfenced, unfenced.memory.dead_letters(), [](Tx& tx) { tx.write(1); },
                        [&] { return unfenced.memory.rows().size(); }),
                    "conformance: a run is refused after another run has taken over (Errc::Superseded)");
}

}  // namespace conformance_test
