#pragma once
// What the types of a database change in values without an error, and which values that concerns.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <etl/csv/value.hpp>

namespace program {

/// The digits that a type limits.
enum class Digits : std::uint8_t {
  Number,    ///< of the number, or of the second of a time
  Amount,    ///< of an amount of money
  Seconds,   ///< of each second in a text
  Interval,  ///< of the seconds that each number of an interval means
  Double,    ///< each number in a text becomes a double
  Real       ///< each number in a text becomes a float
};

/// The smallest field that a column of type interval keeps.
enum class Field : std::uint8_t { Year, Month, Day, Hour, Minute, Second };

/// What a type makes of texts that it takes for another value without an error.
enum class Form : std::uint8_t { Any, Unsigned32, Unsigned64, Date, Time, TimeTz, Timestamp, TimestampTz, Line, Words };

/// The values that a type keeps.
struct Limits {
  std::optional<int> decimals{};  ///< for an exact type that rounds: number of digits after the point, or of a second
  Digits digits = Digits::Number;
  Field field = Field::Second;              ///< for Digits::Interval
  char point = '.';                         ///< for Digits::Amount: the server's decimal point
  Form form = Form::Any;                    ///< of texts that the type takes for another value
  bool drops_members = false;               ///< jsonb keeps one of two members of the same name
  bool drops_pairs = false;                 ///< hstore keeps one of two pairs with the same key
  bool drops_nan = false;                   ///< SQLite stores NaN as NULL
  std::optional<std::size_t> characters{};  ///< for a type that cuts off blanks at the end of longer texts
  std::optional<std::size_t> bytes{};  ///< for a type that cuts texts off without an error: number of bytes it keeps

  [[nodiscard]] bool any() const noexcept {
    return decimals || digits == Digits::Double || digits == Digits::Real || form != Form::Any || drops_members ||
           drops_pairs || drops_nan || characters || bytes;
  }
};

/// How the text of a value contains other values.
enum class Shape : std::uint8_t {
  Plain,      ///< it contains none
  Array,      ///< {1,2}
  Composite,  ///< (1,2)
  Range       ///< [1,2), also {[1,2),[3,4)}
};

/// A type with those that it consists of: of the elements of an array, the fields of a composite type, the bounds of a
/// range.
struct TypeLimits {
  Shape shape = Shape::Plain;
  char delimiter = ',';  ///< between the elements of an array
  Limits limits{};       ///< of a plain type
  std::vector<TypeLimits> parts{};

  /// Whether there are values that the type changes. Types that consist of others are plain if those have no limits.
  [[nodiscard]] bool any() const noexcept { return shape != Shape::Plain || limits.any(); }
};

/// Says what a column of the type would do to a value without an error, and what to do about it, such as "round '1.234'
/// to 2 decimals; give the column more decimals, or allow rounding". Empty if the column keeps the value.
[[nodiscard]] std::string change_by(const TypeLimits& type, const etl::csv::Value& value);

}  // namespace program
