#pragma once
/// Errors of HTTP, by status and by what went wrong on the way.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::http {

/// What may go wrong before there is a whole answer. As `Error::code` beside the status codes 300 to 599.
enum class Problem {
  Resolve = 1000,  ///< no address for the host or the proxy
  Connect,         ///< refused, unreachable, or no connection in time; nothing was sent
  Tls,             ///< no common version, or a certificate that cannot be verified
  Timeout,         ///< `Timeouts::total` or `Timeouts::stall` has passed
  Reset,           ///< the connection broke
  Incomplete,      ///< the body is shorter than the server said
  Protocol,        ///< the answer is no HTTP, or cannot be decompressed
  TooLarge,        ///< more than `max_body`
  Redirect,        ///< too many, without a place to go to, from https to http, or one that would drop the body
  Stopped,         ///< the stop token
  Body,            ///< the request's own body cannot be read
  Content,         ///< a whole answer that is not what was asked for: JSON, a digest, a size
};

/// The category of status codes and of `Problem`, as the `Error::code` of every error of this component but one: a URL
/// or an option that is wrong (`Errc::InvalidOptions`).
///
/// Classes (G5): 408, 425, 429 and all 5xx are transient, and so are `Resolve`, `Connect`, `Timeout`,
/// `Reset`, `Incomplete` and a TLS handshake that broke off. 400, 409, 413, 414, 415 and 422 are rejected: they are
/// about what was sent. The rest is fatal: 401, 403, 404, 405, ... answer every item alike until somebody changes a
/// setting. A certificate that cannot be verified is fatal.
///
/// The context names method, URL, status or problem, and the first kilobyte of the answer. It has no secret: user info
/// is left out, values of parameters with secret names are `***`, and so are credentials that the server repeats. Codes
/// compare equal to `std::errc::timed_out`, `connection_refused`, `connection_reset`, `host_unreachable`,
/// `operation_canceled`, `permission_denied` (401, 403), `no_such_file_or_directory` (404, 410) and `message_size`
/// (413, `TooLarge`) where these apply.
[[nodiscard]] const std::error_category& error_category() noexcept;
/// The error code of a `Problem`, found by `std::error_code`.
[[nodiscard]] inline std::error_code make_error_code(Problem problem) noexcept {
  return {static_cast<int>(problem), error_category()};
}
/// To compare with.
[[nodiscard]] inline std::error_code status_code(int status) noexcept { return {status, error_category()}; }
/// The status that an error is about, or 0.
[[nodiscard]] int status_of(const Error& error) noexcept;
/// The class that a status has.
[[nodiscard]] ErrorClass class_of(int status) noexcept;
/// Whether the server may have done what was asked, although there is no answer that says so. False: nothing was sent,
/// or there is an answer.
[[nodiscard]] bool is_in_doubt(const Error& error) noexcept;

/// How long a `Retry-After` asks to wait: seconds or a date (RFC 9110, 10.2.3); 0 for a date that has passed; nothing
/// for another text. At most a day.
[[nodiscard]] std::optional<std::chrono::seconds> retry_after(std::string_view text,
                                                              std::chrono::system_clock::time_point now);
}  // namespace etl::inline v0::http

template <>
struct std::is_error_code_enum<etl::http::Problem> : std::true_type {};
