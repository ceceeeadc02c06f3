#pragma once
/// Infers the kind of a column from its values.

#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>

#include <etl/config.hpp>
#include <etl/csv/value.hpp>

namespace etl::inline v0::csv {

/// Whether a text, read as the kind, reads back as the same text or as an equal number or time. It does not if it is a
/// number with a leading zero or plus sign (a code), a double of more than 15 digits, a boolean other than "true" and
/// "false", or a year before 1. The text must not be NULL or have blanks around it. With `comma`, numbers have a
/// decimal comma. Thread-safe.
[[nodiscard]] bool reads_back(Kind kind, std::string_view text, bool comma = false) noexcept;

/// Whether a decimal number survives as the type `T`: the nearest value of `T`, written with as many digits as the
/// number has, is the number. Numbers of up to 15 digits survive as a double, numbers of up to 6 as a float. With
/// `comma`, the number has a decimal comma. True for texts that are not numbers. Thread-safe.
template <std::floating_point T>
[[nodiscard]] bool keeps_digits(std::string_view number, bool comma = false) noexcept;
extern template bool keeps_digits<float>(std::string_view, bool) noexcept;   ///< compiled once
extern template bool keeps_digits<double>(std::string_view, bool) noexcept;  ///< compiled once

/// The narrowest kind in which every value so far reads back unchanged. A value; belongs to one thread at a time.
class KindGuess {
 public:
  KindGuess() = default;
  /// Begins as if there had been a value of this kind.
  explicit KindGuess(Kind kind) noexcept : kind_(kind), values_(1) {}

  /// Takes a value that is not NULL into account; blanks around it are ignored. `comma` as for `reads_back`.
  void look(std::string_view text, bool comma = false);
  /// Takes into account a value that can only be a text.
  void look_at_text() noexcept;
  /// Takes the values of another part of the column, or of another file, into account.
  void merge(const KindGuess& other) noexcept;

  /// The same without values that differ from all others of the column, if these are at most one in twenty: so a bad
  /// row in a later file is rejected, and does not turn a column of numbers into texts.
  [[nodiscard]] KindGuess without_strays() const noexcept;

  /// Whether there was a value.
  [[nodiscard]] bool any() const noexcept { return values_ > 0; }
  /// The kind; `Kind::Text` if there was no value.
  [[nodiscard]] Kind kind() const noexcept;

  friend bool operator==(const KindGuess&, const KindGuess&) = default;

 private:
  std::optional<Kind> kind_{};  // of the values that are no strays
  std::uint64_t values_ = 0;
  std::uint64_t strays_ = 0;  // texts that are not even codes
  bool fits_double_ = true;   // each number has 15 digits at most
};

}  // namespace etl::inline v0::csv
