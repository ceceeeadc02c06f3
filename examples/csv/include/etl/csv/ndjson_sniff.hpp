#pragma once
/// Which members objects have, and what is in them.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <etl/csv/kind_guess.hpp>
#include <etl/csv/ndjson.hpp>
#include <etl/csv/record.hpp>
#include <etl/csv/sniff.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::csv::ndjson {

/// Looks at lines, as those of the beginning of a file. What it finds is a guess. Belongs to one thread at a time.
class Sniffer {
 public:
  /// `file` is for errors. Texts that `nulls` has do not count when they are NULL also within quotes.
  explicit Sniffer(std::string file = {}, Nulls nulls = {})
      : file_(std::move(file)), nulls_(std::move(nulls)), parser_({}, file_) {}
  /// A line that is no object is counted.
  void look(const Line& line);

  /// All members, in the order in which they were seen first, 2,000 at most. Kinds are the narrowest in which
  /// all values read back as they are (`KindGuess`); of texts only dates, timestamps and points in time are more than
  /// texts. Objects and arrays are texts, as is a member that is always null. `nullable`: null,
  /// or not there, in some objects.
  [[nodiscard]] std::vector<SniffedColumn> columns() const;
  /// The same of their kinds alone, to be merged with those of other files.
  [[nodiscard]] std::vector<KindGuess> guesses() const;
  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
  [[nodiscard]] std::uint64_t bad_rows() const noexcept { return bad_rows_; }
  /// Of the first line that is no object.
  [[nodiscard]] const std::optional<Error>& first_error() const noexcept { return first_error_; }

 private:
  struct Member {
    KindGuess guess{};
    std::uint64_t values = 0;
  };
  void add_members(const Line& line);

  std::string file_;
  Nulls nulls_;
  Parser parser_;
  std::vector<std::string> names_{};
  std::vector<Member> members_{};
  std::uint64_t rows_ = 0;
  std::uint64_t bad_rows_ = 0;
  std::optional<Error> first_error_{};
};

}  // namespace etl::inline v0::csv::ndjson
