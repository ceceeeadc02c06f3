#include <etl/csv/dialect.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace etl::inline v0::csv {
namespace {

struct Special {
  std::string_view name;
  std::optional<char> value;
};

std::string shown(char c) {
  const auto code = static_cast<unsigned char>(c);
  return code > ' ' && code < 0x7F ? fmt::format("'{}'", c) : fmt::format("0x{:02X}", code);
}

}  // namespace

Result<void> check(const Dialect& dialect) {
  std::string problems;
  const auto problem = [&problems](const std::string& text) {
    if (!problems.empty()) problems += "; ";
    problems += text;
  };
  const bool doubled = dialect.escape == dialect.quote;  // the escape only repeats the quote
  const Special specials[] = {{"delimiter", dialect.delimiter},
                              {"quote", dialect.quote},
                              {"escape", doubled ? std::nullopt : dialect.escape},
                              {"comment", dialect.comment}};
  for (std::size_t i = 0; i < std::size(specials); ++i) {
    const auto& [name, value] = specials[i];
    if (!value) continue;
    if (*value == '\n' || *value == '\r' || *value == '\0')
      problem(fmt::format("{} {} is a line break or NUL", name, shown(*value)));
    else if (static_cast<unsigned char>(*value) >= 0x80)
      problem(fmt::format("{} {} is not an ASCII character", name, shown(*value)));
    for (std::size_t j = 0; j < i; ++j)
      if (specials[j].value == value)
        problem(fmt::format("{} and {} are both {}", specials[j].name, name, shown(*value)));
  }
  if (dialect.escape && !dialect.quote) problem("an escape character without a quote: give both or none");
  if (dialect.trim && dialect.quote && (*dialect.quote == ' ' || *dialect.quote == '\t'))
    problem("the quote is a blank, and trim drops blanks");
  if (dialect.header_rows > 1000) problem(fmt::format("header_rows is {}, more than 1000", dialect.header_rows));
  if (dialect.max_field == 0 || dialect.max_field > std::size_t{1} << 30)
    problem(fmt::format("max_field is {}, not between 1 and 2^30 bytes", dialect.max_field));
  if (dialect.check_utf8 && dialect.encoding != Encoding::Utf8)
    problem("check_utf8 is for UTF-8; every byte is valid Latin-1");
  if (problems.empty()) return {};
  return failure({.code = Errc::InvalidOptions, .context = "CSV dialect: " + problems});
}

}  // namespace etl::inline v0::csv
