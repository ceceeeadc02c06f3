#pragma once
/// Finds out which members objects have, and their kinds.

#include <cstddef>
#include <cstdint>
#include <limits>
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

/// What the values of a member tell besides its kind. A value.
struct MemberFacts {
  bool nested = false;  ///< a value is an object, or an array that holds objects or arrays
  /// The smallest number. It is larger than `most` if there is no number.
  double least = std::numeric_limits<double>::max();
  double most = std::numeric_limits<double>::lowest();  ///< the largest number
};

/// Looks at lines, for example of the beginning of a file, and guesses. Belongs to one thread at a time.
class Sniffer {
 public:
  /// `file` is used in errors. Texts of `nulls` do not count if they are NULL also within quotes.
  explicit Sniffer(std::string file = {}, Nulls nulls = {})
      : file_(std::move(file)), nulls_(std::move(nulls)), parser_({}, file_) {}
  /// Looks at a line. A line that is not an object is counted as a bad row.
  void look(const Line& line);

  /// All members in the order of their first occurrence, at most 2,000. Kinds are the narrowest in which all values
  /// read back unchanged (`KindGuess`). Strings become dates, timestamps or texts. Objects, arrays and members that are
  /// always null are texts. `nullable` means that some objects have null or lack the member.
  [[nodiscard]] std::vector<SniffedColumn> columns() const;
  /// The kinds of all members, to be merged with those of other files.
  [[nodiscard]] std::vector<KindGuess> guesses() const;
  /// Facts about all members.
  [[nodiscard]] std::vector<MemberFacts> facts() const;
  /// Number of objects.
  [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
  /// Number of lines that are not objects.
  [[nodiscard]] std::uint64_t bad_rows() const noexcept { return bad_rows_; }
  /// The error of the first line that is not an object.
  [[nodiscard]] const std::optional<Error>& first_error() const noexcept { return first_error_; }

 private:
  struct Member {
    KindGuess guess{};
    MemberFacts facts{};
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
