#include "aws_signature.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <map>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <etl/io/digest.hpp>

namespace etl::inline v0::http {
namespace {

constexpr std::string_view algorithm = "AWS4-HMAC-SHA256";

std::string sha256(std::string_view text) { return io::digest(io::DigestKind::Sha256, text); }

std::string bytes_of(std::string_view hex) {
  std::string bytes;
  for (std::size_t at = 0; at + 1 < hex.size(); at += 2) {
    unsigned byte = 0;
    std::from_chars(hex.data() + at, hex.data() + at + 2, byte, 16);
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

/// HMAC with SHA-256 (RFC 2104), in hex.
std::string hmac(std::string key, std::string_view text) {
  constexpr std::size_t block = 64;
  if (key.size() > block) key = bytes_of(sha256(key));
  key.resize(block);
  const auto padded = [&](char pad) {
    std::string made = key;
    for (char& c : made) c = static_cast<char>(c ^ pad);
    return made;
  };
  return sha256(padded('\x5c') + bytes_of(sha256(padded('\x36').append(text))));
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

/// Without blanks at both ends, and with one blank for several.
std::string with_single_blanks(std::string_view text) {
  std::string made;
  for (const char c : text)
    if (const bool blank = c == ' ' || c == '\t'; !blank)
      made += c;
    else if (!made.empty() && made.back() != ' ')
      made += ' ';
  if (made.ends_with(' ')) made.pop_back();
  return made;
}

/// The parameters in the order of their names and values, each with "=", as a signature must have them.
std::string canonical_query(std::string_view query) {
  std::vector<std::pair<std::string_view, std::string_view>> parameters;
  while (!query.empty()) {
    const std::string_view one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), one.size() + 1));
    const std::size_t equals = std::min(one.find('='), one.size());
    if (!one.empty()) parameters.emplace_back(one.substr(0, equals), one.substr(std::min(equals + 1, one.size())));
  }
  std::ranges::sort(parameters);
  std::string made;
  for (const auto& [name, value] : parameters)
    made.append(made.empty() ? "" : "&").append(name).append("=").append(value);
  return made;
}

/// Servers between may change these.
bool is_left_out(std::string_view name) {
  constexpr std::array<std::string_view, 4> changing{"connection", "expect", "transfer-encoding", "user-agent"};
  return std::ranges::find(changing, name) != changing.end();
}

}  // namespace

std::string host_header(const Url& url) {
  const bool usual = url.port() == (url.scheme() == "https" ? 443 : 80);
  return usual ? url.host() : fmt::format("{}:{}", url.host(), url.port());
}

std::string aws_time(std::chrono::system_clock::time_point time) {
  return fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

std::string aws_authorization(const Auth& auth, std::string_view method, const Url& url,
                              const std::vector<Header>& headers) {
  std::map<std::string, std::string> fields;
  for (const Header& header : headers) {
    const std::string name = lower_case(header.name);
    if (is_left_out(name)) continue;
    const auto [field, is_new] = fields.try_emplace(name, with_single_blanks(header.value));
    if (!is_new) field->second.append(",").append(with_single_blanks(header.value));
  }
  std::string lines, names;
  for (const auto& [name, value] : fields) {
    lines.append(name).append(":").append(value).append("\n");
    names.append(names.empty() ? "" : ";").append(name);
  }
  const std::string request = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", method, url.path(), canonical_query(url.query()),
                                          lines, names, fields["x-amz-content-sha256"]);
  const std::string time = fields["x-amz-date"], day = time.substr(0, 8);
  const std::string scope = fmt::format("{}/{}/{}/aws4_request", day, auth.region(), auth.service());
  std::string key = "AWS4" + auth.secret();
  for (const std::string_view part : {std::string_view(day), std::string_view(auth.region()),
                                      std::string_view(auth.service()), std::string_view("aws4_request")})
    key = bytes_of(hmac(std::move(key), part));
  const std::string signature =
      hmac(std::move(key), fmt::format("{}\n{}\n{}\n{}", algorithm, time, scope, sha256(request)));
  return fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", algorithm, auth.name(), scope, names,
                     signature);
}

}  // namespace etl::inline v0::http
