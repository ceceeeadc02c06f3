#pragma once
/// How errors show requests and answers.

#include <string>
#include <string_view>

#include <etl/error.hpp>
#include <etl/http/client.hpp>

namespace etl::inline v0::http {

/// The first kilobyte of the body, on one line.
[[nodiscard]] std::string excerpt(std::string_view body);
/// "GET https://host/path", without secrets. `url` is the URL that the request has reached, or empty.
[[nodiscard]] std::string shown_request(const Request& request, const std::string& url = {});
/// Replaces credentials of the request and of the client in the text by `***`.
[[nodiscard]] std::string without_secrets(std::string text, const Request& request, const ClientOptions& client);
/// The same error as from `Client::error_of`.
[[nodiscard]] Error status_error(const Request& request, const Response& response, std::string_view why,
                                 const ClientOptions& client);

}  // namespace etl::inline v0::http
