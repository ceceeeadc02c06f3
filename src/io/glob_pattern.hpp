#pragma once
/// The parsed form of a pattern for `glob`.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/error.hpp>

namespace etl::inline v0::io::detail {

/// The part of a pattern between two slashes.
struct NamePattern {
  struct Token {
    enum class Kind : std::uint8_t { Set, Any, Star } kind = Kind::Set;
    bool negated = false;
    std::vector<std::pair<char32_t, char32_t>> ranges{};  ///< a single character is a range of one
  };

  bool any_depth = false;  ///< `**`
  bool literal = true;
  bool dot = false;    ///< begins with a dot
  std::string text{};  ///< text of a literal
  std::vector<Token> tokens{};

  [[nodiscard]] bool matches(std::string_view name) const;
};

/// A pattern without braces.
struct PathPattern {
  bool absolute = false;
  std::vector<NamePattern> names{};

  [[nodiscard]] bool matches(const std::vector<std::string_view>& path) const;
};

/// Parses a pattern. Returns one PathPattern for each alternative of the braces, or an error if there are too many.
[[nodiscard]] Result<std::vector<PathPattern>> alternatives_of(std::string_view pattern);

}  // namespace etl::inline v0::io::detail
