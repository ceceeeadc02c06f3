#include "styles.hpp"

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "xml.hpp"

namespace etl::inline v0::excel::detail {
namespace {

/// Limit; Excel has at most 65,490 styles.
constexpr std::size_t most_styles = 1'000'000;

constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// What the letters of a format mean.
struct Found {
  bool day = false, month_or_minute = false, clock = false, elapsed = false;
  [[nodiscard]] NumberKind kind() const noexcept {
    if (elapsed) return NumberKind::Elapsed;
    if (day) return clock ? NumberKind::DateTime : NumberKind::Date;
    if (clock) return NumberKind::Time;
    return month_or_minute ? NumberKind::Date : NumberKind::Number;
  }
};

class StylesHandler final : public XmlHandler {
 public:
  explicit StylesHandler(const std::string& part) : part_(part) {}
  Result<void> start(std::string_view name, const Attributes& attributes) override {
    if (name == "cellXfs") in_cells_ = true;
    if (name == "numFmt") {
      if (formats_.size() >= most_styles) return too_many();
      formats_[number(attributes["numFmtId"])] = kind_of_format(attributes["formatCode"]);
    } else if (name == "xf" && in_cells_) {
      if (kinds.size() >= most_styles) return too_many();
      const std::uint32_t id = number(attributes["numFmtId"]);
      const auto own = formats_.find(id);
      kinds.push_back(own == formats_.end() ? kind_of_builtin(id) : own->second);
    }
    return {};
  }
  Result<void> end(std::string_view name) override {
    if (name == "cellXfs") in_cells_ = false;
    return {};
  }
  std::vector<NumberKind> kinds{};

 private:
  static std::uint32_t number(std::string_view text) noexcept {
    std::uint32_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }
  [[nodiscard]] Result<void> too_many() const {
    return failure(fatal(fmt::format("{}: it has more than {} formats", part_, most_styles)));
  }

  const std::string& part_;
  std::unordered_map<std::uint32_t, NumberKind> formats_{};
  bool in_cells_ = false;
};

}  // namespace

NumberKind kind_of_format(std::string_view code) noexcept {
  Found found;
  for (std::size_t i = 0; i < code.size(); ++i) {
    switch (const char c = lower(code[i])) {
      case ';': return found.kind();  // the first section is for positive numbers
      case '"':
        i = code.find('"', i + 1);
        if (i == code.npos) return found.kind();
        break;
      case '\\':
      case '_':
      case '*': ++i; break;
      case '[': {
        const std::size_t end = code.find(']', i);
        if (end == code.npos) return found.kind();
        const std::string_view inside = code.substr(i + 1, end - i - 1);
        bool units = !inside.empty();
        for (const char u : inside) units = units && (lower(u) == 'h' || lower(u) == 'm' || lower(u) == 's');
        found.elapsed |= units;
        i = end;
        break;
      }
      case 'g':
        if (std::ranges::equal(code.substr(i, 7), std::string_view("general"), {}, lower)) i += 6;
        break;
      case 'e':
        if (i + 1 < code.size() && (code[i + 1] == '+' || code[i + 1] == '-')) break;
        found.day = true;  // the year of an era
        break;
      case 'y':
      case 'd': found.day = true; break;
      case 'h':
      case 's': found.clock = true; break;
      case 'm': found.month_or_minute = true; break;
      default: static_cast<void>(c);
    }
  }
  return found.kind();
}

NumberKind kind_of_builtin(std::uint32_t id) noexcept {
  if ((id >= 14 && id <= 17) || (id >= 27 && id <= 31) || id == 36 || (id >= 50 && id <= 58)) return NumberKind::Date;
  if ((id >= 18 && id <= 21) || (id >= 32 && id <= 35) || id == 45 || id == 47) return NumberKind::Time;
  if (id == 22) return NumberKind::DateTime;
  return id == 46 ? NumberKind::Elapsed : NumberKind::Number;
}

Result<std::vector<NumberKind>> read_styles(Part part) {
  const std::string place = part.name();
  StylesHandler handler(place);
  if (auto read = read_xml(std::move(part), handler); !read) return failure(read.error());
  return std::move(handler.kinds);
}

}  // namespace etl::inline v0::excel::detail
