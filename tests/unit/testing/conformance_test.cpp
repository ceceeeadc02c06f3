#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>

#include <etl/testing/conformance.hpp>
#include <etl/testing/memory_stores.hpp>

#include "support/catch.hpp"

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
  CHECK_THROWS_WITH(check_checkpoint_store(forgetful), "conformance: find gives back what was saved");
}
