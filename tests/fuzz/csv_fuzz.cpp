// Bytes as a file of delimited text, of a dialect that the first byte chooses: the index and the scalar machine agree,
// and chunks of any size give the same rows.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <etl/csv/index.hpp>
#include <etl/csv/reader.hpp>
#include <etl/io/source.hpp>

namespace {

namespace csv = etl::csv;

void expect(bool good) {
  if (!good) std::abort();
}

std::vector<std::string> rows(std::string_view text, const csv::Dialect& dialect, std::size_t chunk_size) {
  std::vector<std::string> found;
  auto reader = csv::Reader::from(etl::io::from_memory(text), dialect,
                                  {.chunk_size = chunk_size, .bad_rows = csv::BadRows::SetAside});
  if (!reader) return {reader.error().message()};
  for (;;) {
    const auto chunk = reader->next();
    if (!chunk) {
      found.push_back("error");
      return found;
    }
    if (!*chunk) return found;
    for (const csv::Row row : **chunk) {
      std::string& cells = found.emplace_back(row.place().position().text());
      for (std::size_t i = 0; i < row.size(); ++i) cells.append(1, '\x1F').append(row[i]);
    }
    for (const csv::BadRow& bad : (*chunk)->bad_rows()) expect(!bad.error.context.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned choice = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  csv::Dialect dialect{.header_rows = choice & 1U, .ragged = csv::Ragged::Keep};
  if ((choice & 2U) != 0) dialect.quote.reset();
  if ((choice & 4U) != 0 && dialect.quote) dialect.escape = '\\';
  if ((choice & 8U) != 0) dialect.comment = '#';
  if ((choice & 16U) != 0) dialect.trim = true;
  if ((choice & 32U) != 0) dialect.encoding = csv::Encoding::Latin1;
  if ((choice & 64U) != 0) dialect.max_field = 16;

  csv::Structure scanned, indexed;
  expect(csv::scan(text, dialect, true, scanned));
  dialect.max_field = 1 << 20;
  if (csv::can_index(dialect) && csv::scan(text, dialect, true, scanned))
    for (const csv::Isa isa : {csv::Isa::Portable, csv::Isa::Sse2, csv::Isa::Avx2, csv::Isa::Avx512})
      if (csv::supported(isa)) {
        const bool good = csv::index(text, dialect, true, indexed, isa);
        expect(good == scanned.marks.empty());
        expect(!good || (std::ranges::equal(indexed.ends.all(), scanned.ends.all()) &&
                         std::ranges::equal(indexed.row_ends.all(), scanned.row_ends.all()) &&
                         std::ranges::equal(indexed.breaks.all(), scanned.breaks.all())));
      }
  if ((choice & 64U) != 0) dialect.max_field = 16;
  const std::vector<std::string> whole = rows(text, dialect, 1 << 16);
  if (dialect.max_field > 16) expect(rows(text, dialect, 5) == whole);
  return 0;
}
