#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/http/pages.hpp>
#include <etl/policy/waiter.hpp>

#include "json.hpp"
#include "number.hpp"
#include "shown.hpp"

namespace etl::inline v0::http {
namespace {

using Kind = Paging::Kind;
constexpr std::string_view version = "1 ";  // format version of positions
constexpr std::string_view last_page = "1 end";

bool counts(Kind kind) { return kind == Kind::Offset || kind == Kind::Number; }

/// Takes off the text before the next `separator` that is not within quotes or <>.
std::string_view take(std::string_view& text, char separator) {
  std::size_t end = 0;
  for (char until = 0; end < text.size() && (until != 0 || text[end] != separator); ++end) {
    const char c = text[end];
    if (until != 0)
      until = c == until ? '\0' : until;
    else if (c == '"' || c == '<')
      until = c == '<' ? '>' : '"';
  }
  const std::string_view front = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return front;
}
std::string_view trimmed(std::string_view text, std::string_view what) {
  text.remove_prefix(std::min(text.find_first_not_of(what), text.size()));
  return text.substr(0, text.find_last_not_of(what) + 1);
}

/// The URL of the link with the relation `next` (RFC 8288), or an empty text.
std::string next_link(std::string_view header) {
  while (!header.empty()) {
    std::string_view link = take(header, ',');
    const std::string_view url = trimmed(take(link, ';'), " \t<>");
    while (!link.empty()) {
      std::string_view value = take(link, ';');
      if (!same_name(trimmed(take(value, '='), " \t"), "rel")) continue;
      for (value = trimmed(value, " \t\""); !value.empty();)
        if (same_name(take(value, ' '), "next")) return std::string(url);
    }
  }
  return {};
}

/// Removes secret parameters from the URL of a position, or puts them back. A parameter is removed if it is secret in
/// `base` and has the same value in `url`.
std::string without_credentials(const Url& url, const Url& base, bool put_back) {
  std::string text = url.text();
  text.erase(0, std::min(text.find_first_of("/?", text.find("://") + 3), text.size()));
  for (std::string_view rest = base.query(); !rest.empty();) {
    const std::string_view one = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    const std::size_t equals = one.find('=');
    if (equals == std::string_view::npos || !is_secret_name(one.substr(0, equals))) continue;
    const std::string hidden = std::string(one.substr(0, equals + 1)) + "***", open(one);
    const std::string &from = put_back ? hidden : open, &to = put_back ? open : hidden;
    // As a whole parameter: key=... is also the end of apikey=...
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + 1)) {
      const std::size_t end = at + from.size();
      const bool begins = at > 0 && (text[at - 1] == '?' || text[at - 1] == '&');
      if (!begins || (end < text.size() && text[end] != '&' && text[end] != '#')) continue;
      text.replace(at, from.size(), to);
      break;
    }
  }
  return text;
}

}  // namespace

struct Pages::State {
  State(Client its_client, const PagesOptions& its_options, Url first)
      : client(std::move(its_client)),
        options(its_options),
        base(std::move(first)),
        limiter(options.rates),
        count(options.paging.first()),
        url(base) {}

  Client client;
  PagesOptions options;
  Url base;
  std::vector<std::string> records{};  ///< JSON pointer to the records
  std::vector<std::string> next{};     ///< JSON pointer to the next page
  RateLimiter limiter;
  std::uint64_t count;                         ///< number or offset of the page, for pagings that count
  std::string cursor{};                        ///< empty for the first page
  Url url;                                     ///< URL of the page, for pagings by URL
  std::string remembered{};                    ///< cursor or URL of an earlier page
  std::uint64_t turns = 0, turns_to_take = 1;  ///< pages since then, and pages after which a later one is remembered
  bool ended = false;

  [[nodiscard]] Url page_url() const {
    switch (options.paging.kind()) {
      case Kind::Offset:
      case Kind::Number: return base.with_instead(options.paging.parameter(), std::to_string(count));
      case Kind::Cursor:
      case Kind::CursorHeader: return cursor.empty() ? base : base.with_instead(options.paging.parameter(), cursor);
      default: return url;
    }
  }
  [[nodiscard]] Error wrong(const Response& response, std::string what) const {
    std::string context = fmt::format("{}: {}", shown_request(options.request, response.url), what);
    return {.code = Problem::Content,
            .context = without_secrets(std::move(context), options.request, client.options())};
  }

  /// Whether pages lead in a circle to the remembered page, which Brent's algorithm moves on in growing steps.
  [[nodiscard]] bool was_there(const std::string& next_page) {
    if (next_page == remembered) return true;
    if (++turns == turns_to_take) {
      remembered = next_page;
      turns_to_take *= 2;
      turns = 0;
    }
    return false;
  }
  /// The text that leads to the next page. A service may end with null or false.
  [[nodiscard]] Result<std::string> next_in(const Response& response, std::string_view json) const {
    const auto value = json::at(json, next);
    if (!value || *value == "false") return std::string();
    if (value->front() == '{' || value->front() == '[' || *value == "true")
      return failure(wrong(response, fmt::format("the next page must be a text or a number at '{}', but it is: {}",
                                                 options.paging.where(), excerpt(*value))));
    return json::scalar(*value);
  }

  [[nodiscard]] Result<void> start_at(const std::string& position) {
    const auto bad = [&] {
      return failure(Error{.code = Errc::CheckpointMismatch,
                           .context = fmt::format("pages of {}: '{}' is not a position in these pages", base.shown(),
                                                  excerpt(position))});
    };
    if (!position.starts_with(version) || position.size() == version.size()) return bad();
    const std::string text = position.substr(version.size() + 1);
    if (position == last_page) {
      ended = true;
    } else if (position[version.size()] == '#' && counts(options.paging.kind())) {
      const auto read = number(text);
      if (!read) return bad();
      count = *read;
    } else if (position[version.size()] == '>' && !counts(options.paging.kind()) && !text.empty()) {
      cursor = text;
      if (options.paging.kind() != Kind::Link && options.paging.kind() != Kind::Url) return {};
      Result<Url> at = base.resolve(text);
      if (at) at = base.resolve(without_credentials(*at, base, true));
      if (!at || !at->same_origin(base)) return bad();
      url = std::move(*at);
    } else {
      return bad();
    }
    return {};
  }

  /// Continues with the page after this one. Returns its position.
  [[nodiscard]] Result<Position> advance(const Response& response, std::string_view json, std::size_t got) {
    const Paging& paging = options.paging;
    const auto end = [&] { return ended = true, Position(std::string(last_page)); };
    if (counts(paging.kind())) {
      if (got == 0) return end();
      count += paging.kind() == Kind::Offset ? got : 1;
      return Position(fmt::format("{}#{}", version, count));
    }
    std::string found;
    if (paging.kind() == Kind::Link) found = next_link(response.headers.joined("Link"));
    if (paging.kind() == Kind::CursorHeader) found = response.headers.find(paging.where()).value_or("");
    if (paging.kind() == Kind::Cursor || paging.kind() == Kind::Url) {
      Result<std::string> text = next_in(response, json);
      if (!text) return failure(std::move(text.error()));
      found = std::move(*text);
    }
    if (found.empty()) return end();
    if (paging.kind() == Kind::Cursor || paging.kind() == Kind::CursorHeader) {
      if (found == cursor)
        return failure(wrong(response, "the cursor of the next page is the same as the cursor of this page"));
      if (was_there(found))
        return failure(
            wrong(response, fmt::format("the pages form a circle: the cursor '{}' comes again", excerpt(found))));
      cursor = found;
      return Position(fmt::format("{}>{}", version, cursor));
    }
    const Result<Url> here = Url::parse(response.url);
    Result<Url> there = here ? here->resolve(found) : here;
    if (!there) return failure(wrong(response, "the next page: " + there.error().message()));
    if (!there->same_origin(base))
      return failure(wrong(
          response, fmt::format("the next page is on another server, {}: it would get the credentials of this server",
                                there->shown())));
    if (there->text() == page_url().text()) return failure(wrong(response, "the next page is this page again"));
    if (was_there(there->text()))
      return failure(wrong(response, fmt::format("the pages form a circle: {} comes again", there->shown())));
    url = std::move(*there);
    return Position(fmt::format("{}>{}", version, without_credentials(url, base, false)));
  }
};

Pages::Pages(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pages::Pages(Pages&&) noexcept = default;
Pages& Pages::operator=(Pages&&) noexcept = default;
Pages::~Pages() = default;

Result<Pages> Pages::make(Client client, const PagesOptions& options, const std::optional<Position>& from) {
  if (auto problem = options.retry.validate()) return failure(std::move(*problem));
  Result<Url> base = Url::parse(options.request.url);
  if (!base) return failure(std::move(base.error()));
  auto records = json::pointer(options.records);
  if (!records) return failure(std::move(records.error()));
  const bool in_body = options.paging.kind() == Kind::Cursor || options.paging.kind() == Kind::Url;
  auto next = json::pointer(in_body ? options.paging.where() : "");
  if (!next) return failure(std::move(next.error()));
  Pages pages(std::make_unique<State>(std::move(client), options, std::move(*base)));
  pages.state_->records = std::move(*records);
  pages.state_->next = std::move(*next);
  if (from)
    if (auto started = pages.state_->start_at(from->text()); !started) return failure(std::move(started.error()));
  return pages;
}

Result<std::optional<Page>> Pages::next(const std::stop_token& stop) {
  State& state = *state_;
  if (state.ended) return std::optional<Page>();
  const Waiter waiter(stop);
  Request request = state.options.request;
  const Url url = state.page_url();
  request.url = url.text();
  if (!request.headers.contains("Accept")) request.headers.set("Accept", "application/json");
  if (!request.auth && !url.user().empty()) request.auth = Auth::basic(url.user(), url.password());
  Result<Response> response = retry(
      state.options.retry,
      [&]() -> Result<Response> {
        if (!state.limiter.acquire(1, 0, waiter))
          return failure(Error{.code = Problem::Stopped, .context = shown_request(request) + ": stopped"});
        return state.client.send(request, stop);
      },
      waiter);
  if (!response) return failure(std::move(response.error()));
  const auto body = std::make_shared<const std::string>(std::move(response->body));
  if (const auto problem = json::problem(*body))
    return failure(state.wrong(*response, fmt::format("the answer is no JSON: {}: {}", *problem, excerpt(*body))));
  const auto array = json::at(*body, state.records);
  auto records = array ? json::elements(*array) : std::nullopt;
  if (array && *array == "null") records.emplace();  // services write an empty page so, too
  if (!records)
    return failure(state.wrong(*response, fmt::format("there is {} at '{}': {}", array ? "no array" : "nothing",
                                                      state.options.records, excerpt(*body))));
  Result<Position> after = state.advance(*response, *body, records->size());
  if (!after) return failure(std::move(after.error()));
  return Page{.records = std::move(*records), .keep = body, .after = std::move(*after)};
}

}  // namespace etl::inline v0::http
