// Bad items are rejected one by one, within a budget, and each is reported by name.
#include <charconv>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <etl/etl.hpp>

struct Line {
  int number;
  std::string text;
};

struct Temperatures {
  std::vector<Line> lines;
  std::vector<Line> extract() const { return lines; }

  // An error of class `rejected` concerns this item only. Any other error, and any exception,
  // stops the run.
  etl::Result<int> transform(const Line& line) const {
    int celsius = 0;
    const char* const end = line.text.data() + line.text.size();
    const auto [stopped, error] = std::from_chars(line.text.data(), end, celsius);
    if (error != std::errc{} || stopped != end) return etl::rejected("not a number: '" + line.text + "'");
    return celsius;
  }
  // The sink may reject single results too.
  void load(std::span<const int> batch, etl::BatchContext& context) {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch[i] < -273)
        context.reject(i, fmt::format("{} is below absolute zero", batch[i]));
      else
        sum += batch[i];
    }
  }
  // Optional: the name of a rejected item, for on_reject.
  std::string describe(const Line& line) const { return fmt::format("line {}", line.number); }
  int sum = 0;
};

int main() {
  Temperatures temperatures{.lines = {{1, "21"}, {2, "warm"}, {3, "19"}, {4, "-300"}, {5, "20"}}};
  const etl::RunReport report =
      etl::run(temperatures, {.workers = 2,
                              .errors = {.max_rejects = 2,  // the third would fail the run; the default allows none
                                         .on_reject = [](const etl::Rejection& r) {
                                           fmt::print("rejected: {}, {}: {}\n", r.description, etl::to_string(r.stage),
                                                      r.error.message());
                                         }}});
  fmt::print("{}\nsum {}\n", report.text(), temperatures.sum);

  // exit_code() is 3 here, so that a script can distinguish it from 0. This program expects two rejects.
  return report.outcome == etl::Outcome::CompletedWithRejects ? 0 : 1;
}
