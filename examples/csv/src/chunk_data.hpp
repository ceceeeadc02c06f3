#pragma once
// The contents of a chunk, and the pool to which a chunk returns when its last user releases it.

#include <cstddef>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include <etl/csv/index.hpp>
#include <etl/csv/reader.hpp>

namespace etl::inline v0::csv::detail {

struct ChunkData {
  std::unique_ptr<char[]> bytes{};
  std::size_t capacity = 0;  // capacity of `bytes`, which has `padding` more bytes
  Structure structure{};
  std::vector<RowSpan> rows{};
  std::vector<BadRow> bad{};
  Table table{};
  Place next{};

  static constexpr std::size_t padding = 64;
  void allocate(std::size_t size) {
    bytes.reset(new char[size + padding]);
    capacity = size;
  }
};

/// Released chunks, to be used again. Thread-safe.
class Pool {
 public:
  [[nodiscard]] std::unique_ptr<ChunkData> take(std::size_t capacity) {
    std::unique_ptr<ChunkData> data;
    {
      const std::lock_guard lock(mutex_);
      if (count_ > 0) data = std::move(free_[--count_]);
    }
    if (!data) data = std::make_unique<ChunkData>();
    if (data->capacity < capacity) data->allocate(capacity);
    return data;
  }
  /// Takes a chunk back. A chunk that had to grow is freed, so that one long row does not use memory until the end.
  void give(std::unique_ptr<ChunkData> data, std::size_t usual) noexcept {
    if (data->capacity > usual) return;
    const std::lock_guard lock(mutex_);
    if (count_ < kept) free_[count_++] = std::move(data);
  }

 private:
  static constexpr std::size_t kept = 8;
  std::mutex mutex_;
  std::unique_ptr<ChunkData> free_[kept];
  std::size_t count_ = 0;
};

}  // namespace etl::inline v0::csv::detail
