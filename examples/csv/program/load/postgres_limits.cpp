#include "postgres_limits.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string_view>
#include <utility>

namespace program {
namespace {

namespace postgres = etl::postgres;

/// A type of the catalogue.
struct Node {
  std::string_view path;  // of numbers, such as {3,1}: the first field of the third column
  std::string_view type;  // as format_type() returns it, without the modifier
  std::string_view name;  // without the schema
  int modifier;           // such as that of numeric(10,2)
  std::string_view kind;  // pg_type.typtype
  bool array;
  char delimiter;
  std::string_view amount;  // 1234.5 as the server writes it, if the type is money
  int decimals;             // of amounts
};

/// Whether cells are parsed before they are sent, so that a text for the column is not one of these types.
bool is_parsed(std::string_view type) {
  return type == "date" || type == "timestamp without time zone" || type == "timestamp with time zone" ||
         type == "double precision";
}

Form form_of(std::string_view type) {
  static constexpr std::pair<std::string_view, Form> forms[] = {{"oid", Form::Unsigned32},
                                                                {"xid", Form::Unsigned32},
                                                                {"cid", Form::Unsigned32},
                                                                {"tid", Form::Unsigned32},
                                                                {"oidvector", Form::Unsigned32},
                                                                {"xid8", Form::Unsigned64},
                                                                {"date", Form::Date},
                                                                {"time without time zone", Form::Time},
                                                                {"time with time zone", Form::TimeTz},
                                                                {"timestamp without time zone", Form::Timestamp},
                                                                {"timestamp with time zone", Form::TimestampTz},
                                                                {"line", Form::Line},
                                                                {"tsvector", Form::Words}};
  const auto* const found = std::ranges::find(forms, type, &std::pair<std::string_view, Form>::first);
  return found == std::end(forms) ? Form::Any : found->second;
}

/// The smallest field of an interval with this modifier.
Field field_of(int modifier) {
  constexpr std::pair<int, Field> fields[] = {{12, Field::Second}, {11, Field::Minute}, {10, Field::Hour},
                                              {3, Field::Day},     {1, Field::Month},   {2, Field::Year}};
  const auto* const found = std::ranges::find_if(
      fields, [&](const auto& field) { return modifier >= 0 && (modifier >> 16 & 1 << field.first) != 0; });
  return found == std::end(fields) ? Field::Second : found->second;
}

/// `parsed`: the values are not texts.
Limits limits_of(const Node& node, bool parsed) {
  Limits limits;
  const std::string_view type = node.type;
  const int modifier = node.modifier;
  if (!parsed) limits.form = form_of(type);
  if (type == "\"char\"") limits.bytes = 1;
  if (type == "name") limits.bytes = 63;
  limits.drops_members = type == "jsonb";
  limits.drops_pairs = node.name == "hstore";
  for (const std::string_view of_doubles : {"point", "line", "lseg", "box", "path", "polygon", "circle"})
    if (type == of_doubles) limits.digits = Digits::Double;
  if ((type == "double precision" && !parsed) || node.name == "cube") limits.digits = Digits::Double;
  if (type == "real") limits.digits = Digits::Real;
  if (type == "interval" || type.starts_with("time")) {
    constexpr int most = 6, mask = 0xFFFF;  // an interval has its fields above this mask
    limits.digits = type == "interval" ? Digits::Interval : Digits::Seconds;
    limits.decimals = modifier < 0 ? most : std::min(modifier & mask, most);
    if (type == "interval") limits.field = field_of(modifier);
  }
  if (!node.amount.empty()) {
    limits.digits = Digits::Amount;
    limits.decimals = node.decimals;
    const bool comma = node.amount.find("4,5") != node.amount.npos || node.amount.find("1.23") != node.amount.npos;
    limits.point = comma ? ',' : '.';
  }
  constexpr int header = 4, sign = 1024, mask = 2047;  // see numeric_typmod_scale in numeric.c
  if (modifier < header) return limits;
  if (type == "character varying" || type == "character") limits.characters = modifier - header;
  if (type == "numeric") limits.decimals = (((modifier - header) & mask) ^ sign) - sign;
  return limits;
}

/// The type at `at` with its parts, which come after it. `at` is then after these.
TypeLimits take(const std::vector<Node>& nodes, std::size_t& at) {
  const Node& node = nodes[at++];
  const std::string begin = std::string(node.path.substr(0, node.path.size() - 1)) + ',';  // {3,1} has {3,1,2}
  const bool is_column = node.path.find(',') == node.path.npos;
  TypeLimits type{.shape = node.array                             ? Shape::Array
                           : node.kind == "c"                     ? Shape::Composite
                           : node.kind == "r" || node.kind == "m" ? Shape::Range
                                                                  : Shape::Plain,
                  .delimiter = node.delimiter};
  if (type.shape == Shape::Plain) type.limits = limits_of(node, is_column && is_parsed(node.type));
  while (at < nodes.size() && nodes[at].path.starts_with(begin)) type.parts.push_back(take(nodes, at));
  if (node.kind == "d") return type.parts.empty() ? TypeLimits() : std::move(type.parts.front());
  return std::ranges::any_of(type.parts, &TypeLimits::any) || type.shape == Shape::Plain ? type : TypeLimits();
}

int number(const postgres::Rows& rows, int row, int column) { return static_cast<int>(rows.integer(row, column)); }

}  // namespace

etl::Result<std::map<std::int64_t, TypeLimits>> limits_of_columns(postgres::Connection& connection,
                                                                  const std::string& table) {
  const auto rows = connection.query(
      "WITH RECURSIVE part(path, type, modifier) AS (SELECT ARRAY[attnum::int], atttypid, atttypmod FROM pg_attribute "
      "WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped "
      "UNION ALL SELECT p.path || i.n::int, i.type, i.modifier FROM part p JOIN pg_type t ON t.oid = p.type, LATERAL ("
      "SELECT 0, t.typbasetype, CASE WHEN p.modifier < 0 THEN t.typtypmod ELSE p.modifier END WHERE t.typtype = 'd' "
      "UNION ALL SELECT 0, e.oid, p.modifier FROM pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid "
      "UNION ALL SELECT f.attnum, f.atttypid, f.atttypmod FROM pg_attribute f WHERE t.typtype = 'c' AND "
      "f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped "
      // Servers before 14 have no multiranges, nor this column.
      "UNION ALL SELECT 0, r.rngsubtype, -1 FROM pg_range r WHERE t.oid IN (r.rngtypid, "
      "(to_jsonb(r)->>'rngmultitypid')::oid)) i(n, type, modifier)) "
      "SELECT p.path[1], p.path, format_type(p.type, NULL), t.typname, p.modifier, t.typtype, "
      "EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid), t.typdelim, "
      "CASE p.type WHEN 'money'::regtype THEN 1234.5::numeric::money::text ELSE '' END, "
      "scale(0::numeric::money::numeric) FROM part p JOIN pg_type t ON t.oid = p.type ORDER BY p.path",
      table);
  if (!rows) return etl::failure(rows.error());
  std::vector<Node> nodes;
  for (int row = 0; row < rows->size(); ++row)
    nodes.push_back({.path = rows->text(row, 1),
                     .type = rows->text(row, 2),
                     .name = rows->text(row, 3),
                     .modifier = number(*rows, row, 4),
                     .kind = rows->text(row, 5),
                     .array = rows->text(row, 6) == "t",
                     .delimiter = rows->text(row, 7).front(),
                     .amount = rows->text(row, 8),
                     .decimals = number(*rows, row, 9)});
  std::map<std::int64_t, TypeLimits> found;
  for (std::size_t at = 0; at < nodes.size();) {
    const std::int64_t column = rows->integer(static_cast<int>(at), 0);
    found[column] = take(nodes, at);
  }
  return found;
}

}  // namespace program
