#include <etl/csv/ndjson_sniff.hpp>

#include <algorithm>
#include <string_view>

#include <boost/json.hpp>

#include <etl/csv/parse.hpp>

#include "kinds.hpp"

namespace etl::inline v0::csv::ndjson {
namespace {

namespace json = boost::json;

constexpr std::size_t most_members = 2000;  // no table has more columns

Kind kind_of(std::string_view text, bool quoted) {
  if (quoted) {
    const auto moment = parse_iso(text);
    if (!moment) return Kind::Text;
    return !moment->has_clock ? Kind::Date : moment->offset ? Kind::TimestampTz : Kind::Timestamp;
  }
  if (text == "true" || text == "false") return Kind::Boolean;
  if (text.starts_with('{') || text.starts_with('[')) return Kind::Text;
  if (parse_integer<std::int64_t>(text)) return Kind::Integer;
  return text.find_first_of(".eE") == text.npos ? Kind::Numeric : Kind::Double;
}

}  // namespace

void Sniffer::add_members(const Line& line) {
  json::error_code error;
  json::parse_options options;
  options.max_depth = ParserOptions{}.max_depth;
  const json::value value = json::parse(json::string_view(line.text.data(), line.text.size()), error, {}, options);
  const auto* const object = value.if_object();
  if (object == nullptr) return;
  const std::size_t before = names_.size();
  for (const auto& [key, held] : *object) {
    const std::string_view name(key.data(), key.size());
    if (names_.size() < most_members && std::ranges::find(names_, name) == names_.end()) names_.emplace_back(name);
  }
  if (names_.size() == before) return;
  members_.resize(names_.size());
  parser_ = Parser(names_, file_);
}

void Sniffer::look(const Line& line) {
  add_members(line);
  const auto object = parser_.parse(line);
  if (!object) {
    ++bad_rows_;
    if (!first_error_) first_error_ = object.error();
    return;
  }
  ++rows_;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (object->null(i)) continue;
    Member& member = members_[i];
    ++member.values;
    if (member.kind == Kind::Text) continue;
    const Kind kind = kind_of((*object)[i], object->quoted(i));
    member.kind = member.kind ? both(*member.kind, kind) : kind;
  }
}

std::vector<SniffedColumn> Sniffer::columns() const {
  std::vector<SniffedColumn> found;
  for (std::size_t i = 0; i < members_.size(); ++i)
    found.push_back(
        {.name = names_[i], .kind = members_[i].kind.value_or(Kind::Text), .nullable = members_[i].values < rows_});
  return found;
}

}  // namespace etl::inline v0::csv::ndjson
