#pragma once
/// Files from servers that may fail half-way.

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

/// What a file must be.
struct ExpectedDigest {
  io::DigestKind kind = io::DigestKind::Sha256;  ///< the algorithm
  std::string hex{};                             ///< upper or lower case
};

/// Settings of a download. An aggregate.
struct DownloadOptions {
  std::optional<std::uint64_t> size{};     ///< bytes that the file must have
  std::optional<ExpectedDigest> digest{};  ///< computed while the bytes arrive
  /// Of each mirror, counted from the last attempt that brought any bytes.
  RetryPolicy retry{.max_attempts = 5};
  Headers headers{};  ///< of each request
  /// Called now and then, on the thread that called: bytes so far, and of how many, if that is known.
  std::function<void(std::uint64_t, std::optional<std::uint64_t>)> progress{};
};

/// What a download has done.
struct Downloaded {
  std::uint64_t size = 0;
  std::string digest{};       ///< of the kind that was expected, else SHA-256, in lower-case hex
  std::string url{};          ///< of the mirror that gave the end of it
  std::uint64_t resumed = 0;  ///< bytes that an earlier call had left
};

/// Downloads one file from the first of its mirrors that has it. `to` appears only when all of it is there, has the
/// expected size and digest, and is durable; what stood there before is then replaced.
///
/// Meanwhile the bytes are in `TO.part`, and `TO.part.from` says where they are from. Both stay after a failure, a stop
/// or a kill, and the next call goes on after them: by `If-Range` when the mirror has told a strong validator, and from
/// another mirror only where a digest is expected. Bytes of before a restart of the machine count only with a digest.
/// A digest that differs costs all bytes: they are deleted, and the next mirror is asked. A file that another process
/// downloads at the time is refused.
///
/// Thread-safe, for different files. Stops at once. Errors of several mirrors are told together.
[[nodiscard]] Result<Downloaded> download(const Client& client, std::span<const std::string> mirrors,
                                          const std::filesystem::path& to, const DownloadOptions& options = {},
                                          const std::stop_token& stop = {});
[[nodiscard]] inline Result<Downloaded> download(const Client& client, const std::string& url,
                                                 const std::filesystem::path& to, const DownloadOptions& options = {},
                                                 const std::stop_token& stop = {}) {
  return download(client, std::span(&url, 1), to, options, stop);
}

}  // namespace etl::inline v0::http
