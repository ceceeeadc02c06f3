#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <etl/etl.hpp>
#include <etl/io/checkpoint_file.hpp>
#include <etl/sqlite/sink.hpp>
#include <etl/sqlite/store.hpp>

#include <common/measure.hpp>
#include <sqlite/shared.hpp>

namespace bench {
namespace {

namespace sql = etl::sqlite;

using Rows = std::span<const Trade>;
using TradeSink = sql::SinkFor<decltype(trades)>;

constexpr sql::DatabaseOptions durability{.synchronous = sql::Synchronous::Normal};  // of all sides

struct Plain {
  Rows rows;
  TradeSink sink;

  void extract(etl::Emitter<Trade>& out) const {
    for (const Trade& row : rows)
      if (!out.fill([&row](Trade& slot) { slot = row; })) return;
  }
  etl::Result<void> load(Rows batch, etl::BatchContext& context) { return sink.write(batch, context); }
};

struct Replayable {
  using position = std::uint64_t;
  Rows rows;

  static std::string fingerprint() { return "trades"; }
  void extract(etl::Emitter<Trade>& out) const {
    const std::optional<etl::Position>& mark = out.resume_from();
    for (std::size_t i = mark ? mark->number().value_or(0) : 0; i < rows.size(); ++i) {
      if (i % 1000 == 0) out.mark(etl::Position(i));
      if (!out.fill([this, i](Trade& slot) { slot = rows[i]; })) return;
    }
  }
};

struct Checkpointed : Replayable {
  TradeSink sink;
  etl::Result<void> load(Rows batch, etl::BatchContext& context) { return sink.write(batch, context); }
};

struct Transactional : Replayable {
  // Not const: SQLite has one writer at a time.
  etl::Result<void> load(Rows batch, etl::BatchContext& context, sql::Tx& tx) {  // NOLINT(*-make-member-function-const)
    return tx.write(trades, batch, context);
  }
};

template <class Pipeline>
Moment timed(Pipeline&& pipeline, const etl::Options& options) {
  const Moment start = Moment::now();
  const etl::RunReport report = etl::run(pipeline, options);
  const Moment used = Moment::now() - start;
  report.throw_if_failed();
  return used;
}

Moment run_side(const std::string& side, Rows rows, std::size_t batch, const std::string& file, const Folder& folder) {
  auto database = checked(sql::Database::open(file, durability));
  checked(database.execute(create_sql));
  etl::Options options{.name = "trades", .batch_size = batch};
  if (side == "transaction") {
    const auto store = checked(sql::Store::over(std::move(database), durability));
    return timed(etl::with_store(Transactional{{rows}}, *store), options);
  }
  if (side == "checkpoint_file")
    options.delivery.checkpoints = std::make_shared<etl::io::CheckpointFile>(folder.path() / "checkpoints");
  else if (side == "checkpoint_store")
    options.delivery.checkpoints = checked(sql::Store::open(file, durability));
  auto sink = checked(sql::sink(database, trades));
  if (side == "plain") return timed(Plain{rows, std::move(sink)}, options);
  return timed(Checkpointed{{rows}, std::move(sink)}, options);
}

void measure(Side& side, Rows rows, std::size_t batch, const Folder& folder) {
  const std::string file = folder.fresh(side.name);
  const Moment used = run_side(side.name, rows, batch, file, folder);
  side.ns.push_back(static_cast<double>(used.wall) / static_cast<double>(rows.size()));
  side.cpu.push_back(static_cast<double>(used.cpu) / static_cast<double>(rows.size()));
  side.contents = contents(file);
}

}  // namespace

int measure_delivery(const Args& args) {
  const std::size_t rows = std::max<std::size_t>(1, args.number("rows", 1'000'000));
  const std::size_t batch = std::max<std::size_t>(1, args.number("batch", 1000));
  const std::size_t rounds = std::max<std::size_t>(1, args.number("rounds", 4));
  const Folder folder(args);
  const std::vector<Trade> all = make_trades(rows);
  std::array<Side, 4> sides{{{"plain"}, {"transaction"}, {"checkpoint_file"}, {"checkpoint_store"}}};
  warm_up();
  Side cold{"plain"};
  measure(cold, all, batch, folder);  // does not count: the first one finds cold files
  for (std::size_t i = 0; i < rounds; ++i)
    for (std::size_t j = 0; j < sides.size(); ++j) measure(sides[(i + j) % sides.size()], all, batch, folder);
  JsonLine line;
  line.number("rows", std::uint64_t{rows})
      .number("batch", std::uint64_t{batch})
      .number("rounds", std::uint64_t{rounds})
      .number("ns", median(sides[0].ns))
      .number("cpu_ns", median(sides[0].cpu));
  bool ok = cold.contents.starts_with(fmt::format("{} ", rows));
  for (const Side& side : sides) {
    ok = ok && side.contents == cold.contents;
    if (side.name == "plain") continue;
    line.number(side.name + "_ns", median(side.ns))
        .number(side.name + "_cpu_ns", median(side.cpu))
        .number("times_" + side.name, median(sides[0].ns) / median(side.ns));
  }
  line.flag("ok", ok).print();
  return ok ? 0 : 1;
}

}  // namespace bench
