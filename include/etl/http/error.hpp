#pragma once
/// Errors of HTTP: status codes, and problems without an answer.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::http {

/// What can go wrong before a whole answer has arrived. These are values of `Error::code`, as are the status codes 300
/// to 599.
enum class Problem {
  Resolve = 1000,  ///< no address for the host or the proxy
  Connect,         ///< the connection was refused or not made in time, or the host is unreachable; nothing was sent
  Tls,             ///< no common version, or a certificate that cannot be verified
  Timeout,         ///< `Timeouts::total` or `Timeouts::stall` has passed
  Reset,           ///< the connection broke
  Incomplete,      ///< the body is shorter than the server said
  Protocol,        ///< the answer is no HTTP, or cannot be decompressed
  TooLarge,        ///< more than `max_body`
  Redirect,        ///< too many redirects, or one without a target, from https to http, or that would drop the body
  Stopped,         ///< the stop token ended the request
  Body,            ///< the request's own body cannot be read
  Content,         ///< a whole answer, but not the requested content: its JSON, digest or size is wrong
};

/// The category of status codes and of `Problem`, as the `Error::code` of every error of this component except one: a
/// wrong URL or option is `Errc::InvalidOptions`.
///
/// Classes (G5): 408, 425, 429 and all 5xx are transient, and so are `Resolve`, `Connect`, `Timeout`,
/// `Reset`, `Incomplete` and a TLS handshake that broke off. 400, 409, 413, 414, 415 and 422 are rejected, because they
/// concern the data that was sent. All others are fatal: with 401, 403, 404, 405, ... every item fails in the same way
/// until somebody changes a setting. A certificate that cannot be verified is fatal.
///
/// The context names method, URL, status or problem, and the first kilobyte of the answer. It contains no secrets: user
/// info is left out, and values of parameters with secret names and credentials that the server repeats are shown as
/// `***`. Codes compare equal to `std::errc::timed_out`, `connection_refused`, `connection_reset`, `host_unreachable`,
/// `operation_canceled`, `permission_denied` (401, 403), `no_such_file_or_directory` (404, 410) and `message_size`
/// (413, `TooLarge`) where these apply.
[[nodiscard]] const std::error_category& error_category() noexcept;
/// The error code of a `Problem`, found by `std::error_code`.
[[nodiscard]] inline std::error_code make_error_code(Problem problem) noexcept {
  return {static_cast<int>(problem), error_category()};
}
/// The error code of a status, to compare with `Error::code`.
[[nodiscard]] inline std::error_code status_code(int status) noexcept { return {status, error_category()}; }
/// The status code of an error; 0 if it has none.
[[nodiscard]] int status_of(const Error& error) noexcept;
/// The class of an error with this status.
[[nodiscard]] ErrorClass class_of(int status) noexcept;
/// Whether the server may have executed the request although no answer says so. False if nothing was sent, or if an
/// answer has arrived.
[[nodiscard]] bool is_in_doubt(const Error& error) noexcept;

/// The time to wait that a `Retry-After` names, in seconds or as a date (RFC 9110, 10.2.3), at most a day. Zero for a
/// date that has passed; nothing for any other text.
[[nodiscard]] std::optional<std::chrono::seconds> retry_after(std::string_view text,
                                                              std::chrono::system_clock::time_point now);
}  // namespace etl::inline v0::http

template <>
struct std::is_error_code_enum<etl::http::Problem> : std::true_type {};
