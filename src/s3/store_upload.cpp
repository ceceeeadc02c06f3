// Uploads in parts.

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <etl/http/error.hpp>
#include <etl/io/digest.hpp>
#include <etl/s3/answers.hpp>
#include <etl/s3/store.hpp>

#include "connection.hpp"
#include "object_head.hpp"
#include "text.hpp"

namespace etl::inline v0::s3 {
namespace {

using Call = Store::Connection::Call;
using io::StoreProblem;

/// An etag without its quotes.
std::string_view bare(std::string_view etag) noexcept {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') etag = etag.substr(1, etag.size() - 2);
  return etag;
}

/// The etag of the object made of these parts: the MD5 of the parts' MD5s, and the number of parts. No value if the
/// parts' etags are not MD5s.
std::optional<std::string> etag_of(std::span<const io::UploadedPart> parts) {
  io::Digest all(io::DigestKind::Md5);
  constexpr std::size_t md5_digits = 32;
  for (const io::UploadedPart& part : parts) {
    const auto bytes = detail::from_hex(bare(part.etag));
    if (!bytes || bare(part.etag).size() != md5_digits) return std::nullopt;
    all.update(*bytes);
  }
  return fmt::format("{}-{}", all.finish(), parts.size());
}

}  // namespace

Result<io::Upload> Store::begin_upload(const std::string& key, const io::PutOptions& options,
                                       const std::stop_token& stop) const {
  if (key.empty()) return failure(detail::no_key());
  Call call{.method = "POST", .key = key, .query = {{"uploads", ""}}};
  if (!options.content_type.empty()) call.headers.add("Content-Type", options.content_type);
  std::string mark = detail::unique_mark();
  call.headers.add(detail::mark_header, mark);
  auto answer = connection_->send(call, stop);
  if (!answer) return failure(std::move(answer.error()));
  auto id = parse_upload_id(answer->body);
  if (!id) return failure(std::move(id.error()));
  return io::Upload{
      .key = key, .id = std::move(*id), .started = std::chrono::system_clock::now(), .mark = std::move(mark)};
}

Result<io::UploadedPart> Store::put_part(const io::Upload& upload, std::uint32_t number, std::string_view bytes,
                                         const std::stop_token& stop) const {
  const Call call{.method = "PUT",
                  .key = upload.key,
                  .query = {{"partNumber", fmt::format("{}", number)}, {"uploadId", upload.id}},
                  .body = http::Body::view(bytes)};
  auto answer = connection_->send(call, stop);
  if (!answer) return failure(std::move(answer.error()));
  const auto etag = answer->headers.find("ETag");
  if (!etag)
    return failure(
        Error{.code = http::Problem::Content,
              .context = fmt::format("part {} of '{}{}': the answer has no etag", number, name(), upload.key)});
  return io::UploadedPart{.number = number, .etag = std::string(*etag)};
}

Result<io::ObjectInfo> Store::complete_upload(const io::Upload& upload, std::span<const io::UploadedPart> parts,
                                              const io::PutOptions& options, const std::stop_token& stop) const {
  const std::string what = fmt::format("cannot complete '{}{}'", name(), upload.key);
  if (!options.sha256.empty())
    return failure(
        Error{.code = Errc::InvalidOptions,
              .context = fmt::format("{}: S3 cannot check the SHA-256 of an upload in parts; leave it out, or "
                                     "write by create_object, which checks it",
                                     what)});
  if (parts.empty())
    return failure(Error{.code = StoreProblem::Part, .context = what + ": an upload needs at least one part"});
  Call call{.method = "POST", .key = upload.key, .query = {{"uploadId", upload.id}}, .body = completion_of(parts)};
  call.headers.add("Content-Type", "application/xml");
  if (options.if_none_match) {
    call.headers.add("If-None-Match", "*");
    auto there = head(upload.key, stop);  // some servers ignore If-None-Match here
    if (there) {
      if (auto made = detail::marked_object(*connection_, upload.key, upload.mark, stop)) return std::move(*made);
      return failure(Error{.code = StoreProblem::Exists, .context = what + ": the object exists already"});
    }
    if (there.error().code != StoreProblem::Missing) return there;
  }
  std::string etag;
  call.check = [&](const http::Request& request, const http::Response& response) -> Result<void> {
    auto completed = parse_completed(response.body);
    if (!completed) return failure(std::move(completed.error()));
    if (!completed->refusal.code.empty()) return failure(connection_->error_of(request, response, completed->refusal));
    etag = std::move(completed->etag);
    return {};
  };
  auto answer = connection_->send(call, stop);
  // An attempt before, whose answer was lost, may have completed it. libcurl makes attempts of its own. The server then
  // looks for the upload first, or at If-None-Match.
  if (!answer && options.if_none_match && answer.error().code == StoreProblem::Exists)
    if (auto made = detail::marked_object(*connection_, upload.key, upload.mark, stop)) return std::move(*made);
  if (!answer && answer.error().code != StoreProblem::Missing) return failure(std::move(answer.error()));
  auto made = head(upload.key, stop);
  if (!answer && (!made || bare(made->etag) != etag_of(parts))) {
    if (made || made.error().code != StoreProblem::Missing)
      answer.error().context += "; an earlier attempt may have completed it: compare the object with what was sent";
    return failure(std::move(answer.error()));
  }
  if (!made && made.error().code == StoreProblem::Missing) return io::ObjectInfo{.key = upload.key, .etag = etag};
  return made;
}

Result<void> Store::abort_upload(const io::Upload& upload, const std::stop_token& stop) const {
  const Call call{
      .method = "DELETE", .key = upload.key, .query = {{"uploadId", upload.id}}, .accepted = "NoSuchUpload"};
  auto answer = connection_->send(call, stop);
  if (!answer) return failure(std::move(answer.error()));
  return {};
}

Result<io::UploadPage> Store::uploads(const io::ListOptions& options, const std::stop_token& stop) const {
  if (options.most == 0) return failure(detail::no_page());
  Call call{.query = {{"encoding-type", "url"},
                      {"max-uploads", fmt::format("{}", std::min(options.most, detail::most_listed))},
                      {"prefix", options.prefix},
                      {"uploads", ""}}};
  if (const std::size_t line = options.next.find('\n'); line != std::string::npos) {
    call.query.emplace_back("upload-id-marker", options.next.substr(0, line));
    call.query.emplace_back("key-marker", options.next.substr(line + 1));
  }
  auto answer = connection_->send(call, stop);
  if (!answer) return failure(std::move(answer.error()));
  // If it is asked to encode keys, Ceph's gateway encodes them here, but does not say so in the answer. Without the
  // request it does not encode them.
  const bool may_be_encoded = answer->body.find('%') != std::string::npos;
  if (may_be_encoded && answer->body.find("<EncodingType>") == std::string::npos) {
    call.query.erase(call.query.begin());
    answer = connection_->send(call, stop);
    if (!answer) return failure(std::move(answer.error()));
  }
  return parse_uploads(answer->body);
}

}  // namespace etl::inline v0::s3
