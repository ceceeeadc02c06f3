#pragma once
/// Requests to a server, and its answers.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/http/auth.hpp>
#include <etl/http/headers.hpp>
#include <etl/http/url.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::http {

/// What a request sends. It can be sent again: after a redirect, by a retry, on another connection. A value.
class Body {
 public:
  /// A part of a file. If the file has fewer bytes than `size`, the part ends with the file. It is read in small pieces
  /// while it is sent.
  struct File {
    std::filesystem::path path{};                                    ///< the file
    std::uint64_t offset = 0;                                        ///< where the part begins
    std::uint64_t size = std::numeric_limits<std::uint64_t>::max();  ///< its number of bytes
  };
  /// Bytes of a source. `open` opens the source once for each time that the body is sent. Without a `size` the bytes
  /// are sent in chunks (`Transfer-Encoding: chunked`).
  struct Stream {
    std::function<Result<io::Source>()> open{};  ///< opens the source
    std::optional<std::uint64_t> size{};         ///< number of bytes, if known; further bytes are not sent
  };

  Body() = default;  // nothing
  /// These bytes.
  Body(std::string bytes) : what_(std::move(bytes)) {}  // NOLINT(google-explicit-constructor)
  Body(const char* text) : what_(std::string(text)) {}  // NOLINT(google-explicit-constructor)
  /// Bytes that outlive the request.
  [[nodiscard]] static Body view(std::string_view bytes) {
    Body made;
    made.what_ = bytes;
    return made;
  }
  /// A whole file, or a part of it.
  [[nodiscard]] static Body file(std::filesystem::path path) { return file(File{.path = std::move(path)}); }
  [[nodiscard]] static Body file(File part) {
    Body made;
    made.what_ = std::move(part);
    return made;
  }
  /// Bytes of a source.
  [[nodiscard]] static Body stream(Stream stream) {
    Body made;
    made.what_ = std::move(stream);
    return made;
  }

  /// What a body consists of.
  using What = std::variant<std::monostate, std::string, std::string_view, File, Stream>;
  [[nodiscard]] const What& what() const noexcept { return what_; }

 private:
  What what_;
};

/// Bytes `first` to `last`, both inclusive and counted from 0; without `last` to the end.
struct Range {
  std::uint64_t first = 0;              ///< the first byte
  std::optional<std::uint64_t> last{};  ///< the last byte; nothing: to the end
};

/// The answer to a request. A value.
struct Response {
  int status = 0;     ///< status of the last answer; zero if there was none
  Headers headers{};  ///< header fields of the last answer
  /// The body, decompressed. Empty if `Request::on_body` took it.
  std::string body{};
  std::string url{};      ///< the URL that answered, after redirects, without user info
  std::string version{};  ///< version of HTTP, "1.1" or "2"

  /// Whether the status is 2xx.
  [[nodiscard]] bool ok() const noexcept { return status >= 200 && status < 300; }
};

/// One request. An aggregate.
struct Request {
  std::string method = "GET";    ///< GET, PUT and so on
  std::string url{};             ///< absolute; see `Url`
  Headers headers{};             ///< header fields
  Body body{};                   ///< what is sent
  std::optional<Range> range{};  ///< requests a part (206); a server may answer 200 with the whole content
  std::optional<Auth> auth{};    ///< in place of the client's
  /// Largest size of the body after decompression, in place of the client's limit.
  std::optional<std::uint64_t> max_body{};
  /// Whether the body is decompressed. If false, the body stays as the server sends it. Ranges are never decompressed.
  bool decompress = true;
  /// Number of redirects that are followed, in place of the client's number.
  std::optional<unsigned> max_redirects{};
  /// Whether a redirect may turn the request into a GET without its body, as 303 does, and 301 and 302 of a POST (RFC
  /// 9110, 15.4). If false, such a redirect is an error that names the new address.
  bool may_become_get = true;
  /// Whether the request may be sent again if a kept connection is closed before any answer. In this case nobody knows
  /// what the server has done. If not given, every method except POST and PATCH may be sent again (RFC 9110, 9.2.2).
  std::optional<bool> repeatable{};
  /// Name of a header of `headers` that is no secret, whatever its name says (`is_secret_name`): it also goes to
  /// another host after a redirect.
  std::string public_header{};
  /// Called once, before the body of the last answer, with everything except the body. If it returns an error, the
  /// request ends with this error.
  std::function<Result<void>(const Response&)> on_head{};
  /// Takes the body of a 2xx answer piece by piece, on the thread that called, in place of `Response::body`. If it
  /// returns an error, the request ends with this error. Bodies of other answers are kept in `Response::body`.
  std::function<Result<void>(std::string_view)> on_body{};
};

}  // namespace etl::inline v0::http
