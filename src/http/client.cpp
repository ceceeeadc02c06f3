#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <curl/curl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <etl/http/client.hpp>

#include "number.hpp"
#include "session.hpp"
#include "shown.hpp"
#include "transfer.hpp"

namespace etl::inline v0::http {
namespace {

Error wrong(std::string what) { return {.code = Errc::InvalidOptions, .context = std::move(what)}; }

SteadyTime deadline_of(const ClientOptions& options) {
  const auto total = options.timeouts.total;
  return total.count() > 0 ? std::chrono::steady_clock::now() + total : SteadyTime::max();
}

Result<Hop> first_hop(const Client::State& client, const Request& request) {
  Result<Url> url = Url::parse(request.url);
  if (!url) return failure(std::move(url.error()));
  const auto is_letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-'; };
  if (request.method.empty() || !std::ranges::all_of(request.method, is_letter))
    return failure(wrong(fmt::format("'{}' is no HTTP method", excerpt(request.method))));
  return Hop{.url = std::move(*url),
             .method = request.method,
             .redirects_left = request.max_redirects.value_or(client.options.max_redirects)};
}

/// The request to which a redirect leads (RFC 9110, 15.4). `first` is the URL of the original request.
Result<Hop> next_hop(const Hop& hop, const Url& first, const Response& response, const Request& request,
                     const ClientOptions& options) {
  const auto refuse = [&](std::string_view why) {
    std::string context = fmt::format("{}: {}: {}", shown_request(request, hop.url.text()),
                                      make_error_code(Problem::Redirect).message(), why);
    return failure(Error{.code = Problem::Redirect, .context = without_secrets(std::move(context), request, options)});
  };
  if (hop.redirects_left == 0) return refuse("too many redirects; perhaps they form a circle");
  Result<Url> url = hop.url.resolve(response.headers.find("Location").value_or(""));
  if (!url) return refuse(url.error().message());
  if (hop.url.scheme() == "https" && url->scheme() == "http") return refuse("it leads from https to http");
  Hop next = hop;
  --next.redirects_left;
  next.url = std::move(*url);
  next.with_credentials = hop.with_credentials && next.url.same_origin(first);
  const bool makes_get =
      response.status == 303 || ((response.status == 301 || response.status == 302) && hop.method == "POST");
  if (makes_get && hop.method != "HEAD" && hop.method != "GET") {
    if (!request.may_become_get)
      return refuse(fmt::format("it would drop the body; if its address is correct, use {}", next.url.shown()));
    next.method = "GET";
    next.with_body = false;
  }
  return next;
}

/// Sends the request, and the requests to which redirects lead, until an answer has arrived (with `To::Buffer`: until
/// its head has arrived).
class Exchange {
 public:
  Exchange(std::shared_ptr<Client::State> client, const Request& request, Transfer::To to)
      : client_(std::move(client)), request_(request), to_(to), deadline_(deadline_of(client_->options)) {}

  [[nodiscard]] Result<void> run(const std::stop_token& stop) {
    Result<Hop> hop = first_hop(*client_, request_);
    if (!hop) return failure(std::move(hop.error()));
    const Url first = hop->url;
    for (;;) {
      hop_ = std::move(*hop);
      transfer_ = std::make_unique<Transfer>(*client_, request_, hop_, deadline_, to_);
      if (auto started = transfer_->start(); !started) return started;
      if (auto done = transfer_->run(stop); !done) return done;
      if (!transfer_->redirects()) return {};
      hop = next_hop(hop_, first, transfer_->response(), request_, client_->options);
      if (!hop) return failure(std::move(hop.error()));
      transfer_.reset();
    }
  }
  [[nodiscard]] Transfer& transfer() noexcept { return *transfer_; }
  [[nodiscard]] bool has_bytes() const noexcept { return transfer_ && !transfer_->buffer().empty(); }

 private:
  std::shared_ptr<Client::State> client_;
  const Request& request_;
  Transfer::To to_;
  SteadyTime deadline_;
  Hop hop_{};
  std::unique_ptr<Transfer> transfer_{};
};

/// The body of an answer, as a source.
class BodySource final : public io::ByteSource {
 public:
  BodySource(std::shared_ptr<Client::State> client, Request request, std::stop_token stop)
      : request_(std::move(request)),
        stop_(std::move(stop)),
        exchange_(std::move(client), request_, Transfer::To::Buffer) {}

  [[nodiscard]] Result<Response> begin() {
    if (auto done = exchange_.run(stop_); !done) {
      // Bytes that arrived before a connection broke are always delivered, no matter when the break is noticed.
      if (!exchange_.has_bytes() || done.error().code == Problem::Stopped) return failure(std::move(done.error()));
      error_ = std::move(done.error());
    }
    Response& response = exchange_.transfer().response();
    name_ = Url::parse(response.url).value_or(Url()).shown();
    if (const auto size = response.headers.find("Content-Length");
        size && !response.headers.contains("Content-Encoding"))
      size_ = number(*size).value_or(0);
    return response;
  }
  [[nodiscard]] const Request& request() const noexcept { return request_; }

  Result<std::size_t> read(std::span<char> to) override {
    Transfer& transfer = exchange_.transfer();
    if (at_ == transfer.buffer().size()) {
      transfer.buffer().clear();
      at_ = 0;
      if (error_) return failure(*error_);
      if (Result<void> done = transfer.run(stop_); !done) error_ = std::move(done.error());
    }
    const std::string_view ready = std::string_view(transfer.buffer()).substr(at_);
    if (ready.empty() && error_) return failure(*error_);
    const std::size_t size = std::min(ready.size(), to.size());
    std::ranges::copy(ready.substr(0, size), to.data());
    at_ += size;
    consumed_ += size;
    return size;
  }
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return consumed_; }
  [[nodiscard]] std::uint64_t size_hint() const noexcept override { return size_; }
  bool interrupt() noexcept override {
    exchange_.transfer().interrupt();
    return true;
  }

 private:
  Request request_;
  std::stop_token stop_;
  Exchange exchange_;
  std::string name_{};
  std::uint64_t size_ = 0;
  std::uint64_t consumed_ = 0;
  std::size_t at_ = 0;
  std::optional<Error> error_{};
};

}  // namespace

Result<Client> Client::make(ClientOptions options) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) return failure(fatal(fmt::format("libcurl: {}", curl_easy_strerror(ready))));
  std::vector<std::string> problems;
  const auto& tls = options.tls;
  for (const auto* path : {&tls.ca_file, &tls.ca_folder, &tls.client_certificate, &tls.client_key}) {
    std::error_code code;
    if (!path->empty() && !std::filesystem::exists(*path, code))
      problems.push_back(fmt::format("tls: there is no '{}'", path->string()));
  }
  const auto& times = options.timeouts;
  if (std::min({times.connect, times.total, times.stall}).count() < 0)
    problems.emplace_back("timeouts: one is negative");
  if (options.proxy && !options.proxy->empty()) {
    const std::unique_ptr<CURLU, void (*)(CURLU*)> url(curl_url(), curl_url_cleanup);
    constexpr unsigned any = CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME;
    if (curl_url_set(url.get(), CURLUPART_URL, options.proxy->c_str(), any) != CURLUE_OK)
      problems.push_back(fmt::format("proxy: '{}' is no URL", shown_url(*options.proxy)));
  }
  if (!problems.empty()) return failure(wrong(fmt::format("HTTP client: {}", fmt::join(problems, "; "))));
  return Client(std::make_shared<State>(std::move(options)));
}

const ClientOptions& Client::options() const noexcept { return state_->options; }

Error Client::error_of(const Request& request, const Response& response, std::string_view why) const {
  return status_error(request, response, why, state_->options);
}

Result<Response> Client::exchange(const Request& request, const std::stop_token& stop) const {
  Exchange exchange(state_, request, Transfer::To::Response);
  if (auto done = exchange.run(stop); !done) return failure(std::move(done.error()));
  return std::move(exchange.transfer().response());
}

Result<Response> Client::send(const Request& request, const std::stop_token& stop) const {
  Result<Response> response = exchange(request, stop);
  if (response && !response->ok()) return failure(error_of(request, *response));
  return response;
}

Result<Opened> Client::open(Request request, std::stop_token stop) const {
  auto source = std::make_unique<BodySource>(state_, std::move(request), std::move(stop));
  Result<Response> head = source->begin();
  if (!head) return failure(std::move(head.error()));
  if (!head->ok()) return failure(error_of(source->request(), *head));
  return Opened{std::move(*head), std::move(source)};
}

Result<Opened> Client::open_any(Request request, std::stop_token stop) const {
  auto source = std::make_unique<BodySource>(state_, std::move(request), std::move(stop));
  Result<Response> head = source->begin();
  if (!head) return failure(std::move(head.error()));
  const bool ok = head->ok();
  return Opened{std::move(*head), ok ? std::move(source) : nullptr};
}

}  // namespace etl::inline v0::http
