#pragma once
/// Sends one request to one server with libcurl, and receives the answer.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <curl/curl.h>

#include <etl/error.hpp>
#include <etl/http/client.hpp>

#include "body_reader.hpp"
#include "gzip_body.hpp"
#include "session.hpp"

namespace etl::inline v0::http {

using SteadyTime = std::chrono::steady_clock::time_point;

/// The properties that differ between a request and the redirects to which it leads.
struct Hop {
  Url url;
  std::string method;
  bool with_body = true;
  bool with_credentials = true;  ///< false if the origin differs from that of the request
  unsigned redirects_left = 0;
};

/// Sends one request. Runs on the thread that calls `run`; `interrupt` may be called from any thread. Refers to its
/// arguments.
class Transfer {
 public:
  /// Where the body goes.
  enum class To : std::uint8_t { Response, Buffer };

  Transfer(Client::State& client, const Request& request, const Hop& hop, SteadyTime deadline, To to);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer();

  [[nodiscard]] Result<void> start();
  /// Runs until the whole answer has arrived. With `To::Buffer`: until its head has arrived, and on later calls until
  /// there are bytes in `buffer`. Throws what `on_head` and `on_body` throw.
  [[nodiscard]] Result<void> run(const std::stop_token& stop);
  void interrupt() noexcept;

  [[nodiscard]] bool done() const noexcept { return done_; }
  /// Whether the answer is a redirect that must be followed; its body is skipped.
  [[nodiscard]] bool redirects() const noexcept { return redirects_; }
  [[nodiscard]] Response& response() noexcept { return response_; }
  [[nodiscard]] std::string& buffer() noexcept { return buffer_; }

 private:
  struct FreeList {
    void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
  };
  template <class V>
  void set(CURLoption option, V value);
  [[nodiscard]] Result<void> set_headers();
  [[nodiscard]] Result<void> add_header(std::string_view name, std::string_view value);
  [[nodiscard]] Result<void> set_auth();
  [[nodiscard]] Result<void> sign(const Auth& auth);
  [[nodiscard]] Result<void> set_body();
  void set_tls();
  void set_limits();

  static std::size_t on_header(char* data, std::size_t one, std::size_t size, void* self) noexcept;
  static std::size_t on_write(char* data, std::size_t one, std::size_t size, void* self) noexcept;
  static std::size_t on_read(char* data, std::size_t one, std::size_t size, void* self) noexcept;
  static int on_seek(void* self, curl_off_t offset, int origin) noexcept;
  /// Calls `f`. Returns false if `f` failed; `error_` or `exception_` then gives the reason.
  template <class F>
  bool guarded(F&& f) noexcept;
  [[nodiscard]] Result<void> header_line(std::string_view line);
  [[nodiscard]] Result<void> end_of_head();
  [[nodiscard]] Result<void> take(std::string_view bytes);
  [[nodiscard]] Result<void> keep(std::string_view bytes);
  [[nodiscard]] Result<void> too_large() const;

  [[nodiscard]] bool waits() const noexcept;
  [[nodiscard]] Result<void> finish(CURLcode code);
  [[nodiscard]] Error problem(Problem problem, std::string_view what, ErrorClass error_class) const;

  Client::State& client_;
  const Request& request_;
  const Hop& hop_;
  SteadyTime deadline_;
  To to_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<curl_slist, FreeList> headers_{};
  std::vector<Header> sent_{};  ///< the same, except those that libcurl is told to leave out
  BodyReader body_;
  bool repeatable_ = true;
  bool body_begun_ = false;
  bool started_ = false;

  Response response_{};
  std::string buffer_{};
  std::uint64_t taken_ = 0;
  std::uint64_t max_body_ = 0;
  bool decompress_ = false;
  std::unique_ptr<GzipBody> packed_{};  ///< empty: the body comes as it is
  bool head_done_ = false;
  bool redirects_ = false;
  bool paused_ = false;
  bool handed_over_ = false;  ///< the head was handed over, so `run` waits for bytes
  bool done_ = false;
  SteadyTime moved_{};  ///< time at which bytes last went in either direction
  std::optional<Error> error_{};
  std::exception_ptr exception_{};
  std::string reason_{};  ///< libcurl's own message
  std::atomic<bool> interrupted_ = false;
};

}  // namespace etl::inline v0::http
