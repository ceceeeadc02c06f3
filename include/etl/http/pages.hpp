#pragma once
/// REST interfaces that give their records page by page, as a source that can resume at any page.
///
///     const etl::http::PagesOptions orders{.request = {.url = "https://host/orders"},
///                                          .records = "/data",
///                                          .paging = etl::http::Paging::cursor("after", "/next")};
///     etl::Result<void> extract(etl::Emitter<std::string>& out) const {  // the JSON of each record
///       return etl::http::extract(client, orders, out);
///     }

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <etl/config.hpp>
#include <etl/emitter.hpp>
#include <etl/error.hpp>
#include <etl/http/client.hpp>
#include <etl/policy/rate_limit.hpp>
#include <etl/policy/retry.hpp>
#include <etl/position.hpp>

namespace etl::inline v0::http {

/// How one page leads to the next page. A value.
class Paging {
 public:
  /// How one page leads to the next.
  enum class Kind : std::uint8_t { None, Offset, Number, Cursor, CursorHeader, Link, Url };

  /// All records are in the first answer.
  [[nodiscard]] static Paging none() { return Paging(Kind::None, {}, {}, 0); }
  /// `?PARAMETER=N`, the number of records before the page. Ends with a page without records.
  [[nodiscard]] static Paging offset(std::string parameter = "offset", std::uint64_t first = 0) {
    return {Kind::Offset, std::move(parameter), {}, first};
  }
  /// `?PARAMETER=N`, the number of the page. Ends with a page without records.
  [[nodiscard]] static Paging number(std::string parameter = "page", std::uint64_t first = 1) {
    return {Kind::Number, std::move(parameter), {}, first};
  }
  /// `?PARAMETER=CURSOR`; the cursor is at a JSON pointer in the previous page. Ends when the cursor is missing, null
  /// or empty.
  [[nodiscard]] static Paging cursor(std::string parameter, std::string pointer) {
    return {Kind::Cursor, std::move(parameter), std::move(pointer), 0};
  }
  /// The same with the cursor in a header of the previous answer.
  [[nodiscard]] static Paging cursor_in_header(std::string parameter, std::string header) {
    return {Kind::CursorHeader, std::move(parameter), std::move(header), 0};
  }
  /// The header `Link: <URL>; rel="next"` (RFC 8288). Ends with an answer that has none.
  [[nodiscard]] static Paging link() { return Paging(Kind::Link, {}, {}, 0); }
  /// A URL at a JSON pointer in the previous page. Ends when the URL is missing, null or empty.
  [[nodiscard]] static Paging next_url(std::string pointer) { return {Kind::Url, {}, std::move(pointer), 0}; }

  /// The kind of paging.
  [[nodiscard]] Kind kind() const noexcept { return kind_; }
  /// The parameter of the URL.
  [[nodiscard]] const std::string& parameter() const noexcept { return parameter_; }
  [[nodiscard]] const std::string& where() const noexcept { return where_; }  ///< pointer or header
  /// The number of the first page or record.
  [[nodiscard]] std::uint64_t first() const noexcept { return first_; }

 private:
  Paging(Kind kind, std::string parameter, std::string where, std::uint64_t first)
      : kind_(kind), parameter_(std::move(parameter)), where_(std::move(where)), first_(first) {}
  Kind kind_;
  std::string parameter_;
  std::string where_;
  std::uint64_t first_;
};

/// Settings of a `Pages`. An aggregate.
struct PagesOptions {
  Request request{};               ///< request of the first page, with the size of pages and filters in its URL
  std::string records{};           ///< JSON pointer (RFC 6901) to the array of records; "": the answer is that array
  Paging paging = Paging::none();  ///< how one page leads to the next
  Rates rates{};                   ///< limit of requests: `items_per_second` counts requests
  RetryPolicy retry{.max_attempts = 5};  ///< attempts for each page
};

/// The records of one answer. A value; the texts live as long as one copy of `keep`.
struct Page {
  std::vector<std::string_view> records{};  ///< the JSON of each record, as the server wrote it
  std::shared_ptr<const void> keep{};       ///< keeps the texts alive
  Position after{};  ///< from which the next page is read, without the credentials of the request; secrets that the
                     ///< service itself puts into a link to the next page stay in it
};

/// Reads pages one after the other. Belongs to one thread at a time.
class Pages {
 public:
  /// `from` is `Page::after` of an earlier page. A wrong URL, JSON pointer or position is an error.
  [[nodiscard]] static Result<Pages> make(Client client, const PagesOptions& options,
                                          const std::optional<Position>& from = {});
  Pages(Pages&&) noexcept;
  Pages& operator=(Pages&&) noexcept;
  ~Pages();

  /// The next page, which may be empty; nothing after the last one. An answer that is not JSON, has no array at the
  /// pointer, repeats its cursor, or leads to another origin is an error (`Problem::Content`).
  [[nodiscard]] Result<std::optional<Page>> next(const std::stop_token& stop = {});

 private:
  struct State;
  explicit Pages(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Pushes all records after `out.resume_from()`, and marks the beginning of each page. `E` holds the JSON of a record:
/// a `std::string`, or a `std::string_view` that lives until its batch is settled. A run that was killed resumes at its
/// last page; this gives the same records only if the server returns the same records for this page. An incremental run
/// (`DeliveryOptions::incremental`) reads the last page again, and loads the records that were added since.
template <class E>
  requires std::is_constructible_v<E, std::string_view>
[[nodiscard]] Result<void> extract(const Client& client, const PagesOptions& options, Emitter<E>& out) {
  Result<Pages> pages = Pages::make(client, options, out.resume_from());
  if (!pages) return failure(std::move(pages.error()));
  std::optional<Position> here;  // the page's own position
  for (;;) {
    Result<std::optional<Page>> page = pages->next(out.stop_token());
    if (!page && out.stop_token().stop_requested()) return {};
    if (!page) return failure(std::move(page.error()));
    if (!*page) return {};
    if (here && !(*page)->records.empty()) out.mark(std::move(*here));
    if constexpr (std::is_same_v<E, std::string_view>) out.retain((*page)->keep);
    for (const std::string_view record : (*page)->records)
      if (!out.push(E(record))) return {};
    here = std::move((*page)->after);
  }
}

}  // namespace etl::inline v0::http
