#include <etl/csv/infer.hpp>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <etl/csv/kind_guess.hpp>
#include <etl/csv/parse.hpp>

namespace etl::inline v0::csv {
namespace {

bool is_time(Kind kind) noexcept { return kind == Kind::Date || kind == Kind::Timestamp || kind == Kind::TimestampTz; }

/// Whether a value is of the kind.
bool fits(Kind kind, std::string_view text, bool comma) {
  if (kind == Kind::Text) return true;
  KindGuess guess;
  guess.look(text, comma);
  const Kind own = guess.kind();
  if (own == kind) return true;
  return (kind == Kind::Double || kind == Kind::Numeric) && is_number(own);
}

/// A column while its values are inspected.
struct Inspected {
  KindGuess all{}, numbers{}, times{};  // guesses for the sample: all values, only numbers, only times
  InferredColumn column{};

  void look_at_sample(std::string_view text, bool comma) {
    all.look(text, comma);
    KindGuess one;
    one.look(text, comma);
    const Kind kind = one.kind();
    if (is_number(kind)) numbers.merge(one);
    if (is_time(kind)) times.merge(one);
  }
  /// Decides at the end of the sample.
  void decide(const InferOptions& options) {
    Kind kind = all.kind();
    if (kind == Kind::Text && column.profile.number_share() >= options.share && numbers.any()) kind = numbers.kind();
    if (kind == Kind::Text && column.profile.time_share() >= options.share && times.any()) kind = times.kind();
    column.sample_kind = column.kind = kind;
  }
  void look_at_value(std::string_view text, std::uint64_t row, bool comma) {
    if (column.kind == Kind::Text) return;
    if (is_number(column.kind))
      if (double value = 0; detail::parse(text, comma, value)) {
        column.least = std::min(column.least, value);
        column.most = std::max(column.most, value);
      }
    if (fits(column.kind, text, comma)) return;
    if (is_number(column.kind)) {
      // A fraction after integers widens the column and is not a misfit. The same holds for a number with more digits
      // after doubles.
      KindGuess wider{column.kind};
      wider.look(text, comma);
      if (is_number(wider.kind())) {
        column.kind = wider.kind();
        return;
      }
    }
    if (column.misfits++ == 0) {
      constexpr std::size_t kept = 100;
      column.first_misfit = row;
      column.first_misfit_value = text.substr(0, kept);
    }
  }
  /// Decides at the end of the file.
  void settle(const InferOptions& options) {
    const auto values = static_cast<double>(column.profile.values());
    if (values - static_cast<double>(column.misfits) < options.share * values) {
      column.kind = Kind::Text;
      column.misfits = column.first_misfit = 0;
      column.first_misfit_value.clear();
    }
  }
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

double score_of_name(std::string_view name) {
  const std::string small = lower(name);
  if (small == "__time") return 1;
  if (small == "timestamp" || small == "time" || small == "datetime" || small == "date" || small == "event_time")
    return 0.9;
  for (const auto& [word, score] : {std::pair("timestamp", 0.8), std::pair("time", 0.7), std::pair("date", 0.7),
                                    std::pair("_at", 0.5), std::pair("day", 0.4)})
    if (small.find(word) != small.npos) return score;
  return 0;
}

/// Whether all values may be seconds or milliseconds since 1970, between 2001 and 2096. Other numbers in a column with
/// the name of a time are rarely in this range.
bool may_be_epoch(const Inspected& inspected) noexcept {
  const InferredColumn& column = inspected.column;
  if (column.kind != Kind::Integer) return false;
  return (column.least >= 1e9 && column.most < 4e9) || (column.least >= 1e12 && column.most < 4e12);
}

double time_score(const Inspected& inspected) {
  const InferredColumn& column = inspected.column;
  const double name = score_of_name(column.name);
  double type = 0;
  if (column.kind == Kind::Timestamp || column.kind == Kind::TimestampTz) type = 1;
  if (column.kind == Kind::Date) type = 0.9;
  if (name > 0 && may_be_epoch(inspected)) type = 0.6;
  if (type == 0 || column.profile.values() == 0) return 0;
  const double unique = static_cast<double>(column.profile.distinct()) / static_cast<double>(column.profile.values());
  return 0.4 * type + 0.3 * name + 0.2 * (1 - column.profile.null_share()) + 0.1 * unique;
}

bool is_id(std::string_view name) {
  const std::string small = lower(name);
  return small == "id" || small.ends_with("_id") || small.ends_with("uuid") || name.ends_with("Id") ||
         name.ends_with("ID");
}

void set_roles(Inferred& found) {
  for (std::size_t i = 0; i < found.columns.size(); ++i) {
    InferredColumn& column = found.columns[i];
    column.role = found.time_column == i                          ? Role::Time
                  : is_number(column.kind) && !is_id(column.name) ? Role::Metric
                                                                  : Role::Dimension;
  }
}

/// Whether each value of kind `narrow` is also a value of kind `wide`.
bool fits_into(Kind narrow, Kind wide) noexcept {
  if (wide == Kind::Text) return true;
  if (wide == Kind::Double) return narrow == Kind::Integer;
  if (wide == Kind::Numeric) return is_number(narrow);
  return wide == Kind::Timestamp && narrow == Kind::Date;
}

}  // namespace

std::string_view to_string(Role role) noexcept {
  return role == Role::Time ? "time" : role == Role::Metric ? "metric" : "dimension";
}

Result<Inferred> infer(Reader& reader, const InferOptions& options, const std::stop_token& stop) {
  if (!(options.share > 0.5 && options.share <= 1) || options.sample_rows == 0)
    return failure({.code = Errc::InvalidOptions,
                    .context = fmt::format("inference: share is {} and must be more than 0.5 and at most 1; "
                                           "sample_rows is {} and must be more than 0",
                                           options.share, options.sample_rows)});
  std::vector<Inspected> columns(std::max(reader.header().size(), reader.width()));
  for (std::size_t i = 0; i < columns.size(); ++i)
    columns[i].column.name = i < reader.header().size() && !reader.header()[i].empty()
                                 ? reader.header()[i]
                                 : fmt::format("column_{}", i + 1);
  Inferred found;
  struct SampleCell {
    std::string text;
    std::uint64_t row;
  };
  std::vector<std::vector<SampleCell>> sample(columns.size());  // the values are inspected again when the kind is known
  const auto end_sample = [&] {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      columns[i].decide(options);
      for (const SampleCell& cell : sample[i]) columns[i].look_at_value(cell.text, cell.row, options.decimal_comma);
    }
    sample.clear();
  };
  for (;;) {
    const auto chunk = reader.next(stop);
    if (!chunk) return failure(chunk.error());
    if (!*chunk) break;
    found.bad_rows += (*chunk)->bad_rows().size();
    for (const Row row : **chunk) {
      if (found.rows == options.sample_rows) end_sample();
      const bool in_sample = found.rows++ < options.sample_rows;
      for (std::size_t i = 0; i < columns.size(); ++i) {
        const bool null = detail::is_null(row, i, row[i], options.nulls);
        const std::string_view text = trimmed(row[i]);
        columns[i].column.profile.look(text, null, row.number(), options.decimal_comma);
        if (null || text.empty()) continue;
        if (in_sample) {
          columns[i].look_at_sample(text, options.decimal_comma);
          sample[i].push_back({std::string(text), row.number()});
        } else {
          columns[i].look_at_value(text, row.number(), options.decimal_comma);
        }
      }
    }
  }
  if (stop.stop_requested()) return failure(fatal(fmt::format("{}: stopped before its end", reader.name())));
  if (!sample.empty() || columns.empty()) end_sample();

  double best = 0.5;  // a lower share is only a guess
  for (std::size_t i = 0; i < columns.size(); ++i) {
    columns[i].settle(options);
    columns[i].column.time_score = time_score(columns[i]);
    if (columns[i].column.time_score > best) {
      best = columns[i].column.time_score;
      found.time_column = i;
    }
  }
  for (Inspected& inspected : columns) found.columns.push_back(std::move(inspected.column));
  if (!options.time_column.empty()) {
    const auto said = std::ranges::find(found.columns, options.time_column, &InferredColumn::name);
    if (said == found.columns.end()) {
      std::string names;
      for (const InferredColumn& column : found.columns)
        names += fmt::format("{}'{}'", names.empty() ? "" : ", ", detail::shown(column.name));
      return failure({.code = Errc::InvalidOptions,
                      .context = fmt::format("{}: there is no column '{}' for the times; there are {}", reader.name(),
                                             options.time_column, names)});
    }
    found.time_column = static_cast<std::size_t>(said - found.columns.begin());
  }
  set_roles(found);
  return found;
}

std::vector<SchemaChange> compare(std::span<const SchemaColumn> existing, const Inferred& found) {
  using Type = SchemaChange::Type;
  std::vector<SchemaChange> changes;
  for (const InferredColumn& column : found.columns) {
    const std::string name = detail::shown(column.name);
    const auto at = std::ranges::find(existing, column.name, &SchemaColumn::name);
    if (at == existing.end()) {
      changes.push_back({Type::New, column.name, std::nullopt, column.kind,
                         fmt::format("column '{}' ({}) is new", name, to_string(column.kind))});
      continue;
    }
    if (at->kind == column.kind || column.profile.values() == 0) continue;
    const bool fits = fits_into(column.kind, at->kind);
    changes.push_back({fits ? Type::Narrower : Type::Changed, column.name, at->kind, column.kind,
                       fmt::format("column '{}' is {}, and {} in the file, which {}", name, to_string(at->kind),
                                   to_string(column.kind), fits ? "fits" : "does not fit")});
  }
  for (const SchemaColumn& column : existing)
    if (std::ranges::find(found.columns, column.name, &InferredColumn::name) == found.columns.end())
      changes.push_back({Type::Missing, column.name, column.kind, std::nullopt,
                         fmt::format("column '{}' ({}) is not in the file: its rows have no value there",
                                     detail::shown(column.name), to_string(column.kind))});
  return changes;
}

}  // namespace etl::inline v0::csv
