#pragma once
/// Handles of libcurl, and a pool of idle handles.

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <curl/curl.h>

#include <etl/config.hpp>
#include <etl/http/client.hpp>

namespace etl::inline v0::http {

struct EasyCleanup {
  void operator()(CURL* handle) const noexcept { curl_easy_cleanup(handle); }
};
struct MultiCleanup {
  void operator()(CURLM* handle) const noexcept { curl_multi_cleanup(handle); }
};

/// Runs one request at a time; its connections stay open for later requests.
struct Session {
  std::unique_ptr<CURLM, MultiCleanup> multi;
  std::unique_ptr<CURL, EasyCleanup> easy;
};

/// Idle sessions. The session that came back last is taken first, because its connection has been idle for the
/// shortest time. Thread-safe.
class Sessions {
 public:
  /// Returns null if memory runs out.
  [[nodiscard]] std::unique_ptr<Session> take();
  void give_back(std::unique_ptr<Session> session);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Session>> idle_;
};

struct Client::State {
  explicit State(ClientOptions chosen) : options(std::move(chosen)) {}
  const ClientOptions options;
  Sessions sessions{};
};

}  // namespace etl::inline v0::http
