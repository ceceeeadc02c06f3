// Whatever a server answers: it is read or refused, and what is read has what it must have.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <etl/s3/answers.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view xml(reinterpret_cast<const char*>(data), size);
  if (const auto page = etl::s3::parse_objects(xml))
    for (const auto& object : page->objects)
      if (object.key.empty()) std::abort();
  if (const auto page = etl::s3::parse_uploads(xml))
    for (const auto& upload : page->uploads)
      if (upload.key.empty() || upload.id.empty()) std::abort();
  if (const auto id = etl::s3::parse_upload_id(xml); id && id->empty()) std::abort();
  static_cast<void>(etl::s3::parse_refusal(xml));
  static_cast<void>(etl::s3::parse_completed(xml));
  return 0;
}
