// Any text cut into chunks gives the same records as the splitter alone, one after the other.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <etl/io/chunk_reader.hpp>

#include "unit/io/support.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace io = etl::io;
  if (size < 3) return 0;
  const std::size_t piece = 1 + data[0];
  const std::size_t chunk_size = 1 + data[1];
  const io::RecordSplitter splitter(data[2] % 2 == 0 ? "//" : "");
  std::string_view text(reinterpret_cast<const char*>(data) + 3, size - 3);

  io::ChunkReader reader(test::pieces(std::string(text), piece), splitter, {.chunk_size = chunk_size, .ahead = 2});
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (const auto chunk = reader.next().value()) {
    if (chunk->text.empty() || !text.starts_with(chunk->text)) std::abort();
    if (chunk->unterminated && chunk->text != text) std::abort();
    for (std::size_t end = 0; !chunk->unterminated && end < chunk->text.size();) {
      const std::size_t record = splitter.first_end(text, true);
      if (record > chunk->text.size() - end) std::abort();
      end += record;
      text.remove_prefix(record);
    }
    if (chunk->unterminated) text = {};
  }
  if (!text.empty()) std::abort();
  return 0;
}
