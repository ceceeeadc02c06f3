#pragma once
/// The executors that a user may bring.

#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <etl/asio.hpp>
#include <etl/run.hpp>

#include "support/scripted.hpp"

namespace test {

/// A caller's io_context and its threads.
class Service {
 public:
  explicit Service(int threads) : work_(io_.get_executor()) {
    for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { io_.run(); });
  }
  ~Service() {
    work_.reset();
    for (std::thread& t : threads_) t.join();
  }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  etl::Executor executor() { return etl::Executor(asio::any_io_executor(io_.get_executor())); }
  asio::io_context& io() { return io_; }

 private:
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::vector<std::thread> threads_;
};

/// All places, kept for many runs.
class Places {
 public:
  template <class P>
  etl::RunReport run(Place place, P& pipeline, etl::Options options, etl::StopToken stop = {}) {
    switch (place) {
      case Place::OneThread: options.executor = one_.executor(); break;
      case Place::TwoThreads: options.executor = two_.executor(); break;
      case Place::SharedPool: options.executor = pool_; break;
      case Place::InsideItsOwnThread: {
        options.executor = one_.executor();
        etl::RunReport report;
        Gate done;
        asio::post(one_.io(), [&] {
          report = etl::run(pipeline, options, stop);
          done.open();
        });
        done.wait();
        return report;
      }
      case Place::OwnPool: break;
    }
    return etl::run(pipeline, options, stop);
  }

 private:
  Service one_{1};
  Service two_{2};
  etl::Executor pool_ = etl::Executor::pool(2);
};

}  // namespace test
