#pragma once
/// MD5 (RFC 1321) and SHA-256 (FIPS 180-4) of bytes, files and streams, computed by OpenSSL.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <etl/error.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::io {

enum class DigestKind : std::uint8_t { Md5, Sha256 };

/// A digest being computed. Belongs to one thread at a time.
class Digest {
 public:
  explicit Digest(DigestKind kind);
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();
  void update(std::string_view bytes);
  /// The digest of all bytes so far in lower-case hex; begins anew.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] std::string digest(DigestKind kind, std::string_view bytes);
[[nodiscard]] Result<std::string> digest_file(DigestKind kind, const std::filesystem::path& path);
/// Passes `source` on and takes all bytes read from it into `digest`, which outlives it: verification in the same pass.
[[nodiscard]] Source digesting(Source source, Digest& digest);
/// Whether two hex digests are the same, upper or lower case.
[[nodiscard]] bool same_hex(std::string_view a, std::string_view b) noexcept;

}  // namespace etl::inline v0::io
