#pragma once
// What the subcommands share.

#include <cerrno>
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

#include "common/standard_streams.hpp"

namespace program {

/// The subcommand that the command line chose. Returns the exit code.
using Chosen = std::function<int(const etl::StopToken&)>;

// Each function adds its subcommand, which sets `chosen` when the command line names it.
void add_cat(CLI::App& app, Chosen& chosen);
void add_digest(CLI::App& app, Chosen& chosen);
void add_load(CLI::App& app, Chosen& chosen);
void add_sniff(CLI::App& app, Chosen& chosen);

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;
constexpr int exit_rejects = 3;
constexpr int exit_stopped = 4;

/// Says what is wrong; returns the exit code for it.
inline int fail(const etl::Error& error, int code = exit_failed) {
  say("etl-csv: {}\n", error.message());
  return code;
}

/// The same for what was to be printed. Where nobody reads on, as behind `| head`, it ends as programs do then:
/// quietly, by the signal SIGPIPE.
inline int fail_to_print(const etl::Error& error) {
  if (error.code == std::errc::broken_pipe) {
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
  return fail(error);
}

/// The exit code, when all that was printed has arrived.
inline int printed(int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  const std::error_code why(errno, std::generic_category());
  return fail_to_print({.code = why, .context = "cannot write to standard output: " + why.message()});
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
  throw CLI::ValidationError(option, "expected one character, or tab, space, comma, semicolon, pipe, colon");
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
      "--delimiter", [&dialect](const std::string& text) { dialect.delimiter = character("--delimiter", text); },
      "Character between cells, or tab, space, semicolon, pipe, colon [,]");
  CLI::Option* const quote = command.add_option_function<std::string>(
      "--quote", [&dialect](const std::string& text) { dialect.quote = character("--quote", text); },
      "Character around cells [\"]");
  command.add_flag_callback(
             "--no-quote", [&dialect] { dialect.quote.reset(); }, "Treat quotes as text")
      ->excludes(quote);
  command.add_option_function<std::string>(
      "--escape", [&dialect](const std::string& text) { dialect.escape = character("--escape", text); },
      "Character that escapes the next one within quotes [none: a doubled quote is a quote]");
  command.add_option_function<std::string>(
      "--comment", [&dialect](const std::string& text) { dialect.comment = character("--comment", text); },
      "Skip lines that begin with this character [none]");
  command.add_flag("--trim", dialect.trim, "Remove blanks and tabs around cells");
  command.add_option("--skip-lines", dialect.skip_lines, "Lines before the header, or the first row")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command.add_option("--max-field", dialect.max_field, "Most bytes of a cell; a quote that is not closed ends there")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30))
      ->capture_default_str();
  command
      .add_option("--max-lines", dialect.max_lines,
                  "Most lines of a cell in quotes; with more, the quote is taken for a stray one")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 30))
      ->capture_default_str();
  CLI::Option* const encoding = command.add_option_function<std::string>(
      "--encoding",
      [&dialect](const std::string& name) {
        if (const auto known = etl::csv::as_utf8(etl::io::from_memory(""), name); !known)
          throw CLI::ValidationError("--encoding", known.error().message());
        dialect.charset = name;
      },
      "Encoding of the files, as iconv names it: UTF-16LE, CP1250, SHIFT_JIS [UTF-8, or UTF-16 with a byte order "
      "mark]");
  command
      .add_flag_callback(
          "--latin1", [&dialect] { dialect.encoding = etl::csv::Encoding::Latin1; },
          "The files are Windows-1252, or ISO 8859-1 (Latin-1)")
      ->excludes(encoding);
}

}  // namespace program
