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

/// Whom to trust. Servers are verified by the system's certificates unless this says otherwise.
struct TlsOptions {
  bool verify = true;                          ///< false: anybody may be the server
  std::filesystem::path ca_file{};             ///< PEM, in place of the system's
  std::filesystem::path ca_folder{};           ///< as `openssl rehash` makes it
  std::filesystem::path client_certificate{};  ///< PEM
  std::filesystem::path client_key{};          ///< PEM
  std::string client_key_password{};           ///< password of `client_key`
};

/// 0: no limit.
struct Timeouts {
  std::chrono::milliseconds connect{10'000};  ///< the lookup of the name and the TLS handshake included
  std::chrono::milliseconds total{0};         ///< for the whole request, redirects included
  std::chrono::milliseconds stall{60'000};    ///< during which nothing is sent and nothing arrives
};

/// Settings of a client. An aggregate.
struct ClientOptions {
  Auth auth{};          ///< credentials
  Headers headers{};    ///< of every request, unless it has its own of that name
  TlsOptions tls{};     ///< which servers to trust
  Timeouts timeouts{};  ///< time limits
  /// Of a body that is kept in memory. One that `Request::on_body` or `Client::open` takes has the limit of its request
  /// only.
  std::uint64_t max_body = std::uint64_t{64} << 20;
  /// Credentials are not sent to another origin, and no redirect leads from https to http.
  unsigned max_redirects = 10;
  bool compression = true;  ///< asks for gzip, and inflates it
  bool http2 = true;        ///< over TLS, where both sides can
  /// `http://user:password@host:port` or `socks5h://...`. Nothing: what the environment says (`http_proxy`,
  /// `https_proxy`, `no_proxy`). Empty: none.
  std::optional<std::string> proxy{};
  std::string user_agent = "etlpipe";  ///< the header User-Agent
};

/// The body of an answer that is read as it comes.
struct Opened {
  Response head{};  ///< without body, if it is 2xx
  /// Ends with an error when the connection breaks or the body is short. `interrupt` works from any thread.
  io::Source body{};
};

/// Sends requests and keeps their connections for the next ones. A cheap copy is the same client. Thread-safe: a
/// request takes an idle connection, or opens one; each connection serves one thread at a time.
///
/// A stop token wakes a call at once, in whatever it waits: the call then fails with `Problem::Stopped`. (A lookup of a
/// name that the system has not answered goes on for itself.) Nothing is retried but a request whose kept connection
/// turned out to be closed before any answer, if it may be (`Request::repeatable`); use `etl::retry`, which honours
/// `Retry-After`.
class Client {
 public:
  /// Fails with `Errc::InvalidOptions` for files that are not there, a negative time-out or a proxy that is no URL.
  [[nodiscard]] static Result<Client> make(ClientOptions options = {});

  /// The answer, if it is 2xx; any other is an error (see error.hpp).
  [[nodiscard]] Result<Response> send(const Request& request, const std::stop_token& stop = {}) const;
  /// The answer, whatever its status: for services that say more by it.
  [[nodiscard]] Result<Response> exchange(const Request& request, const std::stop_token& stop = {}) const;
  /// The beginning of a 2xx answer; its body is read by `Opened::body`, as fast as the reader reads. `stop` ends reads,
  /// too.
  [[nodiscard]] Result<Opened> open(Request request, std::stop_token stop = {}) const;
  /// The same, whatever the status of the answer. If it is not 2xx, `Opened::head` has its body and `Opened::body` is
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
  /// `type`: the body's, "application/json" for example.
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

  /// The error that `send` makes of an answer, with `why` in place of the beginning of its body, if given: for a
  /// service whose bodies say more.
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
