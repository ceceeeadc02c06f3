#pragma once
/// Parses small XML texts.

#include <functional>
#include <string_view>

#include <etl/error.hpp>

namespace etl::inline v0::s3::detail {

/// Calls `begin` and `end` for each element, with the path of its name and the names around it, without prefixes, such
/// as "ListBucketResult/Contents/Key". `end` also gets the element's own text. A document type, more than 32 nested
/// elements, and text that is not XML are errors.
[[nodiscard]] Result<void> read_xml(std::string_view xml, const std::function<void(std::string_view path)>& begin,
                                    const std::function<void(std::string_view path, std::string_view text)>& end);

}  // namespace etl::inline v0::s3::detail
