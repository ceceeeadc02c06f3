#include "reader_input.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "range_source.hpp"

namespace etl::inline v0::csv::detail {

Result<void> Input::fill() {
  if (filled_ == current_->capacity && begin_ > 0) {
    std::memmove(current_->bytes.get(), current_->bytes.get() + begin_, filled_ - begin_);
    filled_ -= std::exchange(begin_, 0);
  }
  while (!ended_ && filled_ < current_->capacity) {
    std::size_t room = current_->capacity - filled_;
    if (limit_) room = static_cast<std::size_t>(std::min<std::uint64_t>(room, *limit_ - read_));
    const Result<std::size_t> got =
        room == 0 ? Result<std::size_t>(0) : source_->read({current_->bytes.get() + filled_, room});
    if (!got) return failure(got.error());
    filled_ += *got;
    read_ += *got;
    ended_ = *got == 0;
    if (*got < room) break;
  }
  current_->bytes[filled_] = '\0';
  return {};
}

bool Input::make_room() {
  if (filled_ < current_->capacity) return true;
  const std::size_t size = filled_ - begin_;
  if (size >= max_buffer) return false;
  std::unique_ptr<ChunkData> bigger = pool_->take(std::max(2 * size, chunk_size_));
  std::memcpy(bigger->bytes.get(), current_->bytes.get() + begin_, size);
  current_ = std::move(bigger);
  begin_ = 0;
  filled_ = size;
  return true;
}

Result<void> Input::go_to(std::uint64_t offset, const std::stop_token& stop) {
  if (!path_.empty()) {
    Result<io::Source> source = open_at(path_, offset);
    if (!source) return failure(source.error());
    if (*source) {
      source_ = std::move(*source);
      begin_ = filled_ = 0;
      read_ = std::min(offset, source_->size_hint());
      ended_ = false;
    }
  }
  const std::stop_callback interrupt(stop, [this] { source_->interrupt(); });
  while (read_ < offset && !ended_) {
    begin_ = filled_ = 0;
    if (auto filled = fill(); !filled) return filled;
  }
  if (read_ < offset)
    return failure(
        fatal(fmt::format("{}: cannot resume at byte {}, because the file ends at byte {}; the "
                          "file has changed",
                          source_->name(), offset, read_)));
  begin_ = filled_ - static_cast<std::size_t>(read_ - offset);
  return {};
}

void Input::end_at(std::uint64_t offset) noexcept {
  if (offset < read_) {
    filled_ -= std::min(filled_ - begin_, static_cast<std::size_t>(read_ - offset));
    ended_ = true;
  }
  limit_ = offset;
}

std::shared_ptr<const ChunkData> Input::hand_over(std::size_t bytes) {
  begin_ += bytes;
  const std::size_t left = filled_ - begin_;
  std::unique_ptr<ChunkData> next = pool_->take(std::max(chunk_size_, left));
  std::memcpy(next->bytes.get(), current_->bytes.get() + begin_, left);
  begin_ = 0;
  filled_ = left;
  std::unique_ptr<ChunkData> done = std::exchange(current_, std::move(next));
  return {done.release(), [pool = pool_, usual = chunk_size_](const ChunkData* data) {
            pool->give(std::unique_ptr<ChunkData>(const_cast<ChunkData*>(data)), usual);
          }};
}

}  // namespace etl::inline v0::csv::detail
