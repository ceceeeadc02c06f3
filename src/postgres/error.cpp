#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <etl/postgres/error_table.hpp>

#include "state.hpp"

namespace etl::inline v0::postgres {
namespace {

constexpr int code_base = 36;

/// "23505", or empty if the code is not a SQLSTATE.
std::string state_of(int code) {
  std::string text(5, '0');
  for (auto c = text.rbegin(); c != text.rend(); ++c, code /= code_base) {
    const int digit = code % code_base;
    *c = static_cast<char>(digit < 10 ? '0' + digit : 'A' + digit - 10);
  }
  return text;
}

using enum ErrorClass;

/// A message of libpq before a server was reached, recognised by a part of its text.
struct Refusal {
  std::string_view state;
  ErrorClass error_class;
  std::string_view remedy;
};
constexpr std::array refusals = {
    std::pair{"no password supplied", Refusal{"28P01", Fatal, "give one in the URL, PGPASSWORD or ~/.pgpass"}},
    std::pair{"translate host name", Refusal{"08001", Transient, "check the host's name in the URL"}},
    std::pair{"SSL SYSCALL", Refusal{"08001", Transient, ""}},
    std::pair{"closed unexpectedly", Refusal{"08001", Transient, ""}},
    std::pair{"SSL", Refusal{"08001", Fatal, "check sslmode, sslrootcert and the like in the URL"}},
    std::pair{"sslmode", Refusal{"08001", Fatal, "check it in the URL"}},
    std::pair{"certificate", Refusal{"08001", Fatal, "check sslrootcert, sslcert and sslkey in the URL"}},
};

class Category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "postgres"; }
  [[nodiscard]] std::string message(int code) const override { return "SQLSTATE " + state_of(code); }
  [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
    static constexpr std::array<std::pair<std::string_view, std::errc>, 8> known = {{
        {"08", std::errc::not_connected},
        {"25006", std::errc::read_only_file_system},
        {"42501", std::errc::permission_denied},
        {"53100", std::errc::no_space_on_device},
        {"53200", std::errc::not_enough_memory},
        {"55P03", std::errc::device_or_resource_busy},
        {"57014", std::errc::timed_out},
        {"57P0", std::errc::not_connected},
    }};
    const std::string state = state_of(code);
    for (const auto& [prefix, condition] : known)
      if (state.starts_with(prefix)) return condition;
    return {code, *this};
  }
};

/// The text on one line, without details for the server's developers, and without hints that a remedy replaces.
std::string tidy(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    part.remove_prefix(std::min(part.find_first_not_of(" \t"), part.size()));
    if (part.empty() || part.starts_with("LOCATION:") || part.starts_with("Is the server running")) continue;
    line.append(line.empty() ? "" : " ").append(part);
  }
  return line;
}

/// The text with the remedy, if there is one.
std::string advised(std::string text, std::string_view remedy) {
  if (!remedy.empty()) text.append(": ").append(remedy);
  return text;
}

std::string_view field(const PGresult* result, int code) {
  const char* const text = PQresultErrorField(result, code);
  return text == nullptr ? std::string_view() : text;
}

/// The part `price: "12x"` of "COPY orders, line 17, column price: "12x"", in any language of the server. Empty for
/// other contexts, such as that of a trigger. Lines of the type's input function, such as that of json, may come first.
std::string_view copied_column(std::string_view context) {
  while (!context.starts_with("COPY ")) {
    const std::size_t end = context.find('\n');
    if (end == std::string_view::npos) return {};
    context.remove_prefix(end + 1);
  }
  context = context.substr(0, context.find('\n'));
  for (const std::string_view end : {", ", ", ", " "}) {
    const std::size_t at = context.find(end);
    if (at == std::string_view::npos) return {};
    context.remove_prefix(at + end.size());
  }
  return context;
}

}  // namespace

const std::error_category& error_category() noexcept {
  static const Category category;
  return category;
}

std::error_code sqlstate(std::string_view state) noexcept {
  int code = 0;
  for (const char c : state) code = code * code_base + (c <= '9' ? c - '0' : c - 'A' + 10);
  return {code, error_category()};
}

Error own_error(std::string_view state, ErrorClass error_class, std::string context) {
  return {.code = sqlstate(state), .error_class = error_class, .context = std::move(context)};
}

Error error_of(const Connection::State& state, const PGresult* result, std::string_view doing, WhenLost lost) {
  const std::string_view code = field(result, PG_DIAG_SQLSTATE);
  if (code.empty()) {
    std::string text =
        fmt::format("{}: {}: {}", state.name, doing,
                    tidy(result == nullptr ? PQerrorMessage(state.handle) : PQresultErrorMessage(result)));
    if (!state.lost()) return own_error("58000", Fatal, std::move(text));
    if (lost == WhenLost::NothingDone) return own_error("08006", Transient, std::move(text));
    return {.code = Errc::OutcomeUnknown,
            .context = text + ": the connection was lost during the commit: whether the commit succeeded is unknown"};
  }
  std::string text = fmt::format("{}: {}: {}", state.name, doing, tidy(field(result, PG_DIAG_MESSAGE_PRIMARY)));
  if (const auto detail = field(result, PG_DIAG_MESSAGE_DETAIL); !detail.empty())
    text.append(" (").append(printable(tidy(detail), 300)).append(")");
  StateMeaning meaning = meaning_of(code);
  if (const std::string_view column = copied_column(field(result, PG_DIAG_CONTEXT)); !column.empty()) {
    const std::string_view name = column.substr(0, column.find(": "));
    text.append(" (column '").append(printable(name)).append("'");
    text.append(printable(tidy(column.substr(name.size())), 300)).append(")");
    // The input function of a type may raise errors of any class, such as "relation does not exist" for a regclass.
    if (meaning.concern == Concern::File && code.substr(0, 2) != "22") meaning.error_class = Rejected;
  }
  // A row that a policy refuses has the code of a missing right, and only the place in the server tells them apart.
  if (code == "42501" && field(result, PG_DIAG_SOURCE_FUNCTION) == "ExecWithCheckOptions") {
    meaning.error_class = Rejected;
    meaning.remedy = "the table's policies (CREATE POLICY ... WITH CHECK) say which rows this user may write";
  }
  return own_error(code, meaning.error_class, advised(std::move(text), meaning.remedy));
}

Error connect_error(const std::string& name, std::string_view text) {
  // The text is `FATAL:  28P01: ...`; the severity is in the server's language.
  std::string message = tidy(text);
  for (std::size_t at = message.find(":  "); at != std::string::npos; at = message.find(":  ", at + 1)) {
    const std::string_view found = std::string_view(message).substr(at + 3, 5);
    const bool is_code = found.size() == 5 && std::ranges::all_of(found, [](char c) {
                           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
                         });
    if (!is_code || message.compare(at + 8, 2, ": ") != 0) continue;
    const std::string kept(found);
    message.erase(at + 2, 8);
    const StateMeaning meaning = meaning_of(kept);
    return own_error(kept, meaning.error_class, advised(fmt::format("{}: connect: {}", name, message), meaning.remedy));
  }
  const auto* const found =
      std::ranges::find_if(refusals, [&](const auto& one) { return message.find(one.first) != std::string::npos; });
  const StateMeaning unknown = meaning_of("08001");
  const Refusal meaning =
      found == refusals.end() ? Refusal{unknown.state, unknown.error_class, unknown.remedy} : found->second;
  return own_error(meaning.state, meaning.error_class,
                   advised(fmt::format("{}: connect: {}", name, message), meaning.remedy));
}

std::string shown_sql(std::string_view sql) {
  static constexpr std::string_view secret = "password";
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  const auto found = std::ranges::search(sql, secret, same);
  const auto shown = static_cast<std::size_t>(found.end() - sql.begin());
  return found.empty() ? printable(sql) : printable(sql.substr(0, shown)) + " ...";
}

}  // namespace etl::inline v0::postgres
