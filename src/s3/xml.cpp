#include "xml.hpp"

#include <expat.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace etl::inline v0::s3::detail {
namespace {

constexpr std::size_t deepest = 32;

// Expat 2.9 has a new name for this function, and warns about the older name.
#if XML_MAJOR_VERSION > 2 || XML_MINOR_VERSION >= 9
std::uint64_t line_of(XML_Parser parser) noexcept { return XML_GetCurrentLineNumber64(parser); }
#else
std::uint64_t line_of(XML_Parser parser) noexcept { return XML_GetCurrentLineNumber(parser); }
#endif

struct Reading {
  const std::function<void(std::string_view)>& begin;
  const std::function<void(std::string_view, std::string_view)>& end;
  XML_Parser parser;
  std::string path{};
  std::vector<std::string> texts{};  ///< texts of the open elements
  std::string refused{};
  std::exception_ptr thrown{};

  void refuse(std::string why) {
    refused = std::move(why);
    XML_StopParser(parser, XML_FALSE);
  }
  // An exception must not pass through the parser, because the parser is C.
  template <class Call>
  void guarded(Call&& call) noexcept {
    if (thrown || !refused.empty()) return;
    try {
      call();
    } catch (...) {
      thrown = std::current_exception();
      XML_StopParser(parser, XML_FALSE);
    }
  }
};

Reading& of(void* self) { return *static_cast<Reading*>(self); }

void on_start(void* self, const char* name, const char**) {
  of(self).guarded([&] {
    Reading& me = of(self);
    if (me.texts.size() == deepest) {
      me.refuse(fmt::format("elements nested more than {} deep", deepest));
      return;
    }
    std::string_view own(name);
    own.remove_prefix(own.find(':') + 1);
    if (!me.path.empty()) me.path += '/';
    me.path += own;
    me.texts.emplace_back();
    me.begin(me.path);
  });
}

void on_end(void* self, const char*) {
  of(self).guarded([&] {
    Reading& me = of(self);
    me.end(me.path, me.texts.back());
    me.texts.pop_back();
    me.path.resize(me.path.find('/') == std::string::npos ? 0 : me.path.rfind('/'));
  });
}

void on_text(void* self, const char* text, int size) {
  of(self).guarded([&] { of(self).texts.back().append(text, static_cast<std::size_t>(size)); });
}

void on_doctype(void* self, const char*, const char*, const char*, int) {
  of(self).guarded([&] { of(self).refuse("it has a document type"); });
}

}  // namespace

Result<void> read_xml(std::string_view xml, const std::function<void(std::string_view path)>& begin,
                      const std::function<void(std::string_view path, std::string_view text)>& end) {
  const std::unique_ptr<XML_ParserStruct, void (*)(XML_Parser)> parser(XML_ParserCreate(nullptr), XML_ParserFree);
  if (!parser) throw std::bad_alloc();
  Reading reading{.begin = begin, .end = end, .parser = parser.get()};
  XML_SetUserData(parser.get(), &reading);
  XML_SetElementHandler(parser.get(), on_start, on_end);
  XML_SetCharacterDataHandler(parser.get(), on_text);
  XML_SetStartDoctypeDeclHandler(parser.get(), on_doctype);
  if (xml.size() > std::size_t{std::numeric_limits<int>::max()}) return failure(fatal("the XML is too large"));
  const XML_Status status = XML_Parse(parser.get(), xml.data(), static_cast<int>(xml.size()), 1);
  if (reading.thrown) std::rethrow_exception(reading.thrown);
  if (status == XML_STATUS_OK) return {};
  return failure(fatal(fmt::format(
      "the answer is not XML that is accepted: line {}: {}", line_of(parser.get()),
      reading.refused.empty() ? XML_ErrorString(XML_GetErrorCode(parser.get())) : reading.refused.c_str())));
}

}  // namespace etl::inline v0::s3::detail
