#pragma once
/// Server-sent events (WHATWG HTML, 9.2) as a source without end.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/http/client.hpp>
#include <etl/http/url.hpp>
#include <etl/policy/retry.hpp>
#include <etl/position.hpp>

namespace etl::inline v0::http {

/// An event that a server sent.
struct Event {
  std::string type = "message";
  std::string data{};  ///< its lines, with '\n' between them
  std::string id{};    ///< of this event or, when it has none, of the last one that had
};

/// Settings of an event source. An aggregate.
struct EventOptions {
  Request request{};  ///< `on_head`, `on_body` and `max_body` are not used
  /// Between the end of a connection and the next one, until the server asks for another time (`retry:`).
  std::chrono::milliseconds pause{3000};
  /// How often in a row a connection may bring nothing. It is not used up by a server that ends connections in order.
  RetryPolicy retry{
      .max_attempts = 10, .initial_delay = std::chrono::seconds(1), .max_delay = std::chrono::seconds(60)};
  std::size_t max_event = std::size_t{16} << 20;  ///< bytes of one event
};

/// Reads events, and connects again where a connection ends, with `Last-Event-ID`. Belongs to one thread at a time.
class Events {
 public:
  /// `from`: the id of the last event that was dealt with.
  [[nodiscard]] static Result<Events> make(Client client, const EventOptions& options,
                                           const std::optional<Position>& from = {});
  Events(Events&&) noexcept;
  Events& operator=(Events&&) noexcept;
  ~Events();

  /// Waits for the next event. Nothing: the server has said that there are no more (204). `Timeouts::stall` of the
  /// client counts between the server's bytes; servers send comments meanwhile.
  [[nodiscard]] Result<std::optional<Event>> next(const std::stop_token& stop = {});

 private:
  struct State;
  explicit Events(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Pushes the events after `out.resume_from()` until no more are wanted, and marks the id of each. A server that keeps
/// no events gives those that come from now on. If the run keeps progress or makes keys, an event without an id of its
/// own ends it with `Problem::Content`: nobody could say later which of such events are loaded.
template <class E>
  requires std::is_constructible_v<E, Event>
[[nodiscard]] Result<void> extract_events(const Client& client, const EventOptions& options, Emitter<E>& out) {
  Result<Events> events = Events::make(client, options, out.resume_from());
  if (!events) return failure(std::move(events.error()));
  for (std::string marked = out.resume_from() ? out.resume_from()->text() : std::string();;) {
    Result<std::optional<Event>> event = events->next(out.stop_token());
    if (!event && out.stop_token().stop_requested()) return {};
    if (!event) return failure(std::move(event.error()));
    if (!*event) return {};
    std::string id = (*event)->id;
    if (out.keeps_progress() && (id.empty() || id == marked))
      return failure(Error{.code = Problem::Content,
                           .context = shown_url(options.request.url) +
                                      ": an event has no id of its own, so a run cannot be resumed after it: leave out "
                                      "checkpoints, stores and keys, or let the server give ids"});
    if (!out.push(E(std::move(**event)))) return {};
    if (!id.empty() && id != marked) out.mark(Position(marked = std::move(id)));
  }
}

}  // namespace etl::inline v0::http
