/// etl-sweep: measures a workload with many settings and shows which are good. `--help` says how.

#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

#include <sweep/sweep.hpp>

namespace {

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  if (!(file << text) || !file.flush()) throw std::runtime_error("cannot write " + path);
  fmt::print("wrote {}\n", path);
}

}  // namespace

int main(int argc, char** argv) {
  const sweep::Settings settings = sweep::parse(argc, argv);
  try {
    const auto cells = sweep::run(settings);
    if (settings.csv == "-") {
      fmt::print("{}", sweep::csv(cells));
    } else {
      fmt::print("{}\n\n{}{}", sweep::describe(settings), sweep::tables(settings, cells),
                 sweep::advice(settings, cells));
      if (!settings.csv.empty()) write(settings.csv, sweep::csv(cells));
    }
    if (!settings.svg.empty()) write(settings.svg, sweep::heatmap(settings, cells));
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "etl-sweep: {}\n", e.what());
    return 1;
  }
}
