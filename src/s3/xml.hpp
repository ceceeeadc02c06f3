#pragma once
/// Small XML texts.

#include <functional>
#include <string_view>

#include <etl/error.hpp>

namespace etl::inline v0::s3::detail {

/// Calls `begin` and `end` for each element, with the names of it and of those around it, such as
/// "ListBucketResult/Contents/Key" (without prefixes), and `end` also with its own text. A document type, more than 32
/// elements within each other, and what is no XML are errors.
[[nodiscard]] Result<void> read_xml(std::string_view xml, const std::function<void(std::string_view path)>& begin,
                                    const std::function<void(std::string_view path, std::string_view text)>& end);

}  // namespace etl::inline v0::s3::detail
