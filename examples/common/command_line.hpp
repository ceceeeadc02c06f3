#pragma once
// What the command lines of all programs have in common: help, version, exit codes, errors of usage.

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <etl/config.hpp>
#include <etl/error.hpp>

#include "common/standard_streams.hpp"

namespace program {

// Exit codes have the same meaning in all programs. `RunReport::exit_code` gives 5.
constexpr int exit_failed = 1;
constexpr int exit_usage = 2;
constexpr int exit_rejects = 3;
constexpr int exit_stopped = 4;

constexpr const char* quiet_help = "No progress and no summary, only errors and rejected records";

/// What a program says about itself.
struct About {
  const char* name;
  const char* description;
  const char* example;            ///< a first command
  const char* records = nullptr;  ///< what can be rejected; null: nothing
  const char* stopped = "stopped by a signal";
  bool drains = false;  ///< there is a drain deadline
};
constexpr const char* stopped_and_loaded =
    "stopped by a signal: what was read so far is loaded, except after a second signal";

/// Breaks a text into lines of at most `width` characters, at its blanks.
inline std::string wrapped(std::string_view text, std::size_t width) {
  std::string out;
  std::size_t column = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    const bool first = column == 0;
    if (!first && column + 1 + word.size() > width) {
      out += '\n';
      column = 0;
    } else if (!first) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    at = end + 1;
  }
  return out;
}

/// The same for a description: later lines begin at column `indent`.
inline std::string indented(std::string_view text, std::size_t width, std::size_t indent) {
  std::string out;
  for (const char c : wrapped(text, width - indent)) {
    out += c;
    if (c == '\n') out.append(indent, ' ');
  }
  return out;
}

constexpr std::size_t help_width = 80;

/// The end of every help.
inline std::string exit_codes(const About& about) {
  std::string text = "Exit codes:\n";
  const auto add = [&](int code, std::string_view meaning) {
    constexpr std::size_t indent = 5;
    text += fmt::format("  {}  {}\n", code, indented(meaning, help_width, indent));
  };
  add(0, "done");
  add(exit_failed, "failed: the last lines give the reason");
  add(exit_usage, "wrong usage, or an input or a store cannot be opened: nothing was begun");
  if (about.records != nullptr) add(exit_rejects, fmt::format("done, but some {} were rejected", about.records));
  add(exit_stopped, about.stopped);
  if (about.drains) add(5, "stopped by a signal, and what was read could not be loaded before the drain deadline");
  return text;
}

/// Help without the checks of the parser: "--workers N", with the default at the end of the description.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() {
    column_width(column);
    label("SUBCOMMAND", "COMMAND");
  }

  std::string make_description(const CLI::App* app) const override {
    return wrapped(app->get_description(), help_width) + "\n\n";
  }
  std::string make_subcommand(const CLI::App* command) const override {
    // The first sentence: the command's own help has the others.
    const std::string all = command->get_description();
    std::string out;
    out.append(2, ' ').append(command->get_name());
    out.append(out.size() < column ? column - out.size() : 1, ' ');
    return out + indented(std::string_view(all).substr(0, all.find(". ")), help_width, column) + "\n";
  }
  std::string make_option_opts(const CLI::Option* option) const override {
    std::string out;
    const std::string type = option->get_type_name();
    if (!type.empty() && option->nonpositional()) out = " " + value_of(type);
    if (option->get_expected_max() == CLI::detail::expected_max_vector_size) out += " ...";
    if (option->get_required() && option->nonpositional()) out += " (required)";
    return out;
  }
  std::string make_option_desc(const CLI::Option* option) const override {
    std::string text = option->get_description();
    if (!option->get_default_str().empty()) text += " [" + option->get_default_str() + "]";
    return wrapped(text, help_width - column);
  }

 private:
  static constexpr std::size_t column = 30;

  /// "N" of "UINT:INT in [1 - 4096]", "{a,b}" of "TEXT:{a,b}", "FILE" of "TEXT:FILE".
  static std::string value_of(const std::string& type) {
    if (const std::size_t choice = type.find('{'); choice != type.npos) return type.substr(choice);
    if (type.ends_with(":FILE")) return "FILE";
    if (type.starts_with("UINT") || type.starts_with("INT")) return "N";
    if (type.starts_with("FLOAT")) return "NUMBER";
    return "TEXT";
  }
};

/// A program with `--version`, and its subcommands to come.
inline std::unique_ptr<CLI::App> make_app(const About& about) {
  auto app = std::make_unique<CLI::App>(about.description, about.name);
  app->formatter(std::make_shared<HelpFormatter>());
  app->set_version_flag(
      "--version",
      fmt::format("{} {}.{}.{}", about.name, ETLPIPE_VERSION_MAJOR, ETLPIPE_VERSION_MINOR, ETLPIPE_VERSION_PATCH),
      "Print the version and exit");
  app->set_help_flag("-h,--help", "Print this help and exit");
  app->require_subcommand(1);
  app->footer(fmt::format("First example:\n  {}\n\n{}\n{} COMMAND --help shows the options of a command.",
                          about.example, exit_codes(about), about.name));
  return app;
}

/// After all subcommands were added: their help ends with the exit codes too, and with `more` for those named
/// `with_more`.
inline void finish_help(CLI::App& app, const About& about, std::string_view more = {},
                        const std::vector<std::string>& with_more = {}) {
  for (CLI::App* const command : app.get_subcommands({})) {
    command->group("Commands");
    const bool has_more = std::ranges::find(with_more, command->get_name()) != with_more.end();
    command->footer(exit_codes(about) + std::string(has_more ? more : ""));
  }
}

/// Says what is wrong with the command line, or prints help or version. Returns the exit code.
inline int exit_of(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) return app.exit(error);
  std::string command = app.get_name();
  for (const CLI::App* const chosen : app.get_subcommands()) command += " " + chosen->get_name();
  say("{}: {}\n{} --help shows the options\n", app.get_name(), error.what(), command);
  return exit_usage;
}

/// Parses the command line, and then calls `check`, which may throw CLI::ParseError. Returns the exit code if the
/// program has to end.
template <class Check>
std::optional<int> parse(CLI::App& app, int argc, char** argv, Check&& check) {
  std::vector<std::string> names;
  for (const CLI::App* const command : app.get_subcommands({})) names.push_back(command->get_name());
  if (argc > 1 && argv[1][0] != '-' && std::ranges::find(names, argv[1]) == names.end()) {
    say("{}: there is no command '{}'; the commands are {}\n", app.get_name(), argv[1], fmt::join(names, ", "));
    return exit_usage;
  }
  try {
    app.parse(argc, argv);
    check();
  } catch (const CLI::ParseError& error) {
    return exit_of(app, error);
  }
  return std::nullopt;
}
inline std::optional<int> parse(CLI::App& app, int argc, char** argv) {
  return parse(app, argc, argv, [] {});
}

/// The exit code, once all output has arrived. Where nobody reads on, as in `| head`, the program ends as others do:
/// quietly, by the signal SIGPIPE.
inline int printed(const char* name, int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  const std::error_code why(errno, std::generic_category());
  if (why == std::errc::broken_pipe) {
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
  say("{}: cannot write to standard output: {}\n", name, why.message());
  return exit_failed;
}

}  // namespace program
