#include <etl/csv/columns.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/catch.hpp"

namespace columns_test {

namespace csv = etl::csv;
using std::chrono::sys_days;
using std::chrono::year;

namespace {

/// What `etl::csv::Row` gives, from texts; `'` in front: in quotes.
class Cells {
 public:
  Cells(std::initializer_list<std::string_view> cells) : cells_(cells) {}
  std::string_view operator[](std::size_t i) const {
    if (i >= cells_.size()) return {};
    return quoted(i) ? cells_[i].substr(1) : cells_[i];
  }
  std::size_t size() const { return cells_.size(); }
  bool quoted(std::size_t i) const { return i < cells_.size() && cells_[i].starts_with('\''); }
  std::uint64_t number() const { return 11; }
  std::uint64_t line() const { return 12; }

 private:
  std::vector<std::string_view> cells_;
};

enum class Side : std::uint8_t { Buy = 1, Sell = 2 };

struct Order {
  std::string sku;
  double price = 0;
  std::optional<std::int32_t> count;
  std::chrono::sys_days day;
  std::chrono::sys_time<std::chrono::milliseconds> at;
  bool paid = false;
  Side side{};
  std::optional<std::string> note;
};

const std::vector<std::string> header{"sku", "day", "price", "count", "ms", "paid", "side", "note"};

std::optional<Side> side_of(std::string_view text) {
  if (text == "buy") return Side::Buy;
  if (text == "sell") return Side::Sell;
  return std::nullopt;
}

const auto orders =
    csv::columns<Order>(csv::column("sku", &Order::sku), csv::column(3, &Order::price, csv::decimal_comma),
                        csv::column("count", &Order::count), csv::column("day", &Order::day, csv::format("%d.%m.%Y")),
                        csv::column("ms", &Order::at, csv::format("unix_ms")), csv::column("paid", &Order::paid),
                        csv::column("side", &Order::side, csv::convert(side_of)), csv::column("note", &Order::note));

template <class M>
std::string bind_error(const M& mapping, const std::vector<std::string>& names, std::size_t width = 0) {
  const auto decoder = mapping.bind(names, "orders.csv", width);
  return decoder ? std::string() : decoder.error().message();
}

std::string decode_error(const Cells& cells) {
  const auto decoder = orders.bind(header, "orders.csv");
  REQUIRE(decoder);
  Order order;
  const auto done = decoder->decode(cells, order);
  if (done) return {};
  CHECK(done.error().error_class == etl::ErrorClass::Rejected);
  return done.error().message();
}

template <class M>
struct One {
  M value{};
};

/// The value of a text in a member of type M; nothing: rejected.
template <class M, class... Options>
std::optional<M> one(std::string_view text, Options... options) {
  const auto mapping = csv::columns<One<M>>(csv::column(1, &One<M>::value, options...));
  const auto decoder = mapping.bind({});
  REQUIRE(decoder);
  One<M> out;
  if (!decoder->decode(Cells{text}, out)) return std::nullopt;
  return out.value;
}

}  // namespace

TEST_CASE("a row becomes a struct") {
  const auto decoder = orders.bind(header, "orders.csv");
  REQUIRE(decoder);
  Order order;
  REQUIRE(decoder->decode(Cells{"A-1", "21.11.2026", "12,5", "3", "1700000000123", "yes", "sell", "'"}, order));
  CHECK(order.sku == "A-1");
  CHECK(order.price == 12.5);
  CHECK(order.count == 3);
  CHECK(order.day == sys_days{year{2026} / 11 / 21});
  CHECK(order.at.time_since_epoch().count() == 1700000000123);
  CHECK(order.paid);
  CHECK(order.side == Side::Sell);
  CHECK(order.note == "");  // in quotes: no NULL

  REQUIRE(decoder->decode(Cells{"", "1.1.2026", "1", "", "0", "0", "buy", ""}, order));
  CHECK(order.sku.empty());
  CHECK_FALSE(order.count);
  CHECK_FALSE(order.note);
}

TEST_CASE("missing columns are named at once, with the header that there is") {
  CHECK(bind_error(orders, {"sku", "Day", "price", "ms", "paid", "side", "note", "note"}) ==
        "orders.csv: no column 'count'; no column 'day'; 'note' is the name of columns 7 and 8: name it by its number; "
        "its header has 'sku', 'Day', 'price', 'ms', 'paid', 'side', 'note', 'note'");
  const auto third = csv::columns<Order>(csv::column(3, &Order::sku));
  CHECK(bind_error(third, {"a", "b"}) == "orders.csv: no column 3, there are 2; its header has 'a', 'b'");
  CHECK(bind_error(third, {}, 2) ==
        "orders.csv: no column 3, there are 2; it has no header: name columns by their numbers");
  CHECK(bind_error(third, {}, 3).empty());
}

TEST_CASE("a bad cell is told with its place, its value and what was expected") {
  CHECK(decode_error({"A", "21.11.2026", "12.5", "3", "0", "yes", "buy", ""}) ==
        "orders.csv:12: row 11: column 3 'price': '12.5' is not a number with a decimal comma");
  CHECK(decode_error({"A", "2026-11-21", "12,5", "3", "0", "yes", "buy", ""}) ==
        "orders.csv:12: row 11: column 2 'day': '2026-11-21' is not a date in the format %d.%m.%Y");
  CHECK(decode_error({"A", "21.11.2026", "12,5", "3000000000", "0", "yes", "buy", ""}) ==
        "orders.csv:12: row 11: column 4 'count': '3000000000' is not a signed 32-bit integer");
  CHECK(decode_error({"A", "21.11.2026", "12,5", "3", "0", "yes", "hold", ""}) ==
        "orders.csv:12: row 11: column 7 'side': 'hold' is not a value of this column");
  CHECK(decode_error({"A", "21.11.2026", "", "3", "0", "yes", "buy", ""}) ==
        "orders.csv:12: row 11: column 3 'price': '' is NULL, and this column must have a value");
  const std::string text = decode_error({"A", "21.11.2026", "1", std::string(70, 'x') + "\n", "0", "y", "buy", ""});
  CHECK(text.find("'" + std::string(60, 'x') + "...'") != std::string::npos);
  CHECK(decode_error({"A", "1\n2", "1", "1", "0", "y", "buy", ""}).find("'1\\n2'") != std::string::npos);
}

TEST_CASE("members of every type") {
  CHECK(one<std::uint8_t>("255") == std::uint8_t{255});
  CHECK_FALSE(one<std::uint8_t>("256"));
  CHECK(one<float>("0.5") == 0.5f);
  CHECK(one<std::string_view>("a b") == "a b");
  CHECK(one<bool>("no") == false);
  CHECK(one<Side>("2") == Side::Sell);
  CHECK(one<std::chrono::year_month_day>("2026-11-21") == year{2026} / 11 / 21);
  CHECK(one<std::chrono::local_days>("2026-11-21") == std::chrono::local_days{year{2026} / 11 / 21});
  using Seconds = std::chrono::local_seconds;
  CHECK(one<Seconds>("1969-12-31T23:59:58") == Seconds{std::chrono::seconds{-2}});
  CHECK_FALSE(one<Seconds>("1969-12-31T23:59:58.5"));  // would lose a part
  using Minutes = std::chrono::sys_time<std::chrono::minutes>;
  CHECK(one<Minutes>("1970-01-01T00:01:00Z") == Minutes{std::chrono::minutes{1}});
  CHECK_FALSE(one<Minutes>("1970-01-01T00:01:30Z"));
  using Real = std::chrono::sys_time<std::chrono::duration<double>>;
  CHECK(one<Real>("1970-01-01T00:00:01.1Z").has_value());
  using Nanos = std::chrono::sys_time<std::chrono::nanoseconds>;
  CHECK(one<Nanos>("1970-01-01T00:00:00.000001Z") == Nanos{std::chrono::nanoseconds{1000}});
  CHECK_FALSE(one<Nanos>("2300-01-01T00:00:00Z"));  // beyond its reach
}

TEST_CASE("NULL is what the column says") {
  using Maybe = std::optional<int>;
  const auto is_null = [](const auto& decoded) { return decoded && !*decoded; };
  CHECK(is_null(one<Maybe>("")));
  CHECK(is_null(one<Maybe>("  ")));
  CHECK_FALSE(one<Maybe>("NA"));
  const csv::Nulls markers{"", "NA", "\\N"};
  CHECK(is_null(one<Maybe>("NA", markers)));
  CHECK(is_null(one<Maybe>("\\N", markers)));
  CHECK(one<Maybe>("7", markers) == Maybe(7));
  CHECK_FALSE(one<Maybe>("'NA", markers));
  CHECK(is_null(one<Maybe>("'NA", csv::Nulls({"NA"}, true))));
  using Text = std::optional<std::string>;
  CHECK(one<Text>("'NA", markers) == Text("NA"));
  CHECK(is_null(one<Text>("NA", markers)));
  CHECK(one<Text>(" ", markers) == Text(" "));
  CHECK_FALSE(one<std::string>("NA", markers));
  CHECK(one<std::string>("") == "");

  const auto all = csv::columns<Order>(markers, csv::column("count", &Order::count), csv::column("note", &Order::note));
  const auto decoder = all.bind(header);
  REQUIRE(decoder);
  Order order;
  order.count = 1;
  order.note = "x";
  REQUIRE(decoder->decode(Cells{"", "", "", "NA", "", "", "", "\\N"}, order));
  CHECK_FALSE(order.count);
  CHECK_FALSE(order.note);
}

TEST_CASE("date and time of day in two columns") {
  const auto stamped =
      csv::columns<Order>(csv::column(csv::DateTime{"day", "clock"}, &Order::at, csv::format("%d.%m.%Y", "%H:%M")));
  const auto decoder = stamped.bind(std::vector<std::string>{"clock", "day"}, "orders.csv");
  REQUIRE(decoder);
  Order order;
  REQUIRE(decoder->decode(Cells{"10:30", "21.11.2026"}, order));
  CHECK(order.at == sys_days{year{2026} / 11 / 21} + std::chrono::hours{10} + std::chrono::minutes{30});
  const auto bad = decoder->decode(Cells{"25:30", "21.11.2026"}, order);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().message() ==
        "orders.csv:12: row 11: column 2 'day': '21.11.2026' with '25:30' of column 1 is not a point in time in "
        "whole milliseconds in the format %d.%m.%Y");
  CHECK(bind_error(stamped, {"a"}) == "orders.csv: no column 'day'; no column 'clock'; its header has 'a'");

  struct Maybe {
    std::optional<csv::LocalTime> at;
  };
  const auto bound =
      csv::columns<Maybe>(csv::column(csv::DateTime{"day", "clock"}, &Maybe::at, csv::format("%d.%m.%Y", "%H:%M")))
          .bind(std::vector<std::string>{"clock", "day"}, "orders.csv");
  REQUIRE(bound);
  Maybe maybe;
  REQUIRE(bound->decode(Cells{"", ""}, maybe));
  CHECK_FALSE(maybe.at);
  CHECK_FALSE(bound->decode(Cells{"10:30", ""}, maybe));  // the time of day would be lost
}

TEST_CASE("texts and optional texts reuse their memory") {
  const auto decoder = orders.bind(header);
  REQUIRE(decoder);
  Order order;
  const std::string long_text(100, 'x');
  const Cells cells{long_text, "21.11.2026", "1", "1", "0", "y", "buy", long_text};
  REQUIRE(decoder->decode(cells, order));
  const char* const sku = order.sku.data();
  const char* const note = order.note->data();
  REQUIRE(decoder->decode(cells, order));
  CHECK(order.sku.data() == sku);
  CHECK(order.note->data() == note);
}

TEST_CASE("a pattern that is none throws") { CHECK_THROWS_AS(csv::format("%Q"), etl::Exception); }

TEST_CASE("columns: from the fields of a struct, with their formats, a computed field is written elsewhere only") {
  struct ForAnother {};
  struct Sale {
    std::string sku;
    double price = 0;
    std::optional<int> count;
  };
  const auto fields = etl::fields<Sale>(
      etl::key_field("sku", &Sale::sku, ForAnother{}), etl::field("price", &Sale::price, csv::decimal_comma),
      etl::field("total", [](const Sale& s) { return s.price * s.count.value_or(1); }),
      etl::field("count", &Sale::count, csv::Nulls{"-"}));
  const auto mapped = csv::columns(fields);
  CHECK(mapped.names() == std::vector<std::string>{"sku", "price", "count"});
  const std::vector<std::string> names{"count", "sku", "price"};
  const auto decoder = mapped.bind(names);
  REQUIRE(decoder);
  Sale sale;
  REQUIRE(decoder->decode(Cells{"-", "A1", "1,5"}, sale));
  CHECK(sale.sku == "A1");
  CHECK(sale.price == 1.5);
  CHECK_FALSE(sale.count);
  REQUIRE(decoder->decode(Cells{"7", "A1", "1,5"}, sale));
  CHECK(sale.count == 7);
}

}  // namespace columns_test
