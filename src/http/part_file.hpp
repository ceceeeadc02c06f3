#pragma once
/// A file that is not complete yet.

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>

#include <etl/error.hpp>
#include <etl/io/digest.hpp>

#include "../io/durable_file.hpp"

namespace etl::inline v0::http {

/// `TO.part`, the digest of its bytes, and `TO.part.from`. Belongs to one thread. Only one process at a time has the
/// part open.
class PartFile {
 public:
  [[nodiscard]] static Result<PartFile> open(std::filesystem::path to, io::DigestKind kind,
                                             const std::stop_token& stop);

  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  /// Whether the bytes were written since the machine was started. Older bytes may be missing in part.
  [[nodiscard]] bool is_of_this_boot() const noexcept { return same_boot_; }
  /// The validator of the bytes' version at `url`; empty if the server gave none, or if the bytes are from another
  /// URL.
  [[nodiscard]] std::string_view validator(std::string_view url) const noexcept;

  /// Forgets all bytes. The bytes that follow are from this version at `url`.
  [[nodiscard]] Result<void> restart(std::string_view url, std::string_view validator);
  [[nodiscard]] Result<void> append(std::string_view bytes);
  /// The digest of all bytes, in hex. Nothing may be appended afterwards.
  [[nodiscard]] std::string digest() { return digest_.finish(); }
  /// Makes the file durable and gives it its final name.
  [[nodiscard]] Result<void> finish();

 private:
  PartFile(std::filesystem::path to, io::DigestKind kind) : to_(std::move(to)), digest_(kind) {}
  [[nodiscard]] std::filesystem::path path(std::string_view end) const;
  [[nodiscard]] Result<void> lock();
  [[nodiscard]] Result<void> read_what_is_there(const std::stop_token& stop);
  [[nodiscard]] Error failed(std::string_view doing, int code) const;

  std::filesystem::path to_;
  io::detail::Fd file_{};
  io::Digest digest_;
  std::uint64_t size_ = 0;
  std::string from_{};  ///< digest of the URL, because the URL may contain secrets
  std::string validator_{};
  bool same_boot_ = false;
};

}  // namespace etl::inline v0::http
