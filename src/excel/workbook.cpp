#include "workbook.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "xml.hpp"

namespace etl::inline v0::excel::detail {
namespace {

/// Limit above what any program writes, because each entry costs memory.
constexpr std::size_t most_entries = 100'000;

struct Relationship {
  std::string type{};
  std::string target{};  // name of a part
};
using Relationships = std::map<std::string, Relationship, std::less<>>;

/// The name of the part that `target` means in a part in `folder`. Examples of targets are "worksheets/sheet1.xml",
/// "../a" and "/xl/a", in the folder "xl/".
std::string resolved(std::string_view folder, std::string_view target) {
  std::string path = target.starts_with('/') ? std::string() : std::string(folder);
  while (!target.empty()) {
    const std::size_t slash = target.find('/');
    const std::string_view step = target.substr(0, slash);
    target.remove_prefix(slash == target.npos ? target.size() : slash + 1);
    if (step == "..") {
      if (!path.empty()) path.pop_back();
      path.resize(path.find_last_of('/') == path.npos ? 0 : path.find_last_of('/') + 1);
    } else if (!step.empty() && step != ".") {
      path += step;
      if (slash != std::string_view::npos) path += '/';
    }
  }
  return path;
}

class RelationshipHandler final : public XmlHandler {
 public:
  RelationshipHandler(std::string_view folder, const std::string& part) : folder_(folder), part_(part) {}
  Result<void> start(std::string_view name, const Attributes& attributes) override {
    if (name != "Relationship" || attributes["TargetMode"] == "External") return {};
    if (all.size() >= most_entries)
      return failure(fatal(fmt::format("{}: it has more than {} relationships", part_, most_entries)));
    const std::string_view type = attributes["Type"];
    all[std::string(attributes["Id"])] = {std::string(type.substr(type.find_last_of('/') + 1)),
                                          resolved(folder_, attributes["Target"])};
    return {};
  }
  Relationships all{};

 private:
  std::string folder_;
  const std::string& part_;
};

Result<Relationships> read_relationships(const Archive& archive, const std::string& of) {
  const std::size_t name = of.find_last_of('/') == of.npos ? 0 : of.find_last_of('/') + 1;
  auto part = archive.part(fmt::format("{}_rels/{}.rels", of.substr(0, name), of.substr(name)));
  if (!part) return failure(part.error());
  const std::string place = part->name();
  RelationshipHandler handler(of.substr(0, name), place);
  if (auto read = read_xml(std::move(*part), handler); !read) return failure(read.error());
  return std::move(handler.all);
}

const std::string* part_of_type(const Relationships& all, std::string_view type) {
  const auto found = std::ranges::find_if(all, [type](const auto& one) { return one.second.type == type; });
  return found == all.end() ? nullptr : &found->second.target;
}

class WorkbookHandler final : public XmlHandler {
 public:
  WorkbookHandler(const Relationships& parts, const std::string& part, Workbook& out)
      : parts_(parts), part_(part), out_(out) {}
  Result<void> start(std::string_view name, const Attributes& attributes) override {
    if (name == "workbookPr") out_.epoch_1904 = is_true(attributes["date1904"]);
    if (name != "sheet") return {};
    if (out_.sheets.size() >= most_entries)
      return failure(fatal(fmt::format("{}: it has more than {} sheets", part_, most_entries)));
    const auto found = parts_.find(attributes["id"]);
    if (found == parts_.end())
      return failure(fatal(
          fmt::format("{}: there is no part for the sheet '{}'; the file is damaged", part_, attributes["name"])));
    if (found->second.type != "worksheet") return {};  // for example, a chart
    out_.sheets.push_back(
        {{std::string(attributes["name"]), !attributes["state"].empty() && attributes["state"] != "visible"},
         found->second.target});
    return {};
  }

 private:
  const Relationships& parts_;
  const std::string& part_;
  Workbook& out_;
};

std::string no_workbook(const Archive& archive) {
  const auto problem = [&](std::string_view what) {
    return fmt::format("{}: {}; save it as .xlsx, or as CSV", archive.file(), what);
  };
  if (archive.has("xl/workbook.bin")) return problem("it is a binary workbook (.xlsb), which cannot be read");
  if (archive.has("mimetype") && archive.has("content.xml"))
    return problem("it is an OpenDocument file (.ods, .odt), not a workbook of Excel");
  if (archive.has("word/document.xml")) return problem("it is a document of Word (.docx), not a workbook");
  if (archive.has("ppt/presentation.xml")) return problem("it is a presentation (.pptx), not a workbook");
  return fmt::format("{}: it is a zip archive without a workbook; unpack it, and read the files in it", archive.file());
}

bool same_name(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

Result<Workbook> read_workbook(const Archive& archive) {
  if (!archive.has("_rels/.rels") || archive.has("xl/workbook.bin")) return failure(fatal(no_workbook(archive)));
  const auto root = read_relationships(archive, "");
  if (!root) return failure(root.error());
  const std::string* const main = part_of_type(*root, "officeDocument");
  if (main == nullptr || archive.has("word/document.xml") || archive.has("ppt/presentation.xml"))
    return failure(fatal(no_workbook(archive)));
  const auto parts = read_relationships(archive, *main);
  if (!parts) return failure(parts.error());
  Workbook workbook;
  if (const auto* const strings = part_of_type(*parts, "sharedStrings")) workbook.shared_strings = *strings;
  if (const auto* const styles = part_of_type(*parts, "styles")) workbook.styles = *styles;
  auto part = archive.part(*main);
  if (!part) return failure(part.error());
  const std::string place = part->name();
  WorkbookHandler handler(*parts, place, workbook);
  if (auto read = read_xml(std::move(*part), handler); !read) return failure(read.error());
  return workbook;
}

Result<std::size_t> choose_sheet(const std::vector<SheetInfo>& sheets, std::string_view name, const std::string& file) {
  std::string there;
  for (const SheetInfo& sheet : sheets)
    there += fmt::format("{}'{}'{}", there.empty() ? "" : ", ", sheet.name, sheet.hidden ? " (hidden)" : "");
  const auto problem = [&](const std::string& what) {
    Error error = fatal(fmt::format("{}: {}", file, what));
    error.code = Errc::InvalidOptions;
    return failure(std::move(error));
  };
  if (sheets.empty()) return problem("the workbook has no sheet with cells");
  if (!name.empty()) {
    for (std::size_t i = 0; i < sheets.size(); ++i)
      if (sheets[i].name == name) return i;
    for (std::size_t i = 0; i < sheets.size(); ++i)
      if (same_name(sheets[i].name, name)) return i;
    return problem(fmt::format("there is no sheet '{}'; there {} {}", name, sheets.size() == 1 ? "is" : "are", there));
  }
  const auto visible = [](const SheetInfo& sheet) { return !sheet.hidden; };
  const auto count = std::ranges::count_if(sheets, visible);
  if (count == 1) return static_cast<std::size_t>(std::ranges::find_if(sheets, visible) - sheets.begin());
  if (count == 0 && sheets.size() == 1) return 0;
  return problem(fmt::format("the workbook has {} sheets: name the sheet to read (--sheet, or SheetOptions::sheet): {}",
                             sheets.size(), there));
}

}  // namespace etl::inline v0::excel::detail
