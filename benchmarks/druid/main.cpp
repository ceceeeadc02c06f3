// What etl-druid does with a file before a task is submitted, measured beside the typed reader of the component csv.
//   bench-druid --file F --task structs|types|validate|stage    bench-druid --generate mixed --file F --bytes N
// prints one line of JSON; times are per 1000 bytes of the file.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/csv/reader.hpp>

#include "common/args.hpp"
#include "common/measure.hpp"
#include "csv/generate.hpp"
#include "csv/item.hpp"
#include "stage.hpp"

namespace {

namespace fs = std::filesystem;

template <class T>
T must(etl::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::uint64_t structs(const fs::path& file) {
  auto reader = must(etl::csv::Reader::open(file));
  const auto decoder = must(bench::item_columns().bind(reader.header(), reader.name()));
  bench::Item item;
  std::uint64_t rows = 0;
  while (const auto chunk = must(reader.next())) {
    for (const etl::csv::Row row : *chunk) {
      must(decoder.decode(row, item));
      bench::barrier(&item);
    }
    rows += chunk->size();
  }
  return rows;
}

std::uint64_t validate(const fs::path& file) {
  const auto found = must(program::read_rows(file, {}, must(program::names_of(file, {}, {})), {}, {}, nullptr, {}));
  if (!found.ok()) throw std::runtime_error(found.text());
  return found.rows;
}

std::uint64_t stage(const fs::path& file) {
  const fs::path folder = file.string() + ".stage";
  const auto staged = must(program::stage({file}, must(program::names_of(file, {}, {})),
                                          {.place = folder.string(), .data_source = "bench"}, {}));
  fs::remove_all(folder);
  return staged.rows;
}

void run(const bench::Args& args) {
  const fs::path file = args.text("file", "");
  const std::string task = args.text("task", "structs");
  bench::warm_up();
  const bench::Moment before = bench::Moment::now();
  std::uint64_t rows = 0;
  if (task == "structs")
    rows = structs(file);
  else if (task == "types")
    rows = must(program::columns_of({file}, {}, {})).size();
  else if (task == "validate")
    rows = validate(file);
  else if (task == "stage")
    rows = stage(file);
  else
    throw std::invalid_argument("no such task: " + task);
  const bench::Moment took = bench::Moment::now() - before;
  const double peak = bench::peak_memory_mb();
  const double kilobytes = static_cast<double>(fs::file_size(file)) / 1000;
  bench::JsonLine line;
  line.number("ns", static_cast<double>(took.wall) / kilobytes)
      .number("cpu_ns", static_cast<double>(took.cpu) / kilobytes)
      .number("peak_mb", peak)
      .number("rows", rows)
      .flag("ok", rows > 0 && (task == "types" || task == "structs" || rows == structs(file)));
  line.print();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const bench::Args args(argc, argv);
    if (args.has("describe"))
      bench::build_description().print();
    else if (args.has("generate"))
      bench::generate(args.text("generate", "mixed"), args.text("file", ""), args.number("bytes", 0));
    else
      run(args);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
