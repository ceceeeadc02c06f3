#pragma once
/// Checkpoints as small files (contract G13, G14, G17).

#include <atomic>
#include <filesystem>
#include <optional>
#include <string>

#include <etl/config.hpp>
#include <etl/delivery/checkpoint.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::io {

/// One readable file for each pipeline, in one folder. `save` replaces the file as a whole and makes it durable, so
/// that it survives a kill and a power cut. A file that is damaged, or of a newer format, is an error that names the
/// line; it never counts as "nothing saved". Several runs may use the same folder, but each pipeline name only one run
/// at a time. Thread-safe.
class CheckpointFile final : public CheckpointStore {
 public:
  /// Keeps checkpoints in `folder`. The first `save` makes the folder.
  explicit CheckpointFile(std::filesystem::path folder) : folder_(std::move(folder)) {}

  [[nodiscard]] Result<std::optional<Checkpoint>> find(const std::string& pipeline) override;
  [[nodiscard]] Result<void> save(const std::string& pipeline, const Checkpoint& checkpoint) override;
  [[nodiscard]] Result<void> reset(const std::string& pipeline) override;
  /// The path of the pipeline's checkpoint, which need not exist. Characters that a file name may not have are written
  /// as %20.
  [[nodiscard]] std::filesystem::path path(const std::string& pipeline) const;

 private:
  std::filesystem::path folder_;
  std::atomic<bool> folder_is_durable_ = false;
};

}  // namespace etl::inline v0::io
