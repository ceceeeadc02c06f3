#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/postgres/copy.hpp>
#include <etl/postgres/sink.hpp>
#include <etl/postgres/source.hpp>

#include "support/catch.hpp"
#include "support/test_data.hpp"
#include "unit/postgres/support.hpp"

namespace copy_test {

using namespace std::chrono_literals;
using namespace std::string_literals;
using etl::ErrorClass;
using etl::postgres::column;
using etl::postgres::Decimal;
using etl::postgres::EncodedRows;
using etl::postgres::key;
using etl::postgres::table;
using etl::postgres::Uuid;
using std::chrono::sys_days;
using test::lacks;
using test::ok;

namespace {

template <class V>
struct One {
  V v{};
};
template <class V, class AsType = etl::postgres::ByDefault>
auto one_column(AsType as = {}) {
  return table<One<V>>("one", column("v", &One<V>::v, as));
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}
std::string unhex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  return bytes;
}

/// One row of one value, as hexadecimal digits, or why it is refused.
template <class V, class AsType = etl::postgres::ByDefault>
std::string encoded(V v, AsType as = {}) {
  EncodedRows rows(one_column<V>(as));
  const auto added = rows.add({std::move(v)});
  if (!added) return added.error().message();
  return hex({rows.bytes().data(), rows.bytes().size()}).substr(4);  // without the count of columns
}

/// A value through the server and back.
template <class V, class AsType = etl::postgres::ByDefault>
V round_trip(etl::postgres::Connection& db, V v, AsType as = {}) {
  const auto one = one_column<V>(as);
  auto tx = ok(db.begin());
  ok(etl::postgres::create_table(db, one));
  const std::vector<One<V>> rows{{std::move(v)}};
  ok(tx.copy(one, rows));
  auto query = ok(etl::postgres::query(db, one));
  One<V> back;
  CHECK(ok(query.next(back)));
  CHECK_FALSE(ok(query.next(back)));
  return back.v;
}

enum class Colour : std::uint8_t { Red = 1, Violet = 255 };

std::string zcat(const std::string& file) {
  std::string all;
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(("zcat " + file).c_str(), "r"), &::pclose);
  std::array<char, 65536> part{};
  while (const std::size_t size = std::fread(part.data(), 1, part.size(), pipe.get())) all.append(part.data(), size);
  return all;
}

}  // namespace

// --- bytes
// ------------------------------------------------------------------------------------------------------------

TEST_CASE("postgres copy: the bytes are PostgreSQL's own, value by value") {
  const auto folder = test::data_folder();
  if (!folder) {
    WARN("no test data");
    return;
  }
  using namespace std::chrono;
  namespace pg = etl::postgres;
  // What the values of the file are in C++; text of whatever type is taken from the file.
  const std::map<std::string, std::function<std::string(const std::string&)>> by_type = {
      {"text", [](const std::string& t) { return encoded(t); }},
      {"varchar(10)", [](const std::string& t) { return encoded(t); }},
      {"json", [](const std::string& t) { return encoded(t, pg::json); }},
      {"numeric", [](const std::string& t) { return encoded(t, pg::numeric); }},
      {"integer", [](const std::string& t) { return encoded(std::stoi(t)); }},
      {"smallint", [](const std::string& t) { return encoded(static_cast<std::int16_t>(std::stoi(t))); }},
      {"bigint", [](const std::string& t) { return encoded(std::int64_t{std::stoll(t)}); }},
      {"boolean", [](const std::string& t) { return encoded(t == "true"); }},
      {"real", [](const std::string& t) { return encoded(std::stof(t)); }},
      {"double precision", [](const std::string& t) { return encoded(t == "5e-324" ? 5e-324 : std::stod(t)); }},
      {"bytea", [](const std::string& t) { return encoded(test::bytes(t == "\\x" ? "" : "?")); }},
      {"date",
       [](const std::string& t) {
         return encoded(sys_days(year(std::stoi(t.substr(0, 4))) / std::stoi(t.substr(5, 2)) / std::stoi(t.substr(8))));
       }},
      {"timestamp", [](const std::string&) { return encoded(local_days(2000y / 1 / 1) + 0us); }},
      {"timestamptz", [](const std::string&) { return encoded(sys_days(2024y / 6 / 1) + 10h); }},
      {"text[]",
       [](const std::string& t) { return encoded(t == "{}" ? std::vector<std::string>() : std::vector{"a"s, "b"s}); }},
  };
  std::ifstream file(*folder / "postgres" / "copy_values.csv");
  std::string line;
  std::getline(file, line);
  int checked = 0;
  while (std::getline(file, line)) {
    std::vector<std::string> cells;
    std::stringstream cut(line);
    for (std::string cell; std::getline(cut, cell, ',');) cells.push_back(cell);
    REQUIRE(cells.size() == 9);
    const auto found = by_type.find(cells[1]);
    if (found == by_type.end()) continue;
    const std::string input = unhex(cells[3]);
    INFO(cells[1] << " " << input);
    const std::string expected = hex(std::string(etl::postgres::copy_header)) + "0001" +
                                 (cells[2] == "yes" ? encoded(std::optional<std::string>()) : found->second(input)) +
                                 "ffff";
    CHECK(expected == cells[8]);
    ++checked;
  }
  CHECK(checked >= 33);
}

TEST_CASE("postgres copy: whole rows read from PostgreSQL are written as it writes them") {
  const auto folder = test::data_folder();
  if (!folder) {
    WARN("no test data");
    return;
  }
  struct Protein {
    std::string file{};
    std::int32_t idx = 0;
    std::string accession{}, entry_name{};
    bool reviewed = false;
    std::int32_t length = 0;
    std::optional<std::int64_t> mol_weight{};
    std::optional<std::string> crc{};
    std::optional<std::int32_t> taxid{};
    std::optional<std::string> organism{}, description{};
    std::optional<std::vector<std::string>> keywords{};
    std::optional<std::string> sequence{};
  };
  const auto proteins = table<Protein>(
      "proteins", column("file", &Protein::file), column("idx", &Protein::idx),
      column("accession", &Protein::accession), column("entry_name", &Protein::entry_name),
      column("reviewed", &Protein::reviewed), column("length", &Protein::length),
      column("mol_weight", &Protein::mol_weight), column("crc", &Protein::crc), column("taxid", &Protein::taxid),
      column("organism", &Protein::organism), column("description", &Protein::description),
      column("keywords", &Protein::keywords), column("sequence", &Protein::sequence));
  const std::string bytes = zcat((*folder / "postgres" / "proteins.copy.bin.gz").string());
  REQUIRE(bytes.starts_with(etl::postgres::copy_header));
  const test::Schema schema;
  auto db = schema.open();
  ok(etl::postgres::create_table(db, proteins));
  // PostgreSQL takes its own bytes; what is read of them is encoded again.
  struct Nameless final : etl::postgres::detail::RowNames {
    [[nodiscard]] std::string place(std::size_t) const override { return "row"; }
  };
  const auto target = ok(etl::postgres::detail::make_target(
      db, "proteins", etl::postgres::detail::column_infos(proteins), etl::postgres::OnConflict::Fail));
  etl::postgres::detail::Copy copy(db, target, etl::postgres::detail::Scope::Own);
  const std::size_t head = etl::postgres::copy_header.size(), tail = etl::postgres::copy_trailer.size();
  ok(copy.begin());
  ok(copy.send(std::span(bytes).subspan(head, bytes.size() - head - tail)));
  ok(copy.end(Nameless(), 0, 359));
  CHECK(test::count(db, "proteins") == 359);

  auto rows = ok(etl::postgres::query_sql(db, proteins, "SELECT * FROM proteins ORDER BY file COLLATE \"C\", idx"));
  EncodedRows again(proteins);
  for (Protein protein; ok(rows.next(protein));) ok(again.add(protein));
  CHECK(again.size() == 359);
  const std::string all = std::string(etl::postgres::copy_header) +
                          std::string(again.bytes().data(), again.bytes().size()) +
                          std::string(etl::postgres::copy_trailer);
  CHECK((all == bytes));
}

TEST_CASE("postgres copy: rows are laid out as the manual says, and can be addressed") {
  struct Pair {
    std::int32_t a;
    std::optional<std::int16_t> b;
  };
  EncodedRows rows(table<Pair>("pairs", key("a", &Pair::a), column("b", &Pair::b)));
  ok(rows.add({1, 2}));
  ok(rows.add({-1, std::nullopt}));
  CHECK(rows.size() == 2);
  const auto part = [&](std::size_t first, std::size_t last) {
    const auto bytes = rows.bytes(first, last);
    return hex({bytes.data(), bytes.size()});
  };
  CHECK(part(0, 1) ==
        "0002000000040000000100000002"
        "0002");
  CHECK(part(1, 2) == "000200000004ffffffffffffffff");
  CHECK(part(0, 2) == part(0, 1) + part(1, 2));
  CHECK(part(0, 0).empty());
  rows.clear();
  CHECK(rows.bytes().empty());
}

TEST_CASE("postgres copy: a column's type may be named, and values are checked against it") {
  namespace pg = etl::postgres;
  CHECK(encoded(std::int32_t{7}, pg::bigint) ==
        "00000008"
        "0000000000000007");
  CHECK(encoded(std::int64_t{7}, pg::integer) ==
        "00000004"
        "00000007");
  CHECK(lacks(encoded(std::int64_t{1} << 31, pg::integer), {"column \"v\": 2147483648: out of the column's range"}) ==
        "");
  CHECK(lacks(encoded(std::uint64_t{1} << 63), {"9223372036854775808: out of the column's range"}) == "");
  CHECK(encoded(std::uint16_t{65535}) ==
        "00000004"
        "0000ffff");
  CHECK(encoded(std::uint32_t{4294967295}) ==
        "00000008"
        "00000000ffffffff");
  CHECK(encoded(Colour::Violet) ==
        "00000002"
        "00ff");
  CHECK(encoded(1e300, pg::real).ends_with("out of the column's range"));
  CHECK(encoded(std::numeric_limits<double>::infinity(), pg::real) ==
        "00000004"
        "7f800000");
  CHECK(encoded(std::vector<std::optional<int>>{1, std::nullopt}) ==
        "00000020"
        "00000001"
        "00000001"
        "00000017"
        "00000002"
        "00000001"
        "00000004"
        "00000001"
        "ffffffff");
  CHECK(encoded("{}"s, pg::jsonb) ==
        "00000003"
        "017b7d");
  CHECK(encoded("01234567-89AB-cdef-0123-456789abcdef"s, pg::uuid) ==
        "00000010"
        "0123456789abcdef0123456789abcdef");
  CHECK(encoded("not one"s, pg::uuid).ends_with("'not one': no UUID"));
}

TEST_CASE("postgres copy: what cannot be encoded is rejected alone, with table, key, column, value and reason") {
  struct Row {
    int id;
    std::string name;
  };
  EncodedRows rows(table<Row>("sales.rows", key("id", &Row::id), column("name", &Row::name)));
  ok(rows.add({1, "fine"}));
  const std::size_t before = rows.bytes().size();
  const etl::Error e = test::error_of(rows.add({2, "a\0b"s}));
  CHECK(e.error_class == ErrorClass::Rejected);
  CHECK(e.code == etl::postgres::sqlstate("22000"));
  CHECK(e.message() ==
        "insert into \"sales\".\"rows\", id=2, column \"name\": 'a\\x00b': PostgreSQL's texts cannot hold "
        "the character NUL (\\u0000 in JSON)");
  CHECK(rows.bytes().size() == before);
  ok(rows.add({3, "fine too"}));
  CHECK(rows.size() == 2);
  // UTF-8 as PostgreSQL sees it, at every place of a word of eight bytes.
  const std::vector<std::string> good = {"",
                                         "\x7f",
                                         "\xc2\x80",
                                         "\xdf\xbf",
                                         "\xe0\xa0\x80",
                                         "\xed\x9f\xbf",
                                         "\xee\x80\x80",
                                         "\xef\xbf\xbf",
                                         "\xf0\x90\x80\x80",
                                         "\xf4\x8f\xbf\xbf"};
  const std::vector<std::string> bad = {"\x80",
                                        "\xc0\x80",
                                        "\xc1\xbf",
                                        "\xc2",
                                        "\xc2\x41",
                                        "\xe0\x9f\xbf",
                                        "\xed\xa0\x80",
                                        "\xed\xbf\xbf",
                                        "\xe2\x82",
                                        "\xf0\x8f\xbf\xbf",
                                        "\xf4\x90\x80\x80",
                                        "\xf5\x80\x80\x80",
                                        "\xff",
                                        "\xf0\x9f\x98",
                                        "\0"s};
  for (std::size_t lead = 0; lead < 18; ++lead)
    for (const std::size_t trail : {0U, 1U, 9U}) {
      const std::string around(lead, 'x'), behind(trail, 'y');
      for (const std::string& text : good) CHECK_FALSE(encoded(around + text + behind).starts_with("insert"));
      for (const std::string& text : bad) CHECK(encoded(around + text + behind).starts_with("insert"));
    }
}

TEST_CASE("postgres copy: dates and times, to PostgreSQL's limits") {
  using namespace std::chrono;
  CHECK(encoded(2000y / 1 / 1) ==
        "00000004"
        "00000000");
  CHECK(encoded(2023y / 2 / 29).find("2023-2-29: not a day of the calendar") != std::string::npos);
  CHECK(encoded(sys_days(year(-4713) / 11 / 24)) ==
        "00000004"
        "ffda97a7");
  CHECK(encoded(sys_days(year(-4713) / 11 / 23)).ends_with("out of the column's range"));
  // Rounded down to microseconds, also before the year 2000.
  CHECK(encoded(sys_time<nanoseconds>(946'684'800s - 1ns)) ==
        "00000008"
        "ffffffffffffffff");
  CHECK(encoded(sys_time<nanoseconds>(946'684'800s + 1999ns)) ==
        "00000008"
        "0000000000000001");
  CHECK(encoded(sys_time<milliseconds>::max()).ends_with("out of the column's range"));
  CHECK(encoded(sys_time<seconds>(seconds(9'224'318'015'999))) ==
        "00000008"
        "7fffff5bb3a35dc0");
  CHECK(encoded(sys_time<seconds>(seconds(9'224'318'016'000))).ends_with("out of the column's range"));
  CHECK(encoded(sys_time<seconds>::min()).ends_with("out of the column's range"));
}

TEST_CASE("postgres copy: decimals and texts of numbers, as PostgreSQL lays them out") {
  namespace pg = etl::postgres;
  const auto same = [](const Decimal& d, const std::string& text) { CHECK(encoded(d) == encoded(text, pg::numeric)); };
  same({1250, 2}, "12.50");
  same({-1, 4}, "-0.0001");
  same({-1, 5}, "-0.00001");
  same({0, 3}, "0.000");
  same({123'456'789, 0}, "123456789");
  same({std::numeric_limits<std::int64_t>::min(), 10}, "-922337203.6854775808");
  same({7, 200}, "7e-200");
  CHECK(encoded("10000"s, pg::numeric) ==
        "0000000a"
        "0001"
        "0001"
        "0000"
        "0000"
        "0001");
  CHECK(encoded("NaN"s, pg::numeric) ==
        "00000008"
        "0000"
        "0000"
        "c000"
        "0000");
  for (const std::string text :
       {"", "-", ".", "1.2.3", "1e", "1e+", "1e+-5", "0x10", "12a", "--1", "1e9999999", "e5", "inf1"})
    CHECK(encoded(text, pg::numeric).find("insert into") == 0);
  CHECK(encoded("1e-16384"s, pg::numeric).ends_with("after the point than a numeric can hold"));
  CHECK(encoded("1e131072"s, pg::numeric).ends_with("before the point than a numeric can hold"));
}

// --- through a server
// ---------------------------------------------------------------------------------------------------

TEST_CASE("postgres values: come back from the server as they were") {
  const test::Schema schema;
  auto db = schema.open();
  namespace pg = etl::postgres;
  using namespace std::chrono;
  const auto check = [&](auto... v) { CHECK(((round_trip(db, v) == v) && ...)); };
  check(true, false, std::int16_t{-32768}, std::int32_t{-1}, std::numeric_limits<std::int64_t>::min(),
        std::uint8_t{255}, std::uint16_t{65535}, std::numeric_limits<std::uint32_t>::max(), Colour::Violet);
  check(0.1F, -0.0, 1e308, 5e-324, std::numeric_limits<double>::infinity());
  check(""s, "it's \"quoted\"\n\t\\N"s, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"s, std::string(100'000, 'x'));
  check(test::bytes("a\0b"s), test::bytes(""), std::optional<int>(), std::optional<int>(5),
        std::optional<std::string>(""));
  check(sys_days(2024y / 2 / 29), local_days(1901y / 1 / 1), 9999y / 12 / 31, year_month_day(year(-100) / 5 / 6));
  check(sys_time<microseconds>(1'717'236'000'000'001us), sys_time<seconds>(-1s), local_time<milliseconds>(123'456ms),
        sys_time<nanoseconds>(1'717'236'000'000'001'000ns));
  check(*Uuid::parse("{0123-4567-89ab-cdef-0123-4567-89ab-cdef}"), Decimal{-12'345'678'901, 7}, Decimal{5, 0},
        Decimal{0, 2});
  check(std::vector<int>{}, std::vector<int>{1, -2, 3}, std::vector<std::string>{"", "a,b", "{}"},
        std::vector<bool>{true, false}, std::vector<std::optional<double>>{1.5, std::nullopt},
        std::optional<std::vector<std::int64_t>>(), std::vector<sys_days>{sys_days(2024y / 1 / 1)});
  for (const std::string text :
       {"0", "-0.00100", "123456789012345678901234567890.123456789", "NaN", "Infinity", "-Infinity", "10000",
        "100000000", "0.0001", "1.00000000000000000000", "99999999.9999"})
    CHECK(round_trip(db, text, pg::numeric) == text);
  CHECK(round_trip(db, "1.5e3"s, pg::numeric) == "1500");
  CHECK(round_trip(db, "{\"b\": 1, \"a\": [null]}"s, pg::json) == "{\"b\": 1, \"a\": [null]}");
  CHECK(round_trip(db, "{\"b\": 1, \"a\": [null]}"s, pg::jsonb) == "{\"a\": [null], \"b\": 1}");
  CHECK(round_trip(db, "0123456789abcdef0123456789ABCDEF"s, pg::uuid) == "01234567-89ab-cdef-0123-456789abcdef");
  CHECK(round_trip(db, std::vector{"1.5"s, "2"s}, pg::numeric) == std::vector{"1.5"s, "2"s});
  CHECK(round_trip(db, std::int16_t{3}, pg::bigint) == 3);
}

TEST_CASE("postgres values: times of the server are those of C++") {
  const test::Schema schema;
  auto db = schema.open();
  using namespace std::chrono;
  struct Row {
    sys_time<microseconds> instant{};
    local_time<microseconds> wall{};
    sys_days day{};
  };
  const auto times =
      table<Row>("times", column("instant", &Row::instant), column("wall", &Row::wall), column("day", &Row::day));
  ok(etl::postgres::create_table(db, times));
  const std::vector<Row> rows{
      {sys_days(1969y / 12 / 31) + 23h + 1us, local_days(2024y / 3 / 31) + 2h + 30min, 1582y / 10 / 15}};
  auto tx = ok(db.begin());
  ok(tx.copy(times, rows));
  ok(tx.commit());
  ok(db.execute("SET TimeZone = 'UTC'"));
  CHECK(test::value(db, "SELECT instant || ' ' || wall || ' ' || day FROM times") ==
        "1969-12-31 23:00:00.000001+00 2024-03-31 02:30:00 1582-10-15");
}

}  // namespace copy_test
