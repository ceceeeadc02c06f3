/// The SQL that writes batches to a table: the COPY, the stage, and the merge from the stage into the table.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <etl/postgres/sink.hpp>

#include "sql.hpp"
#include "state.hpp"

namespace etl::inline v0::postgres::detail {
namespace {

bool no_key(const ColumnInfo& column) { return !column.is_key; }

/// FNV-1a.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 14'695'981'039'346'656'037U;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
  return value;
}

/// A column of the stage as a value of the table's column.
std::string value(const ColumnInfo& c) {
  return c.cast.empty() ? quoted(c.name) : fmt::format("{}::{}", quoted(c.name), c.cast);
}

/// How batches with `OnConflict::Ignore` are sorted if the mapping has no key.
struct Sorting {
  std::string order{};   // columns; may be empty
  bool possible = true;  // false: no order keeps two batches from waiting for each other
};

/// Batches are sorted by the only index that excludes rows of the mapping, so that the first row of a key still counts.
/// An index without a mapped column, such as the index of a number that the table generates, excludes no rows.
Result<Sorting> sorting_of(Connection& connection, const std::string& table, std::span<const ColumnInfo> columns) {
  const auto found = connection.query(
      "SELECT i.indexrelid, a.attname, i.indisexclusion FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH "
      "ORDINALITY k(number, place) LEFT JOIN pg_attribute a ON a.attrelid=i.indrelid AND a.attnum=k.number AND "
      "k.number<>0 WHERE i.indrelid=to_regclass($1) AND (i.indisunique OR i.indisexclusion) AND "
      "k.place<=i.indnkeyatts ORDER BY i.indexrelid, k.place",
      table);
  if (!found) return failure(found.error());
  Sorting sorting;
  bool some = false;  // an index excludes rows
  for (int row = 0; row < found->size();) {
    const std::string index(found->text(row, 0));
    std::string order;
    bool mapped = false, sortable = true;
    for (; row < found->size() && found->text(row, 0) == index; ++row) {
      const bool expression = found->is_null(row, 1);
      const auto column =
          expression ? columns.end() : std::ranges::find(columns, found->text(row, 1), &ColumnInfo::name);
      mapped = mapped || expression || column != columns.end();
      sortable = sortable && column != columns.end() && found->text(row, 2) != "t";
      if (column != columns.end()) order.append(order.empty() ? "" : ", ").append(value(*column));
    }
    if (!mapped) continue;
    sorting = sortable && !some ? Sorting{.order = std::move(order)} : Sorting{.possible = false};
    some = true;
  }
  return sorting;
}

/// Whether a unique index of the table consists of columns of the mapping's key, so that one row has at most one other
/// with its key.
Result<bool> has_unique_key(Connection& connection, const std::string& table, std::span<const ColumnInfo> columns) {
  const auto found = connection.query(
      "SELECT i.indexrelid, a.attname FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(number, "
      "place) JOIN pg_attribute a ON a.attrelid=i.indrelid AND a.attnum=k.number WHERE i.indrelid=to_regclass($1) AND "
      "i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place<=i.indnkeyatts ORDER BY "
      "i.indexrelid",
      table);
  if (!found) return failure(found.error());
  for (int row = 0; row < found->size();) {
    const std::string index(found->text(row, 0));
    bool covered = true;
    for (; row < found->size() && found->text(row, 0) == index; ++row) {
      const auto column = std::ranges::find(columns, found->text(row, 1), &ColumnInfo::name);
      covered = covered && column != columns.end() && column->is_key;
    }
    if (covered) return true;
  }
  return false;
}

/// Why rows of the table cannot be replaced, which deletes them first; nothing if they can.
Result<void> check_replace(Connection& connection, const std::string& table, std::span<const ColumnInfo> columns,
                           const std::string& doing) {
  const auto refused = [&](const char* code, const std::string& why) {
    return failure(own_error(code, ErrorClass::Fatal,
                             fmt::format("{}: {}: OnConflict::Replace {}", connection.name(), doing, why)));
  };
  // The foreign keys of a partitioned table may refer to a partition.
  const auto found = connection.query(
      "SELECT c.relkind = 'p' OR c.relkind = 'r' AND NOT EXISTS (SELECT 1 FROM pg_inherits WHERE inhparent=c.oid), "
      "(SELECT min(conrelid::regclass::text) FROM pg_constraint WHERE contype='f' AND confdeltype IN ('c', 'n', 'd') "
      "AND confrelid IN (SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid))) FROM pg_class c WHERE "
      "c.oid=to_regclass($1)",
      table);
  if (!found) return failure(found.error());
  if (found->size() > 0 && found->text(0, 0) != "t")
    return refused(
        "0A000",
        "deletes the old row first, and cannot know which rows of a view, of a foreign table or of tables that "
        "inherit from this one it would delete: use Update, or the table itself");
  if (found->size() > 0 && !found->is_null(0, 1))
    return refused(
        "0A000", fmt::format("deletes the old row first, and a foreign key would then delete or change the rows of {} "
                             "that refer to it: use Update, which keeps the old row",
                             found->text(0, 1)));
  const auto unique = has_unique_key(connection, table, columns);
  if (!unique) return failure(unique.error());
  if (!*unique)
    return refused("42P10",
                   fmt::format("needs all columns of the table's primary key or of a unique index, and the key of the "
                               "mapping is ({}): one row would delete all rows with this key",
                               list(columns, &ColumnInfo::is_key, name_of)));
  return {};
}

std::string merge_sql(const std::string& table, std::int32_t oid, const std::string& stage,
                      std::span<const ColumnInfo> columns, OnConflict on_conflict, const Sorting& sorting) {
  const std::string all = list(columns, any, name_of), keys = list(columns, &ColumnInfo::is_key, name_of);
  const std::string by_key = list(columns, &ColumnInfo::is_key, value);
  const std::string insert =
      fmt::format("INSERT INTO {}({}) OVERRIDING SYSTEM VALUE SELECT {} FROM ", table, all, list(columns, any, value));
  if (on_conflict == OnConflict::Fail) return fmt::format("{}{} ORDER BY etl_row", insert, stage);
  // Batches are sorted, so that two of them do not wait for each other. A batch that cannot be sorted, or is stored in
  // parts because of a bad row, waits until it is alone.
  const std::string beside_others = lock_sql(oid, "pg_advisory_xact_lock_shared") + ";";
  if (on_conflict == OnConflict::Ignore && keys.empty())
    return fmt::format("{}{}{} ORDER BY {}{}etl_row ON CONFLICT DO NOTHING",
                       sorting.possible ? beside_others : lock_if_first(oid) + ";", insert, stage, sorting.order,
                       sorting.order.empty() ? "" : ", ");
  if (on_conflict == OnConflict::Ignore)  // the first row of a key counts
    return fmt::format("{}{}{} ORDER BY {}, etl_row ON CONFLICT({}) DO NOTHING", beside_others, insert, stage, by_key,
                       keys);
  // If several rows have the same key, the last one counts.
  const std::string last =
      fmt::format("(SELECT DISTINCT ON ({0}) * FROM {1} ORDER BY {0}, etl_row DESC) s", by_key, stage);
  if (on_conflict == OnConflict::Replace) {
    const auto same = [&](const ColumnInfo& c) { return fmt::format("t.{}=s.{}", quoted(c.name), value(c)); };
    // One batch at a time. Otherwise the DELETE would wait for the row that another batch replaces, and would not see
    // the new row.
    return fmt::format("{};DELETE FROM {} t USING {} s WHERE {};{}{}", lock_sql(oid, "pg_advisory_xact_lock"), table,
                       stage, list(columns, &ColumnInfo::is_key, same, " AND "), insert, last);
  }
  const std::string set =
      list(columns, no_key, [](const ColumnInfo& c) { return fmt::format("{0}=excluded.{0}", quoted(c.name)); });
  return fmt::format("{}{}{} ON CONFLICT({}) DO {}", beside_others, insert, last, keys,
                     set.empty() ? "NOTHING" : "UPDATE SET " + set);
}

}  // namespace

Result<Target> make_target(Connection& connection, std::string_view table, std::span<const ColumnInfo> columns,
                           OnConflict on_conflict) {
  const std::string name = quoted_table(table);
  Target target;
  target.table = name;
  target.doing = "insert into " + name;
  if ((on_conflict == OnConflict::Update || on_conflict == OnConflict::Replace) &&
      std::ranges::none_of(columns, &ColumnInfo::is_key))
    return failure(
        own_error("42P10", ErrorClass::Fatal,
                  fmt::format("{}: {}: OnConflict::Update and Replace need a key, and the mapping has no key "
                              "column",
                              connection.name(), target.doing)));
  if (Result<void> same = check_table(connection, table, columns, false); !same)
    return failure(std::move(same.error()));
  const std::string names = list(columns, any, name_of);
  std::string into = name;
  target.name = table.substr(table.find('.') == std::string_view::npos ? 0 : table.find('.') + 1);
  const bool casts = std::ranges::any_of(columns, [](const ColumnInfo& c) { return !c.cast.empty(); });
  // COPY refuses views, and tables whose policies apply to this user. INSERT does not.
  const auto inserts = connection.query(
      "SELECT relkind = 'v' OR row_security_active(oid), oid, (SELECT string_agg(concat_ws(' ', attname, "
      "format_type(atttypid, atttypmod)), ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid=c.oid AND attnum>0) "
      "FROM pg_class c WHERE oid=to_regclass($1)",
      name);
  if (!inserts) return failure(inserts.error());
  const bool copies = inserts->size() == 0 || inserts->text(0, 0) != "t";
  const std::string types(inserts->size() == 0 ? "" : inserts->text(0, 2));
  if (on_conflict != OnConflict::Fail || casts || !copies) {
    const auto staged = [](const ColumnInfo& c) {
      return c.cast.empty() ? quoted(c.name) : fmt::format("{0}::text AS {0}", quoted(c.name));
    };
    // The name depends on the types of the table's columns, so that a stage with old types is not used.
    target.name = fmt::format("etl_stage_{:016x}", hash(name + list(columns, any, staged) + types));
    target.stage = into = "pg_temp." + target.name;
    target.make_stage = fmt::format(
        "CREATE TEMP TABLE IF NOT EXISTS {0} ON COMMIT DELETE ROWS AS SELECT {2} FROM {1} WITH NO DATA;"
        "ALTER TABLE {3} ADD COLUMN IF NOT EXISTS etl_row bigint GENERATED ALWAYS AS IDENTITY",
        target.name, name, list(columns, any, staged), target.stage);
    const auto oid = static_cast<std::int32_t>(inserts->size() == 0 ? 0 : inserts->integer(0, 1));
    if (std::ranges::find(columns, "etl_row", &ColumnInfo::name) != columns.end())
      return failure(own_error("42701", ErrorClass::Fatal,
                               fmt::format("{}: {}: a column cannot have the name etl_row here, because the temporary "
                                           "table that the rows go through has a column of that name",
                                           connection.name(), target.doing)));
    if (on_conflict == OnConflict::Replace)
      if (auto may = check_replace(connection, name, columns, target.doing); !may)
        return failure(std::move(may.error()));
    Sorting sorting;
    if (on_conflict == OnConflict::Ignore && std::ranges::none_of(columns, &ColumnInfo::is_key)) {
      auto found = sorting_of(connection, name, columns);
      if (!found) return failure(std::move(found.error()));
      sorting = std::move(*found);
    }
    target.merge = merge_sql(name, oid, target.stage, columns, on_conflict, sorting);
    if (on_conflict != OnConflict::Fail) target.locked = oid;
    for (const ColumnInfo& column : columns)
      if (!column.cast.empty()) target.casts.emplace_back(column.name, column.cast);
  }
  const auto deferred = connection.query(
      "SELECT string_agg(DISTINCT quote_ident(n.nspname) || '.' || quote_ident(c.conname), ',') FROM pg_constraint c "
      "JOIN "
      "pg_namespace n ON n.oid=c.connamespace WHERE c.conrelid=to_regclass($1) AND c.condeferred",
      name);
  if (!deferred) return failure(deferred.error());
  if (!deferred->is_null(0, 0)) target.deferred = deferred->text(0, 0);
  target.copy = fmt::format("COPY {}({}) FROM STDIN WITH (FORMAT binary)", into, names);
  return target;
}

}  // namespace etl::inline v0::postgres::detail
