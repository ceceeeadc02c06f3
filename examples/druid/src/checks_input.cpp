#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

#include <etl/http/url.hpp>

#include "checks.hpp"
#include "iso.hpp"

namespace etl::inline v0::druid {
namespace {

void check(const InlineInput& input, Problems& to) {
  if (input.data.empty()) to.add("input.data", "is empty; give rows, or another input");
  if (input.data.size() > InlineInput::max_bytes)
    to.add("input.data", fmt::format("has {} bytes, more than the {} that a spec may hold; write the rows to files and "
                                     "use a local, http or s3 input",
                                     input.data.size(), InlineInput::max_bytes));
}

void check(const LocalInput& input, Problems& to) {
  if (input.base_dir.empty() == input.files.empty())
    to.add("input", input.files.empty() ? "has neither base_dir nor files; give one of them"
                                        : "has both base_dir and files; give only one of them");
  if (!input.base_dir.empty() && input.base_dir.front() != '/')
    to.add("input.base_dir", fmt::format("'{}' is not an absolute path; Druid's tasks run in folders of their own, so "
                                         "write the path from /",
                                         input.base_dir));
  if (!input.base_dir.empty() && input.filter.empty())
    to.add("input.filter", "is empty; give a pattern of names, such as *.json");
  for (const std::string& file : input.files)
    if (file.empty() || file.front() != '/')
      to.add("input.files", fmt::format("'{}' is not an absolute path; write the path from /", file));
}

void check(const HttpInput& input, Problems& to) {
  if (input.uris.empty()) to.add("input.uris", "has no URL; give at least one");
  for (const std::string& text : input.uris) {
    const auto url = http::Url::parse(text);
    if (!url)
      to.add("input.uris",
             fmt::format("'{}' is not an http or https URL; write it with its scheme and host", http::shown_url(text)));
    else if (!url->user().empty() || !url->password().empty())
      to.add("input.uris",
             fmt::format("'{}' has credentials, which everybody who may read the task would see; give user "
                         "and password_variable instead",
                         url->shown()));
  }
  if (input.user.empty() != input.password_variable.empty())
    to.add("input.user", "and password_variable belong together; give both or neither");
}

void check_s3_uri(std::string_view field, const std::string& uri, bool object, Problems& to) {
  constexpr std::string_view scheme = "s3://";
  const std::size_t slash = uri.starts_with(scheme) ? uri.find('/', scheme.size()) : std::string::npos;
  const bool key = slash != std::string::npos && slash + 1 < uri.size();
  if (!uri.starts_with(scheme) || slash == scheme.size() || uri.size() == scheme.size() || (object && !key))
    to.add(field, fmt::format("'{}' is not s3://bucket/{}", uri, object ? "key" : "prefix"));
}

void check(const S3Input& input, Problems& to) {
  if (input.uris.empty() == input.prefixes.empty())
    to.add("input", input.uris.empty() ? "has neither uris nor prefixes; give one of them"
                                       : "has both uris and prefixes; give only one of them");
  for (const std::string& uri : input.uris) check_s3_uri("input.uris", uri, true, to);
  for (const std::string& uri : input.prefixes) check_s3_uri("input.prefixes", uri, false, to);
  if (input.access_key_variable.empty() != input.secret_key_variable.empty())
    to.add("input.access_key_variable", "and secret_key_variable belong together; give both or neither");
  if (!input.endpoint.empty() && !http::Url::parse(input.endpoint))
    to.add("input.endpoint", fmt::format("'{}' is not an http or https URL", http::shown_url(input.endpoint)));
  if (!input.endpoint.empty() && input.region.empty())
    to.add("input.region",
           "is empty; an endpoint needs the region that its requests are signed for, such as us-east-1");
}

void check(const DruidInput& input, Problems& to) {
  check_name("input.data_source", input.data_source, to);
  if (const std::string wrong = interval_problem(input.interval); !wrong.empty())
    to.add("input.interval", fmt::format("'{}' {}", input.interval, wrong));
}

void check_character(std::string_view field, const std::string& text, Problems& to) {
  if (text.size() != 1) to.add(field, fmt::format("'{}' has {} bytes; give one character", text, text.size()));
}

/// Checks what CSV and TSV share.
template <class Format>
void check_delimited(const Format& format, std::string_view delimiter, Problems& to) {
  if (format.header && !format.columns.empty())
    to.add("format.columns", "are given, and the first line has names, too; set header to false, or give no columns");
  if (!format.header && format.columns.empty())
    to.add("format.columns", "are not given, and the first line has no names; give the names of all columns");
  std::set<std::string_view> seen;
  for (const std::string& column : format.columns) {
    if (column.empty()) to.add("format.columns", "has an empty name; name all columns");
    if (!delimiter.empty() && column.find(delimiter) != std::string::npos)
      to.add("format.columns", fmt::format("'{}' contains the delimiter; choose another name", column));
    if (!seen.insert(column).second)
      to.add("format.columns", fmt::format("'{}' occurs twice; names must differ", column));
  }
  if (!format.list_delimiter.empty()) {
    check_character("format.list_delimiter", format.list_delimiter, to);
    if (format.list_delimiter == delimiter)
      to.add("format.list_delimiter",
             fmt::format("'{}' is the delimiter of cells, too; choose another one", delimiter));
  }
}

void check_one(const std::monostate& /*none*/, Problems& /*to*/) {}
void check_one(const CsvFormat& format, Problems& to) { check_delimited(format, ",", to); }
void check_one(const TsvFormat& format, Problems& to) {
  check_character("format.delimiter", format.delimiter, to);
  check_delimited(format, format.delimiter, to);
}
void check_one(ColumnarFormat /*format*/, Problems& /*to*/) {}
void check_one(const JsonFormat& format, Problems& to) {
  std::set<std::string_view> seen;
  for (const JsonField& field : format.fields) {
    if (field.name.empty()) to.add("format.fields", "has a field without a name; name the column that it makes");
    if (!seen.insert(field.name).second)
      to.add("format.fields", fmt::format("'{}' occurs twice; names must differ", field.name));
    if (field.kind == JsonField::Kind::Root && !field.expression.empty())
      to.add("format.fields",
             fmt::format("'{}' is a field of the outer object and has an expression; use Kind::Path", field.name));
    if (field.kind == JsonField::Kind::Path && !field.expression.starts_with('$'))
      to.add("format.fields", fmt::format("'{}' has the expression '{}', which is no JSONPath; begin it with $",
                                          field.name, field.expression));
    if (field.kind == JsonField::Kind::Jq && !field.expression.starts_with('.'))
      to.add("format.fields", fmt::format("'{}' has the expression '{}', which is no jq path; begin it with a point",
                                          field.name, field.expression));
  }
  if (format.fields.empty() && !format.discover_fields)
    to.add("format.fields", "are not given, and fields are not discovered; rows would have no column");
}

}  // namespace

void check_input(const Spec& spec, Problems& to) {
  std::visit([&](const auto& input) { check(input, to); }, spec.input);
}

void check_format(const Spec& spec, Problems& to) {
  const bool rows = std::holds_alternative<DruidInput>(spec.input);
  const bool none = std::holds_alternative<std::monostate>(spec.format);
  if (rows && !none) to.add("format", "is given for an input that is a datasource, which has none; leave it out");
  if (!rows && none) to.add("format", "is missing; give JsonFormat, CsvFormat, TsvFormat or ColumnarFormat");
  if (std::holds_alternative<ColumnarFormat>(spec.format) && std::holds_alternative<InlineInput>(spec.input))
    to.add("format", "is binary, and an inline input is text; use a local, http or s3 input");
  std::visit([&](const auto& format) { check_one(format, to); }, spec.format);
}

std::vector<std::string> known_columns(const Spec& spec) {
  if (!spec.columns.empty()) return spec.columns;
  if (const auto* const csv = std::get_if<CsvFormat>(&spec.format)) return csv->columns;
  if (const auto* const tsv = std::get_if<TsvFormat>(&spec.format)) return tsv->columns;
  const auto* const json = std::get_if<JsonFormat>(&spec.format);
  std::vector<std::string> names;
  if (json != nullptr && !json->discover_fields)
    for (const JsonField& field : json->fields) names.push_back(field.name);
  return names;
}

}  // namespace etl::inline v0::druid
