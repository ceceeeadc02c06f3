#include <etl/csv/ndjson.hpp>

#include <cmath>
#include <unordered_map>
#include <variant>

#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>

#include "text.hpp"

namespace etl::inline v0::csv::ndjson {
namespace {

namespace json = boost::json;

/// The inside of a JSON string.
void append_escaped(std::string& out, std::string_view text) {
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    while (end < text.size() && static_cast<unsigned char>(text[end]) >= 0x20 && text[end] != '"' && text[end] != '\\')
      ++end;
    out.append(text, begin, end - begin);
    if (end < text.size()) {
      const char c = text[end];
      if (c == '"' || c == '\\')
        (out += '\\') += c;
      else if (c == '\n')
        out += "\\n";
      else if (c == '\t')
        out += "\\t";
      else if (c == '\r')
        out += "\\r";
      else
        fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    }
    begin = end + 1;
  }
}

/// Whether it is a number as JSON writes it: 1.5e3, not .5, 01 or +1.
bool is_json_number(std::string_view text) {
  const auto digits = [&text] {
    std::size_t n = 0;
    while (n < text.size() && text[n] >= '0' && text[n] <= '9') ++n;
    text.remove_prefix(n);
    return n;
  };
  if (text.starts_with('-')) text.remove_prefix(1);
  const bool zero = text.starts_with('0');
  const std::size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  return text.empty();
}

std::string_view view(json::string_view text) { return {text.data(), text.size()}; }

/// What the parser of a line calls: keeps the members of the outermost object that have a cell.
class Handler {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = max_object_size;
  static constexpr std::size_t max_key_size = max_object_size;
  static constexpr std::size_t max_string_size = max_object_size;
  using Code = json::error_code;

  Handler(std::vector<std::string> names, bool reject_duplicates)
      : names_(std::move(names)), cells_(names_.size()), seen_(names_.size()), reject_duplicates_(reject_duplicates) {
    for (std::size_t i = 0; i < names_.size(); ++i) places_.emplace(names_[i], i);
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
    depth_ = 0;
    next_ = 0;
    in_string_ = false;
    is_object_ = false;
    current_ = nullptr;
  }
  [[nodiscard]] bool is_object() const { return is_object_; }
  [[nodiscard]] const std::string& duplicate() const { return duplicate_; }
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
  /// The cell of the key that was read; keys mostly come in the same order.
  Object::Cell* find() {
    std::size_t at = next_;
    if (at >= names_.size() || names_[at] != key_) {
      const auto found = places_.find(key_);
      if (found == places_.end()) return nullptr;
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
    return &cell;
  }

  /// Within an object or array that is kept as its JSON: a comma, unless it is the first.
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
    if (depth_ == 1) {
      current_->quoted = true;
      current_->text += text;
      return;
    }
    if (!in_string_) {
      separate();
      current_->text += '"';
    }
    in_string_ = true;
    append_escaped(current_->text, text);
  }
  void string_end(std::string_view text) {
    string_part(text);
    if (current_ != nullptr && depth_ > 1) current_->text += '"';
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
  bool reject_duplicates_;
  std::string key_{};
  std::string duplicate_{};
  std::size_t depth_ = 0;
  std::size_t next_ = 0;    // where the next key probably is
  bool in_string_ = false;  // of a string or number, a part was given
  bool is_object_ = false;
  Object::Cell* current_ = nullptr;  // of the member that is read; null: it is skipped
};

json::parse_options options_of(const ParserOptions& options) {
  json::parse_options made;
  made.max_depth = options.max_depth;
  return made;
}

}  // namespace

Chunk::Chunk(io::Chunk chunk) : chunk_(std::move(chunk)) {
  const std::string_view text = chunk_.text;
  std::uint64_t number = chunk_.first_line;
  for (std::size_t begin = 0; begin < text.size(); ++number) {
    const std::size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
    const auto line = text.substr(begin, end - begin);
    if (line.find_first_not_of(" \t") != line.npos)
      lines_.push_back({.text = line, .number = number, .offset = chunk_.offset + begin});
    begin = end + (text.substr(end, 2) == "\r\n" ? 2 : 1);
  }
}

Result<Reader> Reader::open(const std::filesystem::path& path, io::ChunkOptions options) {
  auto source = io::open_input(path);
  if (!source) return failure(std::move(source.error()));
  return Reader(*std::move(source), options);
}

Reader::Reader(io::Source source, io::ChunkOptions options)
    : chunks_(std::move(source), io::RecordSplitter(), options) {}

Result<std::optional<Chunk>> Reader::next(const std::stop_token& stop) {
  auto chunk = chunks_.next(stop);
  if (!chunk) return failure(std::move(chunk.error()));
  if (!*chunk) return std::optional<Chunk>();
  return std::optional<Chunk>(Chunk(**std::move(chunk)));
}

class Parser::Impl {
 public:
  Impl(std::vector<std::string> names, std::string file, const ParserOptions& options)
      : parser_(options_of(options), std::move(names), options.reject_duplicate_keys), file_(std::move(file)) {}

  Result<Object> parse(const Line& line) {
    Handler& handler = parser_.handler();
    handler.clear();
    parser_.reset();
    json::error_code error;
    const std::size_t taken = parser_.write_some(false, line.text.data(), line.text.size(), error);
    if (error) return wrong(line, taken, "not JSON: " + error.message());
    const std::size_t more = line.text.find_first_not_of(" \t\r\n", taken);
    if (more != line.text.npos) return wrong(line, more, "there is more behind the value");
    if (!handler.is_object()) return wrong(line, 0, "not a JSON object");
    if (!handler.duplicate().empty())
      return wrong(line, 0, fmt::format("'{}' stands twice", csv::detail::shown(handler.duplicate())));
    return Object(handler.cells(), line.number);
  }

 private:
  [[nodiscard]] tl::unexpected<Error> wrong(const Line& line, std::size_t at, std::string_view what) const {
    return failure(rejected(fmt::format("{}:{}:{}: {}: '{}'", file_, line.number, at + 1, what,
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

Result<void> detail::check_names(std::span<const csv::detail::WantedCell> columns, std::string_view file) {
  for (const auto& column : columns)
    for (const Source* source : {&column.source, &column.clock})
      if (source->number != 0)
        return failure(
            {.code = Errc::InvalidOptions,
             .context = fmt::format("{}: column {}: JSON has no column numbers, give a name", file, source->number)});
  if (!columns.empty()) return {};
  return failure({.code = Errc::InvalidOptions,
                  .context = fmt::format("{}: the mapping has no columns, and JSON has no header", file)});
}

Result<Decoder<RecordDecoder>> bind(const FileMapping& mapping, std::string file, const ParserOptions& options) {
  std::vector<csv::detail::WantedCell> wanted;
  for (const auto& column : mapping.columns) wanted.push_back({.source = column.source, .clock = column.clock});
  if (auto checked = detail::check_names(wanted, file); !checked) return failure(std::move(checked.error()));
  FileMapping plain = mapping;
  plain.decimal_comma = false;
  auto names = plain.names();
  auto decoder = plain.bind(names, file);
  if (!decoder) return failure(std::move(decoder.error()));
  return Decoder<RecordDecoder>(Parser(std::move(names), std::move(file), options), *std::move(decoder));
}

Writer::Writer(io::Sink sink, std::vector<Field> fields)
    : sink_(std::move(sink)), fields_(std::move(fields)), row_begin_(0) {}
Writer::Writer(std::string& text, std::vector<Field> fields)
    : text_(&text), fields_(std::move(fields)), row_begin_(text.size()) {}

void Writer::key(std::string_view name) {
  out() += open_ ? ',' : '{';
  open_ = true;
  string(name);
  out() += ':';
}
void Writer::key(const Source& source) {
  if (source.number == 0)
    key(std::string_view(source.name));
  else
    key(std::string_view(fmt::format("column{}", source.number)));
}

void Writer::string(std::string_view text) {
  if (rejected_.empty() && find_invalid_utf8(text) != text.npos)
    rejected_ = fmt::format("'{}' is not UTF-8", csv::detail::shown(text));
  std::string& to = out();
  to += '"';
  append_escaped(to, text);
  to += '"';
}

void Writer::number(double value) {
  if (!std::isfinite(value) && rejected_.empty()) rejected_ = fmt::format("JSON has no number {}", value);
  append_text(out(), value);
}
void Writer::number(float value) {
  if (!std::isfinite(value) && rejected_.empty()) rejected_ = fmt::format("JSON has no number {}", value);
  append_text(out(), value);
}

void Writer::moment(const Source& source, const Source& clock, const CellFormat& format, const Moment& moment) {
  Moment date = moment;
  if (clock.valid()) date.has_clock = false;
  key(source);
  scratch_.clear();
  format.time.print(scratch_, date);
  string(scratch_);
  if (!clock.valid()) return;
  key(clock);
  scratch_.clear();
  format.clock.print(scratch_, moment);
  string(format.clock.is_iso() ? std::string_view(scratch_).substr(scratch_.find('T') + 1) : scratch_);
}

void Writer::put(const Value& value, Kind kind) {
  if (std::holds_alternative<std::monostate>(value)) {
    out() += "null";
  } else if (const auto* const text = std::get_if<std::string>(&value)) {
    if (kind == Kind::Numeric && is_json_number(*text))
      out() += *text;
    else
      string(*text);
  } else if (const auto* const real = std::get_if<double>(&value)) {
    number(*real);
  } else if (std::holds_alternative<bool>(value) || std::holds_alternative<std::int64_t>(value)) {
    append_text(out(), value);
  } else {
    scratch_.clear();
    append_text(scratch_, value);
    string(scratch_);
  }
}

Result<void> Writer::row(std::span<const Value> record) {
  if (record.size() != fields_.size())
    return failure(rejected(fmt::format("a record of {} values for {} fields", record.size(), fields_.size())));
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    key(std::string_view(fields_[i].name));
    put(record[i], fields_[i].kind);
  }
  return end_row();
}

Result<void> Writer::end_row() {
  std::string& to = out();
  to += open_ ? "}\n" : "{}\n";
  open_ = false;
  ++rows_;
  if (!rejected_.empty()) {
    to.resize(row_begin_);
    return failure(rejected(fmt::format("row {} of the output: {}", rows_, std::exchange(rejected_, {}))));
  }
  if (constexpr std::size_t enough = 256 << 10; sink_ != nullptr && to.size() >= enough) {
    auto written = sink_->write(to);
    to.clear();
    row_begin_ = 0;
    return written;
  }
  row_begin_ = to.size();
  return {};
}

Result<void> Writer::finish() {
  if (sink_ == nullptr) return {};
  auto written = sink_->write(buffer_);
  buffer_.clear();
  row_begin_ = 0;
  auto finished = sink_->finish();
  return written ? finished : written;
}

}  // namespace etl::inline v0::csv::ndjson
