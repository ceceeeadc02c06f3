#include "xls_records.hpp"

#include <algorithm>
#include <bit>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

namespace etl::inline v0::excel::detail {
namespace {

namespace type {
constexpr std::uint16_t formula = 0x0006, eof = 0x000A, date_mode = 0x0022, file_pass = 0x002F, continued = 0x003C,
                        bound_sheet = 0x0085, mul_rk = 0x00BD, xf = 0x00E0, merged = 0x00E5, number = 0x0203,
                        bool_err = 0x0205, string = 0x0207, rk = 0x027E, format = 0x041E, bof = 0x0809,
                        shared_formula = 0x04BC, array = 0x0221, table = 0x0236;
}  // namespace type

std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t size) noexcept {
  std::uint64_t number = 0;
  for (std::size_t i = size; i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  return number;
}
std::uint16_t u16(std::string_view bytes, std::size_t at) noexcept {
  return static_cast<std::uint16_t>(number_at(bytes, at, 2));
}
std::uint32_t u32(std::string_view bytes, std::size_t at) noexcept {
  return static_cast<std::uint32_t>(number_at(bytes, at, 4));
}
double double_at(std::string_view bytes, std::size_t at) noexcept {
  return std::bit_cast<double>(number_at(bytes, at, 8));
}

/// Decodes an RkNumber ([MS-XLS] 2.5.217).
double rk_number(std::uint32_t rk) noexcept {
  const double value = (rk & 2) != 0 ? static_cast<double>(static_cast<std::int32_t>(rk) >> 2)
                                     : std::bit_cast<double>(std::uint64_t{rk & 0xFFFF'FFFC} << 32);
  return (rk & 1) != 0 ? value / 100 : value;
}

void append_utf16(std::string& out, std::string_view bytes) {
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    std::uint32_t code = u16(bytes, i);
    if (code >= 0xD800 && code < 0xDC00 && i + 3 < bytes.size()) {
      const std::uint32_t low = u16(bytes, i + 2);
      if (low >= 0xDC00 && low < 0xE000) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        i += 2;
      }
    }
    if (code >= 0xD800 && code < 0xE000) code = 0xFFFD;
    append_utf8(out, code);
  }
}

/// Appends the characters of a record, which have one or two bytes each.
void append_characters(std::string& out, std::string_view bytes, bool wide) {
  if (wide) return append_utf16(out, bytes);
  for (const char c : bytes) append_utf8(out, static_cast<unsigned char>(c));
}

}  // namespace

std::string_view error_name(unsigned code) noexcept {
  switch (code) {
    case 0x00: return "#NULL!";
    case 0x07: return "#DIV/0!";
    case 0x0F: return "#VALUE!";
    case 0x17: return "#REF!";
    case 0x1D: return "#NAME?";
    case 0x24: return "#NUM!";
    case 0x2A: return "#N/A";
    default: return "#ERROR!";
  }
}

Error XlsRecords::damaged(std::string_view what) const {
  return fatal(fmt::format("{}: {}: the file is damaged or cut off; get it again, or save it as .xlsx", name_, what));
}

Result<XlsRecords> XlsRecords::open(const WorkbookFile& file, const NextSector& next) {
  XlsRecords records;
  records.name_ = file.name;
  records.file_.open(file.path, std::ios::binary);
  if (auto found = records.find_stream(next); !found) return failure(found.error());
  if (auto read = records.read_globals(); !read) return failure(read.error());
  return records;
}

Result<void> XlsRecords::find_stream(const NextSector& next) {
  std::string head(512, '\0');
  if (!file_.read(head.data(), static_cast<std::streamsize>(head.size())))
    return failure(damaged("its header is too short"));
  const unsigned shift = u16(head, 30);
  if (shift < 7 || shift > 16) return failure(damaged("its header is not valid"));
  const std::size_t sector_size = std::size_t{1} << shift;
  file_.seekg(0, std::ios::end);
  const auto most = static_cast<std::uint64_t>(file_.tellg()) / sector_size + 1;
  const auto stream_at = [&](std::uint32_t sector, std::uint64_t size) -> Result<Stream> {
    constexpr std::uint32_t last_sector = 0xFFFF'FFFA;
    Stream stream{.unit = sector_size, .size = size};
    while (sector < last_sector && stream.places.size() <= most) {
      stream.places.push_back((std::uint64_t{sector} + 1) * sector_size);
      // What follows does not belong to the stream.
      if (stream.places.size() * sector_size >= size && size > 0) return stream;
      if (!next(sector, sector)) break;
    }
    if (size == 0) stream.size = stream.places.size() * sector_size;
    if (stream.places.size() > most || stream.places.size() * sector_size < stream.size)
      return failure(damaged("a chain of sectors has no end"));
    return stream;
  };
  auto directory = stream_at(u32(head, 48), 0);
  if (!directory) return failure(directory.error());
  stream_ = std::move(*directory);
  constexpr std::size_t entry = 128;
  const auto root = bytes(0, entry);
  if (!root) return failure(root.error());
  for (std::uint64_t at = 0; at + entry <= stream_.size; at += entry) {
    const Result<std::string> found = bytes(at, entry);
    if (!found) return failure(found.error());
    std::string name;
    append_utf16(name, std::string_view(*found).substr(0, std::clamp<std::size_t>(u16(*found, 64), 2, 64) - 2));
    if (name != "Workbook" && name != "Book") continue;
    const std::uint32_t size = u32(*found, 120), begin = u32(*found, 116);
    auto stream = size < u32(head, 56) ? mini_stream(head, *root, begin, size, stream_at) : stream_at(begin, size);
    if (!stream) return failure(stream.error());
    stream_ = std::move(*stream);
    return {};
  }
  return failure(fatal(fmt::format("{}: it is a compound file without a workbook, such as one of Word", name_)));
}

/// Short streams consist of units of 64 bytes within the stream of the root entry ([MS-CFB] 2.4).
Result<XlsRecords::Stream> XlsRecords::mini_stream(const std::string& head, const std::string& root,
                                                   std::uint32_t begin, std::uint32_t size, const StreamAt& stream_at) {
  constexpr std::size_t unit = 64;
  auto container = stream_at(u32(root, 116), u32(root, 120));
  if (!container) return container;
  auto table = stream_at(u32(head, 60), 0);
  if (!table) return table;
  Stream stream{.unit = unit, .size = size};
  stream_ = std::move(*table);
  for (std::uint32_t at = begin; stream.places.size() * unit < size;) {
    const std::uint64_t offset = std::uint64_t{at} * unit;
    if (offset + unit > container->places.size() * container->unit)
      return failure(damaged("its stream of records ends early"));
    stream.places.push_back(container->places[offset / container->unit] + offset % container->unit);
    const auto next = bytes(std::uint64_t{at} * 4, 4);
    if (!next) return failure(next.error());
    at = u32(*next, 0);
  }
  return stream;
}

Result<std::string> XlsRecords::bytes(std::uint64_t offset, std::size_t size) {
  std::string out(size, '\0');
  if (offset + size > stream_.size) return failure(damaged("a record goes beyond the end"));
  for (std::size_t done = 0; done < size;) {
    const std::uint64_t at = offset + done;
    const std::size_t within = static_cast<std::size_t>(at % stream_.unit);
    const std::size_t part = std::min(size - done, stream_.unit - within);
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(stream_.places[at / stream_.unit] + within));
    if (!file_.read(out.data() + done, static_cast<std::streamsize>(part)))
      return failure(damaged("a sector lies beyond the end"));
    done += part;
  }
  return out;
}

Result<XlsRecords::Record> XlsRecords::record() {
  const Result<std::string> head = bytes(at_, 4);
  if (!head) return failure(head.error());
  Result<std::string> data = bytes(at_ + 4, u16(*head, 2));
  if (!data) return failure(data.error());
  at_ += 4 + data->size();
  return Record{u16(*head, 0), std::move(*data)};
}

Result<void> XlsRecords::read_globals() {
  std::unordered_map<std::uint16_t, NumberKind> formats;
  for (;;) {
    const Result<Record> found = record();
    if (!found) return failure(found.error());
    const std::string& data = found->data;
    const auto has = [&data](std::size_t size) { return data.size() >= size; };
    switch (found->type) {
      case type::bof:
        if (!has(2)) return failure(damaged("its first record is too short"));
        biff8_ = u16(data, 0) >= 0x0600;
        break;
      case type::file_pass:
        return failure(fatal(fmt::format("{}: the workbook has a password; save it without one", name_)));
      case type::date_mode: epoch_1904_ = has(2) && u16(data, 0) == 1; break;
      case type::format: {
        const std::size_t begin = biff8_ ? 5 : 3;
        if (!has(begin)) return failure(damaged("a number format is too short"));
        std::string code;
        append_characters(code, std::string_view(data).substr(begin), biff8_ && (data[4] & 1) != 0);
        formats[u16(data, 0)] = kind_of_format(code);
        break;
      }
      case type::xf: {
        if (!has(4)) return failure(damaged("a cell format is too short"));
        const std::uint16_t id = u16(data, 2);
        const auto own = formats.find(id);
        styles_.push_back(own == formats.end() ? kind_of_builtin(id) : own->second);
        break;
      }
      case type::bound_sheet:
        if (!has(6)) return failure(damaged("the place of a sheet is too short"));
        sheets_.push_back({u32(data, 0), (data[4] & 3) != 0, data[5] == 0});
        break;
      case type::eof: return {};
      default: break;
    }
  }
}

Result<XlsCells> XlsRecords::read(std::size_t sheet, std::size_t most_cells) {
  XlsCells out;
  at_ = sheets_[sheet].offset;
  std::size_t depth = 0;  // charts within a sheet have their own records
  do {
    const Result<Record> found = record();
    if (!found) return failure(found.error());
    if (found->type == type::bof) ++depth;
    if (depth == 0) return failure(damaged("a sheet is not where it should be"));
    if (found->type == type::eof) --depth;
    if (depth != 1) continue;
    if (auto added = add_cells(*found, out); !added) return failure(added.error());
    if (out.cells.size() > most_cells)
      return failure(
          fatal(fmt::format("{}: a sheet has more than {} cells (Limits::max_xls_cells)", name_, most_cells)));
  } while (depth > 0);
  const auto place = [](const XlsCell& cell) { return std::tuple(cell.row, cell.column); };
  std::ranges::sort(out.cells, {}, place);
  return out;
}

Result<void> XlsRecords::add_cells(const Record& record, XlsCells& out) {
  const std::string& data = record.data;
  const auto cell = [&](XlsCell::Type of, double number) {
    out.cells.push_back({u16(data, 0), u16(data, 2), of, kind_of(u16(data, 4)), number});
  };
  const auto too_short = [&](std::size_t size) { return data.size() < size; };
  const auto failed = [&] { return failure(damaged("a cell is too short")); };
  switch (record.type) {
    case type::number:
      if (too_short(14)) return failed();
      cell(XlsCell::Type::Number, double_at(data, 6));
      break;
    case type::rk:
      if (too_short(10)) return failed();
      cell(XlsCell::Type::Number, rk_number(u32(data, 6)));
      break;
    case type::mul_rk: {
      if (too_short(6)) return failed();
      std::uint16_t column = u16(data, 2);
      for (std::size_t at = 4; at + 8 <= data.size(); at += 6, ++column)
        out.cells.push_back(
            {u16(data, 0), column, XlsCell::Type::Number, kind_of(u16(data, at)), rk_number(u32(data, at + 2))});
      break;
    }
    case type::bool_err:
      if (too_short(8)) return failed();
      cell(data[7] != 0 ? XlsCell::Type::Error : XlsCell::Type::Boolean, static_cast<unsigned char>(data[6]));
      break;
    case type::formula: return add_formula(record, out);
    case type::merged:
      for (std::size_t at = 2; at + 8 <= data.size(); at += 8)
        out.merged.push_back({{u16(data, at + 4), u16(data, at) + std::uint64_t{1}},
                              {u16(data, at + 6), u16(data, at + 2) + std::uint64_t{1}}});
      break;
    default: break;
  }
  return {};
}

/// Adds the saved value of a formula ([MS-XLS] 2.4.127, 2.5.133).
Result<void> XlsRecords::add_formula(const Record& record, XlsCells& out) {
  const std::string& data = record.data;
  if (data.size() < 14) return failure(damaged("a formula is too short"));
  XlsCell cell{u16(data, 0), u16(data, 2), XlsCell::Type::Number, kind_of(u16(data, 4)), double_at(data, 6)};
  if (u16(data, 12) == 0xFFFF) {
    cell.number = static_cast<unsigned char>(data[8]);
    switch (data[6]) {
      case 0: {
        auto text = string_record();
        if (!text) return failure(text.error());
        cell.type = XlsCell::Type::Text;
        cell.text = out.texts.size();
        out.texts.push_back(std::move(*text));
        break;
      }
      case 1: cell.type = XlsCell::Type::Boolean; break;
      case 2: cell.type = XlsCell::Type::Error; break;
      case 3:
        cell.type = XlsCell::Type::Text;
        cell.text = out.texts.size();
        out.texts.emplace_back();
        break;
      default: cell.type = XlsCell::Type::NoValue;
    }
  }
  out.cells.push_back(cell);
  return {};
}

/// Reads the text after a formula. A long text continues in further records.
Result<std::string> XlsRecords::string_record() {
  Result<Record> found = record();
  while (found && (found->type == type::shared_formula || found->type == type::array || found->type == type::table))
    found = record();
  if (!found) return failure(found.error());
  if (found->type != type::string || found->data.size() < 3) return failure(damaged("a formula has no text"));
  std::size_t left = u16(found->data, 0);
  std::string text;
  std::size_t begin = biff8_ ? 3 : 2;
  bool wide = biff8_ && (found->data[2] & 1) != 0;
  for (;;) {
    const std::string_view rest = std::string_view(found->data).substr(begin);
    const std::size_t size = std::min(left * (wide ? 2 : 1), rest.size());
    append_characters(text, rest.substr(0, size), wide);
    left -= size / (wide ? 2 : 1);
    if (left == 0) break;
    found = record();
    if (!found) return failure(found.error());
    if (found->type != type::continued || found->data.empty()) return failure(damaged("a text ends early"));
    begin = 1;
    wide = (found->data[0] & 1) != 0;
  }
  const bool ascii = std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (!biff8_ && !ascii)
    return failure(
        fatal(fmt::format("{}: a formula has the text '{}' in an old code page; save the workbook as "
                          ".xlsx",
                          name_, text.substr(0, 60))));
  return text;
}

}  // namespace etl::inline v0::excel::detail
