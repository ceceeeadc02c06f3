#include "object_head.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <etl/http/error.hpp>
#include <etl/http/url.hpp>
#include <etl/io/base64.hpp>

#include "connection.hpp"
#include "text.hpp"

namespace etl::inline v0::s3::detail {
namespace {

constexpr std::size_t sha256_bytes = 32;

/// The digest of all bytes, if the server has it. For an upload in parts the server has a digest of digests, which
/// does not count.
std::string sha256_in(const http::Headers& headers) {
  const auto text = headers.find("x-amz-checksum-sha256");
  const auto type = headers.find("x-amz-checksum-type");
  if (!text || (type && *type != "FULL_OBJECT")) return {};
  const auto bytes = io::from_base64(*text);
  return bytes && bytes->size() == sha256_bytes ? to_hex(*bytes) : std::string();
}

}  // namespace

std::string unique_mark() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

std::optional<io::ObjectInfo> marked_object(const Store::Connection& connection, const std::string& key,
                                            const std::string& mark, const std::stop_token& stop) {
  auto there = connection.send({.method = "HEAD", .key = key}, stop);
  if (mark.empty() || !there || there->headers.find(mark_header) != mark) return std::nullopt;
  auto made = object_in(key, *there);
  return made ? std::optional(std::move(*made)) : std::nullopt;
}

Result<io::ObjectInfo> object_in(const std::string& key, const http::Response& response) {
  const http::Headers& headers = response.headers;
  std::string_view size = headers.find("Content-Length").value_or("");
  if (response.status == 206) {  // Content-Range is "bytes 0-9/100"
    const std::string_view range = headers.find("Content-Range").value_or("");
    size = range.find('/') == std::string_view::npos ? "" : range.substr(range.find('/') + 1);
  }
  const auto bytes = number_of<std::uint64_t>(size);
  if (!bytes)
    return failure(Error{
        .code = http::Problem::Content,
        .context = fmt::format("{}: the answer does not say how large '{}' is", http::shown_url(response.url), key)});
  return io::ObjectInfo{.key = key,
                        .size = *bytes,
                        .etag = std::string(headers.find("ETag").value_or("")),
                        .modified = http_time(headers.find("Last-Modified").value_or("")),
                        .sha256 = sha256_in(headers)};
}

Error no_key() {
  return {.code = io::StoreProblem::Key,
          .context = "the key is empty, and an object of S3 needs a key of at least one byte"};
}

Error no_page() { return {.code = Errc::InvalidOptions, .context = "ListOptions::most is 0; it must be at least 1"}; }

}  // namespace etl::inline v0::s3::detail
