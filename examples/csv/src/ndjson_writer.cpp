#include <cmath>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include <etl/csv/ndjson.hpp>
#include <etl/text.hpp>

#include "json_text.hpp"
#include "text.hpp"

namespace etl::inline v0::csv::ndjson {

Writer::Writer(io::Sink sink, std::vector<Field> fields, Layout layout)
    : sink_(std::move(sink)), fields_(std::move(fields)), layout_(layout), row_begin_(0) {}
Writer::Writer(std::string& text, std::vector<Field> fields, Layout layout)
    : text_(&text), fields_(std::move(fields)), layout_(layout), row_begin_(text.size()) {}

void Writer::begin_object() {
  if (layout_ == Layout::Array) out() += any_ ? ",\n" : "[\n";
  out() += '{';
}

void Writer::key(std::string_view name) {
  if (!std::exchange(open_, true))
    begin_object();
  else
    out() += ',';
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
  append_json_escaped(to, text);
  to += '"';
}

void Writer::number(double value) {
  if (!std::isfinite(value) && rejected_.empty()) rejected_ = fmt::format("JSON does not allow the number {}", value);
  append_text(out(), value);
}
void Writer::number(float value) {
  if (!std::isfinite(value) && rejected_.empty()) rejected_ = fmt::format("JSON does not allow the number {}", value);
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
  if (!std::exchange(open_, false)) begin_object();
  to += layout_ == Layout::Array ? "}" : "}\n";
  ++rows_;
  if (!rejected_.empty()) {
    to.resize(row_begin_);
    return failure(rejected(fmt::format("row {} of the output: {}", rows_, std::exchange(rejected_, {}))));
  }
  any_ = true;
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
  if (layout_ == Layout::Array) out() += any_ ? "\n]\n" : "[]\n";
  if (sink_ == nullptr) return {};
  auto written = sink_->write(buffer_);
  buffer_.clear();
  row_begin_ = 0;
  auto finished = sink_->finish();
  return written ? finished : written;
}

}  // namespace etl::inline v0::csv::ndjson
