#include "dead_letter_line.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/io/base64.hpp>
#include <etl/text.hpp>

namespace etl::inline v0::io::detail {
namespace {

// Since 2, a letter may have the id of its partition; since 3, it may say which results are loaded, and how many
// replays have rejected its item again.
constexpr std::uint64_t format = 3;

constexpr unsigned byte_of(char c) { return static_cast<unsigned char>(c); }

// --- writing ---------------------------------------------------------------------------------------------------------

void add_string(std::string& out, std::string_view text) {
  out += '"';
  append_json_escaped(out, text, InvalidByte::Surrogate);
  out += '"';
}

std::string time_text(std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const auto exact = floor<microseconds>(time);
  const auto day = floor<days>(exact);
  const year_month_day date(day);
  const hh_mm_ss clock(exact - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", int{date.year()}, unsigned{date.month()},
                     unsigned{date.day()}, clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

// --- reading ---------------------------------------------------------------------------------------------------------

std::optional<std::chrono::system_clock::time_point> time_of(std::string_view text) {
  using namespace std::chrono;
  constexpr std::string_view form = "dddd-dd-ddTdd:dd:dd.ddddddZ";
  if (text.size() != form.size()) return std::nullopt;
  std::array<int, 7> fields{};
  std::size_t field = 0;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (form[i] == 'd' ? !digit : text[i] != form[i]) return std::nullopt;
    if (!digit)
      ++field;
    else
      fields.at(field) = fields.at(field) * 10 + (text[i] - '0');
  }
  const auto [y, m, d, hour, minute, second, micro] = fields;
  const year_month_day date{year(y), month(static_cast<unsigned>(m)), day(static_cast<unsigned>(d))};
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  const sys_time<microseconds> time =
      sys_days(date) + hours(hour) + minutes(minute) + seconds(second) + microseconds(micro);
  // The clock counts nanoseconds, so it spans only 584 years.
  if (time > floor<microseconds>(system_clock::time_point::max()) ||
      time < ceil<microseconds>(system_clock::time_point::min()))
    return std::nullopt;
  return time;
}

std::optional<Stage> stage_of(std::string_view text) {
  for (std::uint8_t i = 0; i <= static_cast<std::uint8_t>(Stage::Manage); ++i)  // Manage is the last stage
    if (text == to_string(static_cast<Stage>(i))) return static_cast<Stage>(i);
  return std::nullopt;
}

/// Parses the part of JSON (RFC 8259) that these lines use: an object of strings, lists of strings, whole numbers and
/// null.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  [[nodiscard]] bool take(char c) {
    spaces();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) fail(fmt::format("expected '{}'", c));
  }
  [[nodiscard]] bool take_null() {
    spaces();
    if (!text_.substr(at_).starts_with("null")) return false;
    at_ += 4;
    return true;
  }
  std::uint64_t number(std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    spaces();
    std::uint64_t value = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc{} || value > most || (*begin == '0' && end != begin + 1))
      fail(fmt::format("expected a whole number up to {}", most));
    else
      at_ += static_cast<std::size_t>(end - begin);
    return value;
  }
  std::string string() {
    std::string out;
    expect('"');
    while (!failed() && at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\')
        escape(out);
      else
        plain(out);
    }
    if (!failed() && at_ == text_.size()) fail("the line ends within a string");
    if (!failed()) ++at_;
    return out;
  }
  std::vector<std::string> strings() {
    std::vector<std::string> all;
    expect('[');
    if (failed() || take(']')) return all;
    do all.push_back(string());
    while (!failed() && take(','));
    expect(']');
    return all;
  }
  /// Pairs of numbers in ascending order: the first of a range, and the one after its last.
  SeqRanges ranges() {
    SeqRanges all;
    expect('[');
    if (failed() || take(']')) return all;
    std::uint64_t last = 0;
    do {
      SeqRange range;
      range.first = number();
      expect(',');
      range.end = failed() ? 0 : number();
      if (!failed() && (range.end <= range.first || (!all.empty() && range.first <= last)))
        fail("expected ranges in ascending order");
      last = range.end;
      all.add(range);
    } while (!failed() && take(','));
    expect(']');
    return all;
  }
  [[nodiscard]] bool at_end() {
    spaces();
    return at_ == text_.size();
  }
  void fail(std::string why) {
    if (!failed()) problem_ = fmt::format("byte {}: {}", at_ + 1, why);
  }
  [[nodiscard]] bool failed() const { return !problem_.empty(); }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  void spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r')) ++at_;
  }
  void plain(std::string& out) {
    const std::size_t length = utf8_size(text_.substr(at_));
    if (length == 0 || byte_of(text_[at_]) < 0x20) return fail("a byte that a string may not have");
    out += text_.substr(at_, length);
    at_ += length;
  }
  void escape(std::string& out) {
    constexpr std::string_view names = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
    if (++at_ == text_.size()) return fail("the line ends within a string");
    if (text_[at_] == 'u') return ++at_, code_point(out);
    const std::size_t which = names.find(text_[at_]);
    if (which == std::string_view::npos) return fail("an escape that JSON does not allow");
    out += meant[which];
    ++at_;
  }
  unsigned hex() {
    unsigned value = 0;
    const std::string_view four = text_.substr(at_, 4);
    const char* const begin = four.data();
    const char* const end = begin + four.size();
    if (four.size() < 4 || std::from_chars(begin, end, value, 16).ptr != end) fail("expected four hexadecimal digits");
    at_ += four.size();
    return value;
  }
  void code_point(std::string& out) {
    unsigned code = hex();
    if (failed()) return;
    if (code >= 0xdc80 && code <= 0xdcff) return void(out += static_cast<char>(code - 0xdc00));
    if (code >= 0xd800 && code <= 0xdbff && text_.substr(at_).starts_with("\\u")) {
      at_ += 2;
      const unsigned low = hex();
      code = low >= 0xdc00 && low <= 0xdfff ? 0x10000 + ((code - 0xd800) << 10U) + (low - 0xdc00) : code;
    }
    if (code >= 0xd800 && code <= 0xdfff) return fail("half of a surrogate pair");
    const auto add = [&](unsigned byte) { out += static_cast<char>(byte); };
    const auto rest = [&](unsigned shift) { add(0x80U | (code >> shift & 0x3fU)); };
    if (code < 0x80) return add(code);
    if (code < 0x800) return add(0xc0U | code >> 6U), rest(0);
    if (code < 0x10000) return add(0xe0U | code >> 12U), rest(6), rest(0);
    add(0xf0U | code >> 18U), rest(12), rest(6), rest(0);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string problem_;
};

/// The members of a line. Each has its own bit.
constexpr std::array<std::string_view, 18> members{
    "v",    "id",    "pipeline", "run",     "partition",      "seq",          "stage",   "attempts", "errors",
    "time", "batch", "position", "payload", "payload_base64", "partition_id", "results", "loaded",   "replays"};
constexpr unsigned needed = (1U << 10U) - 1;  // all members before "batch"

template <class T>
T known(Parser& in, std::optional<T> value, std::string_view what) {
  if (!value) in.fail(fmt::format("expected {}", what));
  return value ? *std::move(value) : T{};
}

void read_member(Parser& in, std::size_t which, DeadLetter& letter) {
  constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
  switch (which) {
    case 0:
      if (const std::uint64_t found = in.number(); !in.failed() && (found == 0 || found > format))
        in.fail(fmt::format("it has format {}, and this program knows formats 1 to {}: use a newer version of etlpipe",
                            found, format));
      break;
    case 1: letter.id = in.string(); break;
    case 2: letter.pipeline = in.string(); break;
    case 3: letter.run = in.string(); break;
    case 4: letter.partition = static_cast<std::uint32_t>(in.number(most)); break;
    case 5: letter.seq = in.number(); break;
    case 6: letter.stage = known(in, stage_of(in.string()), "a stage"); break;
    case 7: letter.attempts = static_cast<std::uint32_t>(in.number(most)); break;
    case 8: letter.errors = in.strings(); break;
    case 9: letter.time = known(in, time_of(in.string()), "a time such as 2000-01-31T10:20:30.123456Z"); break;
    case 10: letter.batch = in.number(); break;
    case 11:
      if (!in.take_null()) letter.position.emplace(in.string());
      break;
    case 12:
      if (!in.take_null()) letter.payload = in.string();
      break;
    case 13: letter.payload = known(in, from_base64(in.string()), "base64"); break;
    case 14: letter.partition_id = in.string(); break;
    case 15: letter.results = in.number(); break;
    case 16: letter.loaded = in.ranges(); break;
    default: letter.replays = static_cast<std::uint32_t>(in.number(most));
  }
}

}  // namespace

std::string to_line(const DeadLetter& letter) {
  std::string out = fmt::format("{{\"v\":{},\"id\":", format);
  add_string(out, letter.id);
  out += ",\"pipeline\":";
  add_string(out, letter.pipeline);
  out += ",\"run\":";
  add_string(out, letter.run);
  out += fmt::format(R"(,"partition":{},"seq":{},"batch":{},"stage":"{}","attempts":{},"time":"{}","errors":[)",
                     letter.partition, letter.seq, letter.batch, to_string(letter.stage), letter.attempts,
                     time_text(letter.time));
  for (const std::string& error : letter.errors) {
    if (&error != letter.errors.data()) out += ',';
    add_string(out, error);
  }
  out += ']';
  if (!letter.partition_id.empty()) {
    out += ",\"partition_id\":";
    add_string(out, letter.partition_id);
  }
  if (letter.results > 0 || !letter.loaded.empty()) {
    out += fmt::format(",\"results\":{},\"loaded\":[", letter.results);
    for (const SeqRange& range : letter.loaded.ranges())
      out += fmt::format("{}{},{}", &range == letter.loaded.ranges().data() ? "" : ",", range.first, range.end);
    out += ']';
  }
  if (letter.replays > 0) out += fmt::format(",\"replays\":{}", letter.replays);
  if (letter.position) {
    out += ",\"position\":";
    add_string(out, letter.position->text());
  }
  if (letter.payload) {
    const bool text = find_invalid_utf8(*letter.payload) == std::string::npos;
    out += text ? ",\"payload\":" : ",\"payload_base64\":";
    add_string(out, text ? *letter.payload : base64(*letter.payload));
  }
  return out += '}';
}

Result<DeadLetter> from_line(std::string_view line) {
  Parser in(line);
  DeadLetter letter;
  unsigned seen = 0;
  in.expect('{');
  while (!in.failed()) {
    const std::string name = in.string();
    std::size_t which = 0;
    while (which < members.size() && members.at(which) != name) ++which;
    if (in.failed()) break;
    if (which == members.size() || (seen >> which & 1U) != 0) {
      in.fail(fmt::format("\"{}\" {}", name,
                          which == members.size() ? "is not a member of a dead letter" : "occurs twice"));
      break;
    }
    seen |= 1U << which;
    in.expect(':');
    if (!in.failed()) read_member(in, which, letter);
    if (in.failed() || !in.take(',')) break;
  }
  in.expect('}');
  if (!in.failed() && !in.at_end()) in.fail("expected the end of the line");
  for (std::size_t i = 0; i < members.size(); ++i)
    if ((needed & ~seen) >> i & 1U) in.fail(fmt::format("\"{}\" is missing", members.at(i)));
  if ((seen >> 12U & 3U) == 3) in.fail("there are two payloads");
  if (in.failed()) return failure(fatal(in.problem()));
  return letter;
}

}  // namespace etl::inline v0::io::detail
