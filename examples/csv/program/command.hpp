#pragma once
// What the subcommands share.

#include <csignal>
#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <etl/csv/dialect.hpp>
#include <etl/csv/encoding.hpp>
#include <etl/error.hpp>
#include <etl/io/source.hpp>
#include <etl/stop.hpp>

#include "common/command_line.hpp"
#include "common/standard_streams.hpp"

namespace program {

/// The subcommand that the command line chose. Returns the exit code.
using Chosen = std::function<int(const etl::StopToken&)>;

// Each function adds its subcommand, which sets `chosen` when the command line names it.
void add_cat(CLI::App& app, Chosen& chosen);
void add_digest(CLI::App& app, Chosen& chosen);
void add_load(CLI::App& app, Chosen& chosen);
void add_sniff(CLI::App& app, Chosen& chosen);

/// Says what is wrong; returns the exit code for it.
inline int fail(const etl::Error& error, int code = exit_failed) {
  say("etl-csv: {}\n", error.message());
  return code;
}

/// The same for output that could not be written. Where nobody reads on, as in `| head`, the program ends as others do:
/// quietly, by the signal SIGPIPE.
inline int fail_to_print(const etl::Error& error) {
  if (error.code == std::errc::broken_pipe) {
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
  return fail(error);
}

/// One character, or the name of one that is hard to type.
inline char character(const std::string& option, const std::string& text) {
  if (text.size() == 1) return text[0];
  if (text == "tab" || text == "\\t") return '\t';
  if (text == "blank" || text == "space") return ' ';
  if (text == "comma") return ',';
  if (text == "semicolon") return ';';
  if (text == "pipe") return '|';
  if (text == "colon") return ':';
  throw CLI::ValidationError(option, "write one character, or tab, space, comma, semicolon, pipe or colon");
}

/// Checks that an option is one of these names. CLI11's own check would show the bytes of the enumerators in its
/// error.
template <class E>
CLI::Validator choice(std::map<std::string, E> names) {
  std::string all;
  for (const auto& [name, value] : names) all += (all.empty() ? "" : ",") + name;
  const auto take = [names = std::move(names), all](std::string& text) {
    const auto found = names.find(CLI::detail::to_lower(text));
    if (found == names.end()) return fmt::format("'{}' is none of {}", text, all);
    text = CLI::detail::value_string(found->second);
    return std::string();
  };
  return {take, "{" + all + "}"};
}

/// Options for the dialect in which a file is written.
inline void add_dialect(CLI::App& command, etl::csv::Dialect& dialect) {
  command.add_option_function<std::string>(
      "--delimiter",
      [&dialect](const std::string& text) {
        dialect.delimiter = character("--delimiter", text);
        dialect.fixed_delimiter = true;
      },
      "Character between cells, or tab, space, comma, semicolon, pipe or colon [,]");
  CLI::Option* const quote = command.add_option_function<std::string>(
      "--quote", [&dialect](const std::string& text) { dialect.quote = character("--quote", text); },
      "Character around cells [\"]");
  command.add_flag_callback(
             "--no-quote", [&dialect] { dialect.quote.reset(); }, "Treat quotes as ordinary characters")
      ->excludes(quote);
  command.add_option_function<std::string>(
      "--escape", [&dialect](const std::string& text) { dialect.escape = character("--escape", text); },
      "Character that escapes the next character within quotes [none: a quote within quotes is doubled]");
  command.add_option_function<std::string>(
      "--comment", [&dialect](const std::string& text) { dialect.comment = character("--comment", text); },
      "Character at the beginning of lines to skip [none]");
  command.add_flag("--trim", dialect.trim, "Remove blanks and tabs around cells");
  command.add_option("--skip-lines", dialect.skip_lines, "Number of lines to skip before the header or the first row")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command
      .add_option("--max-field", dialect.max_field,
                  "Largest size of a cell in bytes; a row with a larger cell is rejected")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30))
      ->capture_default_str();
  command
      .add_option("--max-lines", dialect.max_lines,
                  "Largest number of lines of a cell in quotes; if the quote is not closed within them, the line that "
                  "has it is rejected")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30))
      ->capture_default_str();
  CLI::Option* const encoding = command.add_option_function<std::string>(
      "--encoding",
      [&dialect](const std::string& name) {
        if (const auto known = etl::csv::as_utf8(etl::io::from_memory(""), name); !known)
          throw CLI::ValidationError("--encoding", known.error().message());
        dialect.charset = etl::csv::names_utf8(name) ? std::string() : name;
      },
      "Encoding of the files, by its name in iconv, such as UTF-16LE, CP1250 or SHIFT_JIS [UTF-8, or UTF-16 with a "
      "byte order mark]");
  command
      .add_flag_callback(
          "--latin1", [&dialect] { dialect.encoding = etl::csv::Encoding::Latin1; },
          "The encoding of the files is Windows-1252 or ISO 8859-1 (Latin-1)")
      ->excludes(encoding);
}

}  // namespace program
