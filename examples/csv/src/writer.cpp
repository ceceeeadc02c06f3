#include <etl/csv/writer.hpp>

#include <algorithm>
#include <variant>

#include <fmt/format.h>

namespace etl::inline v0::csv {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

std::size_t index(char c) { return static_cast<unsigned char>(c); }

}  // namespace

Result<void> Writer::check(const WriterOptions& options) {
  const auto wrong = [](std::string text) {
    return failure({.code = Errc::InvalidOptions, .context = "CSV writer: " + std::move(text)});
  };
  const Dialect& dialect = options.dialect;
  if (auto checked = csv::check(dialect); !checked) return checked;
  if (dialect.encoding != Encoding::Utf8) return wrong("writes UTF-8 only");
  if (options.line_end != "\n" && options.line_end != "\r\n" && options.line_end != "\r")
    return wrong("line_end is neither LF nor CR LF nor CR");
  if (options.quote_all && !dialect.quote) return wrong("quote_all, but the dialect has no quote");
  const auto breaks_cell = [&dialect](char c) {
    return c == dialect.delimiter || c == dialect.quote || c == '\n' || c == '\r';
  };
  if (std::ranges::any_of(options.null, breaks_cell))
    return wrong(fmt::format("null is '{}', which needs quotes, and a NULL has none", detail::shown(options.null)));
  return {};
}

Result<Writer> Writer::to(io::Sink sink, WriterOptions options) {
  if (const auto checked = check(options); !checked) return failure(checked.error());
  return Writer(std::move(sink), nullptr, std::move(options));
}

Result<Writer> Writer::into(std::string& text, WriterOptions options) {
  if (const auto checked = check(options); !checked) return failure(checked.error());
  return Writer(nullptr, &text, std::move(options));
}

Writer::Writer(io::Sink sink, std::string* text, WriterOptions options)
    : sink_(std::move(sink)), text_(text), options_(std::move(options)), row_begin_(out().size()) {
  const Dialect& dialect = options_.dialect;
  for (const char c : {dialect.delimiter, '\n', '\r', dialect.quote.value_or('\n')}) special_[index(c)] = true;
}

void Writer::begin_cell() {
  null_only_ = false;
  if (cells_++ != 0) out() += options_.dialect.delimiter;
}

void Writer::put_quoted(std::string_view text) {
  const Dialect& dialect = options_.dialect;
  std::string& to = out();
  if (!dialect.quote) {
    if (rejected_.empty())
      rejected_ = fmt::format("column {}: '{}' needs quotes, and the dialect has none", cells_, detail::shown(text));
    return;
  }
  const char quote = *dialect.quote;
  const char escape = dialect.escape.value_or(quote);
  to += quote;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    while (end < text.size() && text[end] != quote && text[end] != escape) ++end;
    to.append(text, begin, end - begin);
    if (end < text.size()) {
      to += escape;
      to += text[end];
    }
    begin = end + 1;
  }
  to += quote;
}

void Writer::cell(std::string_view text) {
  begin_cell();
  const Dialect& dialect = options_.dialect;
  const bool first = cells_ == 1;
  bool quoted = options_.quote_all || (text == options_.null && (dialect.quote || !text.empty()));
  for (std::size_t i = 0; !quoted && i < text.size(); ++i) quoted = special_[index(text[i])];
  if (!quoted && !text.empty())
    quoted = (first && (text.front() == dialect.comment || text.starts_with(byte_order_mark))) ||
             (dialect.trim && trimmed(text).size() != text.size());
  // The dialect has no quotes, or NULL is not written as an empty cell.
  if (!quoted && first && text.empty()) null_only_ = true;
  if (quoted)
    put_quoted(text);
  else
    out() += text;
}

void Writer::null() {
  begin_cell();
  null_only_ = cells_ == 1 && options_.null.empty();
  if (cells_ == 1 && !options_.null.empty() && options_.null.front() == options_.dialect.comment)
    rejected_ = "column 1: NULL would begin a comment";
  out() += options_.null;
}

void Writer::number(std::string& text, bool comma) {
  if (comma) std::ranges::replace(text, '.', ',');
  cell(text);
}

void Writer::moment(const CellFormat& format, const Moment& moment, bool two_cells) {
  scratch_.clear();
  Moment date = moment;
  if (two_cells) date.has_clock = false;
  format.time.print(scratch_, date);
  cell(scratch_);
  if (!two_cells) return;
  scratch_.clear();
  format.clock.print(scratch_, moment);
  cell(format.clock.is_iso() ? std::string_view(scratch_).substr(scratch_.find('T') + 1) : scratch_);
}

void Writer::put(const Value& value) {
  if (std::holds_alternative<std::monostate>(value)) return null();
  if (const auto* const text = std::get_if<std::string>(&value)) return cell(std::string_view(*text));
  scratch_.clear();
  append_text(scratch_, value);
  number(scratch_, options_.decimal_comma && std::holds_alternative<double>(value));
}

Result<void> Writer::end_row() {
  std::string& to = out();
  if (cells_ <= 1 && (cells_ == 0 || null_only_) && !options_.dialect.keep_blank_lines) {
    cells_ = 1;
    put_quoted({});  // a blank line would not be read as a row
  }
  cells_ = 0;
  null_only_ = false;
  ++rows_;
  if (!rejected_.empty()) {
    to.resize(row_begin_);
    return failure(rejected(fmt::format("row {} of the output: {}", rows_, std::exchange(rejected_, {}))));
  }
  to += options_.line_end;
  if (sink_ != nullptr && to.size() >= options_.buffer) {
    auto written = sink_->write(to);
    to.clear();
    row_begin_ = 0;
    return written;
  }
  row_begin_ = to.size();
  return {};
}

Result<void> Writer::row(std::span<const std::string> cells) {
  for (const auto& text : cells) cell(std::string_view(text));
  return end_row();
}
Result<void> Writer::row(std::span<const std::string_view> cells) {
  for (const auto text : cells) cell(text);
  return end_row();
}
Result<void> Writer::row(std::span<const Value> values) {
  for (const auto& value : values) cell(value);
  return end_row();
}

Result<void> Writer::finish() {
  if (sink_ == nullptr) return {};
  auto written = sink_->write(buffer_);
  buffer_.clear();
  row_begin_ = 0;
  auto finished = sink_->finish();
  return written ? finished : written;
}

}  // namespace etl::inline v0::csv
