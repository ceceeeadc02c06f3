#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include <etl/http/headers.hpp>

namespace etl::inline v0::http {
namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool same_name(std::string_view a, std::string_view b) noexcept { return std::ranges::equal(a, b, {}, lower, lower); }

bool is_secret_name(std::string_view name) {
  std::string plain;
  for (const char c : name)
    if (c != '-' && c != '_' && c != '.') plain += lower(c);
  constexpr std::array parts = {"token",     "secret",     "password",      "passwd",  "apikey", "accesskey",
                                "signature", "credential", "authorization", "session", "cookie"};
  constexpr std::array<std::string_view, 6> whole = {"key", "sig", "auth", "pwd", "pass", "code"};
  return std::ranges::find(whole, plain) != whole.end() ||
         std::ranges::any_of(parts, [&](const char* part) { return plain.find(part) != std::string::npos; });
}

void Headers::set(std::string_view name, std::string value) {
  std::string kept(name);  // `name` may refer to text that is removed
  remove(name);
  add(std::move(kept), std::move(value));
}

void Headers::remove(std::string_view name) {
  const std::string kept(name);
  std::erase_if(fields_, [&](const Header& field) { return same_name(field.name, kept); });
}

std::optional<std::string_view> Headers::find(std::string_view name) const noexcept {
  const auto found = std::ranges::find_if(fields_, [&](const Header& field) { return same_name(field.name, name); });
  if (found == fields_.end()) return std::nullopt;
  return found->value;
}

std::string Headers::joined(std::string_view name) const {
  std::string all;
  for (const Header& field : fields_)
    if (same_name(field.name, name)) all.append(all.empty() ? "" : ", ").append(field.value);
  return all;
}

}  // namespace etl::inline v0::http
