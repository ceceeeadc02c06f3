#pragma once
/// Addresses of objects: `s3://` URLs, and the URLs of requests.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::s3 {

/// The place of the bucket in the URL.
enum class Style : std::uint8_t {
  Auto,         ///< `VirtualHost` for AWS unless the bucket's name has a dot (no certificate fits it), else `Path`
  Path,         ///< https://host/bucket/key
  VirtualHost,  ///< https://bucket.host/key
};

/// A bucket of a server.
struct Address {
  std::string bucket{};             ///< its name
  std::string endpoint{};           ///< such as "http://127.0.0.1:9000"; empty: that of AWS for the region
  std::string region{"us-east-1"};  ///< which requests are signed for
  Style style = Style::Auto;        ///< the place of the bucket in the URL
};

/// Query parameters: names and values, not encoded.
using Query = std::vector<std::pair<std::string, std::string>>;

/// The URL of an object, or of the bucket if `key` is empty, in the one form that can be signed: path and query are
/// encoded by RFC 3986 (every byte except letters, digits and "-._~", and "/" in the path), parameters are sorted by
/// name, and each has its "=". Thread-safe.
[[nodiscard]] std::string object_url(const Address& address, std::string_view key, Query query = {});

/// Whether a text can be the name of a bucket: 3 to 255 letters, digits, "-", "." and "_", the first a letter or a
/// digit.
[[nodiscard]] bool is_bucket_name(std::string_view name) noexcept;

/// `s3://bucket/key`. The key is everything after the slash, as it is written: nothing is decoded.
struct Location {
  std::string bucket{};  ///< its name
  std::string key{};     ///< may be empty
};
/// The parts of an `s3://` URL, or `Errc::InvalidOptions`.
[[nodiscard]] Result<Location> parse_location(std::string_view url);

}  // namespace etl::inline v0::s3
