#include "table.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace program {
namespace {

/// The lines of a text.
std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// Follows the number in a record whose names are written by `on_one_line`.
constexpr std::string_view names_escaped = " escaped";
/// A name on one line: headers of spreadsheets may have line breaks.
std::string on_one_line(std::string_view name) {
  std::string line;
  for (const char c : name) line += c == '\n' ? "\\n" : c == '\\' ? "\\\\" : std::string(1, c);
  return line;
}
std::string from_one_line(std::string_view line) {
  std::string name;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool escaped = line[i] == '\\' && i + 1 < line.size();
    name += !escaped ? line[i] : line[++i] == 'n' ? '\n' : line[i];
  }
  return name;
}

/// The name under which the record of a table is kept.
std::string record_name(const Load& options) { return fmt::format("table {}", options.kept_as()); }
/// The name under which the name of a table is kept, by its identity.
std::string name_record(const TableIdentity& identity) {
  return fmt::format("name of table {} {}", identity.table, identity.store);
}

template <class Into>
etl::Result<std::optional<TableRecord>> find(Into& into, const Load& options) {
  const auto found = into.store().find(record_name(options));
  if (!found) return etl::failure(found.error());
  return *found ? TableRecord::from((*found)->fingerprint) : std::nullopt;
}
template <class Into>
etl::Result<void> save(Into& into, const Load& options, const TableRecord& record) {
  return into.store().save(record_name(options), {.fingerprint = record.text(), .batch_size = 1, .finished = true});
}

}  // namespace

std::string TableRecord::text() const {
  const bool escaped =
      std::ranges::any_of(inferred, [](const std::string& name) { return name.find('\n') != name.npos; });
  std::string text =
      fmt::format("{}{}\n{}\n{}\n", generation, escaped ? names_escaped : "", identity.table, identity.store);
  for (std::size_t i = 0; i < inferred.size(); ++i)
    text.append(i == 0 ? "" : "\n").append(escaped ? on_one_line(inferred[i]) : inferred[i]);
  return text;
}

std::optional<TableRecord> TableRecord::from(std::string_view text) {
  std::vector<std::string> lines = lines_of(text);
  if (lines.size() < 3) return std::nullopt;
  TableRecord record;
  const bool escaped = lines[0].ends_with(names_escaped);
  if (escaped) lines[0].resize(lines[0].size() - names_escaped.size());
  const char* const end = lines[0].data() + lines[0].size();
  if (const auto [last, error] = std::from_chars(lines[0].data(), end, record.generation);
      error != std::errc{} || last != end)
    return std::nullopt;
  record.identity = {.table = std::move(lines[1]), .store = std::move(lines[2])};
  lines.erase(lines.begin(), lines.begin() + 3);
  for (const std::string& line : lines) record.inferred.push_back(escaped ? from_one_line(line) : line);
  return record;
}

TableRecord record_of(const std::optional<TableRecord>& kept, const TableIdentity& found, bool empty) {
  TableRecord record = kept.value_or(TableRecord());
  const bool pending = record.identity == TableIdentity();
  const bool restored = record.identity.store != found.store && !empty;
  if (!pending && record.identity.table != found.table && !restored) {
    ++record.generation;
    record.inferred.clear();
  }
  record.identity = found;
  return record;
}

template <class Into>
etl::Result<std::string> former_name(Into& into, const Load& options) {
  const auto now = into.identity(options.table);
  if (!now) return etl::failure(now.error());
  if (!*now || !(*now)->unique) return std::string();
  const auto name = into.store().find(name_record(**now));
  if (!name) return etl::failure(name.error());
  if (!*name || (*name)->fingerprint == options.table) return std::string();
  Load former = options;
  former.former_table = (*name)->fingerprint;
  const auto record = find(into, former);
  if (!record) return etl::failure(record.error());
  const bool same = *record && (*record)->identity == **now;  // otherwise another table has that name now
  return same ? former.former_table : std::string();
}

template <class Into>
etl::Result<TableRecord> settle_table(Into& into, const Load& options, const TargetColumns* create) {
  auto kept = find(into, options);
  if (!kept) return etl::failure(std::move(kept.error()));
  if (create != nullptr) {
    // Another load may have made the table meanwhile, or may be about to make it.
    const auto now = into.identity(options.table);
    if (!now) return etl::failure(now.error());
    const bool known = *kept && ((*kept)->identity == TableIdentity() || (*now && (*kept)->identity == **now));
    if (!known) {
      TableRecord next{.generation = *kept ? (*kept)->generation + 1 : 1};
      for (const TargetColumn& column : *create)
        if (column.inferred) next.inferred.push_back(column.name);
      if (auto saved = save(into, options, next); !saved) return etl::failure(std::move(saved.error()));
      *kept = std::move(next);
    }
    if (auto created = into.create(options.table, *create); !created) return etl::failure(std::move(created.error()));
  }
  const auto found = into.identity(options.table);
  if (!found) return etl::failure(found.error());
  const TableIdentity identity = found->value_or(TableIdentity());
  const bool copied = *kept && (*kept)->identity.store != identity.store;
  TableRecord record = record_of(*kept, identity, copied && into.is_empty(options.table));
  if (!*kept || record != **kept)
    if (auto saved = save(into, options, record); !saved) return etl::failure(std::move(saved.error()));
  if (identity.unique) {
    const auto name = into.store().find(name_record(identity));
    if (!name) return etl::failure(name.error());
    if (!*name || (*name)->fingerprint != options.kept_as())
      if (auto saved = into.store().save(name_record(identity),
                                         {.fingerprint = options.kept_as(), .batch_size = 1, .finished = true});
          !saved)
        return etl::failure(std::move(saved.error()));
  }
  return record;
}

template etl::Result<std::string> former_name(IntoSqlite&, const Load&);
template etl::Result<std::string> former_name(IntoPostgres&, const Load&);
template etl::Result<TableRecord> settle_table(IntoSqlite&, const Load&, const TargetColumns*);
template etl::Result<TableRecord> settle_table(IntoPostgres&, const Load&, const TargetColumns*);

}  // namespace program
