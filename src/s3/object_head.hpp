#pragma once
/// Reads the description of an object from the headers of an answer.

#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>

#include <etl/error.hpp>
#include <etl/http/message.hpp>
#include <etl/io/object_store.hpp>
#include <etl/s3/store.hpp>

namespace etl::inline v0::s3::detail {

/// Largest number of entries of a page in S3.
inline constexpr std::size_t most_listed = 1000;

/// Describes the whole object, even if the answer has only a part of it. An error says what is missing.
[[nodiscard]] Result<io::ObjectInfo> object_in(const std::string& key, const http::Response& response);

/// The header that marks an object, so that its writer recognises it.
inline constexpr const char* mark_header = "x-amz-meta-etl-put";
/// A mark that no other object has.
[[nodiscard]] std::string unique_mark();
/// The object under `key`, if it has this mark.
[[nodiscard]] std::optional<io::ObjectInfo> marked_object(const Store::Connection& connection, const std::string& key,
                                                          const std::string& mark, const std::stop_token& stop);

/// The error of a call without a key.
[[nodiscard]] Error no_key();
/// The error of a page of 0 entries.
[[nodiscard]] Error no_page();

}  // namespace etl::inline v0::s3::detail
