#pragma once
/// A real nginx of the test's own, on free ports of 127.0.0.1.

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace test {

/// `locations` is the inside of a `server`. The folder `www` below `folder()` has its files; `cert.pem` is the
/// certificate of the TLS port, for the name localhost, and `key.pem` its key.
class Nginx {
 public:
  explicit Nginx(const std::string& locations) : folder_(std::filesystem::temp_directory_path() / "etl_http_nginx") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ / "www");
    run_to_end({"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                "-addext", "subjectAltName=DNS:localhost", "-keyout", path("key.pem"), "-out", path("cert.pem")},
               "openssl");
    port_ = free_port();
    tls_port_ = free_port();
    std::ofstream(folder_ / "nginx.conf")
        << "daemon off; master_process off; pid " << path("pid") << "; error_log " << path("error.log") << ";\n"
        << "events { worker_connections 64; }\nhttp { access_log off; default_type text/plain;\n"
        << "client_body_temp_path " << path("t1") << "; proxy_temp_path " << path("t2") << "; fastcgi_temp_path "
        << path("t3") << "; uwsgi_temp_path " << path("t4") << "; scgi_temp_path " << path("t5") << ";\n"
        << "server { listen 127.0.0.1:" << port_ << "; listen 127.0.0.1:" << tls_port_ << " ssl http2;\n"
        << "ssl_certificate " << path("cert.pem") << "; ssl_certificate_key " << path("key.pem") << "; root "
        << path("www") << ";\nssl_client_certificate " << path("cert.pem") << "; ssl_verify_client optional;\n"
        << locations << "} }\n";
    // The server ends with the test, however that ends.
    process_ = start({"setpriv", "--pdeathsig", "KILL", "--", program(), "-e", path("error.log"), "-p",
                      folder_.string(), "-c", path("nginx.conf")});
  }
  Nginx(const Nginx&) = delete;
  Nginx& operator=(const Nginx&) = delete;
  ~Nginx() {
    ::kill(process_, SIGTERM);
    ::waitpid(process_, nullptr, 0);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] std::string url(const std::string& target) const {
    return "http://localhost:" + std::to_string(port_) + target;
  }
  [[nodiscard]] std::string tls_url(const std::string& target) const {
    return "https://localhost:" + std::to_string(tls_port_) + target;
  }
  /// What nginx says of itself: for a test that gets no answer.
  [[nodiscard]] std::string log() const {
    std::ifstream in(folder_ / "error.log");
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  /// Debian has it where the PATH of most users does not lead.
  static std::string program() { return std::filesystem::exists("/usr/sbin/nginx") ? "/usr/sbin/nginx" : "nginx"; }
  [[nodiscard]] std::string path(const char* name) const { return (folder_ / name).string(); }
  static std::uint16_t free_port() {
    const int one = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    void* const any = &address;
    if (::bind(one, static_cast<sockaddr*>(any), size) != 0 ||
        ::getsockname(one, static_cast<sockaddr*>(any), &size) != 0)
      throw std::runtime_error("nginx: no port");
    ::close(one);
    return ntohs(address.sin_port);
  }
  static pid_t start(std::vector<std::string> command) {
    std::vector<char*> arguments;
    for (std::string& one : command) arguments.push_back(one.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t quiet;
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t process = -1;
    const int code = ::posix_spawnp(&process, arguments[0], &quiet, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&quiet);
    if (code != 0)
      throw std::runtime_error("cannot start " + command[0] + ": install the packages openssl, util-linux");
    return process;
  }
  static void run_to_end(std::vector<std::string> command, const char* package) {
    int status = -1;
    ::waitpid(start(std::move(command)), &status, 0);
    if (status != 0) throw std::runtime_error(std::string(package) + " failed: is the package installed?");
  }
  std::filesystem::path folder_;
  std::uint16_t port_ = 0;
  std::uint16_t tls_port_ = 0;
  pid_t process_ = -1;
};

}  // namespace test
