#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <etl/postgres/script.hpp>

#include "into.hpp"

namespace program {

namespace postgres = etl::postgres;
using etl::csv::Kind;
using postgres::Type;

namespace {

struct KnownType {
  std::string_view name;  // as format_type() returns it, without the modifier
  Kind kind;
  Type type;
};
constexpr std::array known_types = {
    KnownType{"boolean", Kind::Boolean, Type::Boolean},
    KnownType{"smallint", Kind::Integer, Type::SmallInt},
    KnownType{"integer", Kind::Integer, Type::Integer},
    KnownType{"bigint", Kind::Integer, Type::BigInt},
    KnownType{"real", Kind::Double, Type::Real},
    KnownType{"double precision", Kind::Double, Type::Double},
    KnownType{"numeric", Kind::Numeric, Type::Numeric},
    KnownType{"text", Kind::Text, Type::Text},
    KnownType{"character varying", Kind::Text, Type::Text},
    KnownType{"character", Kind::Text, Type::Text},
    KnownType{"date", Kind::Date, Type::Date},
    KnownType{"timestamp without time zone", Kind::Timestamp, Type::Timestamp},
    KnownType{"timestamp with time zone", Kind::TimestampTz, Type::TimestampTz},
    KnownType{"uuid", Kind::Text, Type::Uuid},
    KnownType{"json", Kind::Text, Type::Json},
    KnownType{"jsonb", Kind::Text, Type::Jsonb},
};

bool is_known(std::string_view declared) {
  return std::ranges::find(known_types, declared, &KnownType::name) != known_types.end();
}
/// Values of unknown types are sent as texts, which PostgreSQL accepts for enumerations and casts to other types.
KnownType known_type(std::string_view declared) {
  const auto found = std::ranges::find(known_types, declared, &KnownType::name);
  return found == known_types.end() ? KnownType{declared, Kind::Text, Type::Text} : *found;
}
/// Whether PostgreSQL rounds the seconds of values that are sent as texts.
bool has_seconds(std::string_view type) {
  static constexpr std::string_view types[] = {
      "time without time zone", "time with time zone", "interval", "tsrange", "tstzrange",
      "tsmultirange",           "tstzmultirange"};
  if (type.ends_with("[]")) return type.starts_with("timestamp") || has_seconds(type.substr(0, type.size() - 2));
  return std::ranges::find(types, type) != std::end(types);
}
/// What the type makes of texts. Plain dates and timestamps are not sent as texts.
Form form_of(std::string_view type) {
  struct TypeForm {
    std::string_view type;
    Form form;
  };
  static constexpr TypeForm forms[] = {{"oid", Form::Unsigned32},
                                       {"xid", Form::Unsigned32},
                                       {"cid", Form::Unsigned32},
                                       {"tid", Form::Unsigned32},
                                       {"oidvector", Form::Unsigned32},
                                       {"xid8", Form::Unsigned64},
                                       {"time without time zone", Form::Time},
                                       {"time with time zone", Form::TimeTz},
                                       {"daterange", Form::Date},
                                       {"datemultirange", Form::Date},
                                       {"tsrange", Form::Timestamp},
                                       {"tsmultirange", Form::Timestamp},
                                       {"tstzrange", Form::TimestampTz},
                                       {"tstzmultirange", Form::TimestampTz},
                                       {"date[]", Form::Date},
                                       {"timestamp without time zone[]", Form::Timestamp},
                                       {"timestamp with time zone[]", Form::TimestampTz}};
  const auto* const found = std::ranges::find(forms, type, &TypeForm::type);
  if (found != std::end(forms)) return found->form;
  return type.ends_with("[]") ? form_of(type.substr(0, type.size() - 2)) : Form::Any;
}
/// Notes what the type rounds, cuts off or misreads without an error. `modifier` is that of the type, such as
/// numeric(10,2).
void set_limits(TargetColumn& column, int modifier) {
  const std::string_view type = column.type;
  column.form = form_of(type);
  if (type == "\"char\"") column.bytes = 1;
  column.drops_members = type == "jsonb";
  if (has_seconds(type)) {
    constexpr int most = 6, mask = 0xFFFF;  // an interval has its fields above this mask
    column.digits = type.starts_with("interval") ? Digits::Interval : Digits::Seconds;
    column.decimals = modifier < 0 ? most : std::min(modifier & mask, most);
    constexpr std::pair<int, Field> fields[] = {{12, Field::Second}, {11, Field::Minute}, {10, Field::Hour},
                                                {3, Field::Day},     {1, Field::Month},   {2, Field::Year}};
    if (modifier >= 0 && column.digits == Digits::Interval)
      for (const auto& [bit, field] : fields)
        if ((modifier >> 16 & 1 << bit) != 0) {
          column.field = field;
          break;
        }
  }
  if (modifier < 0) return;
  if (type == "timestamp without time zone" || type == "timestamp with time zone") column.decimals = modifier;
  if (type == "character varying" || type == "character varying[]")
    column.characters = static_cast<std::size_t>(std::max(modifier - 4, 0));
  constexpr int header = 4, sign = 1024, mask = 2047;  // see numeric_typmod_scale in numeric.c
  if (type == "numeric" || type == "numeric[]") column.decimals = (((modifier - header) & mask) ^ sign) - sign;
  if (type == "numeric[]") column.digits = Digits::Numbers;
}
/// `amount` is 1234.5 as the server writes it. How much money a text is depends on the server's language.
void set_amounts(TargetColumn& column, std::string_view amount, int decimals) {
  column.digits = Digits::Amounts;
  column.decimals = decimals;
  const bool comma = amount.find("4,5") != amount.npos || amount.find("1.23") != amount.npos;
  column.point = comma ? ',' : '.';
}
constexpr std::size_t longest_name = 63;  // PostgreSQL cuts longer names off

/// Refuses a name that PostgreSQL would cut off: two tables could then be meant by one name.
etl::Result<void> check_table_name(std::string_view table) {
  const std::size_t dot = table.find('.');
  for (const std::string_view name : {dot == table.npos ? std::string_view() : table.substr(0, dot),
                                      dot == table.npos ? table : table.substr(dot + 1)})
    if (name.size() > longest_name)
      return etl::failure(etl::fatal(
          fmt::format("--table {}: the name '{}' has {} bytes, and PostgreSQL cuts names off at {}: give the name that "
                      "PostgreSQL has kept, or a shorter one",
                      etl::csv::detail::shown(table), etl::csv::detail::shown(name), name.size(), longest_name)));
  return {};
}
Type type_of(const TargetColumn& column) {
  if (!column.type.empty()) return known_type(column.type).type;
  switch (column.kind) {
    case Kind::Boolean: return Type::Boolean;
    case Kind::Integer: return Type::BigInt;
    case Kind::Double: return Type::Double;
    case Kind::Numeric: return Type::Numeric;
    case Kind::Date: return Type::Date;
    case Kind::Timestamp: return Type::Timestamp;
    case Kind::TimestampTz: return Type::TimestampTz;
    case Kind::Text: break;
  }
  return Type::Text;
}

}  // namespace

etl::Result<IntoPostgres> IntoPostgres::open(const std::string& url, std::size_t connections) {
  auto pool = postgres::Pool::make(url, {.application_name = "etl-csv"}, {.max_size = connections + 1});
  if (!pool) return etl::failure(std::move(pool.error()));
  auto store = postgres::Store::over(*pool);
  if (!store) return etl::failure(std::move(store.error()));
  return IntoPostgres(std::move(*pool), std::move(*store));
}

etl::Result<std::optional<TargetColumns>> IntoPostgres::columns(const std::string& url, const std::string& table) {
  if (auto kept = check_table_name(table); !kept) return etl::failure(std::move(kept.error()));
  auto connection = postgres::Connection::open(url);
  if (!connection) return etl::failure(std::move(connection.error()));
  const auto rows = connection->query(
      "SELECT a.attname, format_type(b.oid, NULL), NOT a.attnotnull, coalesce(a.attnum = ANY(i.indkey), false), "
      "b.typcategory = 'S' OR b.typtype = 'e', format_type(b.oid, -1), a.attnotnull AND NOT a.atthasdef AND "
      "a.attidentity = '' AND t.typdefault IS NULL, CASE WHEN a.atttypmod < 0 THEN t.typtypmod ELSE a.atttypmod END, "
      // Number of decimals that a composite type, or the elements of an array of them, keep.
      "(SELECT min(CASE p.atttypid WHEN 'numeric'::regtype THEN (((p.atttypmod - 4) & 2047) # 1024) - 1024 "
      "ELSE p.atttypmod END) FROM pg_type e JOIN pg_attribute p ON p.attrelid = e.typrelid WHERE e.oid IN (b.oid, "
      "b.typelem) AND e.typtype = 'c' AND p.atttypmod >= 0 AND NOT p.attisdropped AND p.atttypid IN "
      "('numeric'::regtype, 'time'::regtype, 'timetz'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)), "
      "CASE WHEN 'money'::regtype IN (b.oid, b.typelem) THEN 1234.5::numeric::money::text END, "
      "scale(0::numeric::money::numeric), a.attgenerated <> '' "
      "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
      "JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END LEFT JOIN pg_index i ON "
      "i.indrelid = a.attrelid AND i.indisprimary WHERE a.attrelid = to_regclass($1) AND "
      "a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attgenerated <> '', a.attnum",
      postgres::detail::quoted_table(table));
  if (!rows) return etl::failure(rows.error());
  if (rows->size() == 0) return std::optional<TargetColumns>();
  TargetColumns found;
  for (int row = 0; row < rows->size(); ++row) {
    const std::string type(rows->text(row, 1));
    found.push_back(
        {.name = std::string(rows->text(row, 0)),
         .kind = known_type(type).kind,
         .nullable = rows->text(row, 2) == "t",
         .key = rows->text(row, 3) == "t",
         .required = rows->text(row, 6) == "t" && rows->text(row, 11) != "t",
         .type = type,
         .also = {},
         .cast = is_known(type) || rows->text(row, 4) == "t" ? std::string() : std::string(rows->text(row, 5)),
         .generated = rows->text(row, 11) == "t"});
    set_limits(found.back(), std::atoi(std::string(rows->text(row, 7)).c_str()));
    if (!rows->is_null(row, 9))
      set_amounts(found.back(), rows->text(row, 9), std::atoi(std::string(rows->text(row, 10)).c_str()));
    if (!rows->is_null(row, 8)) {
      found.back().decimals = std::atoi(std::string(rows->text(row, 8)).c_str());
      found.back().digits = Digits::Numbers;
    }
  }
  return std::optional(std::move(found));
}

etl::Result<std::string> IntoPostgres::name_of(const std::string& table) {
  auto connection = pool_.lease();
  if (!connection) return etl::failure(std::move(connection.error()));
  const std::size_t dot = table.find('.');
  const std::string schema = dot == table.npos ? std::string() : table.substr(0, dot);
  const auto found = (*connection)
                         ->query(
                             "SELECT n.nspname, c.relname, pg_table_is_visible(c.oid), current_schema() FROM "
                             "(SELECT to_regclass($1)::oid AS oid) t LEFT JOIN pg_class c ON c.oid = t.oid "
                             "LEFT JOIN pg_namespace n ON n.oid = c.relnamespace",
                             postgres::detail::quoted_table(table));
  if (!found) return etl::failure(found.error());
  if (found->is_null(0, 1)) return !schema.empty() && found->text(0, 3) == schema ? table.substr(dot + 1) : table;
  const std::string name(found->text(0, 1));
  if (name.find('.') != name.npos) return table;
  return found->text(0, 2) == "t" ? name : fmt::format("{}.{}", found->text(0, 0), name);
}

IntoPostgres::Table IntoPostgres::table(const std::string& name, const TargetColumns& columns) {
  std::vector<postgres::DynamicColumn> list;
  for (const TargetColumn& column : columns)
    list.push_back({.name = column.name,
                    .type = type_of(column),
                    .nullable = column.nullable,
                    .key = column.key,
                    .cast = column.cast});
  return postgres::dynamic_table<etl::csv::Record>(name, std::move(list), ValueOf{});
}

postgres::OnConflict IntoPostgres::on_conflict(Duplicate duplicate) noexcept {
  switch (duplicate) {
    case Duplicate::Ignore: return postgres::OnConflict::Ignore;
    case Duplicate::Replace: return postgres::OnConflict::Replace;
    case Duplicate::Update: return postgres::OnConflict::Update;
    case Duplicate::Reject: break;
  }
  return postgres::OnConflict::Fail;
}

etl::Result<void> IntoPostgres::create(const std::string& name, const TargetColumns& columns) {
  for (const TargetColumn& column : columns)
    if (column.name.size() > longest_name)
      return etl::failure(
          etl::fatal(fmt::format("the name of column '{}' has {} bytes, and PostgreSQL cuts names off at {}: give the "
                                 "column another name by a mapping, or create the table first",
                                 etl::csv::detail::shown(column.name), column.name.size(), longest_name)));
  auto connection = pool_.lease();
  if (!connection) return etl::failure(std::move(connection.error()));
  return postgres::create_table(**connection, table(name, columns));
}

etl::Result<std::optional<TableIdentity>> IntoPostgres::identity(const std::string& table) {
  auto connection = pool_.lease();
  if (!connection) return etl::failure(std::move(connection.error()));
  const auto found = (*connection)
                         ->query("SELECT to_regclass($1)::oid, to_regclass('etl_checkpoints')::oid",
                                 postgres::detail::quoted_table(table));
  if (!found) return etl::failure(found.error());
  if (found->is_null(0, 0)) return std::optional<TableIdentity>();
  return std::optional(
      TableIdentity{.table = std::string(found->text(0, 0)), .store = std::string(found->text(0, 1)), .unique = true});
}

bool IntoPostgres::is_empty(const std::string& table) {
  auto connection = pool_.lease();
  if (!connection) return false;
  const auto found =
      (*connection)->query("SELECT NOT EXISTS (SELECT FROM " + postgres::detail::quoted_table(table) + ")");
  return found && found->text(0, 0) == "t";
}

etl::Result<void> IntoPostgres::check(const std::vector<std::string>& statements) {
  auto connection = pool_.lease();
  if (!connection) return etl::failure(std::move(connection.error()));
  return postgres::check_integrity(**connection, statements);
}

etl::Result<void> IntoPostgres::run_script(const std::filesystem::path& script) {
  auto connection = pool_.lease();
  if (!connection) return etl::failure(std::move(connection.error()));
  return postgres::run_script_file(**connection, script);
}

}  // namespace program
