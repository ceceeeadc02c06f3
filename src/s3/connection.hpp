#pragma once
/// Requests to one bucket: signed, tried again, and sent to the region that the bucket is in.

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
    std::string key{};  ///< empty: the bucket
    Query query{};
    http::Headers headers{};
    http::Body body{};
    std::optional<http::Range> range{};
    std::string_view accepted{};  ///< the code of a refusal that is as good as a success
    /// Looks at a 2xx answer that may be none; an error is tried again if it is transient.
    std::function<Result<void>(const http::Request&, const http::Response&)> check{};
  };

  Connection(Address address, Credentials credentials, RetryPolicy retry, http::Client client);

  [[nodiscard]] Result<http::Response> send(const Call& call, const std::stop_token& stop) const;
  [[nodiscard]] Result<http::Opened> open(const Call& call, const std::stop_token& stop) const;

  [[nodiscard]] Address address() const;
  /// The error of a request that was refused.
  [[nodiscard]] Error error_of(const http::Request& request, const http::Response& response,
                               const Refusal& refusal) const;

 private:
  /// Asks until the answer is none that leads elsewhere.
  template <class Ask>
  [[nodiscard]] auto follow(const Call& call, Ask&& ask) const -> std::invoke_result_t<Ask, const http::Request&>;
  [[nodiscard]] http::Request request_of(const Call& call, const Address& address) const;
  [[nodiscard]] bool leads_elsewhere(Address& address, const http::Response& response) const;

  mutable std::mutex mutex_{};
  mutable Address address_;  ///< the region may become another
  Credentials credentials_;
  RetryPolicy retry_;
  http::Client client_;
};

}  // namespace etl::inline v0::s3
