#include <etl/s3/store.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <etl/http/error.hpp>
#include <etl/http/url.hpp>
#include <etl/io/base64.hpp>
#include <etl/io/digest.hpp>
#include <etl/s3/answers.hpp>

#include "connection.hpp"
#include "object_head.hpp"
#include "text.hpp"

namespace etl::inline v0::s3 {
namespace {

using Call = Store::Connection::Call;

Error no_credentials(const Settings& settings) {
  return {.code = Errc::InvalidOptions,
          .context = fmt::format("S3: there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                                 "put them into the profile '{}' by `aws configure`",
                                 settings.profile)};
}

std::vector<std::string> problems_of(const StoreOptions& options) {
  std::vector<std::string> problems;
  if (!is_bucket_name(options.bucket))
    problems.push_back(fmt::format("bucket: '{}' is no name of a bucket", options.bucket));
  if (!options.endpoint.empty()) {
    const auto url = http::Url::parse(options.endpoint);
    if (!url)
      problems.push_back(fmt::format("endpoint: {}", url.error().message()));
    else if (url->path() != "/" || !url->query().empty() || !url->user().empty())
      problems.push_back(fmt::format("endpoint: '{}' has more than scheme, host and port", url->shown()));
  }
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  if (!std::ranges::all_of(options.region, fits))
    problems.push_back(fmt::format("region: '{}' is no name of a region", options.region));
  if (const auto problem = options.retry.validate()) problems.push_back(problem->message());
  return problems;
}

}  // namespace

Result<Store> Store::open(const StoreOptions& options) {
  StoreOptions chosen = options;
  if (!chosen.credentials || chosen.region.empty() || chosen.endpoint.empty()) {
    auto found = find_settings(options.profile);
    // A caller who gives keys needs no keys from the settings.
    if (!found && !chosen.credentials) return failure(std::move(found.error()));
    if (found) {
      if (chosen.region.empty()) chosen.region = found->region;
      if (chosen.endpoint.empty()) chosen.endpoint = found->endpoint;
      if (!chosen.credentials) chosen.credentials = found->credentials;
      if (!chosen.credentials) return failure(no_credentials(*found));
    }
  }
  if (chosen.region.empty()) chosen.region = "us-east-1";
  if (const auto problems = problems_of(chosen); !problems.empty())
    return failure(Error{.code = Errc::InvalidOptions, .context = fmt::format("S3: {}", fmt::join(problems, "; "))});
  auto client = http::Client::make(chosen.http);
  if (!client) return failure(std::move(client.error()));
  Address address{.bucket = chosen.bucket, .endpoint = chosen.endpoint, .region = chosen.region, .style = chosen.style};
  return Store(std::make_shared<Connection>(std::move(address), *std::move(chosen.credentials), chosen.retry,
                                            *std::move(client)));
}

std::string Store::name() const { return fmt::format("s3://{}/", address().bucket); }
Address Store::address() const { return connection_->address(); }

Result<io::ObjectInfo> Store::put(const std::string& key, std::string_view bytes, const io::PutOptions& options,
                                  const std::stop_token& stop) const {
  if (key.empty()) return failure(detail::no_key());
  const std::string sha256 = io::digest(io::DigestKind::Sha256, bytes);
  if (!options.sha256.empty() && !io::same_hex(options.sha256, sha256))
    return failure(Error{.code = io::StoreProblem::Digest,
                         .context = fmt::format("cannot put '{}{}': the SHA-256 of the bytes is {}, but {} was given",
                                                name(), key, sha256, options.sha256)});
  Call call{.method = "PUT", .key = key, .body = http::Body::view(bytes)};
  call.headers.add("x-amz-content-sha256", sha256);
  call.headers.add("x-amz-checksum-sha256", io::base64(detail::from_hex(sha256).value_or("")));
  if (!options.content_type.empty()) call.headers.add("Content-Type", options.content_type);
  const std::string mark = detail::unique_mark();
  if (options.if_none_match) {
    call.headers.add("If-None-Match", "*");
    call.headers.add(detail::mark_header, mark);
  }
  auto answer = connection_->send(call, stop);
  if (answer)
    return io::ObjectInfo{.key = key,
                          .size = bytes.size(),
                          .etag = std::string(answer->headers.find("ETag").value_or("")),
                          .modified = detail::http_time(answer->headers.find("Date").value_or("")),
                          .sha256 = sha256};
  // It may be there because an attempt before, whose answer was lost, has put it. libcurl makes attempts of its own.
  if (options.if_none_match && answer.error().code == io::StoreProblem::Exists)
    if (auto made = detail::marked_object(*connection_, key, mark, stop)) return std::move(*made);
  return failure(std::move(answer.error()));
}

Result<io::ObjectBody> Store::get(const std::string& key, const io::GetOptions& options,
                                  const std::stop_token& stop) const {
  if (key.empty()) return failure(detail::no_key());
  Call call{.method = "GET", .key = key};
  call.headers.add("x-amz-checksum-mode", "ENABLED");
  if (!options.if_match.empty()) call.headers.add("If-Match", options.if_match);
  const bool nothing = options.size && *options.size == 0;
  const bool part = options.offset > 0 || options.size;
  const bool to_end = !options.size || *options.size > std::numeric_limits<std::uint64_t>::max() - options.offset;
  if (part && !nothing)
    call.range = http::Range{.first = options.offset,
                             .last = to_end ? std::nullopt : std::optional(options.offset + (*options.size - 1))};
  auto opened =
      nothing ? Result<http::Opened>(failure(Error{.code = io::StoreProblem::Range})) : connection_->open(call, stop);
  if (!opened && opened.error().code == io::StoreProblem::Range) {
    // A server cannot return an empty range: neither of an empty object nor at the end of an object.
    call.method = "HEAD";
    call.range.reset();
    auto there = connection_->send(call, stop);
    if (!there) return failure(std::move(there.error()));
    auto info = detail::object_in(key, *there);
    if (!info) return failure(std::move(info.error()));
    if (options.offset > info->size || (!nothing && options.offset < info->size))
      return failure(nothing ? Error{.code = io::StoreProblem::Range,
                                     .context = fmt::format("'{}{}' has {} bytes, and byte {} was requested", name(),
                                                            key, info->size, options.offset)}
                             : std::move(opened.error()));
    return io::ObjectBody{.info = std::move(*info), .bytes = io::from_memory({}, name() + key)};
  }
  if (!opened) return failure(std::move(opened.error()));
  if (part && opened->head.status != 206)
    return failure(Error{
        .code = http::Problem::Content,
        .context = fmt::format("'{}{}': the server sent the whole object, but a part was requested", name(), key)});
  auto info = detail::object_in(key, opened->head);
  if (!info) return failure(std::move(info.error()));
  return io::ObjectBody{.info = std::move(*info), .bytes = std::move(opened->body)};
}

Result<io::ObjectInfo> Store::head(const std::string& key, const std::stop_token& stop) const {
  if (key.empty()) return failure(detail::no_key());
  Call call{.method = "HEAD", .key = key};
  call.headers.add("x-amz-checksum-mode", "ENABLED");
  auto answer = connection_->send(call, stop);
  if (!answer) return failure(std::move(answer.error()));
  return detail::object_in(key, *answer);
}

Result<io::ObjectPage> Store::list(const io::ListOptions& options, const std::stop_token& stop) const {
  if (options.most == 0) return failure(detail::no_page());
  constexpr std::string_view marker = "marker:", token = "token:";
  Call call{.query = {{"encoding-type", "url"},
                      {"max-keys", fmt::format("{}", std::min(options.most, detail::most_listed))},
                      {"prefix", options.prefix}}};
  if (options.next.starts_with(marker)) {
    call.query.emplace_back("marker", options.next.substr(marker.size()));
  } else {
    call.query.emplace_back("list-type", "2");
    if (options.next.starts_with(token))
      call.query.emplace_back("continuation-token", options.next.substr(token.size()));
  }
  return connection_->send(call, stop).and_then([](const http::Response& r) { return parse_objects(r.body); });
}

Result<void> Store::remove(const std::string& key, const std::stop_token& stop) const {
  if (key.empty()) return failure(detail::no_key());
  auto answer = connection_->send({.method = "DELETE", .key = key, .accepted = "NoSuchKey"}, stop);
  if (!answer) return failure(std::move(answer.error()));
  return {};
}

Result<void> Store::copy(const std::string& from, const std::string& to, const std::stop_token& stop) const {
  if (from.empty() || to.empty()) return failure(detail::no_key());
  Call call{.method = "PUT", .key = to};
  std::string source = "/" + address().bucket;
  for (std::size_t begin = 0; begin <= from.size();) {  // the slashes between the parts stay
    const std::size_t end = std::min(from.find('/', begin), from.size());
    source += "/" + http::percent_encoded(std::string_view(from).substr(begin, end - begin));
    begin = end + 1;
  }
  call.headers.add("x-amz-copy-source", source);
  // A copy that fails late has the status 200 all the same.
  call.check = [&](const http::Request& request, const http::Response& response) -> Result<void> {
    auto copied = parse_copied(response.body);
    if (!copied) return failure(std::move(copied.error()));
    if (!copied->refusal.code.empty()) return failure(connection_->error_of(request, response, copied->refusal));
    return {};
  };
  auto answer = connection_->send(call, stop);
  if (!answer) return failure(std::move(answer.error()));
  return {};
}

}  // namespace etl::inline v0::s3
