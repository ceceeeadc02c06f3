#pragma once
/// Bytes as base64 text (RFC 4648, 4).

#include <optional>
#include <string>
#include <string_view>

#include <etl/config.hpp>

namespace etl::inline v0::io {

/// The bytes as base64, with padding. Thread-safe.
[[nodiscard]] std::string base64(std::string_view bytes);
/// The bytes of a base64 text; nothing if the text is not valid. The same bytes have exactly one valid text.
/// Thread-safe.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace etl::inline v0::io
