#pragma once
/// Looks for seeds whose case goes wrong, in processes of their own: one that crashes or hangs is found like any other.

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "support/model/case.hpp"
#include "support/model/runs.hpp"

namespace model {

/// What a child process tells its parent.
struct Shared {
  std::atomic<std::uint64_t> seed{0};
  std::atomic<std::uint64_t> runs{0};
  char text[4096]{};
  void say(const std::string& what) noexcept {
    const std::size_t n = std::min(what.size(), sizeof(text) - 1);
    std::memcpy(text, what.data(), n);
    text[n] = '\0';
  }
};

class Child {
 public:
  Child() {
    void* const memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    shared_ = new (memory) Shared;
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { munmap(shared_, sizeof(Shared)); }

  /// Calls `call(shared)` in a child, which has so many seconds. What it said, or how it died.
  template <class F>
  [[nodiscard]] std::string run(unsigned seconds, F&& call) {
    shared_->text[0] = '\0';
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      alarm(seconds);
      for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGILL, SIGTERM, SIGINT}) std::signal(signal, SIG_DFL);
      dying() = shared_;
      std::set_terminate(terminated);
      call(*shared_);
      ::_exit(shared_->text[0] == '\0' ? 0 : 1);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return "died: no child process";
    std::string said = shared_->text;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return "hang: " + std::to_string(seconds) + " seconds";
    if (WIFSIGNALED(status)) return fmt::format("died: signal {} {}", WTERMSIG(status), said);
    if (said.empty() && WEXITSTATUS(status) != 0) return fmt::format("died: exit code {}", WEXITSTATUS(status));
    return said;
  }
  [[nodiscard]] Shared& shared() noexcept { return *shared_; }

 private:
  static Shared*& dying() {
    static Shared* shared = nullptr;
    return shared;
  }
  [[noreturn]] static void terminated() {
    std::string what = "terminate";
    if (const auto current = std::current_exception()) {
      try {
        std::rethrow_exception(current);
      } catch (const std::exception& e) {
        what = std::string("terminate: ") + e.what();
      } catch (...) {}
    }
    dying()->say(what);
    std::abort();
  }
  Shared* shared_;
};

[[nodiscard]] inline std::string play(const Case& c, bool tracing = false, std::atomic<std::uint64_t>* runs = nullptr) {
  World world(c);
  world.tracing = tracing;
  std::string wrong = Play(world).play();
  if (runs != nullptr) *runs += world.runs;
  return wrong;
}

/// The kind of a complaint, by which a smaller case is known to go wrong in the same way.
[[nodiscard]] inline std::string kind_of(const std::string& wrong) { return wrong.substr(0, wrong.find(':')); }

/// A case as small as it gets that still goes wrong in the same way, and what it says.
[[nodiscard]] inline std::pair<Case, std::string> shrink(Case c, std::string wrong) {
  Child child;
  int tries = 3000;
  for (bool smaller_one = true; smaller_one && tries > 0;) {
    smaller_one = false;
    const std::vector<Case> candidates = smaller(c);
    for (std::size_t i = 0; i < candidates.size() && tries-- > 0; ++i) {
      const std::string still = child.run(10, [&](Shared& shared) { shared.say(play(candidates[i])); });
      if (kind_of(still) != kind_of(wrong)) continue;
      c = candidates[i];
      wrong = still;
      smaller_one = true;
      break;
    }
  }
  return {std::move(c), std::move(wrong)};
}

struct Found {
  std::uint64_t seed = 0;
  std::string wrong;
};
struct Searched {
  std::optional<Found> found;
  std::uint64_t runs = 0;
};

/// Seeds from `first` to `end` - 1, until one goes wrong.
[[nodiscard]] inline Searched search(std::uint64_t first, std::uint64_t end) {
  Child child;
  const std::string wrong = child.run(static_cast<unsigned>(120 + (end - first) / 10), [&](Shared& shared) {
    for (std::uint64_t seed = first; seed < end; ++seed) {
      shared.seed = seed;
      const std::string complaint = play(Maker(seed).make(), false, &shared.runs);
      if (!complaint.empty()) return shared.say(complaint);
    }
  });
  Searched searched{std::nullopt, child.shared().runs};
  if (!wrong.empty()) searched.found = Found{child.shared().seed, wrong};
  return searched;
}

/// For people: what went wrong, and the smallest case found that does.
[[nodiscard]] inline std::string told(const Found& found) {
  const auto [small, wrong] = shrink(Maker(found.seed).make(), found.wrong);
  return fmt::format("seed {}: {}\nmade smaller: {}\n{}(ETLPIPE_MODEL_SEED={} runs this seed alone, and says more)",
                     found.seed, found.wrong, wrong, to_text(small), found.seed);
}

}  // namespace model
