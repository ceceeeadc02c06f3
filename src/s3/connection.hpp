#pragma once
/// Sends requests to one bucket: signs them, repeats them, and sends them to the bucket's region.

#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include <etl/error.hpp>
#include <etl/http/client.hpp>
#include <etl/s3/answers.hpp>
#include <etl/s3/store.hpp>

namespace etl::inline v0::s3 {

class Store::Connection {
 public:
  /// One request. An aggregate.
  struct Call {
    std::string method = "GET";
    std::string key{};  ///< empty for the bucket itself
    Query query{};
    http::Headers headers{};
    http::Body body{};
    std::optional<http::Range> range{};
    std::string_view accepted{};  ///< error code that counts as success
    /// Checks a 2xx answer that may be an error. A transient error is retried.
    std::function<Result<void>(const http::Request&, const http::Response&)> check{};
  };

  Connection(Address address, Credentials credentials, RetryPolicy retry, http::Client client);

  [[nodiscard]] Result<http::Response> send(const Call& call, const std::stop_token& stop) const;
  [[nodiscard]] Result<http::Opened> open(const Call& call, const std::stop_token& stop) const;

  [[nodiscard]] Address address() const;
  /// The error of a refused request.
  [[nodiscard]] Error error_of(const http::Request& request, const http::Response& response,
                               const Refusal& refusal) const;

 private:
  /// Sends the request until the answer no longer leads to another region or URL.
  template <class Ask>
  [[nodiscard]] auto follow(const Call& call, Ask&& ask) const -> std::invoke_result_t<Ask, const http::Request&>;
  [[nodiscard]] http::Request request_of(const Call& call, const Address& address) const;
  [[nodiscard]] bool leads_elsewhere(Address& address, const http::Response& response) const;

  mutable std::mutex mutex_{};
  mutable Address address_;  ///< the region may change
  Credentials credentials_;
  RetryPolicy retry_;
  http::Client client_;
};

}  // namespace etl::inline v0::s3
