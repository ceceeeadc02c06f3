// The limits of a validation, and etl-druid validate.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <etl/csv/validate.hpp>
#include <etl/io/object_store_url.hpp>

#include "command.hpp"
#include "input.hpp"
#include "limits.hpp"

namespace program {
namespace {

namespace csv = etl::csv;
namespace fs = std::filesystem;

struct ValidationOptions {
  std::vector<std::string> files{};
  InputOptions input{};
  csv::ValidationLimits limits{};
  std::string time{};
  bool json = false;
};

int validate_all(const ValidationOptions& options, const etl::StopToken& stop) {
  const auto files = files_of(options.files);
  if (!files) return fail(files.error(), exit_usage);
  csv::ValidationLimits limits = options.limits;
  if (!options.time.empty()) limits.min_time_columns = 0;
  bool valid = true;
  for (const fs::path& file : *files) {
    const auto found = validate(file, options.input, limits, options.time, stop.drain());
    if (!found) return fail(found.error(), exit_usage);
    fmt::print("{}\n", options.json ? found->json() : found->text());
    valid = valid && found->ok();
  }
  return valid ? 0 : exit_failed;
}

}  // namespace

void add_limits(CLI::App& command, csv::ValidationLimits& limits) {
  command.add_option("--max-bytes", limits.max_bytes, "Largest size of a file in bytes")->capture_default_str();
  command.add_option("--min-columns", limits.min_columns, "Smallest number of columns")->capture_default_str();
  command.add_option("--min-time-columns", limits.min_time_columns, "Smallest number of columns with times")
      ->capture_default_str();
  command.add_option("--min-numeric-columns", limits.min_numeric_columns, "Smallest number of columns with numbers")
      ->capture_default_str();
  command
      .add_option("--max-null-share", limits.max_null_share,
                  "Largest share of rows without a value in a column, from 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
}

std::optional<csv::Validation> too_large(const fs::path& file, const csv::ValidationLimits& limits) {
  const auto bytes = etl::io::size_of(file);
  if (!bytes || *bytes <= limits.max_bytes) return std::nullopt;
  csv::Validation made{.file = file.string(), .format = "unread", .bytes = *bytes};
  made.violations.push_back({.check = csv::Check::Size,
                             .value = fmt::format("{}", *bytes),
                             .what = fmt::format("{}: the file has {} bytes; at most {} are allowed (--max-bytes)",
                                                 file.string(), *bytes, limits.max_bytes)});
  return made;
}

etl::Result<csv::Validation> validate(const fs::path& file, const InputOptions& options,
                                      const csv::ValidationLimits& limits, std::string_view time,
                                      const std::stop_token& stop) {
  const auto invalid = [&](csv::Check check, const etl::Error& error) {
    csv::Validation made{.file = file.string(), .format = format_of(file, options)};
    made.violations.push_back({.check = check, .what = error.message()});
    return made;
  };
  if (auto refused = too_large(file, limits)) return std::move(*refused);
  const auto names = names_of(file, options, stop);  // without types, which would take longer than all checks
  if (!names) {
    if (stop.stop_requested()) return stopped();
    if (!etl::io::size_of(file)) return etl::failure(names.error());
    return invalid(csv::Check::Format, names.error());
  }
  if (!time.empty() && std::ranges::find(*names, time) == names->end())
    return invalid(csv::Check::TimeColumn,
                   etl::fatal(fmt::format("{}: '{}' is not a column of the file, which has '{}'", file.string(), time,
                                          fmt::join(*names, "', '"))));
  return read_rows(file, options, *names, limits, {}, nullptr, stop);
}

void add_validate(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<ValidationOptions>();
  CLI::App* const command =
      app.add_subcommand("validate", "Check files and report everything that is wrong with them. Nothing is loaded");
  command
      ->add_option("FILE", options->files,
                   "CSV files, JSON files or workbooks, plain or gzip, or patterns with *, ?, [a-z], {a,b} and **")
      ->required();
  add_input(*command, options->input);
  add_limits(*command, options->limits);
  command->add_option("--time", options->time, "Column of the time [found by names and values]");
  command->add_flag("--json", options->json, "Print one JSON object per file on standard output");
  command->callback(
      [options, &chosen] { chosen = [options](const etl::StopToken& stop) { return validate_all(*options, stop); }; });
}

}  // namespace program
