#pragma once
/// A checkpoint store that lets every run save: most stores that users write have no fence, and a fence hides mistakes.

#include <optional>
#include <string>

#include <etl/delivery/checkpoint.hpp>
#include <etl/testing/memory_stores.hpp>

namespace test {

/// Keeps checkpoints in memory, whoever saves them. Thread-safe.
class UnfencedCheckpoints final : public etl::CheckpointStore {
 public:
  etl::Result<std::optional<etl::Checkpoint>> find(const std::string& pipeline) override {
    return kept_.find(pipeline);
  }
  etl::Result<void> save(const std::string& pipeline, const etl::Checkpoint& checkpoint) override {
    static_cast<void>(kept_.claim(pipeline, checkpoint.run));  // takes over, whoever had it
    return kept_.save(pipeline, checkpoint);
  }
  etl::Result<void> reset(const std::string& pipeline) override { return kept_.reset(pipeline); }

 private:
  etl::testing::MemoryCheckpoints kept_;
};

}  // namespace test
