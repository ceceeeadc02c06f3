/// Finds the rows of a batch that the server refuses, and copies the others.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/postgres/error_table.hpp>
#include <etl/postgres/sink.hpp>

#include "sql.hpp"
#include "state.hpp"

namespace etl::inline v0::postgres::detail {
namespace {

struct Range {
  std::size_t first;
  std::size_t last;
  [[nodiscard]] std::size_t size() const { return last - first; }
};

/// The parts to try next, in this order: before the suspect, the suspect, after the suspect.
std::vector<Range> parts_of(Range range, std::optional<std::size_t> suspect) {
  std::vector<Range> parts;
  const auto add = [&](std::size_t first, std::size_t last) {
    if (first < last) parts.push_back({first, last});
  };
  if (!suspect || *suspect >= range.size()) {
    const std::size_t middle = range.first + range.size() / 2;
    add(range.first, middle);
    add(middle, range.last);
    return parts;
  }
  const std::size_t at = range.first + *suspect;
  add(range.first, at);
  add(at, at + 1);
  // Bad rows are often neighbours, so a long rest is halved if the part before the suspect was short.
  const std::size_t rest = range.last - at - 1;
  const std::size_t middle = rest > 8 * (*suspect + 1) ? at + 1 + rest / 2 : at + 1;
  add(at + 1, middle);
  add(middle, range.last);
  return parts;
}

}  // namespace

std::string check_now(const Target& target) { return "SET CONSTRAINTS " + target.deferred + " IMMEDIATE"; }

Result<void> set_savepoint(Connection& connection, const Target& target) {
  return without_rows(run(connection, "SAVEPOINT etl_rows", target.doing));
}
Result<void> rollback_to_savepoint(Connection& connection, const Target& target) {
  return without_rows(run(connection, "ROLLBACK TO SAVEPOINT etl_rows; RELEASE SAVEPOINT etl_rows", target.doing));
}

namespace {

/// Turns the error of a value into the error of its column.
Error of_column(Error error, std::string_view column) {
  const std::string code = error.code.message();  // "SQLSTATE 42P01"
  const std::string_view remedy = meaning_of(std::string_view(code).substr(code.rfind(' ') + 1)).remedy;
  // The remedy is for statements, not for values.
  if (!remedy.empty() && error.context.ends_with(remedy))
    error.context.resize(error.context.size() - remedy.size() - 2);
  error.context.append(fmt::format(" (column '{}')", printable(column)));
  error.error_class = ErrorClass::Rejected;
  return error;
}

/// Casts the values of one row, one column after the other, and stores each value in a table of only that column,
/// because some limits, such as the length of bit(3), hold for the column and not for the cast. Returns the error of
/// the first value that is refused. Returns nothing if no value is refused: then the error of the row had another
/// cause.
Result<std::optional<Error>> refused_by_cast(Connection& connection, const Target& target, std::span<const char> row,
                                             const RowNames& names, std::size_t at) {
  for (const auto& [column, type] : target.casts) {
    Target one = target;
    one.casts.clear();
    const std::string name = quoted(std::string_view(column)), alone = target.stage + "_value";
    one.make_stage += fmt::format(";CREATE TEMP TABLE {} AS SELECT {} FROM {} WITH NO DATA",
                                  alone.substr(alone.find('.') + 1), name, target.table);
    one.merge = fmt::format("INSERT INTO {} SELECT {}::{} FROM {}", alone, name, type, target.stage);
    if (Result<void> marked = set_savepoint(connection, target); !marked) return failure(std::move(marked.error()));
    Result<void> cast;
    {
      Copy copy(connection, one, Scope::Open);
      cast = copy.begin();
      if (cast) cast = copy.send(row);
      if (cast) cast = copy.end(names, at, at + 1);
    }
    if (!cast && cast.error().error_class == ErrorClass::Transient) return failure(std::move(cast.error()));
    if (Result<void> undone = rollback_to_savepoint(connection, target); !undone)
      return failure(std::move(undone.error()));
    if (!cast) return std::optional(of_column(std::move(cast.error()), column));
  }
  return std::optional<Error>();
}

}  // namespace

Result<void> copy_isolated(Connection& connection, const Target& target, Scope scope, const SentRows& rows,
                           const RowNames& names, Refused& refused) {
  std::optional<Transaction> own;
  if (scope == Scope::Own) {
    Result<Transaction> begun = connection.begin();
    if (!begun) return failure(std::move(begun.error()));
    own.emplace(std::move(*begun));
    if (auto set = run(connection, std::string("SET TRANSACTION ") + sees_others, target.doing); !set)
      return without_rows(std::move(set));
  }
  if (target.locked)
    if (auto alone = run(connection, lock_if_first(*target.locked), target.doing); !alone)
      return without_rows(std::move(alone));
  // Checks deferred constraints now. At the commit, the failing row could not be found.
  if (!target.deferred.empty())
    if (auto set = run(connection, check_now(target), target.doing); !set) return without_rows(std::move(set));
  std::vector<Range> todo{{0, rows.ends.size()}};
  while (!todo.empty()) {
    const Range range = todo.back();
    todo.pop_back();
    if (range.size() == 0) continue;
    if (Result<void> marked = set_savepoint(connection, target); !marked) return marked;
    Copy copy(connection, target, Scope::Open);
    const std::size_t from = range.first == 0 ? 0 : rows.ends[range.first - 1];
    const auto bytes = rows.bytes.subspan(from, rows.ends[range.last - 1] - from);
    Result<void> copied = copy.begin();
    if (copied) copied = copy.send(bytes);
    if (copied) copied = copy.end(names, range.first, range.last);
    if (copied) {
      if (auto kept = run(connection, "RELEASE SAVEPOINT etl_rows", target.doing); !kept)
        return without_rows(std::move(kept));
      continue;
    }
    const bool is_rejected = copied.error().error_class == ErrorClass::Rejected;
    if (!is_rejected && !copy.may_be_cast()) return copied;
    if (Result<void> undone = rollback_to_savepoint(connection, target); !undone) return undone;
    if (range.size() == 1) {
      Result<std::optional<Error>> cast;
      if (copy.may_be_cast()) cast = refused_by_cast(connection, target, bytes, names, range.first);
      if (!cast) return failure(std::move(cast.error()));
      if (!*cast && !is_rejected) return copied;
      refused.emplace_back(range.first, *cast ? std::move(**cast) : std::move(copied.error()));
      continue;
    }
    const std::vector<Range> parts = parts_of(range, copy.suspect());
    todo.insert(todo.end(), parts.rbegin(), parts.rend());
  }
  return own ? own->commit() : Result<void>();
}

}  // namespace etl::inline v0::postgres::detail
