#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <etl/manager.hpp>
#include <etl/observe/progress.hpp>
#include <etl/run.hpp>

#include "support/catch.hpp"
#include "support/sync.hpp"

namespace progress_test {

using namespace std::chrono_literals;

namespace {

etl::NamedStatus status(std::string name, std::uint64_t done, std::uint64_t expected) {
  etl::NamedStatus s{.name = std::move(name), .status = {}};
  s.status.items.extracted = done + 5;
  s.status.items.loaded = done;
  s.status.expected_items = expected;
  return s;
}

/// A file to print to, and what was printed.
class Paper {
 public:
  Paper() : file_(std::tmpfile()) {}
  ~Paper() { std::fclose(file_); }
  Paper(const Paper&) = delete;
  Paper& operator=(const Paper&) = delete;
  std::FILE* file() { return file_; }
  std::string text() {
    std::fflush(file_);
    std::rewind(file_);
    std::string all;
    char buffer[4096];
    for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, file_)) > 0;) all.append(buffer, n);
    return all;
  }

 private:
  std::FILE* file_;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Goes on only when the ticker has been seen to look, a few times.
struct Watched {
  std::FILE* file;
  void extract(etl::Emitter<int>& out) {
    for (int i = 0; i < 10; ++i) out.push(i);
    out.flush();
    while (std::ftell(file) == 0) {  // until something has been printed
    }
  }
  std::uint64_t expected_items() const { return 10; }
  void load(std::span<const int>) const {}
};

}  // namespace

TEST_CASE("progress: a line with share, count, rate and time left") {
  CHECK(etl::progress_line({status("orders", 2500, 10000)}, 1000, 0) ==
        "orders:  25% (2,500/10,000 items), 1,000 items/s, ETA 0:00:08");
  CHECK(etl::progress_line({status("orders", 0, 7200)}, 1, 0) ==
        "orders:   0% (0/7,200 items), 1 items/s, ETA 2:00:00");
  CHECK(etl::progress_line({status("orders", 10000, 10000)}, 1000, 0) ==
        "orders: 100% (10,000/10,000 items), 1,000 items/s");
}

TEST_CASE("progress: without an expected number: count and rate") {
  CHECK(etl::progress_line({status("orders", 1234567, 0)}, 2.5e6, 0) == "orders: 1,234,567 items, 2,500,000 items/s");
  CHECK(etl::progress_line({status("", 5, 0)}, 0, 20) == "5 items, 0 items/s");
}

TEST_CASE("progress: a bar") {
  const std::string line = etl::progress_line({status("x", 50, 100)}, 0, 10);
  CHECK(has(line, "[#####.....]"));
  CHECK_FALSE(has(line, "ETA"));  // no rate, no guess
  CHECK(has(etl::progress_line({status("x", 0, 100)}, 0, 10), "[..........]"));
  CHECK(has(etl::progress_line({status("x", 100, 100)}, 0, 10), "[##########]"));
  CHECK(has(etl::progress_line({status("x", 150, 100)}, 0, 10), "[##########] 100%"));  // an estimate that was too low
}

TEST_CASE("progress: by bytes where the source knows them, and a run that goes on begins at its mark") {
  etl::NamedStatus s = status("orders", 500, 0);
  s.status.elapsed = 10s;
  s.status.bytes_read = 1'600'000;
  s.status.expected_bytes = 2'000'000;
  CHECK(etl::progress_line({s}, 50, 10) ==
        "orders: [########..]  80% (1.6 MB/2 MB, 500 items), 50 items/s, ETA 0:00:03");
  s.status.earlier_bytes = 1'500'000;  // so 100,000 bytes took 10 s
  CHECK(etl::progress_line({s}, 50, 0) == "orders:  80% (1.6 MB/2 MB, 500 items), 50 items/s, ETA 0:00:40");
  s.status.bytes_read = 2'100'000;  // the file has grown
  CHECK(etl::progress_line({s}, 50, 0) == "orders: 100% (2 MB/2 MB, 500 items), 50 items/s");

  etl::NamedStatus items = status("orders", 100, 1000);
  items.status.earlier_items = 700;
  CHECK(etl::progress_line({items}, 10, 0) == "orders:  80% (800/1,000 items), 10 items/s, ETA 0:00:20");
}

TEST_CASE("progress: an estimate that was too low is not shown any more") {
  CHECK(etl::progress_line({status("orders", 120'000, 116'496)}, 1000, 0) ==
        "orders: 100% (120,000 items), 1,000 items/s");
}

TEST_CASE("progress: while something is tried again, the line says what the run waits for") {
  etl::NamedStatus s = status("orders", 2500, 10000);
  s.status.retry = etl::RetryStatus{
      .attempt = 3, .max_attempts = 250, .error = "cannot connect:\nconnection refused", .next_try = 4s, .since = 60s};
  CHECK(etl::progress_line({s}, 1000, 0) ==
        "orders:  25% (2,500/10,000 items), waiting for the server: cannot connect: connection refused (attempt 4 of "
        "250 in 4 s)");
  s.status.retry->next_try = 0s;
  s.status.expected_items = 0;
  CHECK(etl::progress_line({s}, 1000, 0) ==
        "orders: 2,500 items, waiting for the server: cannot connect: connection refused (attempt 4 of 250 under way)");
  etl::NamedStatus other = status("prices", 1, 0);
  other.status.retry = etl::RetryStatus{.attempt = 1, .max_attempts = 5, .error = "busy", .since = 61s};
  CHECK(etl::progress_line({s, other}, 1000, 0) ==
        "2 pipelines: 2,501 items, waiting for the server: prices: busy (attempt 2 of 5 under way)");
}

TEST_CASE("progress: several pipelines in one line, every settled item counts") {
  CHECK(
      has(etl::progress_line({status("a", 25, 100), status("b", 25, 100)}, 0, 0), "2 pipelines:  25% (50/200 items)"));
  CHECK(has(etl::progress_line({status("a", 25, 100), status("b", 25, 0)}, 0, 0),
            "2 pipelines: 50 items"));  // one is not known
  CHECK(etl::progress_line({}, 0, 10).size() > 0);
  etl::NamedStatus s = status("a", 10, 100);
  s.status.items.filtered = 5;
  s.status.items.rejected = 3;
  s.status.items.abandoned = 1;
  s.status.items.skipped = 1;
  CHECK(has(etl::progress_line({s}, 0, 0), "20% (20/100 items)"));
}

TEST_CASE("progress: nothing is printed unless asked for") {
  Paper paper;
  bool looked = false;
  {
    const etl::ProgressTicker ticker({.show = etl::ProgressOptions::Show::Off, .stream = paper.file(), .interval = 1ms},
                                     [&looked] {
                                       looked = true;
                                       return std::vector<etl::NamedStatus>{};
                                     });
  }
  CHECK_FALSE(looked);
  CHECK(paper.text().empty());
}

TEST_CASE("progress: lines of a run, into a file") {
  const test::Watchdog watchdog("lines of progress");
  Paper paper;
  const etl::RunReport r =
      etl::run(Watched{paper.file()},
               {.name = "watched",
                .workers = 1,
                .progress = {.show = etl::ProgressOptions::Show::Lines, .stream = paper.file(), .interval = 1ms}});
  CHECK(r.outcome == etl::Outcome::Completed);
  const std::string text = paper.text();
  CAPTURE(text);
  CHECK(text.rfind("watched: ", 0) == 0);
  CHECK(text.back() == '\n');
  CHECK_FALSE(has(text, "\r"));
}

TEST_CASE("progress: a bar is redrawn in place and ends with the last state") {
  const test::Watchdog watchdog("a bar of progress");
  Paper paper;
  const etl::RunReport r = etl::run(
      Watched{paper.file()},
      {.workers = 1, .progress = {.show = etl::ProgressOptions::Show::Bar, .stream = paper.file(), .interval = 1ms}});
  CHECK(r.outcome == etl::Outcome::Completed);
  const std::string text = paper.text();
  CAPTURE(text);
  CHECK(text.front() == '\r');
  CHECK(text.back() == '\n');
  CHECK(has(text.substr(text.rfind('\r')), "100% (10/10 items)"));
}

TEST_CASE("progress: a file is no terminal: Auto prints lines") {
  const test::Watchdog watchdog("automatic progress");
  Paper paper;
  const etl::RunReport r =
      etl::run(Watched{paper.file()},
               {.name = "auto",
                .workers = 1,
                .progress = {.show = etl::ProgressOptions::Show::Auto, .stream = paper.file(), .interval = 1ms}});
  CHECK(r.ok());
  CHECK_FALSE(has(paper.text(), "\r"));
}

TEST_CASE("progress: an interval without end shows nothing on the way") {
  const test::Watchdog watchdog("an interval without end");
  Paper paper;
  std::atomic<int> looks = 0;
  {
    const etl::ProgressTicker ticker({.show = etl::ProgressOptions::Show::Lines,
                                      .stream = paper.file(),
                                      .interval = std::chrono::milliseconds::max()},
                                     [&looks] { return ++looks, std::vector<etl::NamedStatus>(); });
    for (int i = 0; i < 10000 && looks == 0; ++i) std::this_thread::yield();
  }
  CHECK(looks == 0);
  CHECK(paper.text().empty());
}

TEST_CASE("progress: what the look throws ends neither the process nor the run") {
  const test::Watchdog watchdog("a look that throws");
  Paper paper;
  std::atomic<int> looks = 0;
  {
    const etl::ProgressTicker ticker(
        {.show = etl::ProgressOptions::Show::Lines, .stream = paper.file(), .interval = 1ms},
        [&looks]() -> std::vector<etl::NamedStatus> { ++looks, throw 1; });
    while (looks < 2) std::this_thread::yield();
  }
  CHECK(paper.text().empty());
}

TEST_CASE("progress: of a manager") {
  const test::Watchdog watchdog("progress of a manager");
  Paper paper;
  etl::PipelineManager manager(
      {.workers = 1},
      {.progress = {.show = etl::ProgressOptions::Show::Lines, .stream = paper.file(), .interval = 1ms}});
  manager.add("a", Watched{paper.file()}).add("b", Watched{paper.file()});
  CHECK(manager.run_all().ok());
  const std::string text = paper.text();
  CAPTURE(text);
  CHECK(has(text, "items/s"));
  CHECK(text.back() == '\n');
}

TEST_CASE("progress: a run that fails or is refused shows no trouble") {
  Paper paper;
  struct Fails {
    void extract(etl::Emitter<int>&) { throw 1; }
    void load(std::span<const int>) const {}
  };
  const etl::RunReport r = etl::run(
      Fails{},
      {.workers = 1, .progress = {.show = etl::ProgressOptions::Show::Bar, .stream = paper.file(), .interval = 1ms}});
  CHECK(r.outcome == etl::Outcome::Failed);
  CHECK(paper.text().back() == '\n');
}

}  // namespace progress_test
