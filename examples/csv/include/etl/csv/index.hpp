#pragma once
/// Where cells and rows end, found 64 bytes at a time.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <etl/csv/dialect.hpp>

namespace etl::inline v0::csv {

/// The instructions to use. All give the same result.
enum class Isa : std::uint8_t {
  Portable,
  Sse2,
  Avx2,    ///< with PCLMUL
  Avx512,  ///< with VBMI2, as processors have it from 2019 (Intel) and 2022 (AMD) on
};
/// Whether this processor has the instructions.
[[nodiscard]] bool supported(Isa isa) noexcept;
/// The fastest instructions of this processor.
[[nodiscard]] Isa best_isa() noexcept;

/// A growing array of offsets, whose memory is not initialised. There is room for one entry before the first.
class Offsets {
 public:
  [[nodiscard]] const std::uint32_t* data() const noexcept { return data_.get() + 1; }
  [[nodiscard]] std::uint32_t* data() noexcept { return data_.get() + 1; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::uint32_t operator[](std::size_t i) const noexcept { return data()[i]; }
  [[nodiscard]] std::uint32_t& operator[](std::size_t i) noexcept { return data()[i]; }
  [[nodiscard]] std::uint32_t back() const noexcept { return data()[size_ - 1]; }
  void clear() noexcept { size_ = 0; }
  /// Appends an offset.
  void push(std::uint32_t value) {
    room(1);
    data()[size_++] = value;
  }
  /// Makes room for `more` entries after the last one.
  void room(std::size_t more) {
    if (size_ + more + 1 > capacity_) grow(more);
  }
  /// Sets the size, for which there must be room.
  void resize(std::size_t size) noexcept { size_ = size; }
  /// All offsets.
  [[nodiscard]] std::span<const std::uint32_t> all() const noexcept { return {data(), size_}; }

 private:
  void grow(std::size_t more);
  std::unique_ptr<std::uint32_t[]> data_ = std::make_unique<std::uint32_t[]>(1);
  std::size_t size_ = 0;
  std::size_t capacity_ = 1;
};

/// A remark about a row of a `Structure`: a comment or a fault.
struct Mark {
  /// What the row is.
  enum class Kind : std::uint8_t {
    Comment,     ///< a comment
    BareQuote,   ///< a quote within a cell that does not begin with one
    AfterQuote,  ///< something between a closing quote and the end of the cell
    Unclosed,    ///< the text ends within quotes
    TooLong,     ///< a cell is longer than `Dialect::max_field`
  };
  std::uint32_t row = 0;      ///< index in `Structure::row_ends`
  std::uint32_t at = 0;       ///< offset of the fault
  Kind kind = Kind::Comment;  ///< what the row is
  std::uint32_t last =
      0;  ///< of AfterQuote: offset of what is too much, lines below the quote that opens the cell; else 0
  friend bool operator==(const Mark&, const Mark&) = default;
};

/// The structure of a text that begins with a row.
struct Structure {
  Offsets ends{};             ///< of all cells: offsets of the delimiters and of the (last bytes of the) row ends
  Offsets row_ends{};         ///< indices in `ends`
  Offsets escaped{};          ///< cells with escaped characters: indices in `ends`, some perhaps more than once
  Offsets breaks{};           ///< offsets of the (last bytes of the) line breaks within rows
  std::vector<Mark> marks{};  ///< by row
  bool carriage = false;      ///< there may be a CR in the text
  void clear() noexcept;
};

/// Whether `index` supports the dialect: no escape character, no comments, no blanks around quotes.
[[nodiscard]] bool can_index(const Dialect& dialect) noexcept;
/// Fills `out` except its marks. With `whole`, the text ends with a row, whose line end may be missing; otherwise an
/// incomplete row at the end is left out, and a CR at the end of the text is a line end. Returns false if there is a
/// quote where none is allowed; `out` is then meaningless. The text must be shorter than 2 GiB.
[[nodiscard]] bool index(std::string_view text, const Dialect& dialect, bool whole, Structure& out,
                         Isa isa = best_isa());
/// The same for every dialect, one byte at a time, with marks. After a fault it goes on at the next line. Returns false
/// if a cell is too long and no line break follows it.
[[nodiscard]] bool scan(std::string_view text, const Dialect& dialect, bool whole, Structure& out);

}  // namespace etl::inline v0::csv
