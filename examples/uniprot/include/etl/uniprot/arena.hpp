#pragma once
/// Memory for texts that are put together from several pieces.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace etl::inline v0::uniprot {

/// Hands out bytes that stay where they are until `clear`, which keeps the memory for the next use. Moving an arena
/// leaves its bytes in place, and the arena that they came from empty. Belongs to one thread at a time.
class Arena {
 public:
  Arena() = default;
  /// Takes over the bytes of `other`, which is empty then.
  Arena(Arena&& other) noexcept { *this = std::move(other); }
  Arena& operator=(Arena&& other) noexcept {
    blocks_ = std::exchange(other.blocks_, {});
    size_ = std::exchange(other.size_, 0);
    next_ = std::exchange(other.next_, nullptr);
    end_ = std::exchange(other.end_, nullptr);
    return *this;
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() = default;

  /// Room for `size` bytes.
  [[nodiscard]] char* take(std::size_t size) {
    if (size > static_cast<std::size_t>(end_ - next_)) [[unlikely]]
      grow(size);
    char* const begin = next_;
    next_ += size;
    return begin;
  }
  /// Gives back the end of what was taken last: the bytes from `end` on.
  void give_back(char* end) noexcept { next_ = end; }
  /// A copy of `text`.
  [[nodiscard]] std::string_view copy(std::string_view text) {
    char* const begin = take(text.size());
    std::copy(text.begin(), text.end(), begin);
    return {begin, text.size()};
  }
  /// Frees everything. Keeps one block, as large as all blocks together.
  void clear() {
    if (blocks_.size() > 1) {
      const std::size_t all = size_;
      blocks_.clear();
      size_ = 0;
      grow(all);
    }
    next_ = blocks_.empty() ? nullptr : blocks_.back().get();
    if (blocks_.empty()) end_ = nullptr;
  }

 private:
  void grow(std::size_t wanted) {
    const std::size_t size = std::max({wanted, size_, std::size_t{4096}});
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(size));
    size_ += size;
    next_ = blocks_.back().get();
    end_ = next_ + size;
  }
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t size_ = 0;  // of all blocks
  char* next_ = nullptr;
  char* end_ = nullptr;
};

}  // namespace etl::inline v0::uniprot
