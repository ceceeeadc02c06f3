#pragma once
/// A small S3 server on loopback that keeps its objects in memory and checks no signature. A test may answer in its
/// place.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/io/digest.hpp>

#include "support/http_server.hpp"

namespace test {

/// Path style, any bucket.
class ScriptedS3 {
 public:
  using Request = HttpServer::Request;
  using Reply = HttpServer::Reply;
  /// An answer in place of the server's, or nothing. Called for one request at a time.
  using Instead = std::function<std::optional<Reply>(const Request&)>;

  explicit ScriptedS3(Instead instead = {})
      : instead_(std::move(instead)), server_([this](const Request& request) { return reply(request); }) {}

  [[nodiscard]] std::string url() const { return server_.url(""); }
  [[nodiscard]] std::vector<Request> requests() const { return server_.requests(); }
  [[nodiscard]] const HttpServer& server() const { return server_; }

  /// A refusal as S3 writes it.
  [[nodiscard]] static Reply refusal(int status, std::string_view code, std::string_view more = "",
                                     std::string_view headers = "") {
    return HttpServer::answer(status,
                              "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" + std::string(code) +
                                  "</Code><Message>It is so</Message>" + std::string(more) +
                                  "<RequestId>REQ1</RequestId></Error>",
                              headers);
  }

 private:
  struct Object {
    std::string bytes{};
    std::string etag{};
    std::map<std::string, std::string> headers{};
  };
  struct Parts {
    std::string key{};
    std::string mark{};
    std::map<unsigned, std::string> parts{};
  };
  using Query = std::map<std::string, std::string>;

  static std::string decoded(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '%') {
        plain += static_cast<char>(std::strtoul(std::string(text.substr(i + 1, 2)).c_str(), nullptr, 16));
        i += 2;
      } else {
        plain += text[i];
      }
    }
    return plain;
  }
  static std::string encoded(std::string_view text) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += digits[byte >> 4U];
      out += digits[byte & 15U];
    }
    return out;
  }
  static std::string etag_of(std::string_view bytes) {
    return '"' + etl::io::digest(etl::io::DigestKind::Md5, bytes) + '"';
  }
  static std::string element(std::string_view name, std::string_view text) {
    return "<" + std::string(name) + ">" + std::string(text) + "</" + std::string(name) + ">";
  }
  static std::size_t most(const Query& query, const char* name) {
    return std::strtoul(query.at(name).c_str(), nullptr, 10);
  }

  Reply reply(const Request& request) {
    const std::lock_guard lock(mutex_);
    if (instead_)
      if (auto answer = instead_(request)) return *std::move(answer);
    return handle(request);
  }

 public:
  /// Does what is asked. For `Instead`, which may then lose the answer.
  Reply handle(const Request& request) {
    const std::string_view target = request.target;
    const std::size_t question = std::min(target.find('?'), target.size());
    const std::string_view path = target.substr(1, question - 1);
    Query query;
    for (std::string_view rest = target.substr(std::min(question + 1, target.size())); !rest.empty();) {
      const std::string_view one = rest.substr(0, rest.find('&'));
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
      query[decoded(one.substr(0, one.find('=')))] = decoded(one.substr(std::min(one.find('=') + 1, one.size())));
    }
    const std::string key = decoded(path.substr(std::min(path.find('/') + 1, path.size())));
    if (key.empty()) return query.contains("uploads") ? uploads(query) : list(query);
    if (query.contains("uploads") || query.contains("uploadId")) return upload(request, key, query);
    if (request.method == "PUT") return put(request, key);
    if (request.method == "DELETE") {
      objects_.erase(key);
      return HttpServer::answer(204, "");
    }
    return get(request, key);
  }

 private:
  Reply put(const Request& request, const std::string& key) {
    if (request.header("If-None-Match") == "*" && objects_.contains(key)) return refusal(412, "PreconditionFailed");
    if (etl::io::digest(etl::io::DigestKind::Sha256, request.body) != request.header("x-amz-content-sha256"))
      return refusal(400, "XAmzContentSHA256Mismatch");
    if (std::string from = decoded(request.header("x-amz-copy-source")); from != "(none)") {
      const auto found = objects_.find(from.erase(0, from.find('/', 1) + 1));
      if (found == objects_.end()) return refusal(404, "NoSuchKey");
      objects_[key] = Object(found->second);
      return HttpServer::answer(200, element("CopyObjectResult", element("ETag", found->second.etag)));
    }
    Object& object = objects_[key] = {request.body, etag_of(request.body), {}};
    for (const char* const kept : {"x-amz-checksum-sha256", "x-amz-meta-etl-put"})
      if (request.header(kept) != "(none)") object.headers[kept] = request.header(kept);
    return HttpServer::answer(200, "", "ETag: " + object.etag + "\r\n");
  }
  Reply get(const Request& request, const std::string& key) {
    const auto found = objects_.find(key);
    const bool head = request.method == "HEAD";
    if (found == objects_.end()) return head ? without_body(404, "") : refusal(404, "NoSuchKey");
    const Object& object = found->second;
    const std::string match = request.header("If-Match");
    if (match != "(none)" && match != object.etag)
      return head ? without_body(412, "") : refusal(412, "PreconditionFailed");
    std::string headers = "ETag: " + object.etag + "\r\nLast-Modified: " + modified + "\r\n";
    if (request.header("x-amz-checksum-mode") == "ENABLED" && request.header("Range") == "(none)")
      for (const auto& [name, value] : object.headers) headers.append(name).append(": ").append(value).append("\r\n");
    if (const auto mark = object.headers.find("x-amz-meta-etl-put"); mark != object.headers.end())
      headers += "x-amz-meta-etl-put: " + mark->second + "\r\n";
    if (head) return without_body(200, headers, object.bytes.size());
    std::string range = request.header("Range");
    if (range == "(none)") return HttpServer::answer(200, object.bytes, headers);
    range.erase(0, range.find('=') + 1);
    const std::size_t first = std::strtoul(range.c_str(), nullptr, 10);
    if (first >= object.bytes.size()) return refusal(416, "InvalidRange");
    const std::string last = range.substr(range.find('-') + 1);
    const std::size_t end =
        last.empty() ? object.bytes.size() : std::min(object.bytes.size(), std::strtoul(last.c_str(), nullptr, 10) + 1);
    headers += "Content-Range: bytes " + std::to_string(first) + "-" + std::to_string(end - 1) + "/" +
               std::to_string(object.bytes.size()) + "\r\n";
    return HttpServer::answer(206, std::string_view(object.bytes).substr(first, end - first), headers);
  }
  static Reply without_body(int status, const std::string& headers, std::size_t size = 0) {
    Reply reply = HttpServer::answer(status, std::string(size, 'x'), headers);
    return HttpServer::cut(std::move(reply), 0, HttpServer::Then::Keep);
  }

  static std::string now() {
    const std::time_t time = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&time, &parts);
    std::array<char, 32> text{};
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S.000Z", &parts)};
  }
  Reply list(const Query& query) const {
    std::string after;
    if (const auto token = query.find("continuation-token"); token != query.end()) after = token->second;
    const std::string& prefix = query.at("prefix");
    std::string xml = "<ListBucketResult>" + element("EncodingType", "url"), last;
    std::size_t left = most(query, "max-keys");
    for (auto at = objects_.lower_bound(prefix); at != objects_.end() && at->first.starts_with(prefix); ++at) {
      if (at->first <= after) continue;
      if (left-- == 0) {
        xml += element("IsTruncated", "true") + element("NextContinuationToken", last);
        break;
      }
      last = at->first;
      xml += element("Contents", element("Key", encoded(at->first)) +
                                     element("Size", std::to_string(at->second.bytes.size())) +
                                     element("ETag", "&quot;" + at->second.etag.substr(1, 32) + "&quot;") +
                                     element("LastModified", "2024-02-29T12:00:00.000Z"));
    }
    return HttpServer::answer(200, xml + "</ListBucketResult>");
  }
  Reply uploads(const Query& query) const {
    const auto marker = query.find("upload-id-marker");
    std::string xml = "<ListMultipartUploadsResult>", last;
    std::size_t left = most(query, "max-uploads");
    for (const auto& [id, upload] : uploads_) {
      if (!upload.key.starts_with(query.at("prefix")) || (marker != query.end() && id <= marker->second)) continue;
      if (left-- == 0) {
        xml += element("IsTruncated", "true") + element("NextUploadIdMarker", last) + element("NextKeyMarker", "k");
        break;
      }
      last = id;
      xml += element("Upload", element("Key", upload.key) + element("UploadId", id) + element("Initiated", now()));
    }
    return HttpServer::answer(200, xml + "</ListMultipartUploadsResult>");
  }
  Reply upload(const Request& request, const std::string& key, const Query& query) {
    if (query.contains("uploads")) {
      const std::string id = "upload~" + std::to_string(1000 + next_++);
      uploads_[id].key = key;
      uploads_[id].mark = request.header("x-amz-meta-etl-put");
      return HttpServer::answer(
          200, element("InitiateMultipartUploadResult", element("Key", key) + element("UploadId", id)));
    }
    // Some servers look at this first, others for the upload.
    if (request.header("If-None-Match") == "*" && objects_.contains(key)) return refusal(412, "PreconditionFailed");
    const auto found = uploads_.find(query.at("uploadId"));
    if (found == uploads_.end()) return refusal(404, "NoSuchUpload");
    if (request.method == "DELETE") {
      uploads_.erase(found);
      return HttpServer::answer(204, "");
    }
    if (request.method == "PUT") {
      found->second.parts[static_cast<unsigned>(std::strtoul(query.at("partNumber").c_str(), nullptr, 10))] =
          request.body;
      return HttpServer::answer(200, "", "ETag: " + etag_of(request.body) + "\r\n");
    }
    std::string bytes, digests;
    unsigned count = 0;
    constexpr std::string_view open = "<PartNumber>";
    for (std::size_t at = 0; (at = request.body.find(open, at)) != std::string::npos; ++count) {
      at += open.size();
      const auto part =
          found->second.parts.find(static_cast<unsigned>(std::strtoul(request.body.c_str() + at, nullptr, 10)));
      if (part == found->second.parts.end()) return refusal(400, "InvalidPart");
      bytes += part->second;
      const std::string md5 = etag_of(part->second);
      for (std::size_t i = 1; i < 33; i += 2)
        digests += static_cast<char>(std::strtoul(md5.substr(i, 2).c_str(), nullptr, 16));
    }
    std::string etag = etag_of(digests);
    etag.insert(33, "-" + std::to_string(count));
    objects_[key] = {std::move(bytes), etag, {}};
    if (found->second.mark != "(none)") objects_[key].headers["x-amz-meta-etl-put"] = found->second.mark;
    uploads_.erase(found);
    return HttpServer::answer(200, element("CompleteMultipartUploadResult",
                                           element("ETag", "&quot;" + etag.substr(1, etag.size() - 2) + "&quot;")));
  }

  static constexpr const char* modified = "Thu, 29 Feb 2080 12:00:00 GMT";
  std::mutex mutex_{};
  Instead instead_;
  std::map<std::string, Object> objects_{};
  std::map<std::string, Parts> uploads_{};
  unsigned next_ = 0;
  HttpServer server_;  // last: it ends first
};

}  // namespace test
