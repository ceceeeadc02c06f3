#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <etl/postgres/pool.hpp>

#include "support/catch.hpp"
#include "support/sync.hpp"
#include "unit/postgres/support.hpp"

namespace pool_test {

using namespace std::chrono_literals;
using etl::ErrorClass;
using etl::postgres::Lease;
using etl::postgres::Pool;
using etl::postgres::sqlstate;
using test::error_of;
using test::has;
using test::lacks;
using test::ok;
using test::pid;
using test::value;

namespace {

/// Takes connections and never says a word.
class SilentServer {
 public:
  SilentServer() : listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    void* const any = &address;
    REQUIRE(::bind(listener_, static_cast<sockaddr*>(any), size) == 0);
    REQUIRE(::listen(listener_, 1) == 0);
    REQUIRE(::getsockname(listener_, static_cast<sockaddr*>(any), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;
  ~SilentServer() {
    ::close(client_);
    ::close(listener_);
  }
  [[nodiscard]] std::string url() const { return "postgresql://a:b@127.0.0.1:" + std::to_string(port_) + "/c"; }
  /// Waits for a client, and for its first bytes.
  void accept() {
    client_ = ::accept(listener_, nullptr, nullptr);
    char byte = 0;
    static_cast<void>(::recv(client_, &byte, 1, 0));
  }

 private:
  int listener_;
  int client_ = -1;
  std::uint16_t port_ = 0;
};

Pool make(etl::postgres::PoolOptions options) { return ok(Pool::make(test::postgres_url(), {}, options)); }

}  // namespace

TEST_CASE("postgres pool: a wrong URL or password, and options that make no sense, are met at once") {
  std::string url = test::postgres_url();
  url.replace(url.find("secret"), 6, "hunter2");
  const etl::Error e = error_of(Pool::make(url));
  CHECK(e.code == sqlstate("28P01"));
  CHECK_FALSE(has(e.message(), "hunter2"));
  CHECK(error_of(Pool::make(test::postgres_url(), {}, {.max_size = 0})).code == etl::Errc::InvalidOptions);
  CHECK(error_of(Pool::make(test::postgres_url(), {}, {.connect = {.max_attempts = 0}})).code ==
        etl::Errc::InvalidOptions);
}

TEST_CASE("postgres pool: connections are used again, the last one first, and made only when needed") {
  const Pool pool = make({.max_size = 3});
  std::string first, second;
  {
    Lease a = ok(pool.lease());
    first = pid(*a);
    Lease b = ok(pool.lease());
    second = pid(*b);
    CHECK(first != second);
    CHECK(pool.status().leased == 2);
    CHECK(pool.status().idle == 0);
  }
  CHECK(pool.status().leased == 0);
  CHECK(pool.status().idle == 2);
  Lease again = ok(pool.lease());
  CHECK(pid(*again) == first);  // given back last
  again = ok(pool.lease());     // the one it held goes back
  CHECK(pool.status().leased == 1);
  Lease moved = std::move(again);
  CHECK(pid(*moved) == second);
}

TEST_CASE("postgres pool: a lease waits for another to end: a stop or the time-out end the wait") {
  const Pool pool = make({.max_size = 1, .lease_timeout = 1ms});
  const Lease only = ok(pool.lease());
  const etl::Error late = error_of(pool.lease());
  CHECK(late.error_class == ErrorClass::Transient);
  CHECK(has(late.message(), "all 1 connections were leased for 1 ms"));

  const Pool patient = make({.max_size = 1, .lease_timeout = 1h});
  std::optional<Lease> held = ok(patient.lease());
  std::stop_source stop;
  etl::Result<Lease> stopped = etl::failure(etl::fatal("not yet"));
  std::thread waits([&] { stopped = patient.lease(stop.get_token()); });
  stop.request_stop();
  waits.join();
  CHECK(has(error_of(stopped).message(), "stopped"));
  CHECK(error_of(stopped).error_class == ErrorClass::Transient);

  std::string got;
  std::thread waits_too([&] { got = pid(*ok(patient.lease())); });
  const std::string given = pid(**held);
  held.reset();
  waits_too.join();
  CHECK(got == given);
}

TEST_CASE("postgres pool: a connection that the server has ended is replaced, idle or not") {
  auto killer = test::open(test::postgres_url());
  for (const auto check_after : {0ms, 3'600'000ms}) {
    const Pool pool = make({.max_size = 2, .check_after = check_after});
    std::string dead;
    {
      Lease lease = ok(pool.lease());
      dead = pid(*lease);
    }
    test::terminate(killer, dead);
    Lease lease = ok(pool.lease());
    const std::string alive = pid(*lease);
    CHECK(alive != dead);
    test::terminate(killer, alive);
    lease = ok(pool.lease());  // the leased one is not put back
    CHECK(pool.status().idle == 0);
  }
}

TEST_CASE("postgres pool: a connection that lay idle for long is asked whether it is still there") {
  auto watch = test::open(test::postgres_url());
  for (const auto check_after : {0ms, 3'600'000ms}) {
    const Pool pool = make({.check_after = check_after});
    const std::string last_query = "SELECT query_start FROM pg_stat_activity WHERE pid = " + pid(*ok(pool.lease()));
    const std::string before = value(watch, last_query);
    const Lease again = ok(pool.lease());
    CHECK((value(watch, last_query) != before) == (check_after == 0ms));
  }
}

TEST_CASE("postgres pool: a connection left in a transaction is not given to the next") {
  const Pool pool = make({.max_size = 1});
  std::string left;
  {
    Lease lease = ok(pool.lease());
    left = pid(*lease);
    ok(lease->execute("BEGIN; CREATE TEMP TABLE t(a int)"));
  }
  Lease lease = ok(pool.lease());
  CHECK(pid(*lease) != left);
  CHECK_FALSE(lease->in_transaction());
}

TEST_CASE("postgres pool: while the server is away it tries again, with back-off, until the stop") {
  test::PostgresServer server;
  const etl::RetryPolicy eager{.max_attempts = 1'000'000, .initial_delay = 1ms, .max_delay = 1ms};
  const Pool pool = ok(Pool::make(server.url(), {}, {.max_size = 1, .connect = eager}));
  const etl::RetryPolicy twice{.max_attempts = 2, .initial_delay = 1ms};
  const Pool hasty = ok(Pool::make(server.url(), {}, {.max_size = 1, .lease_timeout = 1ms, .connect = twice}));
  server.halt();
  const etl::Error away = error_of(hasty.lease());
  CHECK(away.error_class == ErrorClass::Transient);
  CHECK(lacks(away.message(), {"gave up after 2 attempts", "is the server running"}) == "");
  CHECK(hasty.status().leased == 0);
  std::thread back([&] { server.resume(); });
  Lease lease = ok(pool.lease());
  back.join();
  CHECK(value(*lease, "SELECT 1") == "1");
  server.halt();
  { const Lease gone = std::move(lease); }
  std::stop_source stop;
  etl::Result<void> stopped;
  std::thread waits([&] {
    auto none = pool.lease(stop.get_token());
    if (!none) stopped = etl::failure(none.error());
  });
  stop.request_stop();
  waits.join();
  CHECK(has(error_of(stopped).message(), "stopped"));
  CHECK(pool.status().leased == 0);
}

TEST_CASE("postgres pool: a stop ends an attempt to connect to a server that does not answer") {
  SilentServer server;
  std::stop_source stop;
  std::thread stopper([&] {
    server.accept();
    stop.request_stop();
  });
  const etl::Error e =
      error_of(etl::postgres::Connection::open(server.url(), {.connect_timeout = 60s}, stop.get_token()));
  stopper.join();
  CHECK(e.code == sqlstate("57014"));
  CHECK(e.error_class == ErrorClass::Transient);
  CHECK(has(e.message(), "stopped while connecting"));
}

TEST_CASE("postgres pool: no connection is ever used by two threads") {
  const Pool pool = make({.max_size = 3});
  std::mutex mutex;
  std::set<const void*> in_use;
  test::Crowd crowd;
  std::atomic<int> clashes = 0, failures = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        auto lease = pool.lease();
        if (!lease) {
          ++failures;
          continue;
        }
        const test::Crowd::Visit visit(crowd);
        {
          const std::lock_guard lock(mutex);
          clashes += in_use.insert((*lease)->handle()).second ? 0 : 1;
        }
        failures += (*lease)->query("SELECT 1").has_value() ? 0 : 1;
        const std::lock_guard lock(mutex);
        in_use.erase((*lease)->handle());
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(clashes == 0);
  CHECK(failures == 0);
  CHECK(crowd.most() <= 3);
  CHECK(pool.status().idle <= 3);
}

}  // namespace pool_test
