#include <string>

#include <etl/io/digest.hpp>
#include <etl/io/gzip.hpp>

#include "support/catch.hpp"
#include "unit/io/support.hpp"

namespace digest_test {

using etl::io::Digest;
using etl::io::digest;
using etl::io::DigestKind;

TEST_CASE("digest: the examples of RFC 1321 and FIPS 180-4") {
  CHECK(digest(DigestKind::Md5, "") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(digest(DigestKind::Md5, "abc") == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(digest(DigestKind::Md5, "12345678901234567890123456789012345678901234567890123456789012345678901234567890") ==
        "57edf4a22be3c955ac49da2e2107b67a");
  CHECK(digest(DigestKind::Sha256, "") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(digest(DigestKind::Sha256, "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(digest(DigestKind::Sha256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("digest: in pieces, begun anew, moved") {
  for (const DigestKind kind : {DigestKind::Md5, DigestKind::Sha256}) {
    Digest pieces(kind);
    pieces.update("ab");
    pieces.update("");
    Digest moved = std::move(pieces);
    moved.update("c");
    CHECK(moved.finish() == digest(kind, "abc"));
    CHECK(moved.finish() == digest(kind, ""));
    moved.update("xyz");
    CHECK(moved.finish() == digest(kind, "xyz"));
  }
}

TEST_CASE("digest: of a file") {
  const test::TemporaryFolder folder;
  const std::string bytes = test::flat_text(600'000);
  test::write_file(folder / "some.dat", bytes);
  CHECK(etl::io::digest_file(DigestKind::Sha256, folder / "some.dat").value() == digest(DigestKind::Sha256, bytes));

  const auto missing = etl::io::digest_file(DigestKind::Md5, folder / "missing.dat");
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().message().find("missing.dat") != std::string::npos);
}

TEST_CASE("digest: in the same pass as inflating, of the compressed bytes") {
  std::string compressed;
  auto sink = etl::io::deflate(std::make_unique<test::StringSink>(compressed));
  const std::string bytes = test::flat_text(700'000);
  REQUIRE(sink->write(bytes).has_value());
  REQUIRE(sink->finish().has_value());
  compressed += std::string(100, '\0');  // padding counts as well

  Digest of_file(DigestKind::Md5);
  auto source = etl::io::decode(etl::io::digesting(etl::io::from_memory(compressed, "a.gz"), of_file)).value();
  CHECK(source->name() == "a.gz");
  CHECK(source->size_hint() == compressed.size());
  CHECK(test::drain(*source).bytes == bytes);
  CHECK(source->consumed() == compressed.size());
  CHECK(of_file.finish() == digest(DigestKind::Md5, compressed));
}

TEST_CASE("digest: an error of the source comes through") {
  Digest some(DigestKind::Md5);
  const auto source = etl::io::digesting(test::pieces("abc", 2, "cable cut"), some);
  const auto drained = test::drain(*source);
  CHECK(drained.bytes == "abc");
  CHECK(drained.error == "cable cut");
  CHECK(some.finish() == digest(DigestKind::Md5, "abc"));
}

TEST_CASE("digest: hex is compared without case") {
  CHECK(etl::io::same_hex("d41d8cd9", "D41D8CD9"));
  CHECK(etl::io::same_hex("", ""));
  CHECK_FALSE(etl::io::same_hex("d41d8cd9", "d41d8cd8"));
  CHECK_FALSE(etl::io::same_hex("d41d8cd9", "d41d8cd"));
  CHECK_FALSE(etl::io::same_hex("@", "`"));  // apart by the bit that makes letters upper case
}

}  // namespace digest_test
