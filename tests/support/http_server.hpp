#pragma once
/// A small HTTP/1.1 server on loopback that answers as a test says, rightly or wrongly.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace test {

/// Calls the handler for each request, on the thread of its connection.
class HttpServer {
 public:
  struct Request {
    std::string method{};
    std::string target{};  ///< path and query
    std::string head{};    ///< everything before the body
    std::string body{};    ///< chunks put together
    std::size_t connection = 0;

    /// The value of a header, or "(none)".
    [[nodiscard]] std::string header(std::string_view name) const {
      const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
      for (std::size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2)) {
        const std::string_view line = std::string_view(head).substr(at + 2, head.find("\r\n", at + 2) - at - 2);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || !std::ranges::equal(line.substr(0, colon), name, {}, lower, lower))
          continue;
        const std::size_t value = line.find_first_not_of(' ', colon + 1);
        return value == std::string_view::npos ? "" : std::string(line.substr(value));
      }
      return "(none)";
    }
  };
  enum class Then { Keep, Close, Reset, Hang };
  struct Reply {
    std::string bytes{};  ///< as they go over the wire
    Then then = Then::Keep;
  };
  using Handler = std::function<Reply(const Request&)>;

  /// "HTTP/1.1 200 OK" and so on, with the length of the body.
  [[nodiscard]] static Reply answer(int status, std::string_view body, std::string_view headers = "") {
    return {"HTTP/1.1 " + std::to_string(status) + " Text\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
            std::string(headers) + "\r\n" + std::string(body)};
  }
  /// A whole answer of which the rest is left out after `size` bytes of its body.
  [[nodiscard]] static Reply cut(Reply reply, std::size_t size, Then then = Then::Close) {
    reply.bytes.resize(std::min(reply.bytes.size(), reply.bytes.find("\r\n\r\n") + 4 + size));
    reply.then = then;
    return reply;
  }

  explicit HttpServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    void* const any = &address;
    if (::bind(listener_, static_cast<sockaddr*>(any), size) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, static_cast<sockaddr*>(any), &size) != 0)
      throw std::runtime_error("HTTP server: no port");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { accept(); });
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const int open : open_) ::shutdown(open, SHUT_RDWR);
    }
    for (std::thread& one : connections_) one.join();
    ::close(listener_);
  }

  /// "http://127.0.0.1:PORT" and the target.
  [[nodiscard]] std::string url(std::string_view target = "/") const {
    return "http://127.0.0.1:" + std::to_string(port_) + std::string(target);
  }
  /// All requests so far, in the order in which they came.
  [[nodiscard]] std::vector<Request> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  [[nodiscard]] std::size_t connections() const {
    const std::lock_guard lock(mutex_);
    return accepted_;
  }

 private:
  void accept() {
    for (;;) {
      const int client = ::accept(listener_, nullptr, nullptr);
      if (client < 0) return;
      const int yes = 1;
      ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      const std::lock_guard lock(mutex_);
      open_.insert(client);
      connections_.emplace_back([this, client, number = accepted_++] { serve(client, number); });
    }
  }
  void serve(int client, std::size_t number) {
    std::string input;
    Request request{.connection = number};
    bool reset = false;
    while (read_request(client, input, request)) {
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      const Reply reply = handler_(request);
      const bool sent = send(client, reply.bytes);
      reset = reply.then == Then::Reset;
      if (reply.then == Then::Hang)
        while (more(client, input)) {}
      if (!sent || reply.then != Then::Keep) break;
    }
    const std::lock_guard lock(mutex_);
    open_.erase(client);
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    if (reset) ::setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(client);
  }
  static bool send(int to, std::string_view data) {
    while (!data.empty()) {
      const ssize_t sent = ::send(to, data.data(), data.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      data.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  static bool more(int client, std::string& input) {
    std::array<char, 65536> buffer{};
    const ssize_t size = ::recv(client, buffer.data(), buffer.size(), 0);
    if (size <= 0) return false;
    input.append(buffer.data(), static_cast<std::size_t>(size));
    return true;
  }
  /// Takes so much off the input, waiting for it.
  static bool take(int client, std::string& input, std::size_t size, std::string& out) {
    while (input.size() < size)
      if (!more(client, input)) return false;
    out.append(input, 0, size);
    input.erase(0, size);
    return true;
  }
  static bool read_request(int client, std::string& input, Request& request) {
    std::size_t end = 0;
    while ((end = input.find("\r\n\r\n")) == std::string::npos)
      if (!more(client, input)) return false;
    request.head = input.substr(0, end + 2);
    input.erase(0, end + 4);
    request.method = request.head.substr(0, request.head.find(' '));
    const std::size_t target = request.method.size() + 1;
    request.target = request.head.substr(target, request.head.find(' ', target) - target);
    request.body.clear();
    if (request.header("Expect") == "100-continue" && !send(client, "HTTP/1.1 100 Continue\r\n\r\n")) return false;
    if (request.header("Transfer-Encoding") != "chunked") {
      const std::string size = request.header("Content-Length");
      return size == "(none)" || take(client, input, std::strtoul(size.c_str(), nullptr, 10), request.body);
    }
    for (;;) {
      while ((end = input.find("\r\n")) == std::string::npos)
        if (!more(client, input)) return false;
      const std::size_t size = std::strtoul(input.c_str(), nullptr, 16);
      input.erase(0, end + 2);
      std::string line_end;
      if (!take(client, input, size, request.body) || !take(client, input, 2, line_end)) return false;
      if (size == 0) return true;
    }
  }

  Handler handler_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
  std::set<int> open_;
  std::size_t accepted_ = 0;
  std::vector<std::thread> connections_;
  std::thread thread_;
};

}  // namespace test
