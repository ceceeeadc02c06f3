#include "xlsx_sheet.hpp"

#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "shared_strings.hpp"
#include "styles.hpp"
#include "xml.hpp"

namespace etl::inline v0::excel::detail {
namespace {

/// Limit for the text of a sheet in memory, not counting one row.
constexpr std::size_t enough = 256 << 10;
constexpr std::size_t most_merged = 1'000'000;

/// The tables to which cells refer.
struct Tables {
  SharedStrings strings{};
  std::vector<NumberKind> styles{};
  bool epoch_1904 = false;
};

enum class CellType : std::uint8_t { Number, Shared, Inline, Text, Boolean, Error, Date, Unknown };

CellType type_of(std::string_view name) noexcept {
  if (name.empty() || name == "n") return CellType::Number;
  if (name == "s") return CellType::Shared;
  if (name == "str") return CellType::Text;
  if (name == "inlineStr") return CellType::Inline;
  if (name == "b") return CellType::Boolean;
  if (name == "e") return CellType::Error;
  return name == "d" ? CellType::Date : CellType::Unknown;
}

/// The whole number that is the entire text, or nothing.
std::optional<std::uint64_t> whole_number(std::string_view text) noexcept {
  std::uint64_t number = 0;
  const auto done = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || done.ec != std::errc() || done.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Handles the rows and cells of a sheet (ECMA-376, 18.3.1).
class SheetHandler final : public XmlHandler {
 public:
  SheetHandler(const Tables& tables, const SheetOptions& options, SheetText& out)
      : tables_(tables), options_(options), out_(out) {}

  Result<void> start(std::string_view name, const Attributes& attributes) override {
    if (name == "sheetData") in_rows_ = true;
    if (!in_rows_ || over_) return {};
    if (name == "row") return start_row(attributes);
    if (name == "c") return start_cell(attributes);
    if (!in_cell_) return {};
    if (name == "v") has_value_ = in_value_ = type_ != CellType::Inline;
    if (name == "is") has_value_ = in_inline_ = type_ == CellType::Inline;
    if (name == "f") has_formula_ = true;
    if (name == "rPh") ++phonetic_;
    if (name == "t") in_value_ = in_inline_ && phonetic_ == 0;
    return {};
  }
  Result<void> end(std::string_view name) override {
    if (name == "sheetData") in_rows_ = false;
    if (!in_rows_ || over_) return {};
    if (name == "v" || name == "t") in_value_ = false;
    if (name == "is") in_inline_ = false;
    if (name == "rPh") --phonetic_;
    if (name == "c") return end_cell();
    return name == "row" ? out_.end_row() : Result<void>();
  }
  Result<void> text(std::string_view text) override {
    if (!in_value_ || !wanted_ || over_) return {};
    if (value_.size() + text.size() > options_.limits.max_row)
      return failure(out_.problem(
          column_, fmt::format("it has more than {} bytes of text (Limits::max_row)", options_.limits.max_row)));
    value_ += text;
    return {};
  }
  bool pauses() const noexcept override { return over_ || out_.size() >= enough; }
  /// Whether the rest of the sheet can be ignored.
  [[nodiscard]] bool over() const noexcept { return over_; }

 private:
  Result<void> start_row(const Attributes& attributes) {
    std::uint64_t row = out_.row() + 1;
    if (const auto said = attributes.find("r")) {
      const auto number = whole_number(*said);
      if (!number) return failure(out_.row_problem(fmt::format("the next row has '{}' in place of a number", *said)));
      row = *number;
    }
    next_column_ = 0;
    const Result<bool> begun = out_.begin_row(row);
    if (!begun) return failure(begun.error());
    over_ = !*begun;
    return {};
  }
  Result<void> start_cell(const Attributes& attributes) {
    column_ = next_column_;
    if (const auto said = attributes.find("r")) {
      const auto place = place_of(*said);
      if (!place || place->row != out_.row())
        return failure(out_.row_problem(fmt::format("'{}' is not a cell of this row; the file is damaged", *said)));
      column_ = place->column;
    }
    if (column_ >= most_columns)
      return failure(out_.row_problem(fmt::format("it has more than {} columns; the file is damaged", most_columns)));
    next_column_ = column_ + 1;
    type_ = type_of(attributes["t"]);
    const auto style = whole_number(attributes["s"]);
    kind_ = style && *style < tables_.styles.size() ? tables_.styles[*style] : NumberKind::Number;
    in_cell_ = true;
    wanted_ = out_.wants(column_);
    has_value_ = has_formula_ = in_value_ = in_inline_ = false;
    phonetic_ = 0;
    value_.clear();
    return {};
  }
  Result<void> end_cell() {
    in_cell_ = false;
    if (!wanted_) return {};
    const auto bad = [this](std::string_view what) { return failure(out_.problem(column_, what)); };
    const bool no_value = !has_value_ || (value_.empty() && type_ != CellType::Text && type_ != CellType::Inline);
    if (no_value && has_formula_ && !options_.formulas_without_value_are_empty) return bad(no_formula_value);
    if (no_value) return {};
    switch (type_) {
      case CellType::Number:
        if (!append_number(out_.text(), value_, kind_, tables_.epoch_1904))
          return bad(
              fmt::format("'{}' is saved as a number, but is not a number; the file is damaged", value_.substr(0, 60)));
        break;
      case CellType::Shared: {
        const auto number = whole_number(value_);
        const auto text = number ? tables_.strings.at(*number) : std::nullopt;
        if (!text)
          return bad(fmt::format("it refers to the shared text {}, and there are {}; the file is damaged",
                                 value_.substr(0, 60), tables_.strings.size()));
        out_.text() += *text;
        break;
      }
      case CellType::Inline:
      case CellType::Text: append_text(out_.text(), value_); break;
      case CellType::Boolean:
        if (value_ != "0" && value_ != "1" && value_ != "true" && value_ != "false")
          return bad(fmt::format("'{}' is not a truth value; the file is damaged", value_.substr(0, 60)));
        out_.text() += is_true(value_) ? "true" : "false";
        break;
      case CellType::Error:
        if (options_.errors == ErrorCells::Empty) return {};
        if (options_.errors == ErrorCells::Refuse) return bad(refused_error(value_));
        out_.text() += value_;
        break;
      case CellType::Date: out_.text() += value_; break;
      case CellType::Unknown: return bad("it is of a type that workbooks do not have; the file is damaged");
    }
    return out_.end_cell(column_);
  }

  const Tables& tables_;
  const SheetOptions& options_;
  SheetText& out_;
  std::string value_{};
  std::size_t column_ = 0, next_column_ = 0;
  int phonetic_ = 0;
  CellType type_ = CellType::Number;
  NumberKind kind_ = NumberKind::Number;
  bool in_rows_ = false, in_cell_ = false, in_inline_ = false, in_value_ = false;
  bool wanted_ = false, has_value_ = false, has_formula_ = false, over_ = false;
};

/// Collects the merged cells. They come after all rows, so the sheet is read twice if they must be filled.
class MergedHandler final : public XmlHandler {
 public:
  explicit MergedHandler(const std::string& name) : name_(name) {}
  Result<void> start(std::string_view name, const Attributes& attributes) override {
    if (name != "mergeCell") return {};
    const std::string_view text = attributes["ref"];
    const auto first = place_of(text.substr(0, text.find(':')));
    const auto last = place_of(text.substr(text.find(':') + 1));
    if (!first || !last || first->column > last->column || first->row > last->row)
      return failure(fatal(fmt::format("{}: '{}' is no range of merged cells; the file is damaged", name_, text)));
    if (all.size() >= most_merged)
      return failure(fatal(fmt::format("{}: it has more than {} ranges of merged cells", name_, most_merged)));
    all.push_back({*first, *last});
    return {};
  }
  std::vector<Merged> all{};

 private:
  const std::string& name_;
};

class XlsxSource final : public io::ByteSource {
 public:
  XlsxSource(Part part, Tables tables, const SheetOptions& options, SheetText text, std::string name)
      : tables_(std::move(tables)),
        options_(options),
        text_(std::move(text)),
        name_(std::move(name)),
        handler_(tables_, options_, text_),
        xml_(std::move(part), handler_) {}

  Result<std::size_t> read(std::span<char> to) override {
    while (text_.size() == 0 && !ended_ && !failed_) {
      Result<bool> more = xml_.next();
      if (!more) failed_ = std::move(more.error());
      ended_ = (more && !*more) || handler_.over();
    }
    if (text_.size() > 0) return text_.take(to);
    if (failed_) return failure(*failed_);
    return 0;
  }
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t consumed() const noexcept override {
    return ended_ ? size_hint() : xml_.part().consumed();
  }
  [[nodiscard]] std::uint64_t size_hint() const noexcept override { return xml_.part().packed_size(); }
  bool interrupt() noexcept override { return true; }  // reading a file never waits

 private:
  Tables tables_;
  SheetOptions options_;
  SheetText text_;
  std::string name_;
  SheetHandler handler_;
  XmlReader xml_;
  bool ended_ = false;
  std::optional<Error> failed_{};
};

}  // namespace

Result<io::Source> open_xlsx_sheet(const Archive& archive, const Workbook& workbook, const SheetPart& sheet,
                                   const CellRange& range, const SheetOptions& options, std::string source_name) {
  Tables tables;
  tables.epoch_1904 = workbook.epoch_1904;
  if (!workbook.styles.empty()) {
    auto part = archive.part(workbook.styles);
    if (!part) return failure(part.error());
    auto styles = read_styles(std::move(*part));
    if (!styles) return failure(styles.error());
    tables.styles = std::move(*styles);
  }
  if (!workbook.shared_strings.empty()) {
    auto part = archive.part(workbook.shared_strings);
    if (!part) return failure(part.error());
    auto strings = SharedStrings::read(std::move(*part), options.limits.strings_in_memory);
    if (!strings) return failure(strings.error());
    tables.strings = std::move(*strings);
  }
  std::string place = fmt::format("{}: sheet '{}'", archive.file(), sheet.info.name);
  std::vector<Merged> merged;
  if (options.merged == MergedCells::Fill) {
    auto part = archive.part(sheet.part);
    if (!part) return failure(part.error());
    MergedHandler handler(place);
    if (auto read = read_xml(std::move(*part), handler); !read) return failure(read.error());
    merged = std::move(handler.all);
  }
  auto part = archive.part(sheet.part);
  if (!part) return failure(part.error());
  SheetText text(std::move(place), range, options.limits, std::move(merged));
  return std::make_unique<XlsxSource>(std::move(*part), std::move(tables), options, std::move(text),
                                      std::move(source_name));
}

}  // namespace etl::inline v0::excel::detail
