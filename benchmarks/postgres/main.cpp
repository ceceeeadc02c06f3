/// Rows into PostgreSQL, by `etl::postgres::Sink` and by hand-written loops, in turns: `bench-postgres [--url URL]
/// [--rows N] [--batch N] [--rounds N]` prints one line of JSON with the medians and their ratios.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <etl/postgres/sink.hpp>

#include <common/args.hpp>
#include <common/measure.hpp>
#include <postgres/row.hpp>

namespace {

using namespace bench;
namespace pg = etl::postgres;

const auto trades = pg::table<Trade>(
    "trades", pg::column("id", &Trade::id), pg::column("account", &Trade::account), pg::column("price", &Trade::price),
    pg::column("amount", &Trade::amount), pg::column("at", &Trade::at), pg::column("day", &Trade::day),
    pg::column("settled", &Trade::settled), pg::column("reference", &Trade::reference));

/// The same with columns known at run time, of rows of variants.
using Cell = std::variant<std::monostate, bool, std::int32_t, std::int64_t, double, std::string, std::chrono::sys_days,
                          std::chrono::local_time<std::chrono::microseconds>>;
using Cells = std::array<Cell, 8>;
const auto dynamic_trades =
    pg::dynamic_table<Cells>("trades",
                             {{.name = "id", .type = pg::Type::BigInt},
                              {.name = "account", .type = pg::Type::Integer},
                              {.name = "price", .type = pg::Type::Double},
                              {.name = "amount", .type = pg::Type::Double},
                              {.name = "at", .type = pg::Type::Timestamp},
                              {.name = "day", .type = pg::Type::Date},
                              {.name = "settled", .type = pg::Type::Boolean},
                              {.name = "reference", .type = pg::Type::Text}},
                             [](const Cells& row, std::size_t column) -> const Cell& { return row[column]; });

template <class T>
T checked(etl::Result<T> result) {
  if (!result) throw etl::Exception(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

class EtlSink final : public Writer {
 public:
  explicit EtlSink(pg::Connection connection) : sink_(checked(pg::sink(connection, trades))) {}
  void write(std::span<const Trade> batch) override { checked(sink_.write(batch)); }

 private:
  pg::SinkFor<decltype(trades)> sink_;
};

std::vector<Trade> make_trades(std::size_t rows) {
  const std::chrono::local_days first{std::chrono::year(2026) / 1 / 1};
  std::vector<Trade> all;
  all.reserve(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto n = static_cast<std::int64_t>(i);
    all.push_back({n, static_cast<std::int32_t>(i * 7919 % 100'000), static_cast<double>(i % 9973) / 7.0,
                   static_cast<double>(i % 101) * 1.25, first + std::chrono::microseconds(n * 1'234'567),
                   std::chrono::sys_days(std::chrono::days(20'000 + n % 1000)), i % 3 == 0,
                   fmt::format("REF-{:015}", i * 2'654'435'761 % 1'000'000'000)});
  }
  return all;
}

/// Rows and a checksum over the table, the same for all sides.
std::string contents(pg::Connection& connection) {
  const pg::Rows sums =
      checked(connection.query("SELECT count(*) || ' ' || sum(id + account) || ' ' || round(sum(price + "
                               "amount)::numeric, 3) || ' ' || max(at) || ' ' "
                               "|| min(day) || ' ' || count(*) FILTER (WHERE settled) || ' ' || sum(length(reference)) "
                               "|| max(reference) FROM trades"));
  return std::string(sums.text(0, 0));
}

struct Side {
  std::string name;
  std::vector<double> ns{};
  std::vector<double> cpu{};
  std::string contents{};
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

class Bench {
 public:
  explicit Bench(const Args& args)
      : url_(args.text("url", started_url())),
        rows_(std::max<std::size_t>(1, args.number("rows", 500'000))),
        batch_(std::max<std::size_t>(1, args.number("batch", 5000))),
        rounds_(std::max<std::size_t>(1, args.number("rounds", 5))),
        all_(make_trades(rows_)),
        connection_(checked(pg::Connection::open(url_))) {
    checked(connection_.execute(create_sql));
  }

  int run() {
    Side etl{"etl"}, raw{"raw"}, text{"text"}, insert{"insert"};
    warm_up();
    measure(raw, rows_);  // does not count: the first one finds cold files
    raw = {"raw"};
    for (std::size_t i = 0; i < rounds_; ++i) {
      measure(i % 2 == 0 ? etl : raw, rows_);
      measure(i % 2 == 0 ? raw : etl, rows_);
    }
    measure(text, rows_);
    measure(insert, rows_ / 10 + 1);
    checked(connection_.execute("TRUNCATE trades"));
    const bool ok = etl.contents == raw.contents && text.contents == raw.contents &&
                    etl.contents.starts_with(fmt::format("{} ", rows_));
    JsonLine line;
    line.number("rows", std::uint64_t{rows_}).number("batch", std::uint64_t{batch_});
    line.number("rounds", std::uint64_t{rounds_}).number("ns", median(etl.ns)).number("cpu_ns", median(etl.cpu));
    line.number("raw_ns", median(raw.ns)).number("raw_cpu_ns", median(raw.cpu));
    line.number("text_ns", median(text.ns))
        .number("text_cpu_ns", median(text.cpu))
        .number("insert_ns", median(insert.ns));
    line.number("times_raw", median(raw.ns) / median(etl.ns)).number("times_text", median(text.ns) / median(etl.ns));
    line.number("times_insert", median(insert.ns) / median(etl.ns)).number("encode_ns", encode());
    line.number("dynamic_encode_ns", encode_dynamic());
    line.flag("ok", ok).print();
    return ok ? 0 : 1;
  }

 private:
  /// Of the server that the runner has started.
  static std::string started_url() {
    const char* const folder = std::getenv("ETLPIPE_POSTGRES");
    std::string url;
    if (folder != nullptr) std::ifstream(std::string(folder) + "/url") >> url;
    return url;
  }
  [[nodiscard]] std::unique_ptr<Writer> writer(const std::string& side) const {
    if (side == "etl") return std::make_unique<EtlSink>(checked(pg::Connection::open(url_)));
    return side == "raw" ? raw_writer(url_) : side == "text" ? text_writer(url_) : insert_writer(url_);
  }
  void measure(Side& side, std::size_t count) {
    checked(connection_.execute("TRUNCATE trades; CHECKPOINT"));
    const auto sink = writer(side.name);
    const std::span<const Trade> rows = std::span(all_).first(count);
    const Moment start = Moment::now();
    for (std::size_t i = 0; i < rows.size(); i += batch_)
      sink->write(rows.subspan(i, std::min(batch_, rows.size() - i)));
    const Moment used = Moment::now() - start;
    side.ns.push_back(static_cast<double>(used.wall) / static_cast<double>(count));
    side.cpu.push_back(static_cast<double>(used.cpu) / static_cast<double>(count));
    side.contents = contents(connection_);
  }
  /// Encoding alone.
  [[nodiscard]] double encode() const { return encode(trades, all_); }
  [[nodiscard]] double encode_dynamic() const {
    std::vector<Cells> rows;
    rows.reserve(all_.size());
    for (const Trade& t : all_)
      rows.push_back({t.id, t.account, t.price, t.amount, t.at, t.day, t.settled, t.reference});
    return encode(dynamic_trades, rows);
  }
  template <class Mapping, class Row>
  [[nodiscard]] double encode(const Mapping& table, const std::vector<Row>& rows) const {
    pg::EncodedRows encoded(table);
    const auto pass = [&] {
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (i % batch_ == 0) encoded.clear();
        checked(encoded.add(rows[i]));
      }
    };
    pass();
    const Moment start = Moment::now();
    pass();
    return static_cast<double>((Moment::now() - start).wall) / static_cast<double>(rows.size());
  }

  std::string url_;
  std::size_t rows_, batch_, rounds_;
  std::vector<Trade> all_;
  pg::Connection connection_;
};

int run(const Args& args) {
  if (!args.has("describe")) return Bench(args).run();
  build_description().text("etl", ETLPIPE_VERSION).print();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(Args(argc, argv));
  } catch (const std::exception& e) {
    fmt::print(stderr, "bench-postgres: {}\n", e.what());
    return 2;
  }
}
