#include "misread.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <system_error>

#include <fmt/format.h>

namespace program {
namespace {

constexpr std::string_view all_numerals = "0123456789", all_blanks = " \t";

bool is_digit(char c) { return all_numerals.find(c) != all_numerals.npos; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// What a text of dates and times contains.
struct TimeParts {
  bool date = false;
  bool clock = false;  ///< a time of day
  bool zone = false;
  bool hour_24 = false;
  bool second_60 = false;
  bool word = false;      ///< a word for the time at which it is read, such as "now"
  bool by_order = false;  ///< a date such as 1/2/2024, whose order the server's settings decide
  bool any = false;       ///< a number
};

class TimeText {
 public:
  explicit TimeText(std::string_view text) : text_(text) {
    std::ranges::transform(text_, text_.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  }
  TimeParts parts() {
    while (at_ < text_.size())
      if (is_digit(text_[at_]))
        number();
      else if (is_letter(text_[at_]))
        word(take(is_letter));
      else
        ++at_;
    return parts_;
  }

 private:
  template <class Of>
  std::string_view take(Of of) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && of(text_[at_])) ++at_;
    return std::string_view(text_).substr(begin, at_ - begin);
  }
  void number() {
    parts_.any = true;
    const bool after_t = at_ > 0 && text_[at_ - 1] == 't';
    const std::string_view run = take([](char c) { return is_digit(c) || c == ':' || c == '.'; });
    const std::string_view whole = run.substr(0, run.find('.'));
    const bool compact = whole.size() == 6 && whole.find(':') == whole.npos;  // 235960
    if (run.find(':') != run.npos || after_t || compact)
      clock(run, compact && whole.ends_with("60"));
    else if (at_ < text_.size() && (text_[at_] == '-' || text_[at_] == '/')) {
      parts_.date = true;
      const std::string_view rest = take([](char c) { return is_digit(c) || c == '-' || c == '/'; });
      parts_.by_order |= run.size() <= 2 && rest.size() > 1 && is_digit(rest[1]);
    }
  }
  void clock(std::string_view run, bool second_60) {
    parts_.clock = true;
    parts_.hour_24 |= run.starts_with("24");
    parts_.second_60 |= second_60 || run.find(":60") != run.npos;
    for (bool more = true; more;) {
      more = false;
      take([](char c) { return all_blanks.find(c) != all_blanks.npos; });
      if (at_ == text_.size()) return;
      if (text_[at_] == '+' || text_[at_] == '-') {
        parts_.zone = true;
        ++at_;
        take([](char c) { return is_digit(c) || c == ':'; });
      } else if (is_letter(text_[at_])) {
        const std::string_view after = take(is_letter);
        more = after == "am" || after == "pm" || after == "ad" || after == "bc";
        parts_.zone |= !more;
      }
    }
  }
  void word(std::string_view said) {
    for (const std::string_view now : {"now", "today", "tomorrow", "yesterday"}) parts_.word |= said == now;
  }
  std::string text_;
  std::size_t at_ = 0;
  TimeParts parts_;
};

/// Whether each number of a text is one that an unsigned type keeps: the type oid takes -1 for 4294967295, and xid
/// takes 010 for 8, and "abc" for 0. There are several in an oidvector, such as 1 2, and in a tid, such as (0,1).
bool are_unsigned(std::string_view text, std::uint64_t most) {
  constexpr std::string_view between = " \t(,)";
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(between), text.size()));
    if (text.empty()) return true;
    const std::string_view one = text.substr(0, text.find_first_of(between));
    text.remove_prefix(one.size());
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(one.data(), one.data() + one.size(), number);
    if (error != std::errc{} || end != one.data() + one.size() || number > most) return false;
    if (one.size() > 1 && one.starts_with('0')) return false;
  }
}

/// Whether a tsvector such as 'a b':1,2A has a position that is too large for it.
bool has_large_position(std::string_view words) {
  constexpr int most = 16'383;
  bool quoted = false;
  for (std::size_t at = 0; at < words.size(); ++at) {
    if (words[at] == '\'') quoted = !quoted;
    if (words[at] == '\\') ++at;
    if (quoted || at >= words.size() || (words[at] != ':' && words[at] != ',')) continue;
    int number = 0;
    const char* const end = words.data() + words.size();
    const auto [after, error] = std::from_chars(words.data() + at + 1, end, number);
    if (error == std::errc::result_out_of_range || number > most) return true;
  }
  return false;
}

}  // namespace

std::string_view misreading(Form form, std::string_view text) {
  if (form == Form::Any) return {};
  if (form == Form::Unsigned32 || form == Form::Unsigned64) {
    const bool kept = are_unsigned(text, form == Form::Unsigned32 ? std::numeric_limits<std::uint32_t>::max()
                                                                  : std::numeric_limits<std::uint64_t>::max());
    return kept ? std::string_view() : "take another number for";
  }
  if (form == Form::Words) return has_large_position(text) ? "change a position of" : "";
  if (form == Form::Line) {
    const std::size_t first = text.find_first_not_of(all_blanks);
    return first != text.npos && text[first] != '{' ? "compute other numbers from the points of" : "";
  }
  const TimeParts parts = TimeText(text).parts();
  const bool of_day = form == Form::Time || form == Form::TimeTz;
  if (parts.word) return "store the time of the load for";
  if (parts.second_60) return "change the second 60 of";
  if (parts.hour_24 && !of_day) return "change the hour 24 of";
  if (parts.zone && (form == Form::Time || form == Form::Timestamp)) return "drop the time zone of";
  if (parts.date && of_day) return "drop the date of";
  if (parts.clock && form == Form::Date) return "drop the time of day of";
  if (parts.by_order) return "take the order of day and month from the server's DateStyle for";
  if (parts.any && !parts.zone && (form == Form::TimeTz || form == Form::TimestampTz))
    return "take the time zone of the server for";
  return {};
}

bool misreads_amount(std::string_view amount, char point, int decimals) {
  constexpr std::size_t group = 3;
  bool last = true;  // of the groups of digits before the point
  std::size_t end = amount.size();
  for (std::size_t at = amount.find_last_of(".,"); at != amount.npos; at = amount.find_last_of(".,", at - 1)) {
    std::string_view digits = amount.substr(at + 1, end - at - 1);
    digits = digits.substr(0, digits.find_first_not_of(all_numerals));
    if (amount[at] == point) {
      if (static_cast<int>(digits.find_last_not_of('0') + 1) > decimals) return true;
    } else {
      // Only the last group must have three digits: in India the other groups have two.
      if (last ? digits.size() != group : digits.size() != group && digits.size() != group - 1) return true;
      last = false;
    }
    end = at;
    if (at == 0) break;
  }
  return false;
}

}  // namespace program
