#pragma once
// XML by events, from a part of a workbook, in bounded memory.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "archive.hpp"

namespace etl::inline v0::excel::detail {

/// Attributes of a start tag: names and values in turn, and a null pointer.
class Attributes {
 public:
  explicit Attributes(const char* const* all) noexcept : all_(all) {}
  /// By the name without its prefix. Nothing: there is none.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept;
  [[nodiscard]] std::string_view operator[](std::string_view name) const noexcept { return find(name).value_or(""); }

 private:
  const char* const* all_;
};

/// Gets the events. Names are without prefixes. An error ends the reading.
class XmlHandler {
 public:
  XmlHandler() = default;
  XmlHandler(const XmlHandler&) = delete;
  XmlHandler& operator=(const XmlHandler&) = delete;
  virtual ~XmlHandler() = default;
  [[nodiscard]] virtual Result<void> start(std::string_view name, const Attributes& attributes) = 0;
  [[nodiscard]] virtual Result<void> end(std::string_view /*name*/) { return {}; }
  [[nodiscard]] virtual Result<void> text(std::string_view /*text*/) { return {}; }
  /// Whether `XmlReader::next` is to return before it goes on. Asked after each end tag.
  [[nodiscard]] virtual bool pauses() const noexcept { return false; }
};

/// Reads a part block by block. A document type, which workbooks do not have and which entities need, is refused, as
/// are tags of more than a mebibyte and elements that are nested more than 256 deep.
class XmlReader {
 public:
  XmlReader(Part part, XmlHandler& handler);
  XmlReader(XmlReader&&) noexcept;
  XmlReader& operator=(XmlReader&&) noexcept;
  ~XmlReader();
  /// Gives the handler the events of another block. False: that was the end.
  [[nodiscard]] Result<bool> next();
  [[nodiscard]] const Part& part() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// All events of a part.
[[nodiscard]] Result<void> read_xml(Part part, XmlHandler& handler);

}  // namespace etl::inline v0::excel::detail
