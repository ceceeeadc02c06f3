#include <etl/s3/address.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <etl/http/url.hpp>

namespace etl::inline v0::s3 {
namespace {

bool is_alphanumeric(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::string endpoint_of(const Address& address) {
  if (!address.endpoint.empty()) return address.endpoint.substr(0, address.endpoint.find_last_not_of('/') + 1);
  const bool china = address.region.starts_with("cn-");
  return fmt::format("https://s3.{}.amazonaws.com{}", address.region, china ? ".cn" : "");
}

bool is_in_host(const Address& address) {
  if (address.style != Style::Auto) return address.style == Style::VirtualHost;
  return address.endpoint.empty() && address.bucket.find_first_of("._") == std::string::npos;
}

std::string encoded_path(std::string_view key) {
  std::string path;
  for (;;) {
    const std::size_t slash = std::min(key.find('/'), key.size());
    path += http::percent_encoded(key.substr(0, slash));
    if (slash == key.size()) return path;
    path += '/';
    key.remove_prefix(slash + 1);
  }
}

}  // namespace

std::string object_url(const Address& address, std::string_view key, Query query) {
  std::string url = endpoint_of(address);
  if (is_in_host(address))
    url.insert(url.find("://") + 3, address.bucket + ".");
  else
    url.append("/").append(address.bucket);
  url.append("/").append(encoded_path(key));
  // The signature needs the parameters in the order of their encoded names.
  for (auto& [name, value] : query) {
    name = http::percent_encoded(name);
    value = http::percent_encoded(value);
  }
  std::ranges::sort(query);
  char before = '?';
  for (const auto& [name, value] : query) {
    url += before;
    url += fmt::format("{}={}", name, value);
    before = '&';
  }
  return url;
}

bool is_bucket_name(std::string_view name) noexcept {
  const auto fits = [](char c) { return is_alphanumeric(c) || c == '-' || c == '.' || c == '_'; };
  return name.size() >= 3 && name.size() <= 255 && is_alphanumeric(name.front()) && std::ranges::all_of(name, fits);
}

Result<Location> parse_location(std::string_view url) {
  constexpr std::string_view scheme = "s3://";
  const auto wrong = [&](std::string_view why) {
    return failure(
        Error{.code = Errc::InvalidOptions, .context = fmt::format("'{}': {}; write s3://BUCKET/KEY", url, why)});
  };
  if (!url.starts_with(scheme)) return wrong("it does not begin with s3://");
  std::string_view rest = url.substr(scheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view bucket = rest.substr(0, slash);
  if (!is_bucket_name(bucket)) return wrong(fmt::format("'{}' is no name of a bucket", bucket));
  return Location{.bucket = std::string(bucket), .key = std::string(rest.substr(std::min(slash + 1, rest.size())))};
}

}  // namespace etl::inline v0::s3
