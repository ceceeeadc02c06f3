#pragma once
/// Workbooks of Excel 97 (.xls), written for tests: records of BIFF8 in a compound file ([MS-XLS], [MS-CFB]).

#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace test::xls {

inline std::string number(std::uint64_t value, std::size_t size) {
  std::string bytes;
  for (; size > 0; --size, value >>= 8) bytes += static_cast<char>(value & 0xFF);
  return bytes;
}
inline std::string u16(std::uint64_t value) { return number(value, 2); }
inline std::string u32(std::uint64_t value) { return number(value, 4); }
inline std::string real(double value) { return number(std::bit_cast<std::uint64_t>(value), 8); }
inline std::string record(unsigned type, const std::string& data) { return u16(type) + u16(data.size()) + data; }
/// Of Latin-1 characters, its length in `size` bytes.
inline std::string text(std::string_view latin1, std::size_t size) {
  return number(latin1.size(), size) + '\0' + std::string(latin1);
}

// Cells: row and column from 0, style by its place in `Book::formats`, from 0.
inline std::string cell(unsigned row, unsigned column, unsigned style) { return u16(row) + u16(column) + u16(style); }
inline std::string number_cell(unsigned row, unsigned column, double value, unsigned style = 0) {
  return record(0x0203, cell(row, column, style) + real(value));
}
inline std::string rk_cell(unsigned row, unsigned column, std::uint32_t rk, unsigned style = 0) {
  return record(0x027E, cell(row, column, style) + u32(rk));
}
inline std::string text_cell(unsigned row, unsigned column, unsigned shared) {
  return record(0x00FD, cell(row, column, 0) + u32(shared));
}
inline std::string truth_cell(unsigned row, unsigned column, unsigned value, bool error = false) {
  return record(0x0205, cell(row, column, 0) + number(value, 1) + number(error ? 1 : 0, 1));
}
/// `result`: 8 bytes.
inline std::string formula_cell(unsigned row, unsigned column, const std::string& result, unsigned style = 0) {
  return record(0x0006, cell(row, column, style) + result + std::string(8, '\0'));
}
/// A result that is no number: 0 a text, which follows; 1 a truth value; 2 an error; 3 an empty text.
inline std::string other_result(unsigned type, unsigned value = 0) {
  return number(type, 1) + '\0' + number(value, 1) + std::string(3, '\0') + "\xFF\xFF";
}
inline std::string string_record(std::string_view latin1) { return record(0x0207, text(latin1, 2)); }

struct Sheet {
  std::string name{};
  std::string cells{};  ///< records
  unsigned rows = 0, columns = 0;
  bool hidden = false;
};

struct Book {
  std::vector<Sheet> sheets{};
  std::vector<std::string> strings{};
  std::vector<std::string> formats{"General"};  ///< of styles
  bool epoch_1904 = false;

  [[nodiscard]] std::string stream() const {
    const auto begin = [](unsigned type) {
      return record(0x0809, u16(0x0600) + u16(type) + u16(0x0DBB) + u16(0x07CC) + u32(0x41) + u32(6));
    };
    const std::string end = record(0x000A, "");
    std::string head = begin(5) + record(0x0042, u16(1200)) + record(0x0022, u16(epoch_1904 ? 1 : 0));
    for (std::size_t i = 0; i < formats.size(); ++i) head += record(0x041E, u16(164 + i) + text(formats[i], 2));
    for (std::size_t i = 0; i < formats.size(); ++i)
      head += record(0x00E0, u16(0) + u16(164 + i) + std::string(16, '\0'));
    std::string shared = u32(strings.size()) + u32(strings.size());
    for (const std::string& one : strings) shared += text(one, 2);
    const std::string tail = record(0x00FC, shared) + end;
    std::size_t at = head.size() + tail.size();
    for (const Sheet& sheet : sheets) at += record(0x0085, std::string(6, '\0') + text(sheet.name, 1)).size();
    std::string bodies;
    for (const Sheet& sheet : sheets) {
      head += record(0x0085, u32(at + bodies.size()) + number(sheet.hidden ? 1 : 0, 1) + '\0' + text(sheet.name, 1));
      bodies += begin(0x10) + record(0x0200, u32(0) + u32(sheet.rows) + u16(0) + u16(sheet.columns) + u16(0)) +
                sheet.cells + end;
    }
    return head + tail + bodies;
  }
  void write(const std::filesystem::path& path) const;
};

inline constexpr std::uint32_t end_of_chain = 0xFFFF'FFFE, no_sector = 0xFFFF'FFFF, table_sector = 0xFFFF'FFFD;
inline constexpr std::size_t sector_size = 512;

inline std::string header(std::uint32_t mini_table, std::uint32_t mini_tables) {
  std::string file = "\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1" + std::string(16, '\0') + u16(0x3E) + u16(3) + u16(0xFFFE) +
                     u16(9) + u16(6) + std::string(6, '\0') + u32(0) + u32(1) + u32(1) + u32(0) + u32(4096) +
                     u32(mini_table) + u32(mini_tables) + u32(end_of_chain) + u32(0) + u32(0);
  while (file.size() < sector_size) file += u32(no_sector);
  return file;
}

/// A sector of the directory: the root and one stream.
inline std::string directory(std::string_view name, std::uint32_t root_begin, std::size_t root_size,
                             std::uint32_t begin, std::size_t size) {
  const auto entry = [](std::string_view called, unsigned type, std::uint32_t child, std::uint32_t first,
                        std::size_t bytes) {
    std::string wide;
    for (const char c : called) wide += u16(static_cast<unsigned char>(c));
    wide.resize(64);
    return wide + u16(called.empty() ? 0 : 2 * called.size() + 2) + number(type, 1) + number(1, 1) + u32(no_sector) +
           u32(no_sector) + u32(child) + std::string(36, '\0') + u32(first) + number(bytes, 8);
  };
  return entry("Root Entry", 5, 1, root_begin, root_size) + entry(name, 2, no_sector, begin, size) +
         entry("", 0, no_sector, 0, 0) + entry("", 0, no_sector, 0, 0);
}

inline std::string filled_table(std::string table) {
  while (table.size() < sector_size) table += u32(no_sector);
  return table;
}

/// Entries of `count` sectors in a row, from `first` on.
inline std::string chain(std::size_t first, std::size_t count) {
  std::string table;
  for (std::size_t i = 0; i < count; ++i) table += u32(i + 1 < count ? first + i + 1 : end_of_chain);
  return table;
}

/// A compound file with one stream. Up to 126 sectors: sector 0 is their table, sector 1 the directory.
inline std::string compound_file(std::string stream, std::string_view name) {
  if (stream.size() < 4096) stream.resize(4096);  // shorter ones are kept elsewhere
  stream.resize((stream.size() + sector_size - 1) / sector_size * sector_size);
  return header(end_of_chain, 0) +
         filled_table(u32(table_sector) + u32(end_of_chain) + chain(2, stream.size() / sector_size)) +
         directory(name, end_of_chain, 0, 2, stream.size()) + stream;
}

/// The same of a stream of less than 4096 bytes, in units of 64 bytes: sector 2 is the table of these.
inline std::string compound_file_of_mini_stream(std::string stream, std::string_view name) {
  const std::size_t size = stream.size(), units = (size + 63) / 64;
  stream.resize((size + sector_size - 1) / sector_size * sector_size);
  return header(2, 1) +
         filled_table(u32(table_sector) + u32(end_of_chain) + u32(end_of_chain) +
                      chain(3, stream.size() / sector_size)) +
         directory(name, 3, units * 64, 0, size) + filled_table(chain(0, units)) + stream;
}

inline void Book::write(const std::filesystem::path& path) const {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << compound_file(stream(), "Workbook");
}

}  // namespace test::xls
