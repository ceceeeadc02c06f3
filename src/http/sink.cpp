#include <charconv>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/http/sink.hpp>

#include "json.hpp"
#include "shown.hpp"

namespace etl::inline v0::http {

struct Sink::State {
  State(Client its_client, SinkOptions its_options) : client(std::move(its_client)), options(std::move(its_options)) {}

  Client client;
  SinkOptions options;
  std::vector<std::string> array{}, status{}, error{};

  /// Parts of batches with a key that were too large, by the key. An attempt after them sends the same parts: a service
  /// that takes larger ones by now would not know what it has taken already.
  using Part = std::pair<std::size_t, std::size_t>;
  mutable std::mutex mutex{};
  mutable std::map<std::string, std::set<Part>> too_large{};

  [[nodiscard]] bool was_too_large(const std::string& key, const Part& part) const {
    const std::lock_guard lock(mutex);
    const auto found = too_large.find(key);
    return found != too_large.end() && found->second.contains(part);
  }
  void note_too_large(const std::string& key, const Part& part) const {
    if (key.empty()) return;
    const std::lock_guard lock(mutex);
    too_large[key].insert(part);
  }
  void forget(const std::string& key) const {
    const std::lock_guard lock(mutex);
    too_large.erase(key);
  }

  [[nodiscard]] Error wrong(const Request& request, const Response& response, std::string_view what) const {
    std::string context = fmt::format("{}: {}: {}", shown_request(request, response.url), what, excerpt(response.body));
    return {.code = Problem::Content, .context = without_secrets(std::move(context), request, client.options())};
  }
};

Result<Sink> Sink::make(Client client, SinkOptions options) {
  if (const Result<Url> url = Url::parse(options.request.url); !url) return failure(url.error());
  auto state = std::make_shared<State>(std::move(client), std::move(options));
  if (const auto& results = state->options.results) {
    for (const auto& [text, names] : {std::pair(&results->array, &state->array),
                                      {&results->status, &state->status},
                                      {&results->error, &state->error}}) {
      auto read = json::pointer(*text);
      if (!read) return failure(std::move(read.error()));
      *names = std::move(*read);
    }
  }
  return Sink(std::move(state));
}

Result<void> Sink::send(const Items& items, BatchContext& context, const std::string& key) const {
  if (items.size() == 0) return {};
  Result<void> sent = send_part(items, 0, items.size(), context, key);
  // With a key an unknown outcome is tried again, whatever its class.
  const bool again =
      !sent && (sent.error().error_class == ErrorClass::Transient || sent.error().code == Errc::OutcomeUnknown);
  if (!again) state_->forget(key);
  return sent;
}

std::string Sink::key_of(const Items& items, std::size_t first, std::size_t end, const BatchContext& context,
                         const std::string& key) {
  if (first == 0 && end == items.size()) return key;
  if (const PartKeys* const keys = context.part_keys()) return keys->of(first, end).text();
  return fmt::format("{}-{}-{}", key, first, end);
}

Result<void> Sink::send_part(const Items& items, std::size_t first, std::size_t end, BatchContext& context,
                             const std::string& key) const {
  const State& state = *state_;
  if (state.was_too_large(key, {first, end})) return send_halves(items, first, end, context, key);
  const bool lines = state.options.form == SinkOptions::Form::Ndjson;
  Request request = state.options.request;
  if (!request.headers.contains("Content-Type"))
    request.headers.set("Content-Type", lines ? "application/x-ndjson" : "application/json");
  if (!key.empty()) {
    request.headers.set(state.options.key_header, key_of(items, first, end, context, key));
    request.public_header = state.options.key_header;  // without it, the service that answers could not know the key
  }
  std::string body = lines ? "" : "[";
  for (std::size_t i = first; i < end; ++i) {
    if (!lines && i > first) body += ',';
    body.append(items.text, items.ends[i], items.ends[i + 1] - items.ends[i]);
    if (lines) body += '\n';
  }
  if (!lines) body += ']';
  request.body = Body::view(body);
  request.may_become_get = false;
  if (!request.repeatable) request.repeatable = !key.empty();
  Result<Response> response = state.client.exchange(request, context.stop_token());
  if (!response) {
    // An answer that is too large is one of success.
    const bool taken = key.empty() && response.error().code == Problem::TooLarge;
    if (taken || is_in_doubt(response.error())) response.error().code = Errc::OutcomeUnknown;
    return failure(std::move(response.error()));
  }
  if (response->ok()) {
    auto settled = settle(request, *response, first, end, context);
    if (!settled && key.empty()) settled.error().code = Errc::OutcomeUnknown;  // something is stored, but not what
    return settled;
  }
  Error error = state.client.error_of(request, *response);
  if (response->status == 409 && !key.empty() && !state.options.conflict_rejects)
    error.error_class = ErrorClass::Transient;  // the first request with this key is still at work
  // A gateway does not know whether the service has taken the rows.
  if (key.empty() && (response->status == 502 || response->status == 504)) error.code = Errc::OutcomeUnknown;
  if (response->status != 413) return failure(std::move(error));
  if (end - first == 1) return context.reject(first, std::move(error)), Result<void>();
  state.note_too_large(key, {first, end});
  return send_halves(items, first, end, context, key);
}

Result<void> Sink::send_halves(const Items& items, std::size_t first, std::size_t end, BatchContext& context,
                               const std::string& key) const {
  const std::size_t middle = first + (end - first) / 2;
  if (auto sent = send_part(items, first, middle, context, key); !sent) return sent;
  return send_rest(items, middle, end, context, key);
}

Result<void> Sink::send_rest(const Items& items, std::size_t first, std::size_t end, BatchContext& context,
                             const std::string& key) const {
  auto sent = send_part(items, first, end, context, key);
  if (sent || sent.error().code == Errc::OutcomeUnknown) return sent;
  switch (sent.error().error_class) {
    case ErrorClass::Transient:
      if (!key.empty()) return sent;  // the parts are sent again with their keys
      for (std::size_t i = first; i < end; ++i) context.retry(i, sent.error());
      return {};
    case ErrorClass::Rejected:
      if (context.bisects() && end - first > 1) {
        const std::size_t middle = first + (end - first) / 2;
        if (auto half = send_rest(items, first, middle, context, key); !half) return half;
        return send_rest(items, middle, end, context, key);
      }
      for (std::size_t i = first; i < end; ++i) context.reject(i, sent.error());
      return {};
    case ErrorClass::Fatal: break;
  }
  // What was sent before is stored, and without a key the next run sends it again.
  if (key.empty()) sent.error().code = Errc::OutcomeUnknown;
  return sent;
}

Result<void> Sink::settle(const Request& request, const Response& response, std::size_t first, std::size_t end,
                          BatchContext& context) const {
  const State& state = *state_;
  if (!state.options.results) {
    if (response.status != 207) return {};
    return failure(
        state.wrong(request, response,
                    "the service reports the outcome of each item: set `results`, which says where in the answer"));
  }
  if (const auto problem = json::problem(response.body))
    return failure(state.wrong(request, response, "the answer is no JSON: " + *problem));
  const auto array = json::at(response.body, state.array);
  const auto entries = array ? json::elements(*array) : std::nullopt;
  if (!entries || entries->size() != end - first)
    return failure(state.wrong(request, response,
                               fmt::format("the answer must have {} entries at '{}' and has {}", end - first,
                                           state.options.results->array, entries ? entries->size() : 0)));
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const std::string text = json::scalar(json::at((*entries)[i], state.status).value_or("null"));
    int status = 0;
    std::from_chars(text.data(), text.data() + text.size(), status);
    if (status < 100)
      return failure(state.wrong(request, response,
                                 fmt::format("entry {} has no status at '{}'", i, state.options.results->status)));
    if (status >= 200 && status < 300) continue;
    const Response item{.status = status, .url = response.url};
    const auto said = json::at((*entries)[i], state.error);
    Error error = state.client.error_of(request, item, said ? json::scalar(*said) : std::string((*entries)[i]));
    if (error.error_class == ErrorClass::Transient)
      context.retry(first + i, std::move(error));
    else
      context.reject(first + i, std::move(error));
  }
  return {};
}

}  // namespace etl::inline v0::http
