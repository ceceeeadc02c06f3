#pragma once
/// AWS Signature Version 4.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <etl/http/auth.hpp>
#include <etl/http/headers.hpp>
#include <etl/http/url.hpp>

namespace etl::inline v0::http {

/// The value of `Host` in a request of this URL.
[[nodiscard]] std::string host_header(const Url& url);
/// "20130524T000000Z".
[[nodiscard]] std::string aws_time(std::chrono::system_clock::time_point time);
/// The value of `Authorization`. `headers` has the fields of the request, among them Host, x-amz-date (the time of the
/// signature) and x-amz-content-sha256 (the digest of the body, or what stands for it). Path and query are signed as
/// they are written.
[[nodiscard]] std::string aws_authorization(const Auth& auth, std::string_view method, const Url& url,
                                            const std::vector<Header>& headers);

}  // namespace etl::inline v0::http
