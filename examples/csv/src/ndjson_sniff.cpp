#include <etl/csv/ndjson_sniff.hpp>

#include <algorithm>
#include <string_view>

#include <boost/json.hpp>

#include <etl/csv/parse.hpp>

namespace etl::inline v0::csv::ndjson {
namespace {

namespace json = boost::json;

constexpr std::size_t most_members = 2000;  // tables never have more columns

void look_at(KindGuess& guess, std::string_view text, bool quoted) {
  const bool is_text = quoted ? !parse_iso(text) : text.starts_with('{') || text.starts_with('[');
  if (is_text)
    guess.look_at_text();
  else
    guess.look(text);
}

/// Takes a value that is not within quotes into account.
void note(MemberFacts& facts, std::string_view text) {
  if (text.starts_with('{')) facts.nested = true;
  if (text.starts_with('[') && !facts.nested) {
    json::error_code error;
    const json::value value = json::parse(json::string_view(text.data(), text.size()), error);
    const auto* const array = error ? nullptr : value.if_array();
    facts.nested =
        array != nullptr && std::ranges::any_of(*array, [](const json::value& one) { return one.is_structured(); });
  }
  if (double number = 0; csv::detail::parse(text, false, number)) {
    facts.least = std::min(facts.least, number);
    facts.most = std::max(facts.most, number);
  }
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
    if (!object->quoted(i)) note(member.facts, (*object)[i]);
    if (!nulls_.quoted || !object->quoted(i) || !nulls_.contains((*object)[i]))
      look_at(member.guess, (*object)[i], object->quoted(i));
  }
}

std::vector<SniffedColumn> Sniffer::columns() const {
  std::vector<SniffedColumn> found;
  for (std::size_t i = 0; i < members_.size(); ++i)
    found.push_back({.name = names_[i], .kind = members_[i].guess.kind(), .nullable = members_[i].values < rows_});
  return found;
}

std::vector<MemberFacts> Sniffer::facts() const {
  std::vector<MemberFacts> found;
  for (const Member& member : members_) found.push_back(member.facts);
  return found;
}

std::vector<KindGuess> Sniffer::guesses() const {
  std::vector<KindGuess> found;
  for (const Member& member : members_) found.push_back(member.guess);
  return found;
}

}  // namespace etl::inline v0::csv::ndjson
