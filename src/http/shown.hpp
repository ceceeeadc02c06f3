#pragma once
/// What errors show of requests and answers.

#include <string>
#include <string_view>

#include <etl/error.hpp>
#include <etl/http/client.hpp>

namespace etl::inline v0::http {

/// The first kilobyte, on one line.
[[nodiscard]] std::string excerpt(std::string_view body);
/// "GET https://host/path", without secrets. `url`: where the request has come to, or empty.
[[nodiscard]] std::string shown_request(const Request& request, const std::string& url = {});
/// Credentials of the request and of the client that the text may repeat are `***`.
[[nodiscard]] std::string without_secrets(std::string text, const Request& request, const ClientOptions& client);
/// As `Client::error_of`.
[[nodiscard]] Error status_error(const Request& request, const Response& response, std::string_view why,
                                 const ClientOptions& client);

}  // namespace etl::inline v0::http
