#include "json_elements.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace etl::inline v0::csv::ndjson::detail {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Elements final : public io::ByteSource {
 public:
  Elements(io::Source source, std::shared_ptr<std::atomic<bool>> is_array)
      : source_(std::move(source)), is_array_(std::move(is_array)) {}

  Result<std::size_t> read(std::span<char> to) override {
    if (what_ == What::Unknown)
      if (auto looked = look(); !looked) return failure(std::move(looked.error()));
    if (failed_) return failure(*failed_);
    if (what_ == What::Objects) return read_objects(to);
    Result<std::size_t> got = take(to);
    if (!got || what_ == What::Lines) return got;
    if (*got == 0 && what_ == What::Array) fail("the array is not closed; is the file complete?");
    std::size_t good = 0;
    for (; good < *got && !failed_; ++good, ++offset_) to[good] = turned(to[good]);
    if (!failed_) return got;
    if (good > 1) return good - 1;  // first give the good bytes, then the error
    return failure(*failed_);
  }
  const std::string& name() const noexcept override { return source_->name(); }
  std::uint64_t consumed() const noexcept override { return source_->consumed(); }
  std::uint64_t size_hint() const noexcept override { return source_->size_hint(); }
  bool interrupt() noexcept override { return source_->interrupt(); }

 private:
  enum class What : std::uint8_t { Unknown, Lines, Array, Behind, Objects };

  void fail(std::string_view what) { failed_ = fatal(fmt::format("{}: byte {}: {}", source_->name(), offset_, what)); }
  char turned(char c) {
    switch (what_) {
      case What::Unknown:
      case What::Objects:
      case What::Lines: return c;
      case What::Behind:
        if (!is_blank(c)) fail("there is more text after the end of the array");
        return c;
      case What::Array: break;
    }
    if (in_string_) {
      in_string_ = escaped_ || c != '"';
      escaped_ = !escaped_ && c == '\\';
      // JSON does not allow this character there either, so the JSON parser reports it.
      return c == '\n' || c == '\r' ? '\x1F' : c;
    }
    if (is_blank(c)) return ' ';
    if (depth_ == 1 && (c == ',' || c == ']')) return separator(c);
    has_value_ = true;
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if (c == '}' || c == ']') --depth_;
    if (depth_ == 0) fail("a closing bracket without an opening one");
    return c;
  }
  /// Gives each object as a line.
  Result<std::size_t> read_objects(std::span<char> to) {
    std::size_t made = 0;
    while (made < to.size()) {
      if (behind_object_) {
        to[made++] = '\n';
        behind_object_ = false;
        continue;
      }
      if (next_ == text_.size()) {
        if (made > 0) break;
        text_.resize(std::max<std::size_t>(to.size(), 4096));
        auto got = take(text_);
        text_.resize(got.value_or(0));
        next_ = 0;
        if (!got) return got;
        if (*got == 0 && depth_ > 0) fail("an object is not closed; is the file complete?");
        if (failed_) return failure(*failed_);
        if (*got == 0) break;
      }
      to[made++] = turned_in_object(text_[next_++]);
      ++offset_;
    }
    return made;
  }
  char turned_in_object(char c) {
    if (in_string_) {
      in_string_ = escaped_ || c != '"';
      escaped_ = !escaped_ && c == '\\';
      return c == '\n' || c == '\r' ? '\x1F' : c;
    }
    if (is_blank(c)) return ' ';
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    if ((c == '}' || c == ']') && depth_ > 0) {
      --depth_;
      behind_object_ = depth_ == 0;
    }
    return c;
  }
  /// Whether a text that begins with an object has objects over several lines, or several objects in a line. No value
  /// if more of the text is needed.
  static std::optional<bool> objects_not_lines(std::string_view text) {
    std::size_t depth = 0;
    bool in_string = false, escaped = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (c == '\n' || c == '\r') {
        if (depth == 0) return false;
        // If a line is cut off, the next object follows it.
        const std::size_t next = text.find_first_not_of(" \t\r\n", i);
        if (next == text.npos) return std::nullopt;
        return text[next] != '{';
      }
      if (in_string) {
        in_string = escaped || c != '"';
        escaped = !escaped && c == '\\';
        continue;
      }
      if (depth == 0 && i > 0 && c == '{') return true;
      in_string = c == '"';
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && depth > 0) --depth;
    }
    return std::nullopt;
  }

  /// Reads until it is known what the text is.
  Result<void> look() {
    constexpr std::string_view mark = "\xEF\xBB\xBF";
    constexpr std::size_t most = 1 << 20;  // limit for leading blanks
    while (what_ == What::Unknown) {
      const std::size_t before = ahead_.size();
      ahead_.resize(before + 4096);
      const auto got = source_->read(std::span(ahead_).subspan(before));
      ahead_.resize(before + got.value_or(0));
      if (!got) return failure(got.error());
      // The first read may return only a few bytes, because the check for gzip has already read them.
      if (*got > 0 && ahead_.size() < mark.size() && mark.starts_with(ahead_)) continue;
      const std::size_t skip = ahead_.starts_with(mark) ? mark.size() : 0;
      const std::size_t at = ahead_.find_first_not_of(" \t\r\n", skip);
      if (at == ahead_.npos && *got > 0 && ahead_.size() < most) continue;
      if (at != ahead_.npos && ahead_[at] == '{') {
        const auto objects = objects_not_lines(std::string_view(ahead_).substr(at));
        if (!objects && *got > 0 && ahead_.size() < most) continue;
        what_ = objects.value_or(false) ? What::Objects : What::Lines;
        if (what_ == What::Objects) {
          is_array_->store(true, std::memory_order_release);
          std::fill_n(ahead_.begin(), at, ' ');
        }
        return {};
      }
      what_ = at != ahead_.npos && ahead_[at] == '[' ? What::Array : What::Lines;
      if (what_ != What::Array) return {};
      is_array_->store(true, std::memory_order_release);
      std::fill_n(ahead_.begin(), at + 1, ' ');
      depth_ = 1;
    }
    return {};
  }
  Result<std::size_t> take(std::span<char> to) {
    if (ahead_.empty()) return source_->read(to);
    const std::size_t size = std::min(to.size(), ahead_.size());
    std::copy_n(ahead_.begin(), size, to.begin());
    ahead_.erase(0, size);
    return size;
  }
  char separator(char c) {
    if (!has_value_ && (c == ',' || any_)) fail("a value is missing between the commas of the array");
    any_ = true;
    has_value_ = false;
    if (c == ']') what_ = What::Behind;
    return '\n';
  }

  io::Source source_;
  std::shared_ptr<std::atomic<bool>> is_array_;
  What what_ = What::Unknown;
  std::string ahead_;  // bytes that are read and not given out
  std::string text_;   // text of objects that must be converted
  std::size_t next_ = 0;
  bool behind_object_ = false;
  std::uint64_t offset_ = 0;
  std::uint64_t depth_ = 0;
  bool in_string_ = false, escaped_ = false;
  bool has_value_ = false;  // there was a value since the last comma
  bool any_ = false;        // there was a comma
  std::optional<Error> failed_;
};

}  // namespace

io::Source elements(io::Source source, std::shared_ptr<std::atomic<bool>> is_array) {
  return std::make_unique<Elements>(std::move(source), std::move(is_array));
}

}  // namespace etl::inline v0::csv::ndjson::detail
