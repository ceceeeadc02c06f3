#include "xml.hpp"

#include <expat.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <exception>
#include <new>
#include <utility>

#include <fmt/format.h>

namespace etl::inline v0::excel::detail {
namespace {

constexpr std::size_t block = 32 << 10;
constexpr std::size_t longest_tag = 1 << 20;
constexpr std::size_t deepest = 256;

// Expat 2.9 has new names for these functions, and warns about the older names.
#if XML_MAJOR_VERSION > 2 || XML_MINOR_VERSION >= 9
std::uint64_t line_of(XML_Parser parser) noexcept { return XML_GetCurrentLineNumber64(parser); }
std::int64_t byte_of(XML_Parser parser) noexcept { return XML_GetCurrentByteIndex64(parser); }
#else
std::uint64_t line_of(XML_Parser parser) noexcept { return XML_GetCurrentLineNumber(parser); }
std::int64_t byte_of(XML_Parser parser) noexcept { return XML_GetCurrentByteIndex(parser); }
#endif

std::string_view without_prefix(std::string_view name) noexcept { return name.substr(name.find(':') + 1); }

}  // namespace

std::optional<std::string_view> Attributes::find(std::string_view name) const noexcept {
  for (const char* const* at = all_; *at != nullptr; at += 2)
    if (without_prefix(*at) == name) return at[1];
  return std::nullopt;
}

class XmlReader::Impl {
 public:
  Impl(Part part, XmlHandler& handler) : part_(std::move(part)), handler_(handler), parser_(XML_ParserCreate(nullptr)) {
    if (parser_ == nullptr) throw std::bad_alloc();
    XML_SetUserData(parser_, this);
    XML_SetElementHandler(parser_, &Impl::on_start, &Impl::on_end);
    XML_SetCharacterDataHandler(parser_, &Impl::on_text);
    XML_SetStartDoctypeDeclHandler(parser_, &Impl::on_doctype);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { XML_ParserFree(parser_); }

  Result<bool> next() {
    if (paused_) {
      paused_ = false;
      return after(XML_ResumeParser(parser_));
    }
    if (ended_) return false;
    const Result<std::size_t> got = part_.read(bytes_);
    if (!got) return failure(got.error());
    fed_ += *got;
    ended_ = *got == 0;
    return after(XML_Parse(parser_, bytes_.data(), static_cast<int>(*got), ended_ ? 1 : 0));
  }
  [[nodiscard]] const Part& part() const noexcept { return part_; }

 private:
  Result<bool> after(XML_Status status) {
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
    if (failed_) return failure(*failed_);
    if (status == XML_STATUS_SUSPENDED) {
      paused_ = true;
      return true;
    }
    if (status != XML_STATUS_OK)
      return failure(fatal(fmt::format("{}, line {}: it is not XML: {}; the file is damaged, get it again",
                                       part_.name(), line_of(parser_), XML_ErrorString(XML_GetErrorCode(parser_)))));
    // Limits the memory that the parser uses for an unfinished tag.
    const auto done = static_cast<std::uint64_t>(std::max<std::int64_t>(0, byte_of(parser_)));
    if (!ended_ && fed_ > done + longest_tag)
      return failure(fatal(fmt::format("{}: a tag of more than {} bytes is refused", part_.name(), longest_tag)));
    return !ended_;
  }
  void stop(Error error) {
    failed_ = std::move(error);
    XML_StopParser(parser_, XML_FALSE);
  }
  // An exception must not pass through the parser, because the parser is C.
  template <class Call>
  void guarded(Call&& call) noexcept {
    if (failed_ || thrown_) return;
    try {
      if (Result<void> done = call(); !done) stop(std::move(done.error()));
    } catch (...) {
      thrown_ = std::current_exception();
      XML_StopParser(parser_, XML_FALSE);
    }
  }
  static void on_start(void* self, const char* name, const char** attributes) {
    auto& me = *static_cast<Impl*>(self);
    me.guarded([&]() -> Result<void> {
      if (++me.depth_ > deepest)
        return failure(fatal(fmt::format("{}: elements are nested more than {} deep", me.part_.name(), deepest)));
      return me.handler_.start(without_prefix(name), Attributes(attributes));
    });
  }
  static void on_end(void* self, const char* name) {
    auto& me = *static_cast<Impl*>(self);
    me.guarded([&] {
      --me.depth_;
      return me.handler_.end(without_prefix(name));
    });
    if (!me.failed_ && !me.thrown_ && me.handler_.pauses()) XML_StopParser(me.parser_, XML_TRUE);
  }
  static void on_text(void* self, const char* text, int size) {
    auto& me = *static_cast<Impl*>(self);
    me.guarded([&] { return me.handler_.text({text, static_cast<std::size_t>(size)}); });
  }
  static void on_doctype(void* self, const char*, const char*, const char*, int) {
    auto& me = *static_cast<Impl*>(self);
    me.guarded([&]() -> Result<void> {
      return failure(
          fatal(fmt::format("{}: it has a document type (DOCTYPE), which no workbook has and which can make "
                            "a small file as large as memory; it is refused",
                            me.part_.name())));
    });
  }

  Part part_;
  XmlHandler& handler_;
  XML_Parser parser_;
  std::array<char, block> bytes_{};
  std::uint64_t fed_ = 0;
  std::size_t depth_ = 0;
  bool ended_ = false;
  bool paused_ = false;
  std::optional<Error> failed_{};
  std::exception_ptr thrown_{};
};

XmlReader::XmlReader(Part part, XmlHandler& handler) : impl_(std::make_unique<Impl>(std::move(part), handler)) {}
XmlReader::XmlReader(XmlReader&&) noexcept = default;
XmlReader& XmlReader::operator=(XmlReader&&) noexcept = default;
XmlReader::~XmlReader() = default;
Result<bool> XmlReader::next() { return impl_->next(); }
const Part& XmlReader::part() const noexcept { return impl_->part(); }

Result<void> read_xml(Part part, XmlHandler& handler) {
  XmlReader reader(std::move(part), handler);
  for (;;) {
    const Result<bool> more = reader.next();
    if (!more) return failure(more.error());
    if (!*more) return {};
  }
}

}  // namespace etl::inline v0::excel::detail
