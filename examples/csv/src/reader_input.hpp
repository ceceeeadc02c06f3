#pragma once
// Reads the bytes of a file into chunks.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string_view>
#include <utility>

#include <etl/error.hpp>
#include <etl/io/source.hpp>

#include "chunk_data.hpp"

namespace etl::inline v0::csv::detail {

/// A buffer whose first bytes become a chunk, repeatedly. Bytes that are read and not yet in a chunk are called
/// unread.
class Input {
 public:
  /// `path` is empty if only the source is known.
  Input(io::Source source, std::filesystem::path path, std::size_t chunk_size)
      : source_(std::move(source)),
        path_(std::move(path)),
        chunk_size_(chunk_size),
        current_(pool_->take(chunk_size)) {}

  [[nodiscard]] io::ByteSource& source() const noexcept { return *source_; }
  [[nodiscard]] std::string_view unread() const noexcept { return {current_->bytes.get() + begin_, filled_ - begin_}; }
  [[nodiscard]] bool ended() const noexcept { return ended_; }  ///< the whole source was read
  /// The chunk to which the buffer belongs.
  [[nodiscard]] ChunkData& chunk() noexcept { return *current_; }

  /// Reads until the buffer is full, or until the source gives fewer bytes than requested, because it may then wait
  /// for more.
  [[nodiscard]] Result<void> fill();
  /// Makes a full buffer larger. Returns false if it already has the largest size.
  [[nodiscard]] bool make_room();
  void drop(std::size_t bytes) noexcept { begin_ += bytes; }
  /// Moves to a later offset of the file.
  [[nodiscard]] Result<void> go_to(std::uint64_t offset, const std::stop_token& stop);
  /// Ends the input at this offset.
  void end_at(std::uint64_t offset) noexcept;
  /// Hands over the first unread bytes as a chunk. The other bytes move to a new chunk.
  [[nodiscard]] std::shared_ptr<const ChunkData> hand_over(std::size_t bytes);

  static constexpr std::size_t max_buffer = std::size_t{1} << 30;

 private:
  io::Source source_;
  std::filesystem::path path_;
  std::size_t chunk_size_;
  std::shared_ptr<Pool> pool_ = std::make_shared<Pool>();
  std::unique_ptr<ChunkData> current_;
  std::size_t begin_ = 0, filled_ = 0;    // begin and end of the unread bytes
  std::uint64_t read_ = 0;                // offset after the bytes that were read
  std::optional<std::uint64_t> limit_{};  // limit for `read_`
  bool ended_ = false;
};

}  // namespace etl::inline v0::csv::detail
