#pragma once
/// A network between client and server that breaks when a test says so.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace test {

/// Passes one connection on to the server of a URL, without TLS, until it is cut.
class Proxy {
 public:
  /// The server does not get the message, or gets it and answers it unheard. Silently: it does not even learn that the
  /// client is gone.
  enum class Cut { Before, After, Silently, SilentlyAfter };

  explicit Proxy(std::string server_url) : url_(std::move(server_url)) {
    const std::size_t at = url_.find("127.0.0.1:") + 10;
    const std::size_t end = url_.find('/', at);
    server_port_ = static_cast<std::uint16_t>(std::stoi(url_.substr(at, end - at)));
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    void* const any = &address;
    if (::bind(listener_, static_cast<sockaddr*>(any), size) != 0 || ::listen(listener_, 1) != 0 ||
        ::getsockname(listener_, static_cast<sockaddr*>(any), &size) != 0)
      throw std::runtime_error("proxy: no port");
    url_.replace(at, end - at, std::to_string(ntohs(address.sin_port)));
    thread_ = std::thread([this] { serve(); });
  }
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;
  ~Proxy() {
    ::shutdown(listener_, SHUT_RDWR);
    let_go();
    join();
    ::close(listener_);
  }
  /// For one connection, further ones are refused; it must have ended when this goes.
  [[nodiscard]] const std::string& url() const { return url_; }
  /// For a pool: the first connection goes through the proxy, further ones past it.
  [[nodiscard]] std::string url_and_past() const {
    constexpr std::string_view host = "127.0.0.1:";
    std::string both = url_;
    const std::size_t at = both.find(host), end = both.find('/', at);
    return both.insert(end, "," + std::string(host) + std::to_string(server_port_));
  }
  /// Further connections are not refused but wait for an answer, until `refuse_others`. Called before the first one.
  void hold_others() { holds_ = true; }
  void refuse_others() { ::shutdown(listener_, SHUT_RDWR); }
  /// Cuts both sides when the client sends a packet that has these bytes.
  void cut_at(std::string_view bytes, Cut side) {
    const std::lock_guard lock(mutex_);
    bytes_ = bytes;
    side_ = side;
  }
  /// The same at the packet with this number of those that the client sends from now on.
  void cut_at_packet(int number, Cut side) {
    const std::lock_guard lock(mutex_);
    packets_ = number;
    side_ = side;
  }
  /// Once cut, the client gets this as the server's last word.
  void last_word(std::string_view message) {
    const std::lock_guard lock(mutex_);
    last_word_ = message;
  }
  /// Whether a packet came that was to be cut.
  [[nodiscard]] bool has_cut() const { return has_cut_; }
  /// Cuts both sides now.
  void cut() {
    ::shutdown(client_, SHUT_RDWR);
    join();
  }
  /// After a silent cut: now the server learns that the client is gone.
  void let_go() {
    const std::lock_guard lock(mutex_);
    let_go_ = true;
    if (server_ >= 0) ::shutdown(server_, SHUT_WR);
  }
  /// Until both sides are closed, the server's end included.
  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  static bool pass(int to, std::string_view data) {
    while (!data.empty()) {
      const ssize_t sent = ::send(to, data.data(), data.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      data.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  bool is_time(std::string_view data) {
    const std::lock_guard lock(mutex_);
    if (packets_ > 0 && --packets_ == 0) return true;
    return !bytes_.empty() && data.find(bytes_) != std::string_view::npos;
  }
  void serve() {
    const int client = ::accept(listener_, nullptr, nullptr);
    if (client < 0) return;
    if (!holds_) refuse_others();
    client_ = client;
    const int server = ::socket(AF_INET, SOCK_STREAM, 0);
    const int yes = 1;
    for (const int both : {client, server}) ::setsockopt(both, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    sockaddr_in address = loopback(server_port_);
    void* const any = &address;
    if (::connect(server, static_cast<sockaddr*>(any), sizeof address) == 0) forward(client, server);
    ::close(client);
    {
      const std::lock_guard lock(mutex_);
      const bool silently = has_cut_ && (side_ == Cut::Silently || side_ == Cut::SilentlyAfter);
      // The server sees the end, and says so by its own: then it has done with what was sent before.
      if (!silently || let_go_) ::shutdown(server, SHUT_WR);
      server_ = server;
    }
    std::array<char, 4096> rest{};
    while (::recv(server, rest.data(), rest.size(), 0) > 0) {}
    const std::lock_guard lock(mutex_);
    server_ = -1;
    ::close(server);
  }
  void forward(int client, int server) {
    std::array<char, 65536> buffer{};
    bool at_answer = false;  // the cut
    for (;;) {
      std::array<pollfd, 2> both = {{{client, POLLIN, 0}, {server, POLLIN, 0}}};
      if (::poll(both.data(), both.size(), -1) < 0) return;
      for (const auto& [from, to] : {std::pair{0U, server}, std::pair{1U, client}}) {
        if (both[from].revents == 0) continue;
        const ssize_t size = ::recv(both[from].fd, buffer.data(), buffer.size(), 0);
        if (size <= 0) return;
        const std::string_view data(buffer.data(), static_cast<std::size_t>(size));
        if (from == 1 && at_answer) return void(pass(client, last_word_));
        const bool last = from == 0 && is_time(data);
        if (last) has_cut_ = true;
        // The server has to work on the message before it learns that the client is gone: it would stop at once.
        at_answer = at_answer || (last && (side_ == Cut::SilentlyAfter || !last_word_.empty()));
        if ((!last || at_answer || side_ == Cut::After) && !pass(to, data)) return;
        if (last && !at_answer) return;
      }
    }
  }

  std::string url_;
  std::uint16_t server_port_ = 0;
  int listener_ = -1;
  std::atomic<int> client_ = -1;
  std::mutex mutex_;
  int server_ = -1;  // once the client is gone
  bool let_go_ = false;
  std::atomic<bool> holds_ = false;
  std::string bytes_;
  int packets_ = 0;
  std::string last_word_;
  Cut side_ = Cut::Before;
  std::atomic<bool> has_cut_ = false;
  std::thread thread_;
};

}  // namespace test
