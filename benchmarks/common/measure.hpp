#pragma once
/// Wall and CPU time of one measurement, memory, and the line of JSON that tells it.

#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace bench {

/// One moment: wall clock, CPU time of all threads of the process, and context switches.
struct Moment {
  std::int64_t wall = 0;
  std::int64_t cpu = 0;
  std::int64_t switches = 0;

  static Moment now() {
    timespec cpu{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    rusage used{};
    getrusage(RUSAGE_SELF, &used);
    return {std::chrono::steady_clock::now().time_since_epoch().count(),
            std::int64_t{cpu.tv_sec} * 1'000'000'000 + cpu.tv_nsec, std::int64_t{used.ru_nvcsw} + used.ru_nivcsw};
  }
  friend Moment operator-(Moment a, Moment b) { return {a.wall - b.wall, a.cpu - b.cpu, a.switches - b.switches}; }
};

/// Keeps the compiler from merging what comes before with what comes after, or dropping a store.
inline void barrier(const void* memory) { asm volatile("" : : "g"(memory) : "memory"); }

/// Gets the processor out of its idle clock speed without touching memory or starting a thread.
inline void warm_up() {
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(30);
  while (std::chrono::steady_clock::now() < until) barrier(nullptr);
}

/// Of this program alone: getrusage would give that of the process that started it, if it was larger.
inline double peak_memory_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (double kilobytes = 0; word == "VmHWM:" && status >> kilobytes) return kilobytes / 1024;
  return 0;
}

/// Collects `"key":value` pairs; prints them as one line.
class JsonLine {
 public:
  JsonLine& text(std::string_view key, std::string_view value) { return raw(key, fmt::format("\"{}\"", value)); }
  JsonLine& number(std::string_view key, double value) { return raw(key, fmt::format("{:.4g}", value)); }
  JsonLine& number(std::string_view key, std::uint64_t value) { return raw(key, fmt::format("{}", value)); }
  JsonLine& flag(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
  void print() const { fmt::print("{{{}}}\n", line_); }

 private:
  JsonLine& raw(std::string_view key, std::string_view value) {
    line_ += fmt::format("{}\"{}\":{}", line_.empty() ? "" : ",", key, value);
    return *this;
  }
  std::string line_;
};

/// Compiler and flags of this executable, for the description of the machine.
inline JsonLine build_description() {
  JsonLine line;
#if defined(__clang__)
  line.text("compiler", fmt::format("Clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__));
#else
  line.text("compiler", fmt::format("GCC {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__));
#endif
  line.text("flags", ETLPIPE_BENCH_FLAGS);
  return line;
}

}  // namespace bench
