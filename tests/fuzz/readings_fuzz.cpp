// Whatever is in a file of readings: it has the same readings in pieces of any size, and from any of them on.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/readings.hpp>

namespace {

namespace readings = etl::csv::readings;

const etl::csv::StreamMap map{.id = "i", .readings = "r", .targets = {"x", "y"}, .streams = {{"a", 0}, {"b", 1}}};

struct Found {
  std::vector<std::string> readings{};
  std::string error{};
  std::uint64_t position = 0;
};

Found read(std::string_view text, const readings::ReaderOptions& options) {
  readings::Reader reader(etl::io::from_memory(text, "m"), map, options);
  Found found;
  for (;;) {
    const auto chunk = reader.next();
    found.position = reader.position();
    if (!chunk) found.error = chunk.error().message();
    if (!chunk || !*chunk) return found;
    for (std::size_t i = 0; i < (*chunk)->size(); ++i) {
      const readings::Reading reading = (**chunk)[i];
      std::string& cells = found.readings.emplace_back(reading.text());
      if (const auto fault = reading.fault("m")) {
        cells += fault->message();
        continue;
      }
      for (std::size_t cell = 0; cell < reading.size(); ++cell)
        cells.append(reading.null(cell) ? "-" : reading.quoted(cell) ? "'" : "").append(reading[cell]) += ';';
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Found whole = read(text, {.chunk_size = 1000}), pieces = read(text, {.chunk_size = 3});
  // The byte of an error is not compared: of a broken "null" it is the first or a later one.
  if (whole.readings != pieces.readings || whole.error.empty() != pieces.error.empty() ||
      whole.position != pieces.position)
    std::abort();
  const Found rest = read(text, {.begin = whole.position / 2, .chunk_size = 7});
  if (rest.position != whole.position || rest.readings.size() > whole.readings.size()) std::abort();
  const auto skipped = static_cast<std::ptrdiff_t>(whole.readings.size() - rest.readings.size());
  if (!std::equal(rest.readings.begin(), rest.readings.end(), whole.readings.begin() + skipped)) std::abort();
  return 0;
}
