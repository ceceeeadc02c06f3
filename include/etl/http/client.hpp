#pragma once
/// An HTTP client on libcurl.
///
///     auto client = etl::http::Client::make({.auth = etl::http::Auth::bearer(token)});
///     auto answer = client->get("https://host/orders.csv", out.stop_token());

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/http/auth.hpp>
#include <etl/http/error.hpp>
#include <etl/http/message.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::http {

/// Which servers a client trusts. By default servers are verified with the system's certificates.
struct TlsOptions {
  bool verify = true;                          ///< false: every server is accepted, whoever it is
  std::filesystem::path ca_file{};             ///< certificates to trust (PEM), in place of the system's
  std::filesystem::path ca_folder{};           ///< folder of certificates, as `openssl rehash` makes it
  std::filesystem::path client_certificate{};  ///< PEM
  std::filesystem::path client_key{};          ///< PEM
  std::string client_key_password{};           ///< password of `client_key`
};

/// Time limits of a request. Zero means no limit.
struct Timeouts {
  std::chrono::milliseconds connect{10'000};  ///< to connect, including the lookup of the name and the TLS handshake
  std::chrono::milliseconds total{0};         ///< for the whole request, including redirects
  std::chrono::milliseconds stall{60'000};    ///< longest time in which nothing is sent and nothing arrives
};

/// Settings of a client. An aggregate.
struct ClientOptions {
  Auth auth{};          ///< credentials
  Headers headers{};    ///< sent with every request, unless the request has its own header of that name
  TlsOptions tls{};     ///< which servers to trust
  Timeouts timeouts{};  ///< time limits
  /// Largest size of a body that is kept in memory, in bytes. A body that `Request::on_body` or `Client::open` reads
  /// has only the limit of its request.
  std::uint64_t max_body = std::uint64_t{64} << 20;
  /// Most redirects that are followed. Credentials are not sent to another origin, and a redirect from https to http is
  /// an error.
  unsigned max_redirects = 10;
  bool compression = true;  ///< asks for gzip, and inflates it
  bool http2 = true;        ///< use HTTP/2 over TLS if both sides can
  /// The proxy: `http://user:password@host:port` or `socks5h://...`; empty for no proxy. If it is not given, the
  /// environment decides (`http_proxy`, `https_proxy`, `no_proxy`).
  std::optional<std::string> proxy{};
  std::string user_agent = "etlpipe";  ///< the header User-Agent
};

/// An answer whose body is read while it arrives.
struct Opened {
  Response head{};  ///< the answer; without its body if the status is 2xx
  /// The body. A read fails if the connection breaks or the body is too short. Any thread may call `interrupt`.
  io::Source body{};
};

/// Sends requests and keeps their connections for the next ones. A cheap copy is the same client. Thread-safe: a
/// request takes an idle connection, or opens one; each connection serves one thread at a time.
///
/// A stop token ends a call at once, whatever the call waits for: the call then fails with `Problem::Stopped`. (A
/// lookup of a name that the system has not answered yet continues in the background.) The client repeats a request
/// only if its kept connection was closed before any answer, and if the request may be repeated
/// (`Request::repeatable`). For other retries use `etl::retry`, which honours `Retry-After`.
class Client {
 public:
  /// Fails with `Errc::InvalidOptions` for missing files, a negative time-out or a proxy that is not a URL.
  [[nodiscard]] static Result<Client> make(ClientOptions options = {});

  /// Sends a request. Returns the answer if its status is 2xx; any other answer is an error (see error.hpp).
  [[nodiscard]] Result<Response> send(const Request& request, const std::stop_token& stop = {}) const;
  /// Sends a request. Returns the answer, whatever its status, for services whose error answers matter.
  [[nodiscard]] Result<Response> exchange(const Request& request, const std::stop_token& stop = {}) const;
  /// Sends a request, and returns the head of a 2xx answer. `Opened::body` reads its body, as fast as the caller reads.
  /// `stop` ends reads, too.
  [[nodiscard]] Result<Opened> open(Request request, std::stop_token stop = {}) const;
  /// The same for an answer of any status. If the status is not 2xx, `Opened::head` has the body and `Opened::body` is
  /// null.
  [[nodiscard]] Result<Opened> open_any(Request request, std::stop_token stop = {}) const;

  /// Sends a GET request.
  [[nodiscard]] Result<Response> get(std::string url, const std::stop_token& stop = {}) const {
    return send({.url = std::move(url)}, stop);
  }
  /// Sends a HEAD request.
  [[nodiscard]] Result<Response> head(std::string url, const std::stop_token& stop = {}) const {
    return send({.method = "HEAD", .url = std::move(url)}, stop);
  }
  /// Sends a PUT request.
  [[nodiscard]] Result<Response> put(std::string url, Body body, const std::stop_token& stop = {}) const {
    return send({.method = "PUT", .url = std::move(url), .body = std::move(body)}, stop);
  }
  /// Sends a POST request. `type` is the type of the body, such as "application/json".
  [[nodiscard]] Result<Response> post(std::string url, Body body, std::string type,
                                      const std::stop_token& stop = {}) const {
    return send({.method = "POST",
                 .url = std::move(url),
                 .headers = {{"Content-Type", std::move(type)}},
                 .body = std::move(body)},
                stop);
  }
  /// Sends a DELETE request.
  [[nodiscard]] Result<Response> remove(std::string url, const std::stop_token& stop = {}) const {
    return send({.method = "DELETE", .url = std::move(url)}, stop);
  }

  /// The error that `send` makes of an answer. If `why` is given, it takes the place of the beginning of the body.
  [[nodiscard]] Error error_of(const Request& request, const Response& response, std::string_view why = {}) const;
  /// The settings.
  [[nodiscard]] const ClientOptions& options() const noexcept;

  /// Used by the library.
  struct State;

 private:
  explicit Client(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace etl::inline v0::http
