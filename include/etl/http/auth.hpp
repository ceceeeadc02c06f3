#pragma once
/// How a client proves who it is.

#include <cstdint>
#include <string>
#include <utility>

#include <etl/config.hpp>

namespace etl::inline v0::http {

/// Credentials. They are sent only to the origin of the request, never to another host that a redirect names, and no
/// error shows them. A value.
class Auth {
 public:
  /// How a request proves who sends it.
  enum class Kind : std::uint8_t { None, Basic, Bearer, Header, AwsSigV4 };

  Auth() = default;
  /// User and password (RFC 7617), sent with the first request. Use it with https only.
  [[nodiscard]] static Auth basic(std::string user, std::string password) {
    return {Kind::Basic, std::move(user), std::move(password)};
  }
  /// `Authorization: Bearer TOKEN` (RFC 6750).
  [[nodiscard]] static Auth bearer(std::string token) { return {Kind::Bearer, "Authorization", std::move(token)}; }
  /// A header that the service defines, such as `X-Api-Key`.
  [[nodiscard]] static Auth header(std::string name, std::string value) {
    return {Kind::Header, std::move(name), std::move(value)};
  }
  /// Signs each request with AWS Signature Version 4. `service` is the name of the service, such as "s3".
  /// `session_token` is the token of temporary credentials, or empty.
  ///
  /// The URL is signed as it is written, so the caller sorts the query parameters by name, writes every `=`
  /// (`?uploads=`), and encodes path and query by `percent_encoded`, including each `/` in values. The client adds
  /// `x-amz-content-sha256` unless the request has it: the digest of a body in memory, or UNSIGNED-PAYLOAD.
  [[nodiscard]] static Auth aws_sigv4(std::string access_key, std::string secret_key, std::string region,
                                      std::string service, std::string session_token = {}) {
    Auth made(Kind::AwsSigV4, std::move(access_key), std::move(secret_key));
    made.region_ = std::move(region);
    made.service_ = std::move(service);
    made.session_token_ = std::move(session_token);
    return made;
  }

  /// The kind of credentials.
  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  /// The user, the access key, or the header's name.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// The password, token, header's value or secret key. It must not appear in messages.
  [[nodiscard]] const std::string& secret() const noexcept { return secret_; }
  /// The session token of AWS; empty if none.
  [[nodiscard]] const std::string& session_token() const noexcept { return session_token_; }
  /// The region of AWS.
  [[nodiscard]] const std::string& region() const noexcept { return region_; }
  /// The service of AWS.
  [[nodiscard]] const std::string& service() const noexcept { return service_; }

 private:
  Auth(Kind kind, std::string name, std::string secret)
      : kind_(kind), name_(std::move(name)), secret_(std::move(secret)) {}
  Kind kind_ = Kind::None;
  std::string name_;
  std::string secret_;
  std::string region_;
  std::string service_;
  std::string session_token_;
};

}  // namespace etl::inline v0::http
