#pragma once
/// Workbooks of Excel (.xlsx), written for tests: parts as given, or a sheet from its rows as XML.

#include <zip.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/catch.hpp"

namespace test {

/// Writes a zip archive of these files.
inline void write_zip(const std::filesystem::path& path,
                      const std::vector<std::pair<std::string, std::string>>& files) {
  int code = 0;
  zip_t* const zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  REQUIRE(zip != nullptr);
  for (const auto& [name, text] : files) {
    zip_source_t* const source = zip_source_buffer(zip, text.data(), text.size(), 0);
    REQUIRE(zip_file_add(zip, name.c_str(), source, ZIP_FL_ENC_UTF_8 | ZIP_FL_OVERWRITE) >= 0);
  }
  REQUIRE(zip_close(zip) == 0);
}

/// A workbook of XML that the test writes by hand.
struct Workbook {
  struct Sheet {
    std::string name{};
    std::string rows{};        ///< what stands in <sheetData>
    std::string after_rows{};  ///< such as <mergeCells>
    std::string attributes{};  ///< of <sheet>, such as state="hidden"
    std::string type = "worksheet";
  };
  std::vector<Sheet> sheets{};
  std::string strings{};     ///< what stands in <sst>; empty: there is no such part
  std::string styles{};      ///< what stands in <styleSheet>; the same
  std::string properties{};  ///< attributes of <workbookPr>

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> parts() const {
    const std::string head = R"(<?xml version="1.0" encoding="UTF-8" standalone="yes"?>)";
    const std::string main = R"( xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main")";
    const std::string relations =
        R"(<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">)";
    const std::string types = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/";
    std::string list, rels;
    std::vector<std::pair<std::string, std::string>> all;
    for (std::size_t i = 0; i < sheets.size(); ++i) {
      const std::string id = std::to_string(i + 1);
      const Sheet& sheet = sheets[i];
      list +=
          "<sheet name=\"" + sheet.name + "\" sheetId=\"" + id + "\" r:id=\"rId" + id + "\" " + sheet.attributes + "/>";
      rels += "<Relationship Id=\"rId" + id + "\" Type=\"" + types + sheet.type + "\" Target=\"worksheets/sheet" + id +
              ".xml\"/>";
      all.emplace_back("xl/worksheets/sheet" + id + ".xml", head + "<worksheet" + main + "><sheetData>" + sheet.rows +
                                                                "</sheetData>" + sheet.after_rows + "</worksheet>");
    }
    if (!strings.empty()) {
      rels += "<Relationship Id=\"rIdS\" Type=\"" + types + "sharedStrings\" Target=\"/xl/sharedStrings.xml\"/>";
      all.emplace_back("xl/sharedStrings.xml", head + "<sst" + main + ">" + strings + "</sst>");
    }
    if (!styles.empty()) {
      rels += "<Relationship Id=\"rIdT\" Type=\"" + types + "styles\" Target=\"styles.xml\"/>";
      all.emplace_back("xl/styles.xml", head + "<styleSheet" + main + ">" + styles + "</styleSheet>");
    }
    all.emplace_back("_rels/.rels", head + relations + "<Relationship Id=\"r\" Type=\"" + types +
                                        "officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>");
    all.emplace_back("xl/_rels/workbook.xml.rels", head + relations + rels + "</Relationships>");
    all.emplace_back(
        "xl/workbook.xml",
        head + "<workbook" + main +
            R"( xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><workbookPr )" +
            properties + "/><sheets>" + list + "</sheets></workbook>");
    return all;
  }
  void write(const std::filesystem::path& path) const { write_zip(path, parts()); }
};

}  // namespace test
