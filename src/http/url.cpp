#include <charconv>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>

#include <etl/http/headers.hpp>
#include <etl/http/url.hpp>

#include "shown.hpp"

namespace etl::inline v0::http {
namespace {

struct Cleanup {
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};
using Handle = std::unique_ptr<CURLU, Cleanup>;

/// A part of the URL, or an empty text if the URL does not have it.
std::string part(CURLU* url, CURLUPart what, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, what, &text, flags) != CURLUE_OK) return {};
  const std::unique_ptr<char, void (*)(void*)> freed(text, curl_free);
  return text;
}

Error bad_url(std::string_view text, std::string_view why) {
  return {.code = Errc::InvalidOptions,
          .context = fmt::format("URL '{}': {}: write http://host/path or https://host/path, and in names and values "
                                 "write every byte except letters, digits and -._~ as %XX",
                                 shown_url(text), why)};
}

bool has_blank_or_control(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') return true;
  return false;
}

}  // namespace

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (plain.find(c) != std::string_view::npos)
      out += c;
    else
      out.append({'%', digits[byte >> 4], digits[byte & 15U]});
  }
  return out;
}

std::string shown_url(std::string_view text) {
  const std::size_t query = text.find('?');
  std::string_view before = text.substr(0, query);
  std::string shown;
  if (const std::size_t at = before.rfind('@'); at != std::string_view::npos) {
    const std::size_t scheme = before.find("://");
    if (scheme < at) shown = before.substr(0, scheme + 3);
    before.remove_prefix(at + 1);
  }
  return shown.append(before).append(query == std::string_view::npos ? "" : "?...");
}

void Url::set_text(std::string text) {
  text_ = std::move(text);
  const std::size_t authority = text_.find("://") + 3;
  path_at_ = std::min(text_.find_first_of("/?", authority), text_.size());
}

Result<Url> Url::parse(std::string_view text) {
  if (text.empty()) return failure(bad_url(text, "it is empty"));
  if (has_blank_or_control(text)) return failure(bad_url(excerpt(text), "it has a blank or a control character"));
  const Handle url(curl_url());
  if (!url) return failure(fatal("out of memory"));
  const CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), CURLU_PATH_AS_IS);
  if (code != CURLUE_OK) return failure(bad_url(text, curl_url_strerror(code)));
  Url made;
  made.scheme_ = part(url.get(), CURLUPART_SCHEME);
  if (made.scheme_ != "http" && made.scheme_ != "https")
    return failure(bad_url(text, fmt::format("'{}' is neither http nor https", made.scheme_)));
  made.host_ = part(url.get(), CURLUPART_HOST);
  for (char& c : made.host_)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  const std::string port = part(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::from_chars(port.data(), port.data() + port.size(), made.port_);
  made.user_ = part(url.get(), CURLUPART_USER, CURLU_URLDECODE);
  made.password_ = part(url.get(), CURLUPART_PASSWORD, CURLU_URLDECODE);
  for (const CURLUPart unsent : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_FRAGMENT})
    curl_url_set(url.get(), unsent, nullptr, 0);
  made.set_text(part(url.get(), CURLUPART_URL));
  return made;
}

std::string_view Url::path() const noexcept {
  const std::string_view rest = std::string_view(text_).substr(path_at_);
  const std::string_view path = rest.substr(0, rest.find('?'));
  return path.empty() ? "/" : path;
}

std::string_view Url::query() const noexcept {
  const std::size_t at = text_.find('?', path_at_);
  return at == std::string::npos ? std::string_view() : std::string_view(text_).substr(at + 1);
}

std::string Url::shown() const {
  std::string_view rest = query();
  std::string shown = text_.substr(0, text_.size() - rest.size());
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    const std::size_t equals = one.find('=');
    if (equals != std::string_view::npos && is_secret_name(one.substr(0, equals)))
      shown.append(one.substr(0, equals + 1)).append("***");
    else
      shown.append(one);
    if (!rest.empty()) shown += '&';
  }
  return shown;
}

Url Url::with(std::string_view name, std::string_view value) const {
  Url made = *this;
  const bool first = text_.find('?', path_at_) == std::string::npos;
  const char last = text_.back();
  made.set_text(fmt::format("{}{}{}={}", text_,
                            first                        ? "?"
                            : last == '?' || last == '&' ? ""
                                                         : "&",
                            percent_encoded(name), percent_encoded(value)));
  return made;
}

Url Url::with_instead(std::string_view name, std::string_view value) const {
  const std::string wanted = percent_encoded(name);
  std::size_t at = text_.find('?', path_at_);
  while (at != std::string::npos) {
    const std::size_t begin = at + 1;
    at = text_.find('&', begin);
    const std::size_t end = std::min(at, text_.size());
    const std::string_view one = std::string_view(text_).substr(begin, end - begin);
    const std::string_view its_name = one.substr(0, one.find('='));
    if (its_name != wanted && its_name != name) continue;
    Url made = *this;
    made.set_text(text_.substr(0, begin) + wanted + '=' + percent_encoded(value) + text_.substr(end));
    return made;
  }
  return with(name, value);
}

Result<Url> Url::resolve(std::string_view reference) const {
  if (has_blank_or_control(reference))
    return failure(bad_url(excerpt(reference), "it has a blank or a control character"));
  const Handle url(curl_url());
  if (!url) return failure(fatal("out of memory"));
  CURLUcode code = curl_url_set(url.get(), CURLUPART_URL, text_.c_str(), CURLU_PATH_AS_IS);
  if (code == CURLUE_OK)
    code = curl_url_set(url.get(), CURLUPART_URL, std::string(reference).c_str(), CURLU_PATH_AS_IS);
  if (code != CURLUE_OK) return failure(bad_url(reference, curl_url_strerror(code)));
  Result<Url> made = parse(part(url.get(), CURLUPART_URL));
  if (made && made->user_.empty() && made->same_origin(*this)) {
    made->user_ = user_;
    made->password_ = password_;
  }
  return made;
}

bool Url::same_origin(const Url& other) const noexcept {
  return scheme_ == other.scheme_ && host_ == other.host_ && port_ == other.port_;
}

}  // namespace etl::inline v0::http
