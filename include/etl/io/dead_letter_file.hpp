#pragma once
/// Dead letters as lines of JSON (contract G7).

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include <etl/config.hpp>
#include <etl/delivery/dead_letter.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::io {

/// One letter as a JSON object on one line, without the line end. A byte that is not UTF-8 becomes an escaped lone
/// surrogate (U+DC80 to U+DCFF, as Python's "surrogateescape" writes it). A payload that is not UTF-8 is written in
/// base64, under the key "payload_base64".
[[nodiscard]] std::string to_json(const DeadLetter& letter);

/// A file with one JSON object per line. If several lines have the same id, the last one counts. `write` appends with
/// one system call and makes the letters durable, so that they survive a kill and a power cut. If a writer died within
/// a letter, the rest of this letter is ignored, because its item was not settled; the next writer removes it. Any
/// other damaged line is an error that gives its number. Several processes may write to one file. Thread-safe.
class DeadLetterFile final : public DeadLetterStore {
 public:
  /// Keeps letters in the file `path`. The first `write` makes the file; its folder must exist.
  explicit DeadLetterFile(std::filesystem::path path) : path_(std::move(path)) {}

  [[nodiscard]] Result<void> write(std::span<const DeadLetter> letters) override;
  /// Holds the offsets of all letters in memory, but only one letter at a time.
  [[nodiscard]] Result<void> list(const std::string& pipeline,
                                  const std::function<bool(const DeadLetter&)>& each) override;
  /// Replaces the file as a whole. The remaining letters must fit into memory.
  [[nodiscard]] Result<std::size_t> purge(std::span<const std::string> ids) override;

 private:
  [[nodiscard]] Result<void> make_name_durable(std::uint64_t file);
  std::filesystem::path path_;
  std::atomic<std::uint64_t> durable_ = 0;  ///< the file whose name is
};

}  // namespace etl::inline v0::io
