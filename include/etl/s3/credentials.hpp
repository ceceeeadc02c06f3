#pragma once
/// Credentials, region and endpoint of S3, from the environment and from profile files, as for the AWS command line.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <etl/config.hpp>
#include <etl/error.hpp>

namespace etl::inline v0::s3 {

/// Keys to sign requests with. A value. No error shows its secrets.
struct Credentials {
  std::string access_key{};     ///< such as AKIAIOSFODNN7EXAMPLE; empty: requests are not signed
  std::string secret_key{};     ///< its secret
  std::string session_token{};  ///< of temporary credentials; else empty

  /// For public buckets: requests are not signed.
  [[nodiscard]] static Credentials anonymous() { return {}; }
  /// Whether requests are not signed.
  [[nodiscard]] bool is_anonymous() const noexcept { return access_key.empty(); }
};

/// Settings from the environment and the profile. Empty texts are not set.
struct Settings {
  std::optional<Credentials> credentials{};  ///< nothing: there are none
  std::string region{};                      ///< such as "eu-central-1"
  std::string endpoint{};                    ///< URL of another server than AWS
  std::string profile{};                     ///< whose settings these are
  std::string keys_by{};  ///< how the profile gets its keys if not by itself: "credential_process", for example
};

/// Reads `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`; `AWS_REGION` or `AWS_DEFAULT_REGION`;
/// `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`; and what these do not set, from the profile in
/// `AWS_SHARED_CREDENTIALS_FILE` (~/.aws/credentials) and `AWS_CONFIG_FILE` (~/.aws/config). The profile is `profile`,
/// else `AWS_PROFILE`, else "default"; keys of a profile that is named by the argument come before those of the
/// environment.
///
/// It is an error if only one of the two keys is set, or if a file cannot be read. Without keys it is also an error if
/// a named profile does not exist, or if it gets its keys in another way (`Settings::keys_by`). Reads the environment,
/// which no other thread must change meanwhile.
[[nodiscard]] Result<Settings> find_settings(const std::string& profile = {});

/// The settings of a profile in the text of a file. `config`: sections are named "profile NAME" (and "default").
/// Nothing if the profile does not exist. An error names the line.
[[nodiscard]] Result<std::optional<Settings>> parse_profile(std::string_view text, std::string_view profile,
                                                            bool config);

}  // namespace etl::inline v0::s3
