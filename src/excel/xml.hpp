#pragma once
// Parses XML from a part of a workbook into events, in bounded memory.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "archive.hpp"

namespace etl::inline v0::excel::detail {

/// The attributes of a start tag. Names and values alternate, and a null pointer ends the list.
class Attributes {
 public:
  explicit Attributes(const char* const* all) noexcept : all_(all) {}
  /// The value of an attribute, by its name without prefix; nothing if there is none.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept;
  [[nodiscard]] std::string_view operator[](std::string_view name) const noexcept { return find(name).value_or(""); }

 private:
  const char* const* all_;
};

/// Receives the events. Names have no prefixes. An error ends the reading.
class XmlHandler {
 public:
  XmlHandler() = default;
  XmlHandler(const XmlHandler&) = delete;
  XmlHandler& operator=(const XmlHandler&) = delete;
  virtual ~XmlHandler() = default;
  [[nodiscard]] virtual Result<void> start(std::string_view name, const Attributes& attributes) = 0;
  [[nodiscard]] virtual Result<void> end(std::string_view /*name*/) { return {}; }
  [[nodiscard]] virtual Result<void> text(std::string_view /*text*/) { return {}; }
  /// Whether `XmlReader::next` must return before it continues. Called after each end tag.
  [[nodiscard]] virtual bool pauses() const noexcept { return false; }
};

/// Reads a part block by block. A document type is refused, because workbooks have none and entities need one. Tags of
/// more than a mebibyte, and elements nested more than 256 deep, are refused too.
class XmlReader {
 public:
  XmlReader(Part part, XmlHandler& handler);
  XmlReader(XmlReader&&) noexcept;
  XmlReader& operator=(XmlReader&&) noexcept;
  ~XmlReader();
  /// Gives the handler the events of another block. Returns false at the end.
  [[nodiscard]] Result<bool> next();
  [[nodiscard]] const Part& part() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Gives the handler all events of a part.
[[nodiscard]] Result<void> read_xml(Part part, XmlHandler& handler);

}  // namespace etl::inline v0::excel::detail
