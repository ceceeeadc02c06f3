#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <etl/postgres/script.hpp>

#include "into.hpp"
#include "postgres_limits.hpp"

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
constexpr std::size_t longest_name = 63;  // PostgreSQL cuts longer names off

/// Refuses a name that PostgreSQL would cut off: two tables could then be meant by one name.
etl::Result<void> check_table_name(std::string_view table) {
  const std::size_t dot = table.find('.');
  for (const std::string_view name : {dot == table.npos ? std::string_view() : table.substr(0, dot),
                                      dot == table.npos ? table : table.substr(dot + 1)})
    if (name.size() > longest_name)
      return etl::failure(etl::fatal(
          fmt::format("--table {}: the name '{}' has {} bytes, and PostgreSQL truncates names at {}: give the "
                      "truncated name, or a shorter name",
                      etl::csv::detail::shown(table), etl::csv::detail::shown(name), name.size(), longest_name)));
  return {};
}
Type postgres_type(const TargetColumn& column) {
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
      "SELECT a.attname, format_type(b.oid, NULL), NOT a.attnotnull, coalesce(a.attnum = "
      "ANY((i.indkey::int2[])[0:i.indnkeyatts - 1]), false), "
      "b.typcategory = 'S' OR b.typtype = 'e', format_type(b.oid, -1), a.attnotnull AND NOT a.atthasdef AND "
      "a.attidentity = '' AND t.typdefault IS NULL, a.attgenerated <> '', a.attnum "
      "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
      "JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END LEFT JOIN pg_index i ON "
      "i.indrelid = a.attrelid AND i.indisprimary WHERE a.attrelid = to_regclass($1) AND "
      "a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attgenerated <> '', a.attnum",
      postgres::detail::quoted_table(table));
  if (!rows) return etl::failure(rows.error());
  if (rows->size() == 0) return std::optional<TargetColumns>();
  auto limits = limits_of_columns(*connection, postgres::detail::quoted_table(table));
  if (!limits) return etl::failure(std::move(limits.error()));
  TargetColumns found;
  for (int row = 0; row < rows->size(); ++row) {
    const std::string type(rows->text(row, 1));
    found.push_back(
        {.name = std::string(rows->text(row, 0)),
         .kind = known_type(type).kind,
         .nullable = rows->text(row, 2) == "t",
         .key = rows->text(row, 3) == "t",
         .required = rows->text(row, 6) == "t" && rows->text(row, 7) != "t",
         .type = type,
         .also = {},
         .holds = std::move((*limits)[rows->integer(row, 8)]),
         .cast = is_known(type) || rows->text(row, 4) == "t" ? std::string() : std::string(rows->text(row, 5)),
         .generated = rows->text(row, 7) == "t"});
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
                    .type = postgres_type(column),
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
          etl::fatal(fmt::format("the name of column '{}' has {} bytes, and PostgreSQL truncates names at {}: give the "
                                 "column another name with a mapping, or create the table first",
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
