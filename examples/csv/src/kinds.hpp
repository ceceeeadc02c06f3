#pragma once
// Kinds of columns, found out from their cells.

#include <etl/csv/value.hpp>

namespace etl::inline v0::csv {

/// The narrowest kind for cells of both.
[[nodiscard]] inline Kind both(Kind a, Kind b) noexcept {
  if (a == b) return a;
  const auto number = [](Kind k) { return k == Kind::Integer || k == Kind::Double || k == Kind::Numeric; };
  if (number(a) && number(b)) return a == Kind::Numeric || b == Kind::Numeric ? Kind::Numeric : Kind::Double;
  const auto day = [](Kind k) { return k == Kind::Date || k == Kind::Timestamp; };
  return day(a) && day(b) ? Kind::Timestamp : Kind::Text;
}

}  // namespace etl::inline v0::csv
