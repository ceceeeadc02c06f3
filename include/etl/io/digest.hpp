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

/// The algorithm of a digest.
enum class DigestKind : std::uint8_t { Md5, Sha256 };

/// A digest being computed. Belongs to one thread at a time.
class Digest {
 public:
  /// Throws `etl::Exception` if OpenSSL does not offer the algorithm (MD5 in FIPS mode).
  explicit Digest(DigestKind kind);
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();
  /// Adds bytes.
  void update(std::string_view bytes);
  /// The digest of all bytes so far, in lower-case hex. Then begins a new digest.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The digest of `bytes`, in lower-case hex.
[[nodiscard]] std::string digest(DigestKind kind, std::string_view bytes);
/// The digest of a file, in lower-case hex.
[[nodiscard]] Result<std::string> digest_file(DigestKind kind, const std::filesystem::path& path);
/// A source that reads from `source` and adds all bytes to `digest`, which must outlive it: verification in the same
/// pass.
[[nodiscard]] Source digesting(Source source, Digest& digest);
/// Whether two hex digests are equal, regardless of case.
[[nodiscard]] bool same_hex(std::string_view a, std::string_view b) noexcept;

}  // namespace etl::inline v0::io
