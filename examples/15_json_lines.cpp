// JSON lines in and out: read, mend each object, write, in the order of the file.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>

#include <fmt/format.h>
#include <etl/csv/ndjson.hpp>
#include <etl/etl.hpp>
#include <etl/io/sink.hpp>

namespace fs = std::filesystem;
namespace ndjson = etl::csv::ndjson;

struct Order {
  std::int64_t id = 0;
  std::optional<std::string> note{};  // optional: the member may be null, or not there
};
const auto orders =
    etl::csv::columns<Order>(etl::csv::column("id", &Order::id), etl::csv::column("note", &Order::note));

using Decoder = decltype(ndjson::bind(orders))::value_type;

struct Mend {
  fs::path file;
  ndjson::Writer out;

  void extract(etl::Emitter<ndjson::Line>& lines) {
    auto reader = etl::value(ndjson::Reader::open(file));
    while (auto chunk = etl::value(reader.next(lines.stop_token()))) {
      lines.retain(chunk->keep());  // the lines point into it
      lines.progress(reader.bytes_read(), reader.size_hint());
      for (const ndjson::Line& line : *chunk)
        if (!lines.push(line)) return;
    }
  }
  // A decoder belongs to one thread, so each worker has its own.
  Decoder worker() const { return etl::value(ndjson::bind(orders, file.string())); }
  etl::Result<Order> transform(const ndjson::Line& line, Decoder& decoder) const {
    Order order;
    if (auto decoded = decoder.decode(line, order); !decoded) return etl::failure(decoded.error());
    if (!order.note) order.note = "none";
    return order;
  }
  void load(std::span<const Order> batch) {
    for (const Order& order : batch) etl::value(out.row(orders, order));
  }
  void post_process() { etl::value(out.finish()); }
};

int main() {
  const fs::path folder = fs::temp_directory_path() / "etlpipe_json_lines";
  fs::create_directories(folder);
  std::ofstream(folder / "in.ndjson") << "{\"id\":1,\"note\":\"a\"}\n{\"id\":\"x\"}\n{\"id\":3}\n";
  Mend mend{folder / "in.ndjson", ndjson::Writer(etl::value(etl::io::create_file(folder / "out.ndjson")))};
  const auto report = etl::run(mend, {.name = "mend", .order = etl::Order::Source, .errors = {.max_rejects = 1}});
  fmt::print("{}\n", report.text());
  std::ifstream in(folder / "out.ndjson");
  for (std::string line; std::getline(in, line);) fmt::print("{}\n", line);
  return report.items.loaded == 2 ? 0 : 1;
}
