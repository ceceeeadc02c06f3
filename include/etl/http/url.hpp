#pragma once
/// URLs of HTTP (RFC 3986).

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::http {

/// An absolute `http` or `https` URL, without fragment. Its path and query are sent as they were written: nothing is
/// encoded, decoded or shortened. A value.
class Url {
 public:
  /// Parses a URL. An error has the code `Errc::InvalidOptions`, says what is wrong, and shows neither user info nor
  /// query.
  [[nodiscard]] static Result<Url> parse(std::string_view text);

  /// The URL that is requested, without user info.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  /// The same for a person: values of parameters whose names say that they are secret (`is_secret_name`) are `***`.
  [[nodiscard]] std::string shown() const;

  [[nodiscard]] const std::string& scheme() const noexcept { return scheme_; }  ///< "http" or "https"
  [[nodiscard]] const std::string& host() const noexcept { return host_; }      ///< IPv6 in brackets
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }  ///< the port; 80 or 443 if the text names none
  [[nodiscard]] std::string_view path() const noexcept;                ///< "/" at least
  [[nodiscard]] std::string_view query() const noexcept;               ///< without its "?"
  /// The user of `https://user:password@host/`, decoded. User and password are used as `Auth::basic` if no other
  /// credentials are given.
  [[nodiscard]] const std::string& user() const noexcept { return user_; }
  /// The password, decoded; empty if none.
  [[nodiscard]] const std::string& password() const noexcept { return password_; }

  /// The URL with one more query parameter at the end. Name and value are encoded.
  [[nodiscard]] Url with(std::string_view name, std::string_view value) const;
  /// The same, but the parameter takes the place of the first of this name, if there is one.
  [[nodiscard]] Url with_instead(std::string_view name, std::string_view value) const;
  /// The URL that `reference` (a `Location` or `Link`, absolute or relative) means relative to this URL (RFC 3986, 5).
  /// The result has this URL's user info only if it has the same origin and no user info of its own.
  [[nodiscard]] Result<Url> resolve(std::string_view reference) const;
  /// Whether scheme, host and port are the same (RFC 6454).
  [[nodiscard]] bool same_origin(const Url& other) const noexcept;

 private:
  void set_text(std::string text);
  std::string text_{};
  std::string scheme_{};
  std::string host_{};
  std::string user_{};
  std::string password_{};
  std::uint16_t port_ = 0;
  std::size_t path_at_ = 0;
};

/// The text with every byte except letters, digits and "-._~" written as %XX (RFC 3986, 2.3): for one segment of a
/// path, or for a name or value in a query.
[[nodiscard]] std::string percent_encoded(std::string_view text);
/// A URL that may be wrong, for a person: everything up to the last '@' and everything after a '?' is left out.
[[nodiscard]] std::string shown_url(std::string_view text);

}  // namespace etl::inline v0::http
