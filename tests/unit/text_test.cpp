#include <etl/text.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include "support/catch.hpp"

namespace text_test {

namespace {

std::string encoded(std::uint32_t code) {
  const auto byte = [](std::uint32_t b) { return static_cast<char>(static_cast<unsigned char>(b)); };
  if (code < 0x80) return {byte(code)};
  if (code < 0x800) return {byte(0xC0 | code >> 6), byte(0x80 | (code & 0x3F))};
  if (code < 0x10000) return {byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F))};
  return {byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 0x3F)), byte(0x80 | (code >> 6 & 0x3F)),
          byte(0x80 | (code & 0x3F))};
}

}  // namespace

TEST_CASE("text: utf8_size knows each character, and no surrogate") {
  std::uint32_t wrong = 0;
  for (std::uint32_t code = 0; code <= 0x10FFFF; ++code) {
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    const std::string text = encoded(code);
    const bool right = etl::utf8_size(text) == (surrogate ? 0 : text.size()) &&
                       etl::utf8_size(text + "\x80") == (surrogate ? 0 : text.size()) &&
                       (text.size() == 1 || etl::utf8_size(std::string_view(text).substr(0, text.size() - 1)) == 0);
    wrong += right ? 0 : 1;
  }
  CHECK(wrong == 0);
  for (const std::string_view none : {"", "\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC3(", "\xE2\x82(", "\xFF"})
    CHECK(etl::utf8_size(none) == 0);
}

TEST_CASE("text: the first byte that is not UTF-8, wherever it stands") {
  CHECK(etl::find_invalid_utf8("") == std::string_view::npos);
  CHECK(etl::find_invalid_utf8("plain text that is longer than eight bytes") == std::string_view::npos);
  for (std::size_t before = 0; before < 40; ++before) {
    const std::string text = std::string(before, 'a') + "\xC3\xA9" + "b";
    CHECK(etl::find_invalid_utf8(text) == std::string_view::npos);
    CHECK(etl::find_invalid_utf8(text + "\xC3") == text.size());
    CHECK(etl::find_invalid_utf8(std::string(before, 'a') + "\xE9z") == before);
  }
}

TEST_CASE("text: JSON strings (RFC 8259 section 7)") {
  CHECK(etl::json_string("") == R"("")");
  CHECK(etl::json_string("a\"b\\c/") == R"("a\"b\\c/")");
  CHECK(etl::json_string(std::string_view("\n\t\r\x01\x1f\0", 6)) == "\"\\n\\t\\r\\u0001\\u001f\\u0000\"");
  CHECK(etl::json_string("caf\xC3\xA9 \xF0\x9F\x98\x80") == "\"caf\xC3\xA9 \xF0\x9F\x98\x80\"");
  CHECK(etl::json_string("a\xE9z") == "\"a\xEF\xBF\xBDz\"");
  CHECK(etl::json_string("a\xE9z", etl::InvalidByte::Surrogate) == "\"a\\udce9z\"");
  std::string text = "[";
  etl::append_json_escaped(text, "x\"");
  CHECK(text == "[x\\\"");
}

}  // namespace text_test
