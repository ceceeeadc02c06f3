#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <ratio>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/postgres/source.hpp>

#include "sql.hpp"
#include "state.hpp"

namespace etl::inline v0::postgres::detail {

// --- values ----------------------------------------------------------------------------------------------------------

bool read_numeric(std::string_view bytes, std::string& to) {
  constexpr std::size_t header = 8;
  if (bytes.size() < header) return false;
  const char* const data = bytes.data();
  const auto digits = network<std::uint16_t>(data);
  const int weight = network<std::int16_t>(data + 2);
  const auto sign = network<std::uint16_t>(data + 4);
  const int scale = network<std::uint16_t>(data + 6);
  if (bytes.size() != header + 2 * std::size_t{digits}) return false;
  to.clear();
  if (sign == 0xc000) return to = "NaN", true;
  if (sign == 0xd000) return to = "Infinity", true;
  if (sign == 0xf000) return to = "-Infinity", true;
  if (sign == 0x4000) to += '-';
  const auto group = [&](int i) {
    return i < 0 || i >= digits ? 0 : int{network<std::int16_t>(data + header + 2 * static_cast<std::size_t>(i))};
  };
  to += std::to_string(weight < 0 ? 0 : group(0));
  for (int i = 1; i <= weight; ++i) to += fmt::format("{:04}", group(i));
  if (scale == 0) return true;
  to += '.';
  const std::size_t end = to.size() + static_cast<std::size_t>(scale);
  for (int i = weight + 1; to.size() < end; ++i) to += fmt::format("{:04}", group(i));
  to.resize(end);
  return true;
}

const char* read_decimal(std::string_view bytes, Decimal& to) {
  std::string text;
  if (!read_numeric(bytes, text)) return "not a valid numeric";
  const std::size_t point = text.find('.');
  const std::size_t scale = point == std::string::npos ? 0 : text.size() - point - 1;
  if (point != std::string::npos) text.erase(point, 1);
  std::int64_t unscaled = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), unscaled);
  if (error != std::errc{} || end != text.data() + text.size() || scale > std::numeric_limits<std::uint8_t>::max())
    return "more digits than a Decimal holds: read it into a std::string";
  to = {.unscaled = unscaled, .scale = static_cast<std::uint8_t>(scale)};
  return nullptr;
}

const char* read_text(const Field& field, std::string& to) {
  if (field.type == type_info(Type::Numeric).oid)
    return read_numeric(field.text(), to) ? nullptr : "not a valid numeric";
  if (field.type == type_info(Type::Uuid).oid) {
    Uuid uuid_value;
    std::copy_n(std::as_bytes(std::span(field.data, field.size)).begin(), uuid_value.bytes.size(),
                uuid_value.bytes.begin());
    to = uuid_value.text();
    return nullptr;
  }
  // A jsonb value begins with a version byte.
  to = field.text().substr(field.type == type_info(Type::Jsonb).oid ? 1 : 0);
  return field.type >= first_own ? text_problem(to) : nullptr;
}

std::string day_text(std::chrono::sys_days day) {
  // std::chrono::year ends at 32767, and PostgreSQL's dates end in the year 5874897. The calendar repeats every 400
  // years.
  using Era = std::chrono::duration<int, std::ratio_multiply<std::chrono::days::period, std::ratio<146'097>>>;
  const auto eras = std::chrono::floor<Era>(day.time_since_epoch());
  const std::chrono::year_month_day date(day - eras);
  const int year = static_cast<int>(date.year()) + 400 * eras.count();
  return fmt::format("{:04}-{:02}-{:02}{}", year > 0 ? year : 1 - year, static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), year > 0 ? "" : " BC");
}
std::string time_text(std::chrono::sys_days day, std::chrono::microseconds time_of_day) {
  const std::chrono::hh_mm_ss time(time_of_day);
  const std::string date = day_text(day);
  return fmt::format("{} {:02}:{:02}:{:02}.{:06}+00{}", std::string_view(date).substr(0, date.find(' ')),
                     time.hours().count(), time.minutes().count(), time.seconds().count(), time.subseconds().count(),
                     date.ends_with("BC") ? " BC" : "");
}

// --- cursors ---------------------------------------------------------------------------------------------------------

Cursor::Cursor(Connection connection, std::optional<Transaction> own, std::string name, std::string doing)
    : connection_(std::move(connection)),
      own_(std::move(own)),
      transaction_(connection_.state().transactions),
      name_(std::move(name)),
      doing_(std::move(doing)) {}

Result<Cursor> Cursor::open(Connection& connection, const std::string& sql, std::span<const Parameter> parameters,
                            std::string doing) {
  std::optional<Transaction> own;
  if (!connection.in_transaction()) {
    // What is written on this connection meanwhile would be part of it, and undone if not all rows are read.
    Result<Transaction> begun = connection.begin_with("SET TRANSACTION READ ONLY");
    if (!begun) return failure(std::move(begun.error()));
    own.emplace(std::move(*begun));
  }
  std::string name = fmt::format("etl_{}", ++connection.state().names);
  Result<Rows> declared =
      connection.query_with(fmt::format("DECLARE {} NO SCROLL BINARY CURSOR FOR {}", name, sql), parameters);
  if (!declared) return failure(std::move(declared.error()));
  Cursor cursor(connection, std::move(own), std::move(name), std::move(doing));
  if (Result<void> described = cursor.describe(); !described) return failure(std::move(described.error()));
  return cursor;
}

Cursor::~Cursor() {
  if (!name_.empty() && !own_ && !transaction_has_ended() && !connection_.state().lost() &&
      PQtransactionStatus(connection_.handle()) == PQTRANS_INTRANS)
    PQclear(PQexec(connection_.handle(), ("CLOSE " + name_).c_str()));
}

Result<void> Cursor::describe() {
  PGresult* const description = PQdescribePortal(connection_.handle(), name_.c_str());
  page_ = Rows(description);  // the columns, and no row
  if (PQresultStatus(description) == PGRES_COMMAND_OK) return {};
  return failure(error_of(connection_.state(), description, doing_));
}

bool Cursor::transaction_has_ended() const noexcept { return transaction_ != connection_.state().transactions; }

Result<void> Cursor::fetch() {
  if (transaction_has_ended()) {
    name_.clear();
    return failure(own_error(
        "24000", ErrorClass::Fatal,
        fmt::format("{}: {}: the transaction in which this query began has ended: read all its rows before that",
                    connection_.name(), doing_)));
  }
  const CancelOnStop cancel(connection_, stop_);
  Result<Rows> page = run(connection_, fmt::format("FETCH {} FROM {}", page_size_, name_), doing_);
  if (!page) {
    name_.clear();
    return failure(std::move(page.error()));
  }
  page_ = std::move(*page);
  row_ = -1;
  // Large pages for small rows, small pages for large rows.
  constexpr std::size_t wanted_bytes = 1 << 20;
  const auto rows = static_cast<std::size_t>(std::max(1, page_.size()));
  const std::size_t bytes = std::max<std::size_t>(1, PQresultMemorySize(page_.handle()) / rows);
  page_size_ = static_cast<int>(std::clamp<std::size_t>(wanted_bytes / bytes, 1, 10'000));
  return {};
}

Result<bool> Cursor::next() {
  if (row_ + 1 < page_.size()) return ++row_, true;
  if (name_.empty()) return false;
  if (!std::exchange(fetches_, true) || page_.size() > 0) {
    if (Result<void> fetched = fetch(); !fetched) return failure(std::move(fetched.error()));
    if (page_.size() > 0) return ++row_, true;
  }
  if (own_) {
    if (Result<void> ended = own_->commit(); !ended) return failure(std::move(ended.error()));
  } else {
    PQclear(PQexec(connection_.handle(), ("CLOSE " + name_).c_str()));
  }
  name_.clear();
  return false;
}

Field Cursor::field(int column) const noexcept {
  const PGresult* const page = page_.handle();
  if (PQgetisnull(page, row_, column) == 1) return {.data = nullptr, .size = 0, .type = type(column)};
  return {.data = PQgetvalue(page, row_, column),
          .size = static_cast<std::size_t>(PQgetlength(page, row_, column)),
          .type = type(column)};
}
std::uint32_t Cursor::type(int column) const noexcept { return PQftype(page_.handle(), column); }

namespace {

/// Which of the types that users or extensions have made are no texts: their binary form is not their text.
Result<std::vector<std::uint32_t>> not_texts(Connection connection, const std::vector<std::uint32_t>& types) {
  std::vector<std::uint32_t> found;
  if (types.empty()) return found;
  const auto rows =
      connection.query("SELECT oid::bigint FROM pg_type WHERE oid=ANY($1::oid[]) AND typtype<>'e' AND typcategory<>'S'",
                       fmt::format("{{{}}}", fmt::join(types, ",")));
  if (!rows) return failure(rows.error());
  for (int row = 0; row < rows->size(); ++row) found.push_back(static_cast<std::uint32_t>(rows->integer(row, 0)));
  return found;
}

}  // namespace

Result<void> find_columns(const Cursor& cursor, std::span<const ColumnInfo> columns, std::span<const Readable> readable,
                          std::span<int> places) {
  std::vector<std::uint32_t> own;  // types of columns
  for (std::size_t i = 0; i < columns.size(); ++i) {
    places[i] = -1;
    if (readable[i] == nullptr) continue;
    for (int at = 0; at < cursor.columns() && places[i] < 0; ++at)
      if (columns[i].name == cursor.column_name(at)) places[i] = at;
    if (places[i] >= 0 && cursor.type(places[i]) >= first_own) own.push_back(cursor.type(places[i]));
  }
  const auto unreadable = not_texts(cursor.connection(), own);
  if (!unreadable) return failure(unreadable.error());
  std::string wrong;
  const auto add = [&wrong](const std::string& what) { wrong.append(wrong.empty() ? "" : "; ").append(what); };
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (readable[i] == nullptr) continue;
    const std::uint32_t type = places[i] < 0 ? 0 : cursor.type(places[i]);
    if (places[i] < 0)
      add(fmt::format("there is no column {}", quoted(columns[i].name)));
    else if (!readable[i](type) || std::ranges::find(*unreadable, type) != unreadable->end())
      add(
          fmt::format("column {0} has a type (oid {1}) that its member cannot hold; to read it as a text, use your own "
                      "SELECT with {0}::text AS {0}",
                      quoted(columns[i].name), type));
  }
  if (wrong.empty()) return {};
  std::string found;
  for (int at = 0; at < cursor.columns(); ++at)
    found.append(at == 0 ? "" : ", ").append(quoted(cursor.column_name(at)));
  return failure(own_error("42P17", ErrorClass::Fatal,
                           fmt::format("{}: {}: {}; the query has {}", cursor.connection().name(), cursor.doing(),
                                       wrong, found.empty() ? "none" : found)));
}

namespace {

constexpr std::uint32_t name_type = 19, blank_padded = 1042, varchar_type = 1043;
constexpr const char *by_bytes = " COLLATE \"C\"", *text_by_bytes = "::text COLLATE \"C\"";

/// A column's values as the server orders them so that only those are equal which are read as equal.
std::string exactly(const std::string& name, std::uint32_t type) {
  const auto is = [type](auto... wanted) { return ((type == type_info(wanted).oid) || ...); };
  if (is(Type::Boolean, Type::SmallInt, Type::Integer, Type::BigInt, Type::Date, Type::Timestamp, Type::TimestampTz,
         Type::Uuid, Type::Bytea))
    return name;
  if (is(Type::Text) || type == name_type || type == varchar_type) return name + by_bytes;
  // As texts, char(n) loses its blanks, and numbers lose digits if extra_float_digits is small.
  if (type == blank_padded) return fmt::format("bpcharsend({})", name);
  if (is(Type::Real, Type::Double)) return fmt::format("float8send({})", name);
  // json has no order, and to numeric 1.0 and 1.00 are equal.
  return name + text_by_bytes;
}

}  // namespace

Result<KeyOrder> key_order(Connection& connection, std::string_view table, std::span<const ColumnInfo> columns) {
  KeyOrder order;
  std::vector<Parameter> parameters{quoted_table(table)};
  const std::string keys = list(columns, &ColumnInfo::is_key, [&](const ColumnInfo& column) {
    parameters.emplace_back(column.name);
    return fmt::format("${}", parameters.size());
  });
  if (keys.empty()) return order;
  // A domain has the operators of the type below it. The collation is the column's also then. An index does not cover
  // the tables that inherit from its table, except the partitions of a partitioned one.
  const Result<Rows> found = connection.query_with(
      fmt::format(
          "WITH RECURSIVE types(name, id, collation_id, nullable) AS (SELECT attname, atttypid, attcollation, NOT "
          "attnotnull FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped UNION ALL "
          "SELECT name, typbasetype, collation_id, nullable FROM types JOIN pg_type ON oid = id WHERE typtype = 'd') "
          "SELECT name, id, typname IN "
          "('citext', 'jsonb'), NOT collisdeterministic, EXISTS(SELECT FROM pg_index JOIN pg_class r ON r.oid = "
          "indrelid WHERE indrelid = to_regclass($1) AND indisunique AND indimmediate AND indisvalid AND indpred IS "
          "NULL AND (relkind = 'p' OR NOT relhassubclass) AND (indkey::int2[])[0:indnkeyatts - 1] <@ ARRAY(SELECT "
          "attnum FROM pg_attribute WHERE attrelid = indrelid AND attname IN ({}))), nullable FROM types JOIN pg_type "
          "t ON "
          "t.oid = id LEFT JOIN pg_collation c ON c.oid = collation_id WHERE typtype <> 'd'",
          keys),
      parameters);
  if (!found) return failure(found.error());
  const bool one_key = parameters.size() == 2;
  const bool is_unique = found->size() > 0 && found->text(0, 4) == "t";
  for (const ColumnInfo& column : columns) {
    int row = 0;
    while (row < found->size() && found->text(row, 0) != column.name) ++row;
    if (!column.is_member || row == found->size()) continue;  // the server will say that it is missing
    const std::string name = name_of(column);
    const std::string exact = exactly(name, static_cast<std::uint32_t>(found->integer(row, 1)));
    const bool is_like_text = found->text(row, 2) == "t", is_loose = found->text(row, 3) == "t";
    if (column.is_key && one_key) order.key = is_like_text ? text_by_bytes : is_loose ? by_bytes : "";
    order.nullable = order.nullable || (column.is_key && found->text(row, 5) == "t");
    // Keys whose equal values are also read as equal. To other collations than the loose ones texts are equal as bytes.
    const bool has_no_ties = column.is_key && (name + order.key == exact || (name + by_bytes == exact && !is_loose));
    if (!is_unique && !has_no_ties) order.ties.append(", ").append(exact);
  }
  return order;
}

Result<void> check_keys(Connection& connection, std::string_view table, std::span<const ColumnInfo> columns) {
  const std::string name = quoted_table(table), key = list(columns, &ColumnInfo::is_key, name_of);
  const Result<Rows> found = connection.query(fmt::format("SELECT EXISTS(SELECT FROM {} WHERE {} IS NULL)", name, key));
  if (!found) return failure(found.error());
  if (found->text(0, 0) == "f") return {};
  return failure(own_error(
      "22004", ErrorClass::Fatal,
      fmt::format(
          "{}: read {}: column {}, which is the key, is NULL in some rows, and NULL is after no position and in no "
          "range: give these rows a key, leave them out with your own SELECT, or map another key",
          connection.name(), name, key)));
}

bool equal_texts(std::uint32_t type, std::string_view a, std::string_view b) {
  const auto significant = [type](std::string_view text) {
    if (type == blank_padded) return text.substr(0, text.find_last_not_of(' ') + 1);
    if (type != type_info(Type::Numeric).oid || text.find('.') == text.npos) return text;
    const std::size_t last = text.find_last_not_of('0');
    return text.substr(0, text[last] == '.' ? last : last + 1);
  };
  return significant(a) == significant(b);
}

std::string select_sql(std::string_view table, std::span<const ColumnInfo> columns, bool after, bool until,
                       const KeyOrder& order) {
  const std::string members = list(columns, &ColumnInfo::is_member, name_of),
                    keys = list(columns, &ColumnInfo::is_key, name_of).append(order.key);
  std::string sql = fmt::format("SELECT {} FROM {}", members, quoted_table(table));
  if (after) sql += fmt::format(" WHERE {} > $1", keys);
  if (until) sql += fmt::format(" {} {} <= ${}", after ? "AND" : "WHERE", keys, after ? 2 : 1);
  if (!keys.empty()) sql += fmt::format(" ORDER BY {}{}", keys, order.ties);
  return sql;
}

namespace {

/// A value as errors show it: texts, integers and dates as they are, other types as bytes.
std::string show_field(const Field& field) {
  if (field.data == nullptr) return "NULL";
  std::string text;
  std::int64_t number = 0;
  if (readable<std::int64_t>(field.type) && read_value(field, number) == nullptr) return std::to_string(number);
  if (readable<std::string>(field.type) && read_value(field, text) == nullptr) return shown(std::string_view(text));
  std::chrono::sys_days day;
  if (readable<std::chrono::sys_days>(field.type) && read_value(field, day) == nullptr) return day_text(day);
  return shown(std::as_bytes(std::span(field.data, field.size)));
}

}  // namespace

Error unreadable(const Cursor& cursor, std::span<const ColumnInfo> columns, std::span<const int> places,
                 std::size_t column, std::uint64_t number, const char* why) {
  std::string place;
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].is_key && places[i] >= 0)
      place += fmt::format(", {}={}", columns[i].name, show_field(cursor.field(places[i])));
  if (place.empty()) place = fmt::format(", row {} of the result", number);
  return own_error("22000", ErrorClass::Rejected,
                   fmt::format("{}: {}{}, column {}: {}: {}", cursor.connection().name(), cursor.doing(), place,
                               quoted(columns[column].name), show_field(cursor.field(places[column])), why));
}

Error bad_position(const Connection& connection, std::string_view table, const Position& position,
                   std::string_view why) {
  return own_error("22023", ErrorClass::Fatal,
                   fmt::format("{}: read {}: cannot resume at the position {}, which belongs to another source: {}",
                               connection.name(), quoted_table(table), shown(std::string_view(position.text())), why));
}

// --- ranges of the key -----------------------------------------------------------------------------------------------

Result<std::vector<KeyRange>> key_ranges(Connection& connection, std::string_view table,
                                         std::span<const ColumnInfo> columns, std::size_t count) {
  constexpr double sample = 100'000;
  const Result<KeyOrder> order = key_order(connection, table, columns);
  if (!order) return failure(order.error());
  const std::string name = quoted_table(table), key = list(columns, &ColumnInfo::is_key, name_of) + order->key;
  const Result<Rows> size = connection.query(
      "SELECT CASE WHEN relkind IN ('r', 'm') THEN reltuples::bigint ELSE 0 END FROM pg_class WHERE "
      "oid = to_regclass($1)",
      name);
  if (!size) return failure(size.error());
  const auto rows = static_cast<double>(size->size() > 0 ? size->integer(0, 0) : 0);
  std::string fractions;
  for (std::size_t i = 1; i < count; ++i)
    fractions += fmt::format("{}{}", i > 1 ? "," : "", static_cast<double>(i) / static_cast<double>(count));
  std::vector<KeyRange> ranges(1);
  if (fractions.empty()) return ranges;
  const Result<Rows> bounds = connection.query(fmt::format(
      "SELECT DISTINCT b, b::text AS t FROM (SELECT unnest(percentile_disc(ARRAY[{}]::float8[]) WITHIN GROUP (ORDER BY "
      "{})) "
      "b "
      "FROM {}{}) s WHERE b IS NOT NULL ORDER BY 1",
      fractions, key, name, rows > 10 * sample ? fmt::format(" TABLESAMPLE SYSTEM({})", 100 * sample / rows) : ""));
  if (!bounds) return failure(bounds.error());
  for (int i = 0; i < bounds->size(); ++i) {
    const Position bound{std::string(bounds->text(i, 1))};
    ranges.back().until = bound;
    ranges.push_back({.after = bound});
  }
  return ranges;
}

}  // namespace etl::inline v0::postgres::detail
