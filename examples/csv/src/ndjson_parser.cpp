#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>

#include <etl/csv/ndjson.hpp>
#include <etl/text.hpp>

#include "json_text.hpp"

namespace etl::inline v0::csv::ndjson {
namespace {

namespace json = boost::json;

std::string_view view(json::string_view text) { return {text.data(), text.size()}; }

/// Receives the events of the parser for a line. Keeps those members of the outermost object that have a cell.
class Handler {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = max_object_size;
  static constexpr std::size_t max_key_size = max_object_size;
  static constexpr std::size_t max_string_size = max_object_size;
  using Code = json::error_code;

  Handler(std::vector<std::string> names, const ParserOptions& options)
      : names_(std::move(names)),
        cells_(names_.size()),
        seen_(names_.size()),
        as_json_(names_.size()),
        reject_duplicates_(options.reject_duplicate_keys),
        reject_unknown_(options.reject_unknown_members) {
    for (std::size_t i = 0; i < names_.size(); ++i) {
      places_.emplace(names_[i], i);
      as_json_[i] = std::ranges::find(options.as_json, names_[i]) != options.as_json.end();
    }
  }

  void clear() {
    for (auto& cell : cells_) {
      cell.text.clear();
      cell.quoted = false;
      cell.null = true;
    }
    seen_.assign(seen_.size(), false);
    key_.clear();
    duplicate_.clear();
    unknown_.reset();
    depth_ = 0;
    next_ = 0;
    in_string_ = false;
    is_object_ = false;
    current_ = nullptr;
  }
  [[nodiscard]] bool is_object() const { return is_object_; }
  [[nodiscard]] const std::string& duplicate() const { return duplicate_; }
  [[nodiscard]] const std::optional<std::string>& unknown() const { return unknown_; }
  [[nodiscard]] std::span<const std::string> names() const { return names_; }
  [[nodiscard]] std::span<const Object::Cell> cells() const { return cells_; }

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) {
    if (depth_ == 0) is_object_ = true;
    return open('{');
  }
  bool on_object_end(std::size_t, Code&) { return close('}'); }
  bool on_array_begin(Code&) { return open('['); }
  bool on_array_end(std::size_t, Code&) { return close(']'); }

  bool on_key_part(json::string_view text, std::size_t, Code&) {
    if (depth_ == 1)
      key_ += view(text);
    else
      string_part(view(text));
    return true;
  }
  bool on_key(json::string_view text, std::size_t, Code&) {
    if (depth_ != 1) {
      string_end(view(text));
      if (current_ != nullptr) current_->text += ':';
      return true;
    }
    key_ += view(text);
    current_ = find();
    key_.clear();
    return true;
  }
  bool on_string_part(json::string_view text, std::size_t, Code&) {
    string_part(view(text));
    return true;
  }
  bool on_string(json::string_view text, std::size_t, Code&) {
    string_end(view(text));
    return true;
  }
  bool on_number_part(json::string_view text, Code&) {
    if (!in_string_) separate();
    in_string_ = true;
    if (current_ != nullptr) current_->text += view(text);
    return true;
  }
  bool on_int64(std::int64_t, json::string_view text, Code&) { return scalar(view(text)); }
  bool on_uint64(std::uint64_t, json::string_view text, Code&) { return scalar(view(text)); }
  bool on_double(double, json::string_view text, Code&) { return scalar(view(text)); }
  bool on_bool(bool value, Code&) { return scalar(value ? "true" : "false"); }
  bool on_null(Code&) {
    if (depth_ > 1) return scalar("null");
    if (current_ != nullptr) current_->null = true;
    return true;
  }
  bool on_comment_part(json::string_view, Code&) { return true; }
  bool on_comment(json::string_view, Code&) { return true; }

 private:
  /// The cell for the key. Keys mostly come in the same order, so the next cell is tried first.
  Object::Cell* find() {
    std::size_t at = next_;
    if (at >= names_.size() || names_[at] != key_) {
      const auto found = places_.find(key_);
      if (found == places_.end()) {
        if (reject_unknown_ && !unknown_) unknown_ = key_;
        return nullptr;
      }
      at = found->second;
    }
    next_ = at + 1;
    auto& cell = cells_[at];
    if (seen_[at]) {
      if (reject_duplicates_) duplicate_ = key_;
      cell.text.clear();
    }
    seen_[at] = true;
    cell.quoted = false;
    cell.null = false;
    keeps_json_ = as_json_[at];
    return &cell;
  }

  /// Adds a comma within an object or array that is kept as JSON, unless it is the first element.
  void separate() {
    if (depth_ < 2 || current_ == nullptr) return;
    const char last = current_->text.back();
    if (last != '{' && last != '[' && last != ':') current_->text += ',';
  }
  bool open(char bracket) {
    if (depth_ > 0 && current_ != nullptr) {
      separate();
      current_->text += bracket;
    }
    ++depth_;
    return true;
  }
  bool close(char bracket) {
    if (--depth_ != 0 && current_ != nullptr) current_->text += bracket;
    return true;
  }
  void string_part(std::string_view text) {
    if (current_ == nullptr) return;
    if (depth_ == 1 && !keeps_json_) {
      current_->quoted = true;
      current_->text += text;
      return;
    }
    if (!in_string_) {
      separate();
      current_->text += '"';
    }
    in_string_ = true;
    append_json_escaped(current_->text, text);
  }
  void string_end(std::string_view text) {
    string_part(text);
    if (current_ != nullptr && (depth_ > 1 || keeps_json_)) current_->text += '"';
    in_string_ = false;
  }
  bool scalar(std::string_view text) {
    if (!in_string_) separate();
    in_string_ = false;
    if (current_ != nullptr) current_->text += text;
    return true;
  }

  std::vector<std::string> names_;
  std::unordered_map<std::string, std::size_t> places_{};
  std::vector<Object::Cell> cells_;
  std::vector<bool> seen_;
  std::vector<bool> as_json_;
  bool reject_duplicates_;
  bool reject_unknown_;
  std::string key_{};
  std::string duplicate_{};
  std::optional<std::string> unknown_{};  // the first unknown key
  std::size_t depth_ = 0;
  std::size_t next_ = 0;    // index that the next key probably has
  bool in_string_ = false;  // a part of a string or number was given
  bool is_object_ = false;
  bool keeps_json_ = false;          // `current_` is kept as JSON
  Object::Cell* current_ = nullptr;  // cell of the current member; null if the member is skipped
};

json::parse_options options_of(const ParserOptions& options) {
  json::parse_options made;
  made.max_depth = options.max_depth;
  return made;
}

/// The begin of a surrogate escape such as "\ud800" that ends at `at`, or one place before or after; npos if there is
/// none.
std::size_t lone_surrogate(std::string_view text, std::size_t at) noexcept {
  constexpr std::size_t size = 6;
  for (std::size_t end = std::min(at + 1, text.size()); end >= size && end + 1 >= at; --end) {
    const std::string_view escape = text.substr(end - size, size);
    const bool high = escape.starts_with("\\u") && (escape[2] == 'd' || escape[2] == 'D');
    if (high && std::string_view("89abcdefABCDEF").find(escape[3]) != std::string_view::npos) return end - size;
  }
  return std::string_view::npos;
}

}  // namespace

class Parser::Impl {
 public:
  Impl(std::vector<std::string> names, std::string file, const ParserOptions& options)
      : parser_(options_of(options), std::move(names), options), file_(std::move(file)) {}

  Result<Object> parse(const Line& line) {
    Handler& handler = parser_.handler();
    handler.clear();
    parser_.reset();
    json::error_code error;
    const std::size_t taken = parser_.write_some(false, line.text.data(), line.text.size(), error);
    if (error && lone_surrogate(line.text, taken) != line.text.npos)
      return wrong(line, lone_surrogate(line.text, taken), "not JSON: half of a surrogate pair is not a character");
    if (error) return wrong(line, taken, "not JSON: " + error.message());
    const std::size_t more = line.text.find_first_not_of(" \t\r\n", taken);
    if (more != line.text.npos) return wrong(line, more, "there is more text after the value");
    if (!handler.is_object()) return wrong(line, 0, "not a JSON object");
    if (!handler.duplicate().empty())
      return wrong(line, 0, fmt::format("'{}' occurs twice", csv::detail::shown(handler.duplicate())));
    if (const auto& unknown = handler.unknown())
      return wrong(line, 0,
                   fmt::format("the member '{}' is not one of {}", csv::detail::shown(*unknown),
                               fmt::join(handler.names(), ", ")));
    return Object(handler.cells(), line.number, line.element);
  }

 private:
  [[nodiscard]] tl::unexpected<Error> wrong(const Line& line, std::size_t at, std::string_view what) const {
    return failure(
        rejected(fmt::format("{}{}{}:{}: {}: '{}'", file_, line.element ? " element " : ":", line.number, at + 1, what,
                             csv::detail::shown(line.text.substr(std::min(at, line.text.size()))))));
  }

  json::basic_parser<Handler> parser_;
  std::string file_;
};

Parser::Parser(std::vector<std::string> names, std::string file, const ParserOptions& options)
    : impl_(std::make_unique<Impl>(std::move(names), std::move(file), options)) {}
Parser::Parser(Parser&&) noexcept = default;
Parser& Parser::operator=(Parser&&) noexcept = default;
Parser::~Parser() = default;

Result<Object> Parser::parse(const Line& line) { return impl_->parse(line); }

}  // namespace etl::inline v0::csv::ndjson
