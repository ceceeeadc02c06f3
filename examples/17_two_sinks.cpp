// Two sinks: a batch counts as loaded when both have it. An attempt repeats both, so each has to bear a repetition.
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>

#include <fmt/format.h>
#include <etl/etl.hpp>

struct Event {
  std::int64_t id = 0;
  std::string text;
};

struct Archive {  // by key: what comes again takes the place of what was there
  std::map<std::int64_t, std::string> rows;
  void write(std::span<const Event> batch) {
    for (const Event& event : batch) rows[event.id] = event.text;
  }
};
struct Alarms {  // a server that is away for a moment
  std::set<std::int64_t> sent;
  int calls = 0;
  etl::Result<void> send(std::span<const Event> batch) {
    if (++calls == 2) return etl::failure(etl::transient("the alarm server is busy"));
    for (const Event& event : batch)
      if (event.text == "fire") sent.insert(event.id);
    return {};
  }
};

struct Events {
  Archive archive{};
  Alarms alarms{};
  void extract(etl::Emitter<Event>& out) {
    for (std::int64_t i = 0; i < 5000; ++i)
      if (!out.push({i, i % 1000 == 0 ? "fire" : "ok"})) return;
  }
  etl::Result<void> load(std::span<const Event> batch) {
    archive.write(batch);
    return alarms.send(batch);  // if this fails, the archive gets the batch once more
  }
};

int main() {
  Events events;
  const etl::RunReport report =
      etl::run(events, {.name = "events",
                        .retry = {.max_attempts = 5, .initial_delay = std::chrono::milliseconds(1)},
                        .on_retry = [](const etl::FailedAttempt& a) { fmt::print("again: {}\n", a.error.message()); }});
  fmt::print("{}\n{} archived, {} alarms\n", report.text(), events.archive.rows.size(), events.alarms.sent.size());
  return events.archive.rows.size() == 5000 && events.alarms.sent.size() == 5 ? 0 : 1;
}
