#pragma once
/// A strict little JSON reader (RFC 8259), enough to see that what the library writes is JSON and says what it should.

#include <cctype>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace test {

/// The leaves of one JSON text by path: `{"a":{"b":[1,"x"]}}` gives {"a.b.0": "1", "a.b.1": "x"}; an array also gives
/// its length as "a.b.#". Nothing when the text is not JSON, or an object has a member twice.
class Json {
 public:
  using Leaves = std::map<std::string, std::string, std::less<>>;

  static std::optional<Leaves> parse(std::string_view text) {
    Json reader(text);
    if (!reader.value("") || !reader.at_end()) return std::nullopt;
    return std::move(reader.leaves_);
  }

 private:
  explicit Json(std::string_view text) : text_(text) {}

  void space() {
    while (pos_ < text_.size() &&
           (text_[pos_] == ' ' || text_[pos_] == '\t' || text_[pos_] == '\n' || text_[pos_] == '\r'))
      ++pos_;
  }
  bool at_end() {
    space();
    return pos_ == text_.size();
  }
  bool eat(char c) {
    space();
    if (pos_ >= text_.size() || text_[pos_] != c) return false;
    ++pos_;
    return true;
  }
  bool put(const std::string& path, std::string value) { return leaves_.emplace(path, std::move(value)).second; }
  static std::string under(const std::string& path, std::string_view name) {
    return path.empty() ? std::string(name) : path + "." + std::string(name);
  }

  bool value(const std::string& path) {
    space();
    if (pos_ >= text_.size()) return false;
    switch (text_[pos_]) {
      case '{': return object(path);
      case '[': return array(path);
      case '"': {
        std::string s;
        return string(s) && put(path, std::move(s));
      }
      case 't': return word(path, "true");
      case 'f': return word(path, "false");
      case 'n': return word(path, "null");
      default: return number(path);
    }
  }
  bool word(const std::string& path, std::string_view w) {
    if (text_.substr(pos_, w.size()) != w) return false;
    pos_ += w.size();
    return put(path, std::string(w));
  }
  bool object(const std::string& path) {
    if (!eat('{')) return false;
    if (eat('}')) return true;
    do {
      space();
      std::string name;
      if (!string(name) || !eat(':') || !value(under(path, name))) return false;
    } while (eat(','));
    return eat('}');
  }
  bool array(const std::string& path) {
    if (!eat('[')) return false;
    std::size_t n = 0;
    if (!eat(']')) {
      do {
        if (!value(under(path, std::to_string(n++)))) return false;
      } while (eat(','));
      if (!eat(']')) return false;
    }
    return put(under(path, "#"), std::to_string(n));
  }
  bool string(std::string& out) {
    if (pos_ >= text_.size() || text_[pos_] != '"') return false;
    for (++pos_; pos_ < text_.size(); ++pos_) {
      const char c = text_[pos_];
      if (c == '"') return ++pos_, true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (++pos_ >= text_.size()) return false;
      constexpr std::string_view names = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
      if (text_[pos_] == 'u') {
        unsigned code = 0;
        const char* const from = text_.data() + pos_ + 1;
        if (pos_ + 4 >= text_.size() || std::from_chars(from, from + 4, code, 16).ptr != from + 4) return false;
        out += static_cast<char>(code < 0x80 ? code : '?');
        pos_ += 4;
      } else if (const auto i = names.find(text_[pos_]); i != std::string_view::npos) {
        out += meant[i];
      } else {
        return false;
      }
    }
    return false;
  }
  bool digits() {
    const std::size_t from = pos_;
    while (pos_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[pos_])) != 0) ++pos_;
    return pos_ > from;
  }
  bool number(const std::string& path) {
    const std::size_t from = pos_;
    if (text_[pos_] == '-') ++pos_;
    const std::size_t whole = pos_;
    if (!digits() || (text_[whole] == '0' && pos_ > whole + 1)) return false;
    if (pos_ < text_.size() && text_[pos_] == '.') {
      ++pos_;
      if (!digits()) return false;
    }
    if (pos_ < text_.size() && (text_[pos_] == 'e' || text_[pos_] == 'E')) {
      ++pos_;
      if (pos_ < text_.size() && (text_[pos_] == '+' || text_[pos_] == '-')) ++pos_;
      if (!digits()) return false;
    }
    return put(path, std::string(text_.substr(from, pos_ - from)));
  }

  std::string_view text_;
  std::size_t pos_ = 0;
  Leaves leaves_;
};

}  // namespace test
