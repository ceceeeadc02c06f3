// One way of reading one file, measured.
//   bench-csv --file F --kind num|mixed --task read|structural|structural_512|index|rows|getline|index_sum|sum
//   [--threads N] bench-csv --file F --kind mixed --task structs|load bench-csv --generate num|mixed --file F --bytes N
// prints one line of JSON; times are per 1000 bytes of the file. `load` makes a database beside it.
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/csv/index.hpp>
#include <etl/csv/parse.hpp>
#include <etl/csv/reader.hpp>
#include <etl/io/source.hpp>

#include "common/args.hpp"
#include "common/measure.hpp"
#include "generate.hpp"
#include "item.hpp"
#include "loading.hpp"
#include "structural.hpp"

namespace {

namespace csv = etl::csv;

template <class T>
T must(etl::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// Columns with numbers.
const std::vector<std::size_t>& numeric(const std::string& kind) {
  static const std::vector<std::size_t> num{0, 1, 2, 3, 4, 5, 6, 7}, mixed{0, 1, 4, 5, 7, 8};
  return kind == "num" ? num : mixed;
}

// As a loop by hand reads it.
double number(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

struct Counts {
  std::uint64_t rows = 0, cells = 0, bytes = 0;
  double sum = 0;
};

// The file in blocks that end with a row, each handed to `each`.
template <class F>
void blocks(const std::string& path, F each) {
  const etl::io::Source source = must(etl::io::open_file(path));
  constexpr std::size_t size = 256 << 10;
  std::vector<char> buffer(2 * size + 64);
  std::size_t left = 0;
  for (;;) {
    const std::size_t got = must(source->read({buffer.data() + left, size}));
    const std::string_view text(buffer.data(), left + got);
    const std::size_t used = each(text, got == 0);
    if (got == 0) return;
    left = text.size() - used;
    std::copy(text.begin() + static_cast<std::ptrdiff_t>(used), text.end(), buffer.begin());
  }
}

void read(const std::string& path, Counts& counts) {
  blocks(path, [&](std::string_view text, bool) {
    counts.bytes += text.size();
    return text.size();
  });
}

// What there is at least to do.
void structural(const std::string& path, bool avx512, Counts& counts) {
  bench::Structural pass(avx512);
  blocks(path, [&](std::string_view text, bool last) {
    const std::size_t used = last ? text.size() : text.size() / 64 * 64;
    pass.index(text.substr(0, used));
    bench::barrier(pass.offsets().data());
    counts.cells += pass.size();
    return used;
  });
}

// Our own structural index, nothing made of it.
template <class F>
void index(const std::string& path, Counts& counts, F each) {
  csv::Structure structure;
  blocks(path, [&](std::string_view text, bool last) {
    if (text.empty()) return std::size_t{0};
    if (!csv::index(text, {}, last, structure)) throw std::runtime_error("broken quoting");
    counts.rows += structure.row_ends.size();
    counts.cells += structure.ends.size();
    each(text, structure);
    return structure.ends.size() == 0 ? 0 : std::min<std::size_t>(structure.ends.back() + std::size_t{1}, text.size());
  });
}

void index_sum(const std::string& path, const std::vector<std::size_t>& columns, Counts& counts) {
  bool header = true;
  index(path, counts, [&](std::string_view text, const csv::Structure& s) {
    std::size_t first = 0;
    for (const std::uint32_t last : s.row_ends.all()) {
      if (!std::exchange(header, false))
        for (const std::size_t column : columns) {
          const std::size_t cell = first + column;
          const std::size_t begin = cell == 0 ? 0 : s.ends[cell - 1] + std::size_t{1};
          counts.sum += number(text.substr(begin, s.ends[cell] - begin));
        }
      first = last + std::size_t{1};
    }
  });
}

template <class F>
void rows(csv::Reader& reader, Counts& counts, F each) {
  for (;;) {
    const auto chunk = must(reader.next());
    if (!chunk) return;
    for (const csv::Row row : *chunk) each(row);
    counts.rows += chunk->size();
  }
}

void walk(csv::Reader& reader, Counts& counts) {
  rows(reader, counts, [&](const csv::Row& row) {
    std::uint64_t bytes = 0;
    for (const std::string_view cell : row) bytes += cell.size();
    counts.cells += row.size();
    counts.bytes += bytes;
  });
}

void sum(csv::Reader& reader, const std::vector<std::size_t>& columns, Counts& counts) {
  rows(reader, counts, [&](const csv::Row& row) {
    for (const std::size_t column : columns) counts.sum += csv::parse_floating<double>(row[column]).value_or(0);
  });
}

// Columns of `Item` that are added up.
const std::vector<std::size_t> summed{0, 1, 4, 5, 7};

// All columns into structs that own their texts, a batch at a time; each batch over the one before.
void structs(const std::string& path, Counts& counts) {
  const auto columns = bench::item_columns();
  auto reader = must(csv::Reader::open(path));
  const auto decoder = must(columns.bind(reader.header(), reader.name()));
  std::vector<bench::Item> batch(1000);
  std::size_t filled = 0;
  const auto consume = [&] {
    for (const bench::Item& item : std::span(batch).first(filled)) {
      counts.sum += static_cast<double>(item.id);
      counts.sum += item.code;
      counts.sum += item.price;
      counts.sum += item.count;
      counts.sum += item.ratio;
    }
    bench::barrier(batch.data());
    filled = 0;
  };
  rows(reader, counts, [&](const csv::Row& row) {
    must(decoder.decode(row, batch[filled]));
    if (++filled == batch.size()) consume();
  });
  consume();
}

template <class F>
void in_parts(const std::string& path, std::size_t threads, Counts& counts, F each) {
  if (threads == 1) {
    auto reader = must(csv::Reader::open(path));
    return each(reader, counts);
  }
  const std::vector<csv::Part> parts = must(csv::split(path, {}, threads));
  std::vector<Counts> found(parts.size());
  {
    std::vector<std::jthread> running;
    for (std::size_t i = 0; i < parts.size(); ++i)
      running.emplace_back([&, i] {
        auto reader = must(csv::Reader::open(path, {}, {.begin = parts[i].begin, .end = parts[i].end}));
        Counts own;
        each(reader, own);
        found[i] = own;
      });
  }
  for (const Counts& part : found) {
    counts.rows += part.rows;
    counts.cells += part.cells;
    counts.sum += part.sum;
  }
}

// As programs do it that know nothing of quotes.
void getline(const std::string& path, Counts& counts) {
  std::ifstream file(path);
  std::string line;
  std::vector<std::string> cells;
  while (std::getline(file, line)) {
    cells.clear();
    for (std::size_t begin = 0; begin <= line.size();) {
      const std::size_t end = std::min(line.find(',', begin), line.size());
      cells.push_back(line.substr(begin, end - begin));
      begin = end + 1;
    }
    counts.cells += cells.size();
    ++counts.rows;
  }
}

// Whether a task found what the index finds.
bool right(const std::string& task, const std::string& path, const Counts& found) {
  Counts expected;
  if (task == "structs")
    index_sum(path, summed, expected);
  else if (task.starts_with("structural") || task == "load")
    index(path, expected, [](std::string_view, const csv::Structure&) {});
  if (task.starts_with("structural")) return found.cells == expected.cells;
  if (task == "load") return bench::take_loaded(path + ".db") + 1 == expected.rows;
  return task != "structs" || (found.rows + 1 == expected.rows && found.sum == expected.sum);
}

void run(const bench::Args& args) {
  const std::string path = args.text("file", ""), kind = args.text("kind", "num"), task = args.text("task", "rows");
  const std::size_t threads = args.number("threads", 1);
  Counts counts;
  bench::warm_up();
  const bench::Moment before = bench::Moment::now();
  if (task == "read")
    read(path, counts);
  else if (task == "structural" || task == "structural_512")
    structural(path, task == "structural_512", counts);
  else if (task == "index")
    index(path, counts, [](std::string_view, const csv::Structure& s) { bench::barrier(s.ends.data()); });
  else if (task == "index_sum")
    index_sum(path, numeric(kind), counts);
  else if (task == "rows")
    in_parts(path, threads, counts, [](csv::Reader& reader, Counts& own) { walk(reader, own); });
  else if (task == "sum")
    in_parts(path, threads, counts, [&](csv::Reader& reader, Counts& own) { sum(reader, numeric(kind), own); });
  else if (task == "structs")
    structs(path, counts);
  else if (task == "load")
    bench::load(path, path + ".db");
  else if (task == "getline")
    getline(path, counts);
  else
    throw std::invalid_argument("no such task: " + task);
  const bench::Moment took = bench::Moment::now() - before;
  const double peak = bench::peak_memory_mb();  // without what follows
  bench::barrier(&counts);
  std::ifstream file(path, std::ios::ate | std::ios::binary);
  const double kilobytes = static_cast<double>(file.tellg()) / 1000;
  bench::JsonLine line;
  line.number("ns", static_cast<double>(took.wall) / kilobytes)
      .number("cpu_ns", static_cast<double>(took.cpu) / kilobytes)
      .number("peak_mb", peak)
      .number("rows", counts.rows)
      .number("cells", counts.cells)
      .number("sum", counts.sum)
      .flag("ok", right(task, path, counts));
  line.print();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const bench::Args args(argc, argv);
    if (args.has("describe"))
      bench::build_description().print();
    else if (args.has("generate"))
      bench::generate(args.text("generate", ""), args.text("file", ""), args.number("bytes", 336'000'000));
    else
      run(args);
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench-csv: {}\n", error.what());
    return 1;
  }
}
