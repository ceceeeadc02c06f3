#pragma once
/// Downloads of files from servers that may fail before the end.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/http/client.hpp>
#include <etl/io/digest.hpp>
#include <etl/policy/retry.hpp>

namespace etl::inline v0::http {

/// The digest that a file must have.
struct ExpectedDigest {
  io::DigestKind kind = io::DigestKind::Sha256;  ///< the algorithm
  std::string hex{};                             ///< the digest in hex, in upper or lower case
};

/// Settings of a download. An aggregate.
struct DownloadOptions {
  std::optional<std::uint64_t> size{};     ///< bytes that the file must have
  std::optional<ExpectedDigest> digest{};  ///< computed while the bytes arrive
  /// Attempts for each mirror, counted from the last attempt that brought any bytes.
  RetryPolicy retry{.max_attempts = 5};
  Headers headers{};  ///< sent with each request
  /// Called from time to time, on the thread that called `download`: the bytes so far, and the size of the file if it
  /// is known.
  std::function<void(std::uint64_t, std::optional<std::uint64_t>)> progress{};
};

/// The result of a download.
struct Downloaded {
  std::uint64_t size = 0;
  std::string digest{};       ///< the digest of the expected kind, otherwise SHA-256, in lower-case hex
  std::string url{};          ///< the mirror that sent the end of the file
  std::uint64_t resumed = 0;  ///< bytes that an earlier call had left
};

/// Downloads one file from the first of its mirrors that has it. `to` appears only when the file is complete, has the
/// expected size and digest, and is durable. A former file of this name is then replaced.
///
/// Until then the bytes are in `TO.part`, and `TO.part.from` says which mirror sent them. Both files stay after a
/// failure, a stop or a kill, and the next call resumes after these bytes: with `If-Range` if the mirror has sent a
/// strong validator, and from another mirror only if a digest is expected. After a restart of the machine, earlier
/// bytes are used only if a digest is expected. If the digest differs, all bytes are deleted, and the next mirror is
/// tried. The call fails if another process downloads the same file at the same time.
///
/// Thread-safe for different files. A stop ends it at once. One error names the errors of all mirrors.
[[nodiscard]] Result<Downloaded> download(const Client& client, std::span<const std::string> mirrors,
                                          const std::filesystem::path& to, const DownloadOptions& options = {},
                                          const std::stop_token& stop = {});
[[nodiscard]] inline Result<Downloaded> download(const Client& client, const std::string& url,
                                                 const std::filesystem::path& to, const DownloadOptions& options = {},
                                                 const std::stop_token& stop = {}) {
  return download(client, std::span(&url, 1), to, options, stop);
}

}  // namespace etl::inline v0::http
