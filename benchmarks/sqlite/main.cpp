/// Rows into SQLite, by `etl::sqlite::Sink` with columns that are known at compile time (etl) and at run time
/// (dynamic), and by a hand-written loop, in turns: `bench-sqlite [--rows N] [--batch N] [--rounds N] [--folder DIR]`
/// prints one line of JSON with the medians and their ratio. `--task delivery`: by `etl::run` with the plain sink, with
/// rows and progress in one transaction, and with checkpoints in a file and in the database.

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include <etl/sqlite/dynamic_table.hpp>
#include <etl/sqlite/sink.hpp>

#include <common/args.hpp>
#include <common/measure.hpp>
#include <sqlite/row.hpp>
#include <sqlite/shared.hpp>

namespace {

using namespace bench;
namespace sql = etl::sqlite;

using Value = std::variant<std::int64_t, double, bool, std::string_view>;
constexpr auto value = [](const Trade& trade, std::size_t column) -> Value {
  switch (column) {
    case 0: return trade.id;
    case 1: return std::int64_t{trade.account};
    case 2: return trade.price;
    case 3: return trade.amount;
    case 4: return std::string_view(trade.day);
    case 5: return trade.settled;
    case 6: return std::string_view(trade.reference);
    default: return std::string_view(trade.note);
  }
};
const auto dynamic_trades =
    sql::dynamic_table<Trade>("trades",
                              {{.name = "id", .type = sql::Type::Integer, .key = true},
                               {.name = "account", .type = sql::Type::Integer, .nullable = false},
                               {.name = "price", .type = sql::Type::Real, .nullable = false},
                               {.name = "amount", .type = sql::Type::Real, .nullable = false},
                               {.name = "day", .nullable = false},
                               {.name = "settled", .type = sql::Type::Integer, .nullable = false},
                               {.name = "reference", .nullable = false},
                               {.name = "note", .nullable = false}},
                              value);

template <class Table>
class EtlSink final : public Writer {
 public:
  EtlSink(const std::string& file, const Table& table) : EtlSink(checked(sql::Database::open(file)), table) {}
  void write(std::span<const Trade> batch) override { checked(sink_.write(batch)); }

 private:
  EtlSink(sql::Database database, const Table& table)
      : sink_((checked(database.execute(create_sql)), checked(sql::sink(database, table)))) {}
  sql::SinkFor<Table> sink_;
};

std::unique_ptr<Writer> writer(const std::string& side, const std::string& file) {
  if (side == "etl") return std::make_unique<EtlSink<std::remove_const_t<decltype(trades)>>>(file, trades);
  if (side == "dynamic")
    return std::make_unique<EtlSink<std::remove_const_t<decltype(dynamic_trades)>>>(file, dynamic_trades);
  return side == "raw" ? raw_writer(file) : text_writer(file);
}

void measure(Side& side, const std::vector<Trade>& all, std::size_t batch, const Folder& folder) {
  const std::string file = folder.fresh(side.name);
  auto sink = writer(side.name, file);
  const std::span<const Trade> rows = all;
  const Moment start = Moment::now();
  for (std::size_t i = 0; i < rows.size(); i += batch) sink->write(rows.subspan(i, std::min(batch, rows.size() - i)));
  const Moment used = Moment::now() - start;
  side.ns.push_back(static_cast<double>(used.wall) / static_cast<double>(all.size()));
  side.cpu.push_back(static_cast<double>(used.cpu) / static_cast<double>(all.size()));
  sink.reset();
  side.contents = contents(file);
}

int run(const Args& args) {
  if (args.has("describe")) {
    build_description().text("etl", ETLPIPE_VERSION).print();
    return 0;
  }
  if (args.text("task", "sink") == "delivery") return measure_delivery(args);
  const std::size_t rows = std::max<std::size_t>(1, args.number("rows", 200'000));
  const std::size_t batch = std::max<std::size_t>(1, args.number("batch", 1000));
  const std::size_t rounds = std::max<std::size_t>(1, args.number("rounds", 7));
  const Folder folder(args);
  const std::vector<Trade> all = make_trades(rows);
  Side etl{"etl"}, dynamic{"dynamic"}, raw{"raw"}, text{"text"};
  warm_up();
  measure(raw, all, batch, folder);  // does not count: the first one finds cold files
  raw = {"raw"};
  for (std::size_t i = 0; i < rounds; ++i) {
    const bool first = i % 2 == 0;
    measure(first ? etl : raw, all, batch, folder);
    measure(dynamic, all, batch, folder);
    measure(first ? raw : etl, all, batch, folder);
  }
  measure(text, all, batch, folder);
  const bool ok = etl.contents == raw.contents && dynamic.contents == raw.contents &&
                  etl.contents.starts_with(fmt::format("{} ", rows));
  JsonLine line;
  line.number("rows", std::uint64_t{rows})
      .number("batch", std::uint64_t{batch})
      .number("rounds", std::uint64_t{rounds});
  line.number("ns", median(etl.ns)).number("cpu_ns", median(etl.cpu));
  line.number("dynamic_ns", median(dynamic.ns)).number("dynamic_cpu_ns", median(dynamic.cpu));
  line.number("raw_ns", median(raw.ns)).number("raw_cpu_ns", median(raw.cpu)).number("text_ns", median(text.ns));
  line.number("times_raw", median(raw.ns) / median(etl.ns)).number("times_text", median(text.ns) / median(etl.ns));
  line.flag("ok", ok).print();
  return ok ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(Args(argc, argv));
  } catch (const std::exception& e) {
    fmt::print(stderr, "bench-sqlite: {}\n", e.what());
    return 2;
  }
}
