#pragma once
/// Answers of S3 in XML, as values.

#include <span>
#include <string>
#include <string_view>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/io/object_store.hpp>

namespace etl::inline v0::s3 {

/// Why a request was refused.
struct Refusal {
  std::string code{};        ///< such as "NoSuchKey"
  std::string message{};     ///< for a person
  std::string request_id{};  ///< for the server's operator
  std::string region{};      ///< of the bucket, where the request was signed for another
};

// Parse answers. An error says why the text is no such answer: it is no XML, has a document type (which entities need),
// is nested too deep, or lacks what it must have. Thread-safe.

/// An `Error`; its parts may be missing.
[[nodiscard]] Result<Refusal> parse_refusal(std::string_view xml);
/// A `ListBucketResult` (of version 2 or 1). `ObjectPage::next` continues where the page ends.
[[nodiscard]] Result<io::ObjectPage> parse_objects(std::string_view xml);
/// A `ListMultipartUploadsResult`.
[[nodiscard]] Result<io::UploadPage> parse_uploads(std::string_view xml);
/// The upload's id in an `InitiateMultipartUploadResult`.
[[nodiscard]] Result<std::string> parse_upload_id(std::string_view xml);
/// The answer to the end of an upload, or to a copy.
struct Completed {
  std::string etag{};  ///< of the object
  Refusal refusal{};   ///< its code is empty if there is none
};
/// A `CompleteMultipartUploadResult`, or an `Error`, which also comes with status 200.
[[nodiscard]] Result<Completed> parse_completed(std::string_view xml);
/// A `CopyObjectResult`, or an `Error`, which also comes with status 200.
[[nodiscard]] Result<Completed> parse_copied(std::string_view xml);

/// The body that completes an upload.
[[nodiscard]] std::string completion_of(std::span<const io::UploadedPart> parts);

}  // namespace etl::inline v0::s3
