// Whatever is in a file of JSON: it has the same objects however it is cut into chunks, and reading ends.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <etl/csv/ndjson.hpp>

namespace {

std::string read(std::string_view text, std::size_t chunk_size) {
  namespace ndjson = etl::csv::ndjson;
  ndjson::Reader reader(etl::io::from_memory(text, "m"), {.chunk_size = chunk_size});
  ndjson::Parser parser({"a", "b"}, "m");
  std::string found;
  for (;;) {
    const auto chunk = reader.next();
    if (!chunk) return found + chunk.error().message();
    if (!*chunk) return found;
    for (const auto& line : **chunk) {
      const auto object = parser.parse(line);
      found += std::to_string(line.number) + (line.element ? " element " : " line ");
      if (!object) {
        found += object.error().message();
        continue;
      }
      for (std::size_t i = 0; i < object->size(); ++i)
        found.append(object->null(i) ? "-" : object->quoted(i) ? "'" : "").append((*object)[i]) += ';';
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (read(text, 1000) != read(text, 7)) std::abort();
  return 0;
}
