#include <etl/csv/encoding.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <etl/csv/reader.hpp>
#include <etl/io/source.hpp>

#include "support/catch.hpp"

namespace encoding_test {

namespace csv = etl::csv;

namespace {

/// Gives a byte at a time.
class Drops final : public etl::io::ByteSource {
 public:
  explicit Drops(std::string_view bytes) : bytes_(bytes) {}
  etl::Result<std::size_t> read(std::span<char> to) override {
    if (at_ == bytes_.size()) return std::size_t{0};
    to[0] = bytes_[at_++];
    return std::size_t{1};
  }
  const std::string& name() const noexcept override { return name_; }
  std::uint64_t consumed() const noexcept override { return at_; }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
  std::string name_ = "drops";
};

/// The text as UTF-8, or the error.
std::string converted(std::string_view bytes, std::string_view charset = {}) {
  std::string both;
  for (const bool drops : {false, true}) {
    auto source = csv::as_utf8(
        drops ? etl::io::Source(std::make_unique<Drops>(bytes)) : etl::io::from_memory(bytes, "drops"), charset);
    if (!source) return source.error().message();
    const auto text = etl::io::read_all(**source);
    const std::string got = text ? *text : text.error().message();
    if (drops) CHECK(got == both);
    both = got;
  }
  return both;
}

std::string utf16(std::string_view ascii, bool little) {
  std::string text;
  for (const char c : ascii) text += little ? std::string{c, '\0'} : std::string{'\0', c};
  return text;
}

}  // namespace

TEST_CASE("Bytes that need no conversion are passed on, and UTF-16 is known by its mark") {
  CHECK(converted("") == "");
  CHECK(converted("a") == "a");
  CHECK(converted("K\xC3\xB6ln\nand more\n") == "K\xC3\xB6ln\nand more\n");
  CHECK(converted("\xFF\xFE" + utf16("a,b\n1,2\n", true)) == "a,b\n1,2\n");
  CHECK(converted("\xFE\xFF" + utf16("a,b\n1,2\n", false)) == "a,b\n1,2\n");
  CHECK(csv::is_plain("a,b"));
  CHECK_FALSE(csv::is_plain("\xFF\xFE"));
  CHECK_FALSE(csv::is_plain("a,b", "CP1250"));
}

TEST_CASE("Encodings by name") {
  CHECK(converted("\x80 5", "CP1252") == "\xE2\x82\xAC 5");
  CHECK(converted("\xA3\xF3", "CP1250") == "\xC5\x81\xC3\xB3");
  CHECK(converted(utf16("abc", true), "UTF-16LE") == "abc");
  CHECK(converted("\xEF\xBB\xBFK\xC3\xB6ln", "CP1250") == "\xEF\xBB\xBFK\xC3\xB6ln");  // its mark decides
  CHECK(converted("\xFF\xFE" + utf16("abc", true), "UTF-16BE") == "abc");
  CHECK(csv::names_utf8("utf-8"));
  CHECK(csv::names_utf8("UTF8"));
  CHECK_FALSE(csv::names_utf8("UTF-16"));
  CHECK_FALSE(csv::names_utf8(""));
  CHECK(converted("x", "KLINGON") == "there is no encoding 'KLINGON'; `iconv -l` lists them");
  CHECK(converted("ab\x81", "SHIFT_JIS") == "drops: byte 2: not SHIFT_JIS; is it another encoding?");
  CHECK(converted("ab\xFFzz", "UTF-8") == "drops: byte 2: not UTF-8; is it another encoding?");
  const std::string many(200'000, '\xFC');
  std::string wanted;
  for (std::size_t i = 0; i < many.size(); ++i) wanted += "\xC3\xBC";
  CHECK((converted(many, "CP1252") == wanted));
}

TEST_CASE("A letter at the end of the text that an accent might follow is not lost") {
  CHECK(converted("name\n1,Hoa", "CP1258") == "name\n1,Hoa");
  CHECK(converted("a\xEC", "CP1258") == "\xC3\xA1");  // with its accent
  CHECK(converted("a", "TCVN") == "a");
  CHECK(converted("", "CP1258").empty());
}

TEST_CASE("UTF-16 without a mark is known by its NULs") {
  for (const bool little : {true, false}) {
    CHECK(converted(utf16("id,name\n1,K\n", little)) == "id,name\n1,K\n");
    CHECK_FALSE(csv::is_plain(utf16("id,n", little)));
  }
  CHECK(converted("a\xE9" + utf16("\n1,2", true)).find("\n1,2") != std::string::npos);  // not all are ASCII
  CHECK(csv::is_plain("a,b\n1,2\n"));
  const std::string nuls("a\0\0\0b,c,", 8);
  CHECK(csv::is_plain(nuls));
}

TEST_CASE("What is no text is named") {
  using std::string_view_literals::operator""sv;
  CHECK(converted("\x28\xB5\x2F\xFD....."sv) == "drops: the file is compressed by zstd: decompress it first");
  CHECK(converted("\xFD\x37zXZ\0..."sv).find("compressed by xz") != std::string::npos);
  CHECK(converted("BZh91AY&SY").find("compressed by bzip2") != std::string::npos);
  CHECK(converted("PK\x03\x04....").find("a zip archive") != std::string::npos);
  CHECK(converted("BZh9ours,1") == "BZh9ours,1");
}

TEST_CASE("Latin-1 is Windows-1252, and Excel's first line is no row") {
  const auto read = [](std::string_view text, const csv::Dialect& dialect) {
    auto reader = csv::Reader::from(etl::io::from_memory(text, "f.csv"), dialect, {.chunk_size = 4});
    REQUIRE(reader);
    std::string all;
    for (const std::string& name : reader->header()) all += name + "|";
    for (;;) {
      const auto chunk = reader->next();
      REQUIRE(chunk);
      if (!*chunk) return all;
      for (const csv::Row row : **chunk) {
        all += std::to_string(row.line());
        for (const std::string_view cell : row) all.append(" ").append(cell);
        all += '/';
      }
    }
  };
  CHECK(read("n\n\x80\x93\x94\xE9\n", {.encoding = csv::Encoding::Latin1}) ==
        "n|2 \xE2\x82\xAC\xE2\x80\x9C\xE2\x80\x9D\xC3\xA9/");
  CHECK(read("sep=;\r\nid;name\r\n1;x,y\r\n", {}) == "id|name|3 1 x,y/");
  CHECK(read("sep=;\r\nid,name\r\n1,x\r\n", {.fixed_delimiter = true}) == "id|name|3 1 x/");
  CHECK(read("sep=\t\na\tb\n1\t2\n", {}) == "a|b|3 1 2/");
  CHECK(read("sep=x;\n1\n", {}) == "sep=x;|2 1/");
  CHECK(read("sep=;\n1\n", {.header_rows = 0}) == "1 sep=;/2 1/");
  CHECK(read("se\n1\n", {}) == "se|2 1/");
}

}  // namespace encoding_test
