#pragma once
/// What the header of an answer says of an object.

#include <cstddef>
#include <string>

#include <etl/error.hpp>
#include <etl/http/message.hpp>
#include <etl/io/object_store.hpp>

namespace etl::inline v0::s3::detail {

/// Entries of a page: S3 gives no more.
inline constexpr std::size_t most_listed = 1000;

/// Of the whole object, also where the answer is a part of it. An error says what is missing.
[[nodiscard]] Result<io::ObjectInfo> object_in(const std::string& key, const http::Response& response);

/// The error of a call without a key.
[[nodiscard]] Error no_key();
/// The error of a page of 0 entries.
[[nodiscard]] Error no_page();

}  // namespace etl::inline v0::s3::detail
