#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>

#include <etl/http/error.hpp>

#include "shown.hpp"

namespace etl::inline v0::http {
namespace {

struct Status {
  int number;
  std::string_view reason;
  std::string_view remedy = {};
};
/// RFC 9110, 15; RFC 6585.
constexpr std::array<Status, 26> statuses{{
    {207, "Multi-Status"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized", "check user and password, or the token"},
    {403, "Forbidden", "these credentials do not allow this request"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {407, "Proxy Authentication Required", "give the proxy's user and password in its URL"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Content Too Large", "send less at once"},
    {415, "Unsupported Media Type", "check the Content-Type"},
    {416, "Range Not Satisfiable"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
}};

const Status* known(int number) noexcept {
  const auto* const found = std::ranges::find(statuses, number, &Status::number);
  return found == statuses.end() ? nullptr : found;
}

std::string_view text_of(Problem problem) noexcept {
  switch (problem) {
    case Problem::Resolve: return "no address for the host";
    case Problem::Connect: return "no connection";
    case Problem::Tls: return "no secure connection";
    case Problem::Timeout: return "no answer in time";
    case Problem::Reset: return "the connection broke";
    case Problem::Incomplete: return "the answer is not complete";
    case Problem::Protocol: return "the answer is no HTTP";
    case Problem::TooLarge: return "the answer is too large";
    case Problem::Redirect: return "a redirect that is not followed";
    case Problem::Stopped: return "stopped";
    case Problem::Body: return "the body of the request cannot be read";
    case Problem::Content: break;
  }
  return "the answer is not what was asked for";
}

class Category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "http"; }
  [[nodiscard]] std::string message(int code) const override {
    if (code >= static_cast<int>(Problem::Resolve)) return std::string(text_of(static_cast<Problem>(code)));
    const Status* const status = known(code);
    return status == nullptr ? fmt::format("status {}", code) : fmt::format("{} {}", code, status->reason);
  }
  [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
    switch (code) {
      case 401:
      case 403:
      case 407: return std::errc::permission_denied;
      case 404:
      case 410: return std::errc::no_such_file_or_directory;
      case 408:
      case 504:
      case static_cast<int>(Problem::Timeout): return std::errc::timed_out;
      case 413:
      case static_cast<int>(Problem::TooLarge): return std::errc::message_size;
      case static_cast<int>(Problem::Resolve): return std::errc::host_unreachable;
      case static_cast<int>(Problem::Connect): return std::errc::connection_refused;
      case static_cast<int>(Problem::Reset):
      case static_cast<int>(Problem::Incomplete): return std::errc::connection_reset;
      case static_cast<int>(Problem::Stopped): return std::errc::operation_canceled;
      default: return {code, *this};
    }
  }
};

/// The beginning of the text, cut at the end of a character.
std::string_view beginning(std::string_view text, std::size_t size) noexcept {
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  return text.substr(0, size);
}

void hide(std::string& text, std::string_view secret) {
  for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos; at += 3)
    text.replace(at, secret.size(), "***");
}

/// Hides the text after "Basic " and "Bearer ", because a server may repeat the header of the request.
void hide_after(std::string& text, std::string_view scheme) {
  constexpr std::string_view token = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=*";
  for (std::size_t at = 0; (at = text.find(scheme, at)) != std::string::npos;) {
    at += scheme.size();
    const std::size_t end = std::min(text.find_first_not_of(token, at), text.size());
    if (end - at >= 8) text.replace(at, end - at, "***");
  }
}

}  // namespace

const std::error_category& error_category() noexcept {
  static const Category category;
  return category;
}

int status_of(const Error& error) noexcept {
  const int code = error.code.value();
  return error.code.category() == error_category() && code < static_cast<int>(Problem::Resolve) ? code : 0;
}

ErrorClass class_of(int status) noexcept {
  switch (status) {
    case 408:
    case 425:
    case 429: return ErrorClass::Transient;
    case 400:
    case 409:
    case 413:
    case 414:
    case 415:
    case 422: return ErrorClass::Rejected;
    default: return status >= 500 && status < 600 ? ErrorClass::Transient : ErrorClass::Fatal;
  }
}

bool is_in_doubt(const Error& error) noexcept {
  if (error.code.category() != error_category()) return false;
  switch (static_cast<Problem>(error.code.value())) {
    case Problem::Timeout:
    case Problem::Reset:
    case Problem::Incomplete:
    case Problem::Protocol:
    case Problem::Stopped: return true;
    default: return false;
  }
}

std::optional<std::chrono::seconds> retry_after(std::string_view text, std::chrono::system_clock::time_point now) {
  using std::chrono::seconds;
  constexpr seconds most = std::chrono::hours(24);
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  if (digits) {
    std::int64_t number = 0;
    const bool read = std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc{};
    return read ? std::min(seconds(number), most) : most;
  }
  const time_t date = curl_getdate(std::string(text).c_str(), nullptr);
  if (date == -1) return std::nullopt;
  // In seconds: the system's clock counts nanoseconds, in which a date of the year 9999 cannot be expressed.
  const seconds wait = seconds(date) - std::chrono::floor<seconds>(now.time_since_epoch());
  return std::clamp(wait, seconds(0), most);
}

std::string excerpt(std::string_view body) {
  constexpr std::size_t most = 1024;
  std::string text(beginning(body, most));
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  text.erase(0, std::min(text.find_first_not_of(' '), text.size()));
  text.erase(text.find_last_not_of(' ') + 1);
  if (body.size() > most) text += "...";
  return text;
}

std::string without_secrets(std::string text, const Request& request, const ClientOptions& client) {
  constexpr std::size_t least = 3;  // shorter texts are not secrets and occur everywhere
  const auto hide_one = [&](std::string_view secret) {
    if (secret.size() >= least) hide(text, secret);
  };
  for (const Auth* one : {&client.auth, request.auth ? &*request.auth : &client.auth}) {
    hide_one(one->secret());
    hide_one(one->session_token());
  }
  for (const Headers* headers : {&client.headers, &request.headers})
    for (const Header& header : *headers)
      if (is_secret_name(header.name)) hide_one(header.value);
  if (const Result<Url> url = Url::parse(request.url)) {
    hide_one(url->password());
    for (std::string_view rest = url->query(); !rest.empty();) {
      const std::string_view one = rest.substr(0, rest.find('&'));
      rest.remove_prefix(std::min(rest.size(), one.size() + 1));
      const std::size_t equals = one.find('=');
      if (equals != std::string_view::npos && is_secret_name(one.substr(0, equals))) hide_one(one.substr(equals + 1));
    }
  }
  hide_after(text, "Basic ");
  hide_after(text, "Bearer ");
  return text;
}

std::string shown_request(const Request& request, const std::string& url) {
  const Result<Url> parsed = Url::parse(url.empty() ? request.url : url);
  return fmt::format("{} {}", request.method, parsed ? parsed->shown() : shown_url(request.url));
}

Error status_error(const Request& request, const Response& response, std::string_view why,
                   const ClientOptions& client) {
  std::string context =
      fmt::format("{}: {}", shown_request(request, response.url), error_category().message(response.status));
  const Status* const status = known(response.status);
  if (status != nullptr && !status->remedy.empty()) context.append(": ").append(status->remedy);
  if (const std::string said = excerpt(why.empty() ? std::string_view(response.body) : why); !said.empty())
    context.append(": ").append(said);
  Error error{.code = status_code(response.status),
              .error_class = class_of(response.status),
              .context = without_secrets(std::move(context), request, client)};
  const auto header = response.headers.find("Retry-After");
  if (header && error.error_class == ErrorClass::Transient)
    error.retry_after = retry_after(*header, std::chrono::system_clock::now()).value_or(std::chrono::seconds(0));
  return error;
}

}  // namespace etl::inline v0::http
