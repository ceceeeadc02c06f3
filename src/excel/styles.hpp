#pragma once
// How the number formats of a workbook change numbers.

#include <cstdint>
#include <string_view>
#include <vector>

#include "archive.hpp"

namespace etl::inline v0::excel::detail {

enum class NumberKind : std::uint8_t { Number, Date, DateTime, Time, Elapsed };

/// The kind for a format code such as "yyyy-mm-dd" or "[h]:mm" (ECMA-376, 18.8.31).
[[nodiscard]] NumberKind kind_of_format(std::string_view code) noexcept;
/// The kind for the id of a built-in format (18.8.30).
[[nodiscard]] NumberKind kind_of_builtin(std::uint32_t id) noexcept;

/// The kind of each cell style, indexed as in `cellXfs`.
[[nodiscard]] Result<std::vector<NumberKind>> read_styles(Part part);

}  // namespace etl::inline v0::excel::detail
