#pragma once
/// Which kind a column has, found out from its values.

#include <cstdint>
#include <optional>
#include <string_view>

#include <etl/config.hpp>
#include <etl/csv/value.hpp>

namespace etl::inline v0::csv {

/// Whether a value of the kind reads back as the text that was given, or as an equal number or time. A number with a
/// leading zero or plus sign is taken for a code, which does not; nor does a double of more than 15 digits, a truth
/// value that is not written "true" or "false", or a year before 1. The text is no NULL and has no blanks around it;
/// `comma`: decimal numbers have one for their point.
/// Thread-safe.
[[nodiscard]] bool reads_back(Kind kind, std::string_view text, bool comma = false) noexcept;

/// The narrowest kind in which every value that was looked at reads back as it was given. A value; belongs to one
/// thread at a time.
class KindGuess {
 public:
  KindGuess() = default;
  /// As if values of the kind had been looked at.
  explicit KindGuess(Kind kind) noexcept : kind_(kind), values_(1) {}

  /// A value that is not NULL; blanks around it do not count. `comma` as of `reads_back`.
  void look(std::string_view text, bool comma = false);
  /// A value that can be nothing but a text.
  void look_at_text() noexcept;
  /// What another part of the column, or another file, has shown.
  void merge(const KindGuess& other) noexcept;

  /// The same without the values that look like nothing else of the column, when these are at most one in twenty: a bad
  /// row in a later file is rejected, and does not make texts of a column of numbers.
  [[nodiscard]] KindGuess without_strays() const noexcept;

  /// Whether there was a value.
  [[nodiscard]] bool any() const noexcept { return values_ > 0; }
  /// `Kind::Text` when there was none.
  [[nodiscard]] Kind kind() const noexcept;

  friend bool operator==(const KindGuess&, const KindGuess&) = default;

 private:
  std::optional<Kind> kind_{};  // of the values that are no strays
  std::uint64_t values_ = 0;
  std::uint64_t strays_ = 0;  // texts that are not even codes
  bool fits_double_ = true;   // each number has 15 digits at most
};

}  // namespace etl::inline v0::csv
