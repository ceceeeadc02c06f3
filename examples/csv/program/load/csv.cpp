#include "csv.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <etl/csv/encoding.hpp>
#include <etl/csv/reader.hpp>
#include <etl/csv/sniff.hpp>
#include <etl/io/source.hpp>

namespace program {
namespace {

namespace csv = etl::csv;
namespace fs = std::filesystem;

/// Whether the first bytes of the file look like JSON.
bool looks_like_json(const fs::path& file) {
  if (!can_be_read_again(file)) return false;
  auto source = etl::io::open_input(file);
  if (source) source = csv::as_utf8(std::move(*source));
  if (!source) return false;
  std::string text;
  std::array<char, 4096> bytes{};
  while (text.size() < bytes.size()) {  // while there are only blanks
    const auto got = (*source)->read(bytes);
    if (!got || *got == 0) return false;
    text.append(bytes.data(), *got);
    if (text.size() < 3) continue;
    const std::size_t first = text.find_first_not_of(" \t\r\n", text.starts_with("\xEF\xBB\xBF") ? 3 : 0);
    if (first != std::string::npos) return text[first] == '{' || text[first] == '[';
  }
  return false;
}

std::string_view json_remedy(const fs::path& file) {
  if (!looks_like_json(file)) return {};
  return R"(; it looks like JSON: load it with --format json, or with "format": "json" in a mapping)";
}

/// Guesses the delimiter, if possible. Whether the first row is a header, or whether there are quotes, is not guessed,
/// because a header that is loaded as a row, or a quote as text, would stay unnoticed.
std::optional<csv::Sniffed> look_into(const fs::path& file, const csv::Dialect& said) {
  constexpr std::size_t enough = 64 << 10;
  if (!can_be_read_again(file)) return std::nullopt;
  auto sniffed = csv::sniff(file, enough, {.dialect = said});
  if (!sniffed) return std::nullopt;  // reading the file will report what is wrong with it
  return std::move(*sniffed);
}

/// The mapping if the user gave no mapping file: columns by their names, or by their places.
csv::FileMapping mapping_by_name(const Load& options, const std::optional<csv::Sniffed>& sniffed) {
  csv::FileMapping mapping;
  mapping.decimal_comma = options.decimal_comma;
  mapping.nulls = options.null_texts();
  mapping.dialect = options.dialect;
  if (options.find_delimiter && sniffed) mapping.dialect.delimiter = sniffed->dialect.delimiter;
  return mapping;
}

/// Checks that the header is valid UTF-8, because it gives the names of columns.
etl::Result<void> check_header(const csv::Reader& reader, const csv::Dialect& dialect) {
  if (!dialect.check_utf8 || reader.header().empty()) return {};
  const std::string names = fmt::format("{}", fmt::join(reader.header(), "\n"));
  const csv::Dialect lines{.quote = {}, .header_rows = 0, .ragged = csv::Ragged::Keep, .check_utf8 = true};
  auto check = csv::Reader::from(etl::io::from_memory(names, reader.name()), lines);
  while (check) {
    const auto chunk = check->next();
    if (chunk && !*chunk) return {};
    if (!chunk) break;
  }
  return etl::failure(etl::fatal(
      fmt::format("{}: the header is not UTF-8; convert the file, or read it as Latin-1{}", reader.name(), as_latin1)));
}

/// Checks that each column has a name in the header, unless the mapping names the columns.
etl::Result<void> check_names_of(const csv::Reader& reader, const csv::FileMapping& how, const Load& options) {
  if (!how.columns.empty() || options.name_columns) return {};
  const auto blank = std::ranges::find_if(reader.header(), [](const auto& name) { return csv::trimmed(name).empty(); });
  if (blank == reader.header().end()) return {};
  const std::ptrdiff_t i = blank - reader.header().begin();
  return etl::failure(etl::fatal(
      fmt::format("{}: column {} has no name in the header; --name-columns gives it the name {}; a mapping can say "
                  "which columns go where",
                  reader.name(), i + 1, how.columns_of(reader.header(), 0)[static_cast<std::size_t>(i)].target)));
}

/// Determines the kinds of columns from rows of the reader. This changes the position of the reader.
void find_kinds(csv::Reader& reader, csv::FileMapping& how, FilePlan& plan, std::size_t look,
                const etl::StopToken& stop) {
  plan.kinds_known = false;
  const csv::SniffHints said{.dialect = {}, .nulls = how.nulls, .decimal_comma = how.decimal_comma};
  auto looked = csv::look_at_columns(reader, look, said, stop.drain());
  if (!looked || looked->rows == 0) return;  // loading the file will report what is wrong with it
  plan.kinds_known = true;
  looked->columns.resize(how.columns.size());
  for (std::size_t i = 0; i < how.columns.size(); ++i) {
    how.columns[i].kind = looked->columns[i].kind();
    how.columns[i].exact = true;
  }
  plan.guesses = std::move(looked->columns);
}

/// Adds options of the command line to an error of the reader, which does not know them.
etl::Error with_remedy(etl::Error error) {
  static constexpr std::pair<std::string_view, std::string_view> remedies[] = {
      {"read it as Latin-1", as_latin1},
      {"drop the blanks around cells", R"( (--trim, or "trim": true in a mapping))"},
      {"say its encoding", R"( (--encoding, or "encoding" in a mapping))"},
      {"read the file without quotes", R"( (--no-quote, or "quote": null in a mapping))"},
      {"is there a stray quote?", R"( (--no-quote, or "quote": null in a mapping, reads quotes as text))"},
      {"what to do with ragged rows", R"( (--ragged pad or truncate, or "ragged" in a mapping))"},
      {"raise max_field", R"( (--max-field, or "max_field" in a mapping))"},
      {"raise max_lines", R"( (--max-lines, or "max_lines" in a mapping))"}};
  for (const auto& [end, remedy] : remedies)
    if (error.context.ends_with(end)) error.context += remedy;
  return error;
}

using Offsets = std::shared_ptr<const csv::FileOffsets>;

/// The byte at which the row begins in the file, for programs that look it up.
std::string byte_of(const Offsets& offsets, std::uint64_t offset) {
  const auto found = offsets ? offsets->find(offset) : offset;
  return found ? fmt::format("; the row begins at byte {}", *found)
               : fmt::format("; the row begins at byte {} of the text in UTF-8", offset);
}
etl::Error at_byte(etl::Error error, const Offsets& offsets, std::uint64_t offset) {
  error.context += byte_of(offsets, offset);
  return error;
}

class CsvRows final : public Rows {
 public:
  CsvRows(csv::Chunk chunk, std::shared_ptr<const csv::RecordDecoder> decoder, Offsets offsets)
      : chunk_(std::move(chunk)), decoder_(std::move(decoder)), offsets_(std::move(offsets)) {
    if (!chunk_.bad_rows().empty()) merge();
  }
  std::size_t size() const noexcept override { return chunk_.size() + chunk_.bad_rows().size(); }
  etl::Result<void> decode(std::size_t i, csv::Record& out) const override {
    if (!order_.empty() && order_[i].bad)
      return etl::failure(at_byte(with_remedy(bad(i).error), offsets_, bad(i).place.offset));
    const csv::Row row = chunk_[order_.empty() ? i : order_[i].at];
    if (auto decoded = decoder_->decode(row, out); !decoded)
      return etl::failure(at_byte(with_value_remedy(std::move(decoded.error())), offsets_, row.offset()));
    out.emplace_back(static_cast<std::int64_t>(row.offset()));
    out.emplace_back(static_cast<std::int64_t>(row.line()));
    return {};
  }
  std::string text(std::size_t i) const override {
    if (order_.empty()) return std::string(chunk_[i].text());
    return std::string(order_[i].bad ? bad(i).text : chunk_[order_[i].at].text());
  }

 private:
  struct Found {
    std::uint32_t at;
    bool bad;
  };
  [[nodiscard]] const csv::BadRow& bad(std::size_t i) const { return chunk_.bad_rows()[order_[i].at]; }
  /// Merges good and bad rows in the order of the file. The number of a row must not depend on the chunks.
  void merge() {
    const auto bad_rows = chunk_.bad_rows();
    std::uint32_t next_bad = 0;
    const auto put_bad_before = [&](std::uint64_t row) {
      for (; next_bad < bad_rows.size() && bad_rows[next_bad].place.row < row; ++next_bad)
        order_.push_back({next_bad, true});
    };
    for (std::uint32_t i = 0; i < chunk_.size(); ++i) {
      put_bad_before(chunk_[i].number());
      order_.push_back({i, false});
    }
    put_bad_before(UINT64_MAX);
  }

  csv::Chunk chunk_;
  std::shared_ptr<const csv::RecordDecoder> decoder_;
  Offsets offsets_;
  std::vector<Found> order_{};  // empty: no row is bad
};

class CsvSource final : public RowSource {
 public:
  CsvSource(std::shared_ptr<csv::Reader> reader, std::shared_ptr<const csv::RecordDecoder> decoder)
      : reader_(std::move(reader)), decoder_(std::move(decoder)), place_(reader_->place()) {}
  etl::Result<std::shared_ptr<const Rows>> next(const std::stop_token& stop) override {
    auto chunk = reader_->next(stop);
    if (!chunk) return etl::failure(with_sheet_remedy(std::move(chunk.error())));
    if (!*chunk) return nullptr;
    place_ = (*chunk)->next_place();
    return std::make_shared<const CsvRows>(*std::move(*chunk), decoder_, reader_->offsets());
  }
  etl::Position position() const override { return place_.position(); }
  std::uint64_t bytes_read() const noexcept override { return reader_->bytes_read(); }

 private:
  std::shared_ptr<csv::Reader> reader_;
  std::shared_ptr<const csv::RecordDecoder> decoder_;
  csv::Place place_;
};

class CsvInput final : public Input {
 public:
  /// `opened`: the reader of an input that can be read only once, positioned after the header. `name`: the name of the
  /// file in messages. `said`: the dialect from which the final dialect was made, with the choice of a sheet.
  CsvInput(fs::path file, std::string name, const csv::Dialect& said, const csv::Dialect& dialect,
           const SheetChoice& sheet, csv::RecordDecoder decoder, std::shared_ptr<csv::Reader> opened)
      : file_(std::move(file)),
        name_(std::move(name)),
        said_(said),
        dialect_(dialect),
        sheet_(sheet),
        decoder_(std::make_shared<const csv::RecordDecoder>(std::move(decoder))),
        opened_(std::move(opened)) {}

  std::string settings() const override {
    const csv::Dialect& d = dialect_;
    const auto shown = [](const std::optional<char>& c) {
      return c ? fmt::format("{}", static_cast<int>(*c)) : "none";
    };
    return fmt::format(
               "delimiter {}, quote {}, escape {}, comment {}, skip {}, header {}, trim {}, blank lines {}, ragged {}, "
               "max lines {}, latin1 {}, charset {}, utf8 {}",
               static_cast<int>(d.delimiter), shown(d.quote), shown(d.escape), shown(d.comment), d.skip_lines,
               d.header_rows, d.trim, d.keep_blank_lines, static_cast<int>(d.ragged), d.max_lines,
               d.encoding == csv::Encoding::Latin1, d.charset, d.check_utf8) +
           (is_sheet() ? fmt::format(", sheet {}, skipped {}", sheet_.text(), said_.skip_lines) : std::string());
  }
  std::vector<csv::Part> parts(std::size_t most) const override {
    if (is_sheet()) return Input::parts(most);
    auto cut = csv::split(file_, dialect_, most);
    return cut && !cut->empty() ? *std::move(cut) : Input::parts(most);  // for example, gzip
  }
  etl::Result<std::unique_ptr<RowSource>> open(const csv::Part& part, const std::optional<etl::Position>& from,
                                               const std::stop_token& stop) override {
    if (opened_) keep_offsets(*opened_);
    if (opened_) return std::make_unique<CsvSource>(opened_, decoder_);
    csv::ReaderOptions options{.bad_rows = csv::BadRows::SetAside, .begin = part.begin};
    if (part.end != 0) options.end = part.end;
    if (from) {
      const auto place = csv::Place::from(*from);
      if (!place) return etl::failure(other_version());
      options.begin = *place;
    }
    csv::Dialect dialect = said_;
    auto reader = open_rows(file_, dialect, options, sheet_, stop);
    if (!reader) return etl::failure(std::move(reader.error()));
    keep_offsets(*reader);
    return std::make_unique<CsvSource>(std::make_shared<csv::Reader>(*std::move(reader)), decoder_);
  }
  std::string place(const csv::Record& record) const override {
    return fmt::format("{}:{}", name_, std::get<std::int64_t>(record.back()));
  }
  std::string offset(const csv::Record& record) const override {
    return byte_of(offsets_, static_cast<std::uint64_t>(std::get<std::int64_t>(record[record.size() - 2])));
  }
  std::string_view remedy() const override { return json_remedy(file_); }

 private:
  /// Only a file that is converted needs them, and such a file is not cut, so nobody else uses `offsets_` now.
  void keep_offsets(const csv::Reader& reader) {
    if (reader.offsets() && !reader.offsets()->charset().empty()) offsets_ = reader.offsets();
  }
  [[nodiscard]] bool is_sheet() const noexcept { return dialect_.sheet_column != 0; }

  fs::path file_;
  std::string name_;
  csv::Dialect said_, dialect_;
  SheetChoice sheet_;
  std::shared_ptr<const csv::RecordDecoder> decoder_;
  std::shared_ptr<csv::Reader> opened_;
  Offsets offsets_{};  // set by `open`, before there are rows
};

etl::Result<FilePlan> plan(const fs::path& file, const Load& options, const csv::FileMapping* told,
                           const std::optional<TargetColumns>& table, const etl::StopToken& stop, std::size_t look) {
  std::optional<csv::Sniffed> sniffed;
  const bool sheet = is_workbook(file);
  if (told == nullptr && options.find_delimiter && !sheet) sniffed = look_into(file, options.dialect);
  csv::FileMapping how = told != nullptr ? *told : mapping_by_name(options, sniffed);
  how.dialect.check_utf8 = how.dialect.encoding == csv::Encoding::Utf8;  // everything in a database of UTF-8 is UTF-8

  csv::Dialect said = how.dialect;
  auto reader = open_rows(file, how.dialect, {.bad_rows = csv::BadRows::SetAside}, options.sheet, stop.drain());
  if (!reader) return etl::failure(std::move(reader.error()));
  if (!sheet && told == nullptr && how.dialect.delimiter != options.dialect.delimiter && reader->width() <= 1) {
    // The guessed delimiter occurs only within cells, such as the ':' of times of day.
    said.delimiter = how.dialect.delimiter = options.dialect.delimiter;
    reader = csv::Reader::open(file, how.dialect, {.bad_rows = csv::BadRows::SetAside}, stop.drain());
    if (!reader) return etl::failure(std::move(reader.error()));
  }
  if (auto readable = check_header(*reader, how.dialect); !readable) return etl::failure(std::move(readable.error()));
  const bool by_place = how.columns.empty() && reader->header().empty();
  if (auto named = check_names_of(*reader, how, options); !named) return etl::failure(std::move(named.error()));
  how.columns = how.columns_of(reader->header(), reader->width());
  const bool again = can_be_read_again(file);
  FilePlan found;
  if (told == nullptr && !table && again) find_kinds(*reader, how, found, look, stop);
  auto plan = plan_columns(how.columns, table, by_place, options, reader->name());
  if (!plan) return plan;
  plan->guesses = std::move(found.guesses);
  plan->kinds_known = found.kinds_known;
  auto decoder = how.bind(reader->header(), reader->name(), reader->width());
  if (!decoder) return etl::failure(std::move(decoder.error()));
  plan->shape = shape_of(how);
  plan->input = std::make_shared<CsvInput>(file, sheet ? reader->name() : display_name(file), said, how.dialect,
                                           options.sheet, *std::move(decoder),
                                           again ? nullptr : std::make_shared<csv::Reader>(*std::move(reader)));
  return plan;
}

}  // namespace

etl::Result<FilePlan> plan_csv(const fs::path& file, const Load& options, const csv::FileMapping* told,
                               const std::optional<TargetColumns>& table, const etl::StopToken& stop,
                               std::size_t look) {
  auto made = plan(file, options, told, table, stop, look);
  if (!made) {
    made.error() = with_remedy(std::move(made.error()));
    made.error().context += json_remedy(file);
  }
  return made;
}

}  // namespace program
