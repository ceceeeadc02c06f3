#include "connection.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

#include <etl/http/error.hpp>
#include <etl/http/url.hpp>
#include <etl/policy/retry.hpp>
#include <etl/policy/waiter.hpp>

namespace etl::inline v0::s3 {
namespace {

constexpr int most_redirects = 3;

/// The meaning of an error code of the server.
struct Meaning {
  std::string_view code;
  std::optional<io::StoreProblem> problem{};
  std::optional<ErrorClass> error_class{};
  std::string_view remedy{};
};
using io::StoreProblem;
constexpr std::array meanings = {
    Meaning{"NoSuchKey", StoreProblem::Missing},
    Meaning{"NoSuchBucket", StoreProblem::Missing, {}, "there is no such bucket on this server"},
    Meaning{"NoSuchUpload", StoreProblem::Missing},
    Meaning{"InvalidRange", StoreProblem::Range},
    Meaning{"BadDigest", StoreProblem::Digest, ErrorClass::Transient},
    Meaning{"XAmzContentSHA256Mismatch", StoreProblem::Digest, ErrorClass::Transient},
    Meaning{"InvalidPart", StoreProblem::Part},
    Meaning{"InvalidPartOrder", StoreProblem::Part},
    Meaning{"EntityTooSmall", StoreProblem::Part, {}, "every part except the last must have at least 5 MiB"},
    Meaning{"KeyTooLongError", StoreProblem::Key},
    Meaning{"SlowDown", {}, ErrorClass::Transient},
    Meaning{"ServiceUnavailable", {}, ErrorClass::Transient},
    Meaning{"InternalError", {}, ErrorClass::Transient},
    Meaning{"RequestTimeout", {}, ErrorClass::Transient},
    Meaning{"OperationAborted", {}, ErrorClass::Transient},
    Meaning{"ConditionalRequestConflict", {}, ErrorClass::Transient},
    Meaning{"SignatureDoesNotMatch", {}, ErrorClass::Fatal, "check the secret key and the region"},
    Meaning{"InvalidAccessKeyId", {}, ErrorClass::Fatal, "check the access key: this server does not know it"},
    Meaning{"RequestTimeTooSkewed", {}, ErrorClass::Fatal, "set the clock of this machine"},
    Meaning{"ExpiredToken", {}, ErrorClass::Fatal, "get new temporary credentials"},
    Meaning{"InvalidToken", {}, ErrorClass::Fatal, "check the session token"},
};

const Meaning* meaning_of(std::string_view code) {
  for (const Meaning& meaning : meanings)
    if (meaning.code == code) return &meaning;
  return nullptr;
}

/// Answers without a body, such as answers to HEAD, have only their status.
std::optional<StoreProblem> problem_of(const http::Request& request, int status) {
  switch (status) {
    case 404: return StoreProblem::Missing;
    case 412:
      if (request.headers.contains("If-None-Match")) return StoreProblem::Exists;
      if (request.headers.contains("If-Match")) return StoreProblem::Changed;
      return std::nullopt;
    case 416: return StoreProblem::Range;
    default: return std::nullopt;
  }
}

Refusal refusal_of(const http::Response& response) {
  Refusal refusal = parse_refusal(response.body).value_or(Refusal{});  // a body that is no S3 error is shown as it is
  if (refusal.request_id.empty()) refusal.request_id = response.headers.find("x-amz-request-id").value_or("");
  if (const auto region = response.headers.find("x-amz-bucket-region")) refusal.region = *region;
  return refusal;
}

}  // namespace

Store::Connection::Connection(Address address, Credentials credentials, RetryPolicy retry, http::Client client)
    : address_(std::move(address)), credentials_(std::move(credentials)), retry_(retry), client_(std::move(client)) {}

Address Store::Connection::address() const {
  const std::lock_guard lock(mutex_);
  return address_;
}

Error Store::Connection::error_of(const http::Request& request, const http::Response& response,
                                  const Refusal& refusal) const {
  std::string why;
  const Meaning* const meaning = meaning_of(refusal.code);
  if (!refusal.code.empty()) {
    why = refusal.code;
    if (!refusal.message.empty()) why += ": " + refusal.message;
    if (meaning != nullptr && !meaning->remedy.empty()) why += fmt::format(" ({})", meaning->remedy);
  }
  if (!refusal.request_id.empty())
    why += fmt::format("{}request id {}", why.empty() ? response.body.substr(0, 1000) + " " : "; ", refusal.request_id);
  Error error = client_.error_of(request, response, why);
  if (meaning != nullptr && meaning->error_class) error.error_class = *meaning->error_class;
  std::optional<StoreProblem> problem = meaning != nullptr ? meaning->problem : std::nullopt;
  if (!problem) problem = problem_of(request, response.status);
  if (problem) error.code = *problem;
  return error;
}

http::Request Store::Connection::request_of(const Call& call, const Address& address) const {
  http::Request request{.method = call.method,
                        .url = object_url(address, call.key, call.query),
                        .headers = call.headers,
                        .body = call.body,
                        .range = call.range,
                        .auth = http::Auth(),
                        .decompress = false,
                        .max_redirects = 0,
                        .repeatable = true};  // every call may be; `complete_upload` looks at what became of it
  if (!credentials_.is_anonymous())
    request.auth = http::Auth::aws_sigv4(credentials_.access_key, credentials_.secret_key, address.region, "s3",
                                         credentials_.session_token);
  return request;
}

bool Store::Connection::leads_elsewhere(Address& address, const http::Response& response) const {
  if (response.status != 301 && response.status != 302 && response.status != 307 && response.status != 308 &&
      response.status != 400 && response.status != 403)
    return false;
  if (const std::string region = refusal_of(response).region; !region.empty() && region != address.region) {
    const std::lock_guard lock(mutex_);
    address.region = region;
    address_.region = region;
    return true;
  }
  // The redirect of a new bucket. It holds only for this request, and must not leave TLS.
  const auto location = response.headers.find("Location");
  const auto url = http::Url::parse(location.value_or(""));
  const auto here = http::Url::parse(object_url(address, ""));
  if (response.status < 300 || response.status >= 400 || !url || !here || url->scheme() != here->scheme() ||
      url->same_origin(*here))
    return false;
  std::string origin = url->text().substr(0, url->text().find('/', url->scheme().size() + 3));
  const std::string in_host = fmt::format("://{}.", address.bucket);
  const std::size_t at = origin.find(in_host);
  address.style = at == std::string::npos ? Style::Path : Style::VirtualHost;
  if (at != std::string::npos) origin.erase(at + 3, address.bucket.size() + 1);
  address.endpoint = std::move(origin);
  return true;
}

template <class Ask>
auto Store::Connection::follow(const Call& call, Ask&& ask) const -> std::invoke_result_t<Ask, const http::Request&> {
  Address address = this->address();
  for (int redirects = 0;; ++redirects) {
    const http::Request request = request_of(call, address);
    auto answer = ask(request);
    if (!answer) return answer;
    const http::Response& head = answer->head;
    if (head.ok()) {
      if (call.check)
        if (auto checked = call.check(request, head); !checked) return failure(std::move(checked.error()));
      return answer;
    }
    if (redirects < most_redirects && leads_elsewhere(address, head)) continue;
    const Refusal refusal = refusal_of(head);
    if (!call.accepted.empty() && refusal.code == call.accepted) return answer;
    return failure(error_of(request, head, refusal));
  }
}

Result<http::Response> Store::Connection::send(const Call& call, const std::stop_token& stop) const {
  auto sent = retry(
      retry_,
      [&] {
        return follow(call, [&](const http::Request& request) -> Result<http::Opened> {
          auto response = client_.exchange(request, stop);
          if (!response) return failure(std::move(response.error()));
          return http::Opened{std::move(*response), nullptr};
        });
      },
      Waiter(stop));
  if (!sent) return failure(std::move(sent.error()));
  return std::move(sent->head);
}

Result<http::Opened> Store::Connection::open(const Call& call, const std::stop_token& stop) const {
  return retry(
      retry_,
      [&] { return follow(call, [&](const http::Request& request) { return client_.open_any(request, stop); }); },
      Waiter(stop));
}

}  // namespace etl::inline v0::s3
