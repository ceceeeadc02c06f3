#include <etl/s3/answers.hpp>

#include <map>
#include <utility>

#include <fmt/format.h>

#include "text.hpp"
#include "xml.hpp"

namespace etl::inline v0::s3 {
namespace {

/// The texts of an answer's elements, by their paths below the root. `each` gets the texts of every element `item`.
class Answer {
 public:
  using Fields = std::map<std::string, std::string, std::less<>>;

  [[nodiscard]] static Result<Answer> read(std::string_view xml, std::string_view root, std::string_view item = {}) {
    Answer made;
    const std::string prefix = fmt::format("{}/", root);
    const std::string of_item = fmt::format("{}{}", prefix, item);
    auto done = detail::read_xml(
        xml,
        [&](std::string_view path) {
          if (made.root_.empty()) made.root_ = path;
          if (!item.empty() && path == of_item) made.items_.emplace_back();
        },
        [&](std::string_view path, std::string_view text) {
          if (!item.empty() && path.starts_with(of_item) && path.size() > of_item.size() && path[of_item.size()] == '/')
            made.items_.back().insert_or_assign(std::string(path.substr(of_item.size() + 1)), std::string(text));
          else if (path.starts_with(prefix))
            made.fields_.insert_or_assign(std::string(path.substr(prefix.size())), std::string(text));
        });
    if (!done) return failure(std::move(done.error()));
    return made;
  }
  [[nodiscard]] const std::string& root() const noexcept { return root_; }
  [[nodiscard]] std::vector<Fields>& items() noexcept { return items_; }
  [[nodiscard]] std::string field(std::string_view name) const { return of(fields_, name); }
  [[nodiscard]] static std::string of(const Fields& fields, std::string_view name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string() : found->second;
  }

 private:
  std::string root_{};
  Fields fields_{};
  std::vector<Fields> items_{};
};

Error unexpected(std::string_view wanted, const std::string& has) {
  return fatal(fmt::format("the answer is a <{}>, and a <{}> was expected: is this an S3 server?", has, wanted));
}

Result<Answer> read_as(std::string_view root, std::string_view xml, std::string_view item = {}) {
  auto answer = Answer::read(xml, root, item);
  if (answer && answer->root() != root) return failure(unexpected(root, answer->root()));
  return answer;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  return out;
}

Refusal refusal_in(const Answer& answer) {
  return {.code = answer.field("Code"),
          .message = answer.field("Message"),
          .request_id = answer.field("RequestId"),
          .region = answer.field("Region")};
}

}  // namespace

Result<Refusal> parse_refusal(std::string_view xml) {
  auto answer = read_as("Error", xml);
  if (!answer) return failure(std::move(answer.error()));
  return refusal_in(*answer);
}

Result<io::ObjectPage> parse_objects(std::string_view xml) {
  auto answer = read_as("ListBucketResult", xml, "Contents");
  if (!answer) return failure(std::move(answer.error()));
  const bool encoded = answer->field("EncodingType") == "url";
  io::ObjectPage page;
  for (const auto& item : answer->items()) {
    const std::string key = Answer::of(item, "Key"), size = Answer::of(item, "Size");
    const auto bytes = detail::number_of<std::uint64_t>(size);
    if (key.empty() || !bytes)
      return failure(fatal(fmt::format("the answer lists an object with key '{}' and size '{}'", key, size)));
    page.objects.push_back({.key = encoded ? detail::form_decoded(key) : key,
                            .size = *bytes,
                            .etag = Answer::of(item, "ETag"),
                            .modified = detail::iso_time(Answer::of(item, "LastModified"))});
  }
  if (answer->field("IsTruncated") != "true") return page;
  const std::string token = answer->field("NextContinuationToken");
  if (token.empty() && page.objects.empty())
    return failure(
        fatal("the answer says that more objects exist, but gives neither an object nor a token for the next request"));
  // A server that only knows version 1 of the listing continues after a key.
  page.next = token.empty() ? "marker:" + page.objects.back().key : "token:" + token;
  return page;
}

Result<io::UploadPage> parse_uploads(std::string_view xml) {
  auto answer = read_as("ListMultipartUploadsResult", xml, "Upload");
  if (!answer) return failure(std::move(answer.error()));
  const bool encoded = answer->field("EncodingType") == "url";
  const auto plain = [&](const std::string& key) { return encoded ? detail::form_decoded(key) : key; };
  io::UploadPage page;
  for (const auto& item : answer->items()) {
    io::Upload upload{.key = plain(Answer::of(item, "Key")),
                      .id = Answer::of(item, "UploadId"),
                      .started = detail::iso_time(Answer::of(item, "Initiated"))};
    if (upload.key.empty() || upload.id.empty())
      return failure(fatal(fmt::format("the answer lists an upload with key '{}' and id '{}'", upload.key, upload.id)));
    page.uploads.push_back(std::move(upload));
  }
  if (answer->field("IsTruncated") != "true") return page;
  if (page.uploads.empty()) return failure(fatal("the answer says that more uploads exist, but gives no upload"));
  page.next = fmt::format("{}\n{}", answer->field("NextUploadIdMarker"), plain(answer->field("NextKeyMarker")));
  return page;
}

Result<std::string> parse_upload_id(std::string_view xml) {
  constexpr std::string_view root = "InitiateMultipartUploadResult";
  auto answer = read_as(root, xml);
  if (!answer) return failure(std::move(answer.error()));
  std::string id = answer->field("UploadId");
  if (id.empty()) return failure(fatal("the answer to the beginning of an upload has no id"));
  return id;
}

namespace {

Result<Completed> parse_made(std::string_view xml, std::string_view root) {
  auto answer = Answer::read(xml, root);
  if (!answer) return failure(std::move(answer.error()));
  if (answer->root() == "Error") {
    auto refusal = parse_refusal(xml);
    if (!refusal) return failure(std::move(refusal.error()));
    if (refusal->code.empty()) refusal->code = "UnknownError";
    return Completed{.etag = {}, .refusal = std::move(*refusal)};
  }
  if (answer->root() != root) return failure(unexpected(root, answer->root()));
  return Completed{.etag = answer->field("ETag"), .refusal = {}};
}

}  // namespace

Result<Completed> parse_completed(std::string_view xml) { return parse_made(xml, "CompleteMultipartUploadResult"); }
Result<Completed> parse_copied(std::string_view xml) { return parse_made(xml, "CopyObjectResult"); }

std::string completion_of(std::span<const io::UploadedPart> parts) {
  std::string xml = R"(<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">)";
  for (const io::UploadedPart& part : parts)
    xml += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", part.number, escaped(part.etag));
  return xml + "</CompleteMultipartUpload>";
}

}  // namespace etl::inline v0::s3
