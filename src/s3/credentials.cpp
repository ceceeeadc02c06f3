#include <etl/s3/credentials.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <etl/io/source.hpp>

namespace etl::inline v0::s3 {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? std::string() : std::string(value);
}

/// The first of two variables that is set.
std::string environment(const char* first, const char* second) {
  std::string value = environment(first);
  return value.empty() ? environment(second) : value;
}

Error wrong(std::string what) { return {.code = Errc::InvalidOptions, .context = std::move(what)}; }

std::string_view trimmed(std::string_view text) {
  const std::size_t first = std::min(text.find_first_not_of(" \t\r"), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(" \t\r") + 1);
}

/// Returns both keys or none. One key alone is an error.
Result<std::optional<Credentials>> credentials_of(Credentials found, std::string_view where) {
  if (found.access_key.empty() && found.secret_key.empty()) return std::nullopt;
  if (found.access_key.empty() || found.secret_key.empty())
    return failure(wrong(fmt::format("{}: one of access key and secret key is not set: set both, or neither", where)));
  return found;
}

using Values = std::map<std::string, std::string, std::less<>>;

std::string value_of(const Values& values, std::string_view name) {
  const auto found = values.find(name);
  return found == values.end() ? std::string() : found->second;
}

Result<Settings> settings_of(const Values& values, std::string_view profile) {
  Settings settings{.credentials = {},
                    .region = value_of(values, "region"),
                    .endpoint = value_of(values, "endpoint_url"),
                    .profile = std::string(profile)};
  auto keys = credentials_of({.access_key = value_of(values, "aws_access_key_id"),
                              .secret_key = value_of(values, "aws_secret_access_key"),
                              .session_token = value_of(values, "aws_session_token")},
                             fmt::format("profile '{}'", profile));
  if (!keys) return failure(std::move(keys.error()));
  settings.credentials = std::move(*keys);
  constexpr std::array others = {"credential_process", "sso_session",   "sso_start_url",
                                 "role_arn",           "login_session", "web_identity_token_file"};
  for (const char* const other : others)
    if (settings.keys_by.empty() && values.contains(other)) settings.keys_by = other;
  return settings;
}

/// The profile in a file, or nothing if the file does not exist.
Result<std::optional<Settings>> profile_in(const fs::path& file, std::string_view profile, bool config) {
  std::error_code code;
  if (file.empty() || !fs::exists(file, code)) return std::nullopt;
  auto text = io::open_file(file).and_then([](const io::Source& source) { return io::read_all(*source); });
  if (!text) return failure(std::move(text.error()));
  auto found = parse_profile(*text, profile, config);
  if (!found) found.error().context = fmt::format("'{}': {}", file.string(), found.error().context);
  return found;
}

fs::path file_of(const char* variable, const char* name) {
  if (std::string named = environment(variable); !named.empty()) return named;
  const std::string home = environment("HOME");
  return home.empty() ? fs::path() : fs::path(home) / ".aws" / name;
}

/// Fills in the settings that are still empty in `to`.
void fill(Settings& to, const Settings& from) {
  if (!to.credentials) to.credentials = from.credentials;
  if (to.region.empty()) to.region = from.region;
  if (to.endpoint.empty()) to.endpoint = from.endpoint;
  if (to.keys_by.empty()) to.keys_by = from.keys_by;
}

}  // namespace

Result<std::optional<Settings>> parse_profile(std::string_view text, std::string_view profile, bool config) {
  const std::string section =
      config && profile != "default" ? fmt::format("profile {}", profile) : std::string(profile);
  Values values;
  bool found = false, within = false;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view raw = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view content = trimmed(raw);
    if (content.empty() || content.front() == '#' || content.front() == ';') continue;
    if (content.front() == '[') {
      const std::size_t close = content.find(']');
      if (close == std::string_view::npos) return failure(wrong(fmt::format("line {}: a section without ']'", line)));
      within = trimmed(content.substr(1, close - 1)) == section;
      found = found || within;
      continue;
    }
    // An indented line belongs to a setting with several parts.
    if (!within || raw.front() == ' ' || raw.front() == '\t') continue;
    const std::size_t equals = content.find('=');
    if (equals == std::string_view::npos) return failure(wrong(fmt::format("line {}: there is no '='", line)));
    values.insert_or_assign(std::string(trimmed(content.substr(0, equals))),
                            std::string(trimmed(content.substr(equals + 1))));
  }
  if (!found) return std::nullopt;
  auto settings = settings_of(values, profile);
  if (!settings) return failure(std::move(settings.error()));
  return std::optional(std::move(*settings));
}

Result<Settings> find_settings(const std::string& profile) {
  const std::string named = profile.empty() ? environment("AWS_PROFILE") : profile;
  Settings settings{.credentials = {},
                    .region = environment("AWS_REGION", "AWS_DEFAULT_REGION"),
                    .endpoint = environment("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
                    .profile = named.empty() ? "default" : named};
  if (profile.empty()) {
    auto keys = credentials_of({.access_key = environment("AWS_ACCESS_KEY_ID"),
                                .secret_key = environment("AWS_SECRET_ACCESS_KEY"),
                                .session_token = environment("AWS_SESSION_TOKEN")},
                               "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    if (!keys) return failure(std::move(keys.error()));
    settings.credentials = std::move(*keys);
  }
  bool found = false;
  const std::pair<fs::path, bool> files[] = {{file_of("AWS_SHARED_CREDENTIALS_FILE", "credentials"), false},
                                             {file_of("AWS_CONFIG_FILE", "config"), true}};
  for (const auto& [file, config] : files) {
    auto there = profile_in(file, settings.profile, config);
    if (!there) return failure(std::move(there.error()));
    if (*there) fill(settings, **there);
    found = found || there->has_value();
  }
  if (settings.credentials) return settings;
  if (!found && !named.empty())
    return failure(wrong(fmt::format("there is no profile '{}' in '{}' and '{}'", named, files[0].first.string(),
                                     files[1].first.string())));
  if (!settings.keys_by.empty())
    return failure(
        wrong(fmt::format("profile '{0}' gets its keys by {1}, which is not supported: put them into the "
                          "environment by `eval \"$(aws configure export-credentials --profile {0} --format "
                          "env)\"`",
                          settings.profile, settings.keys_by)));
  return settings;
}

}  // namespace etl::inline v0::s3
