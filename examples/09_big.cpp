// A realistic job: several threads read a CSV file of trades; the lines are parsed, checked and summed up per
// symbol, with a progress bar, a budget for bad lines, and a report. Ctrl-C stops the run cleanly.
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <etl/etl.hpp>

namespace fs = std::filesystem;

struct Part {  // consecutive lines of the file
  std::int64_t offset;
  std::uint64_t first_line, lines;
};
struct Line {
  std::string text;
  std::uint64_t number;
};
struct Trade {
  std::string symbol;
  std::int64_t quantity, cents;
};

template <class Number>  // the whole of `text` must be the number
bool parse(std::string_view text, Number& number) {
  const auto [stopped, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && stopped == text.data() + text.size();
}

struct Trades {
  fs::path file;
  std::vector<Part> parts{};
  std::uint64_t lines = 0;
  std::map<std::string, std::int64_t> turnover{};  // in cents, by symbol

  // Runs once, before everything else: finds where lines begin, to divide the work and to count the lines.
  void pre_process(const std::stop_token& stop) {
    std::ifstream in(file);
    std::int64_t offset = 0;
    for (std::string line; !stop.stop_requested() && std::getline(in, line); ++lines) {
      if (lines % 100'000 == 0) parts.push_back({offset, lines + 1, 0});
      ++parts.back().lines;
      offset += static_cast<std::int64_t>(line.size()) + 1;
    }
  }
  const std::vector<Part>& partitions() const { return parts; }  // several threads extract them
  std::uint64_t expected_items() const { return lines; }         // for the progress bar

  void extract(const Part& part, etl::Emitter<Line>& out) const {
    std::ifstream in(file);
    in.seekg(part.offset);
    for (std::uint64_t i = 0; i < part.lines; ++i) {
      const bool wanted = out.fill([&](Line& line) {  // a used slot: the memory of its string is reused
        if (!std::getline(in, line.text)) throw std::runtime_error("cannot read " + file.string());
        line.number = part.first_line + i;
      });
      if (!wanted) return;
    }
  }
  void transform(const Line& line, etl::Out<Trade>& out) const {
    const std::string_view text = line.text;
    const auto first = text.find(','), second = text.find(',', first + 1);
    if (second == text.npos) return out.reject("expected SYMBOL,QUANTITY,PRICE");
    std::int64_t quantity = 0;
    double price = 0;
    const bool whole = parse(text.substr(first + 1, second - first - 1), quantity);
    if (!whole || quantity < 1 || quantity > 1'000'000) return out.reject("bad quantity");
    if (!parse(text.substr(second + 1), price) || !(price >= 0 && price < 1e5)) return out.reject("bad price");
    Trade& trade = out.next();  // a used slot as well: every field is assigned
    trade.symbol.assign(text.substr(0, first));
    trade.quantity = quantity;
    trade.cents = std::llround(price * 100);
  }
  void load(std::span<const Trade> batch) {  // not const: one call at a time
    for (const Trade& trade : batch) turnover[trade.symbol] += trade.quantity * trade.cents;
  }
  std::string describe(const Line& line) const { return fmt::format("{}:{}", file.string(), line.number); }
};

void write_sample(const fs::path& file, std::uint64_t rows) {  // one line in a million is broken
  constexpr const char* symbols[] = {"ACME", "BOLT", "CRAB", "DUNE", "ECHO", "FERN", "GULL", "HAZE"};
  std::ofstream out(file);
  std::mt19937 random;
  for (std::uint64_t i = 0; i < rows && out; ++i) {
    const auto r = random();
    out << symbols[r % 8] << ',' << r / 8 % 900 + 1 << ',' << r / 8192 % 500;
    out << (i % 1'000'000 == 123'456 ? ".x" : ".") << 10 + r / 65536 % 90 << '\n';
  }
  if (!out.flush()) throw std::runtime_error("cannot write " + file.string());
}

constexpr std::string_view usage =
    "usage: example_09_big [--rows N] [--json] [FILE]\n"
    "Sums up the turnover in FILE (lines of SYMBOL,QUANTITY,PRICE) per symbol.\n"
    "  --rows N  without FILE: how many lines to make up (default 5000000)\n"
    "  --json    print the report as JSON\n"
    "Exit code: 0 loaded, 1 failed, 2 wrong usage or no such file, 4 stopped by Ctrl-C\n";

int show_usage(std::FILE* where, int exit_code) {
  fmt::print(where, "{}", usage);
  return exit_code;
}

int main(int argc, char** argv) try {
  fs::path file;
  std::uint64_t rows = 5'000'000;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--help") return show_usage(stdout, 0);
    if (arg == "--json")
      json = true;
    else if (arg == "--rows" && i + 1 < argc && parse(argv[i + 1], rows))
      ++i;
    else if (file.empty() && !arg.starts_with('-'))
      file = arg;
    else
      return show_usage(stderr, 2);
  }
  if (!file.empty() && !fs::is_regular_file(file)) {
    fmt::print(stderr, "{}: no such file\n", file.string());
    return 2;
  }

  const etl::StopToken stop = etl::stop_on_signals();  // Ctrl-C: what has been read is still loaded
  const bool sample = file.empty();
  if (sample) {
    file = fs::temp_directory_path() / fmt::format("trades-{}.csv", std::random_device{}());
    write_sample(file, rows);
  }
  std::vector<std::string> bad;
  const auto on_reject = [&bad](const etl::Rejection& r) {  // one call at a time
    if (bad.size() < 5) bad.push_back(fmt::format("{}: {}", r.description, r.error.message()));
  };
  etl::Options options{.name = "trades", .batch_size = 5000};
  options.errors = {.max_rejects = 1000, .on_reject = on_reject};
  options.progress.show = etl::ProgressOptions::Show::Auto;
  Trades trades{.file = file};
  const etl::RunReport report = etl::run(trades, options, stop);
  if (sample) fs::remove(file);

  if (json) {
    fmt::print("{}\n", report.json());
  } else {
    for (const auto& [symbol, cents] : trades.turnover)
      fmt::print("{:8} {:>14}.{:02}\n", symbol, cents / 100, cents % 100);
    for (const std::string& line : bad) fmt::print("rejected {}\n", line);
    fmt::print("{}\n", report.text());
  }
  return report.ok() ? 0 : report.exit_code();  // a few rejected lines are no failure here
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
