#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>

#include <etl/postgres/script.hpp>

#include "state.hpp"

namespace etl::inline v0::postgres {
namespace {

// --- checks ----------------------------------------------------------------------------------------------------------

constexpr int most_shown = 3;

std::string shown_row(const Rows& rows, int row) {
  std::string text;
  for (int column = 0; column < rows.columns(); ++column) {
    text += column == 0 ? "" : ", ";
    if (const auto name = rows.column_name(column); name != "?column?") text.append(name) += '=';
    text += rows.is_null(row, column) ? "NULL" : printable(rows.text(row, column), 60);
  }
  return text;
}

/// Returns what the check has found wrong, or an empty text.
Result<std::string> violations(Connection& connection, std::string_view sql, std::size_t number) {
  while (!sql.empty() && (sql.back() == ';' || std::isspace(static_cast<unsigned char>(sql.back())) != 0))
    sql.remove_suffix(1);
  // A cursor accepts only a query, and leaves most of a long result on the server. The line break is needed because
  // the text may end with a comment.
  const Result<Rows> rows = run(
      connection, fmt::format("DECLARE etl_{0} CURSOR FOR {1}\n;FETCH {2} FROM etl_{0}", number, sql, most_shown + 1),
      shown_sql(sql));
  if (!rows) return failure(rows.error());
  constexpr Oid boolean = 16;
  const bool holds =
      rows->size() == 1 && rows->columns() == 1 && PQftype(rows->handle(), 0) == boolean && rows->text(0, 0) == "t";
  if (rows->size() == 0 || holds) return std::string();
  std::string text = shown_sql(sql) + " gives";
  for (int row = 0; row < std::min(rows->size(), most_shown); ++row)
    text += fmt::format("{} ({})", row == 0 ? "" : ",", shown_row(*rows, row));
  return rows->size() > most_shown ? text + ", ..." : text;
}

// --- scripts ---------------------------------------------------------------------------------------------------------

/// Where a statement begins.
struct Start {
  std::size_t at = 0;
  bool in_body = false;  ///< the statement is in the body of a function in SQL: BEGIN ATOMIC ...; END
};
/// Finds where the statements of a script begin, by the rules of PostgreSQL's lexer.
class Splitter {
 public:
  explicit Splitter(std::string_view sql) : sql_(sql) {}
  [[nodiscard]] std::vector<Start> starts() {
    std::vector<Start> all;
    std::string first, before;  // the first word of the statement, and the word before the current word
    bool in_body = false;
    for (bool fresh = true; at_ < sql_.size();) {
      const char c = sql_[at_];
      if (std::isspace(static_cast<unsigned char>(c)) != 0 || comment()) {
        if (at_ < sql_.size() && std::isspace(static_cast<unsigned char>(sql_[at_])) != 0) ++at_;
        continue;
      }
      if (c == ';') {
        fresh = true;
        ++at_;
        continue;
      }
      const std::size_t at = at_;
      std::string word = token();
      if (std::exchange(fresh, false)) {
        all.push_back({.at = at, .in_body = in_body});
        in_body = in_body && word != "END";
        first = word;
      } else if (first == "CREATE" && before == "BEGIN" && word == "ATOMIC") {
        in_body = fresh = true;
      }
      before = std::move(word);
    }
    return all;
  }

 private:
  static bool is_word(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return std::isalnum(byte) != 0 || c == '_' || byte >= 0x80;
  }
  /// Moves to the place after the next `end`.
  void skip_past(std::string_view end) {
    const std::size_t found = sql_.find(end, at_);
    at_ = found == std::string_view::npos ? sql_.size() : found + end.size();
  }
  bool comment() {
    const std::string_view rest = sql_.substr(at_);
    if (rest.starts_with("--")) return skip_past("\n"), true;
    if (!rest.starts_with("/*")) return false;
    for (int depth = 0; at_ < sql_.size();) {  // comments may be nested
      const std::string_view two = sql_.substr(at_, 2);
      depth += two == "/*" ? 1 : two == "*/" ? -1 : 0;
      at_ += two == "/*" || two == "*/" ? 2U : 1U;
      if (depth == 0) break;
    }
    return true;
  }
  void quoted(char quote, bool has_escapes) {
    for (++at_; at_ < sql_.size() && sql_[at_] != quote; ++at_)
      if (has_escapes && sql_[at_] == '\\') ++at_;
    at_ = std::min(at_ + 1, sql_.size());  // a doubled quote begins the next part of the literal
  }
  /// Moves to the place after a token. Returns a word in capital letters; an empty text for other tokens.
  std::string token() {
    const char c = sql_[at_];
    if (c == '\'' || c == '"') return quoted(c, false), "";
    if (c == '$') {
      const std::size_t end = sql_.find('$', at_ + 1);
      const auto tag = sql_.substr(at_, end == std::string_view::npos ? 1 : end - at_ + 1);
      at_ += tag.size() > 1 && std::ranges::all_of(tag.substr(1, tag.size() - 2), is_word) ? tag.size() : 1;
      if (tag.size() > 1 && sql_[at_ - 1] == '$' && sql_.substr(at_ - tag.size(), tag.size()) == tag) skip_past(tag);
      return "";
    }
    if (!is_word(c)) return ++at_, "";
    const std::size_t start = at_;
    while (at_ < sql_.size() && (is_word(sql_[at_]) || sql_[at_] == '$')) ++at_;
    const bool is_e = at_ - start == 1 && (c == 'e' || c == 'E');
    std::string word(sql_.substr(start, at_ - start));
    std::ranges::transform(word, word.begin(),
                           [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
    if (is_e && at_ < sql_.size() && sql_[at_] == '\'') quoted('\'', true);
    return word;
  }
  std::string_view sql_;
  std::size_t at_ = 0;
};

std::size_t line_of(std::string_view sql, std::size_t at) {
  return 1 + static_cast<std::size_t>(std::ranges::count(sql.substr(0, at), '\n'));
}
/// The offset of the character with this number, counted from 1.
std::size_t place_of_character(std::string_view sql, std::size_t number) {
  std::size_t at = 0;
  for (; at < sql.size(); ++at)
    if ((static_cast<unsigned char>(sql[at]) & 0xc0U) != 0x80U && --number == 0) break;
  return at;
}

/// Whether a statement would end the transaction that the script runs in, or begin another.
bool is_transaction_control(std::string_view statement) {
  std::string words;  // the first two words
  for (int spaces = 0; const char c : statement) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isspace(byte) != 0 && !words.ends_with(' ') && ++spaces == 2) break;
    if (std::isalpha(byte) == 0 && std::isspace(byte) == 0) break;
    if (std::isspace(byte) == 0)
      words += static_cast<char>(std::toupper(byte));
    else if (!words.ends_with(' '))
      words += ' ';
  }
  if (words.starts_with("ROLLBACK TO")) return false;
  const std::string_view first = std::string_view(words).substr(0, words.find(' '));
  return first == "BEGIN" || first == "COMMIT" || first == "END" || first == "ROLLBACK" || first == "ABORT" ||
         words.starts_with("START TRANSACTION") || words.starts_with("PREPARE TRANSACTION");
}

struct Failed {
  std::size_t statement = 0;
  std::optional<std::size_t> character{};  // counted from 1
  Error error;
};

/// Reads all results, and returns the first error.
std::optional<Failed> first_failure(const Connection::State& state, std::string_view name) {
  std::optional<Failed> failed;
  std::size_t statement = 0;
  while (PGresult* const result = PQgetResult(state.handle)) {
    const Rows rows(result);
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COPY_IN) PQputCopyEnd(state.handle, "a script cannot copy from its client");
    if (status == PGRES_COPY_OUT) {
      for (char* piece = nullptr; PQgetCopyData(state.handle, &piece, 0) > 0;) PQfreemem(piece);
      if (!failed)
        failed = {.statement = statement,
                  .error = own_error(
                      "0A000", ErrorClass::Fatal,
                      fmt::format("{}: {}: COPY TO STDOUT: a script cannot copy to its client", state.name, name))};
      continue;
    }
    if (status != PGRES_FATAL_ERROR && status != PGRES_BAD_RESPONSE) {
      statement += status == PGRES_COPY_IN ? 0 : 1;
      continue;
    }
    if (failed) continue;
    failed = {.statement = statement, .error = error_of(state, result, name)};
    const char* const position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    std::size_t character = 0;
    if (position != nullptr) std::from_chars(position, position + std::string_view(position).size(), character);
    if (character > 0) failed->character = character;
    if (state.lost()) break;
  }
  return failed;
}

}  // namespace

Result<void> check_integrity(Connection& connection, std::span<const std::string> statements) {
  auto transaction = connection.begin();
  if (!transaction) return failure(std::move(transaction.error()));
  if (auto set = transaction->execute("SET TRANSACTION READ ONLY"); !set) return set;
  std::string all;
  for (std::size_t i = 0; i < statements.size(); ++i) {
    Result<std::string> wrong = violations(connection, statements[i], i);
    if (!wrong) return failure(std::move(wrong.error()));
    if (!wrong->empty()) all.append(all.empty() ? "" : "; ").append(*wrong);
  }
  if (all.empty()) return {};
  return failure({.code = Errc::CheckFailed,
                  .context = fmt::format("{}: the check of the data fails: {}", connection.name(), all)});
}

namespace {

Result<void> run_all(Connection& connection, std::string_view sql, std::string_view name) {
  std::vector<Start> starts = Splitter(sql).starts();
  const auto placed = [&](std::size_t at) { return fmt::format("{}:{}", name, line_of(sql, at)); };
  if (const std::size_t at = sql.find('\0'); at != std::string_view::npos)
    return failure(own_error("0A000", ErrorClass::Fatal,
                             fmt::format("{}: {}: the script has a NUL character, and the server would ignore the "
                                         "text after it: remove the NUL character",
                                         connection.name(), placed(at))));
  for (const Start& start : starts)
    if (!start.in_body && is_transaction_control(sql.substr(start.at)))
      return failure(
          own_error("0A000", ErrorClass::Fatal,
                    fmt::format("{}: {}: {}: the script already runs in one transaction: leave out BEGIN, "
                                "COMMIT, END and ROLLBACK",
                                connection.name(), placed(start.at),
                                shown_sql(sql.substr(start.at, sql.find_first_of(";\n", start.at) - start.at)))));
  // For the server, a function is one statement.
  std::erase_if(starts, [](const Start& start) { return start.in_body; });
  auto transaction = connection.begin();
  if (!transaction) return failure(std::move(transaction.error()));
  Connection::State& state = connection.state();
  if (PQsendQuery(state.handle, std::string(sql).c_str()) == 0) return failure(error_of(state, nullptr, name));
  if (std::optional<Failed> failed = first_failure(state, name)) {
    std::size_t at = starts.empty() ? 0 : starts[std::min(failed->statement, starts.size() - 1)].at;
    if (failed->character) at = place_of_character(sql, *failed->character);
    Error& error = failed->error;
    const std::string plain = fmt::format("{}: {}: ", connection.name(), name);
    if (error.context.starts_with(plain))
      error.context.replace(0, plain.size(), fmt::format("{}: {}: ", connection.name(), placed(at)));
    return failure(std::move(error));
  }
  return transaction->commit();
}

}  // namespace

Result<void> run_script(Connection& connection, std::string_view sql, std::string_view name) {
  Result<void> done = run_all(connection, sql, name);
  if (done) return done;
  const ErrorClass error_class = done.error().error_class;
  return failure({.code = Errc::ScriptFailed,
                  .error_class = error_class,
                  .context = fmt::format("{} has failed and was rolled back", name),
                  .cause = std::make_shared<const Error>(std::move(done.error()))});
}

Result<void> run_script_file(Connection& connection, const std::filesystem::path& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  const std::string sql{std::istreambuf_iterator<char>(file), {}};
  if (!file.is_open() || file.bad())
    return failure({.code = std::error_code(errno == 0 ? EIO : errno, std::generic_category()),
                    .context = fmt::format("{}: the script cannot be read", path.string())});
  return run_script(connection, sql, path.string());
}

}  // namespace etl::inline v0::postgres
