#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <curl/curl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <etl/http/download.hpp>
#include <etl/policy/waiter.hpp>

#include "number.hpp"
#include "part_file.hpp"
#include "shown.hpp"

namespace etl::inline v0::http {
namespace {

/// A header such as `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10` (RFC 9110, 14.4).
struct ContentRange {
  std::optional<std::uint64_t> first{};
  std::optional<std::uint64_t> total{};
};
ContentRange content_range(const Response& response) {
  std::string_view text = response.headers.find("Content-Range").value_or("");
  if (!text.starts_with("bytes ")) return {};
  text.remove_prefix(6);
  const std::size_t slash = std::min(text.find('/'), text.size());
  return {.first = number(text.substr(0, std::min(text.find('-'), slash))),
          .total = number(text.substr(std::min(slash + 1, text.size())))};
}

/// A validator that identifies this version of the file to the byte: a strong ETag, or a date that is old enough (RFC
/// 9110, 8.8.2.2 and 13.1.5).
std::string strong_validator(const Response& response) {
  if (const auto etag = response.headers.find("ETag"); etag && etag->starts_with('"')) return std::string(*etag);
  const auto modified = response.headers.find("Last-Modified");
  const auto date = response.headers.find("Date");
  if (!modified || !date) return {};
  const time_t then = curl_getdate(std::string(*modified).c_str(), nullptr);
  const time_t now = curl_getdate(std::string(*date).c_str(), nullptr);
  constexpr time_t minute = 60;
  return then != -1 && now != -1 && now - then >= minute ? std::string(*modified) : std::string();
}

/// Whether another mirror may succeed. A full disk, a stop or a wrong option would fail again.
bool concerns_mirror(const Error& error) {
  return error.code.category() == error_category() && error.code != Problem::Stopped;
}

class Download {
 public:
  Download(const Client& client, PartFile part, const DownloadOptions& options, const std::stop_token& stop)
      : client_(client), part_(std::move(part)), options_(options), stop_(stop), found_(part_.size()) {}

  /// Downloads the whole file from one mirror, with as many attempts as this takes.
  [[nodiscard]] Result<Downloaded> from(const std::string& url, bool again = false) {
    const Waiter waiter(stop_);
    for (std::uint64_t before = part_.size();; before = part_.size()) {
      Backoff backoff(options_.retry, waiter.now(), std::random_device{}());
      for (;;) {
        Result<void> done = attempt(url);
        if (done) return finish(url, again);
        const bool advanced = part_.size() > before;
        const auto delay = backoff.after(done.error(), waiter.now());
        if (!delay) return failure(std::move(done.error()));
        if (!waiter.wait_for(*delay)) return failure(std::move(done.error()));
        if (advanced) break;  // there was progress, so attempts are counted from 0 again
      }
    }
  }

 private:
  [[nodiscard]] bool may_resume(const std::string& url) const {
    if (part_.size() == 0 || (options_.size && part_.size() > *options_.size)) return false;
    return options_.digest || (part_.is_of_this_boot() && !part_.validator(url).empty());
  }
  [[nodiscard]] Error wrong(const Request& request, std::string what) const {
    return {.code = Problem::Content, .context = fmt::format("{}: {}", shown_request(request), what)};
  }

  [[nodiscard]] Result<void> attempt(const std::string& url) {
    for (;;) {
      const Result<bool> done = request_rest(url);
      if (!done) return failure(done.error());
      if (*done) return {};
    }
  }

  /// Returns false if the server has to be asked once more.
  [[nodiscard]] Result<bool> request_rest(const std::string& url) {
    // Complete, only not checked yet.
    if (options_.size && part_.size() == *options_.size && may_resume(url)) return true;
    Request request{.url = url, .headers = options_.headers, .decompress = false};
    resumed_ = may_resume(url);
    if (resumed_) {
      request.range = Range{.first = part_.size()};
      if (const auto validator = part_.validator(url); !validator.empty())
        request.headers.set("If-Range", std::string(validator));
    } else {
      found_ = 0;
      total_.reset();
    }
    request.on_head = [&](const Response& head) { return begin(request, head); };
    request.on_body = [&](std::string_view bytes) { return take(request, bytes); };
    const std::uint64_t before = part_.size();
    Result<Response> response = client_.exchange(request, stop_);
    if (!response && std::exchange(has_changed_, false)) {
      if (auto emptied = part_.restart(url, {}); !emptied) return failure(std::move(emptied.error()));
      return false;  // download it from its beginning
    }
    if (!response) return failure(std::move(response.error()));
    if (response->ok()) {
      // Without the total nobody knows whether these bytes are the last ones: the next answer is then empty, or a 416.
      if (response->status == 206 && !total_ && part_.size() > before) return false;
      if (auto all = complete(request); !all) return failure(std::move(all.error()));
      return true;
    }
    if (response->status != 416 || !resumed_) return failure(client_.error_of(request, *response));
    const std::optional<std::uint64_t> total = content_range(*response).total;
    if (total ? *total == part_.size() : had_no_total_) return true;  // the part was already complete
    if (auto emptied = part_.restart(url, {}); !emptied) return failure(std::move(emptied.error()));
    return false;  // the file has changed: download it from its beginning
  }

  /// Some servers ignore `If-Range`. A 206 has the validators that a 200 would have (RFC 9110, 15.3.7).
  [[nodiscard]] bool is_of_another_version(std::string_view validator, const Response& head,
                                           const ContentRange& range) const {
    const auto now = head.headers.find(validator.starts_with('"') ? "ETag" : "Last-Modified");
    return (!validator.empty() && now && *now != validator) || (total_ && range.total && *total_ != *range.total);
  }
  [[nodiscard]] Result<void> begin(const Request& request, const Response& head) {
    if (!head.ok()) return {};
    if (head.status == 206) {
      const ContentRange range = content_range(head);
      if (!request.range || range.first != part_.size())
        return failure(wrong(request, fmt::format("the answer is not the part that was asked for: Content-Range '{}'",
                                                  excerpt(head.headers.find("Content-Range").value_or("")))));
      has_changed_ = is_of_another_version(part_.validator(request.url), head, range);
      if (has_changed_) return failure(wrong(request, "the file has changed"));
      if (range.total) total_ = range.total;
      had_no_total_ = !range.total;
    } else {
      found_ = 0;
      if (auto emptied = part_.restart(request.url, strong_validator(head)); !emptied) return emptied;
      total_ = number(head.headers.find("Content-Length").value_or(""));
    }
    if (options_.size && total_ && *total_ != *options_.size)
      return failure(wrong(request, fmt::format("the file has {} bytes and must have {}", *total_, *options_.size)));
    return {};
  }
  [[nodiscard]] Result<void> take(const Request& request, std::string_view bytes) {
    if (const auto most = options_.size ? options_.size : total_; most && part_.size() + bytes.size() > *most)
      return failure(wrong(request, fmt::format("the file has more than the {} bytes that it must have", *most)));
    if (auto written = part_.append(bytes); !written) return written;
    if (options_.progress) options_.progress(part_.size(), total_ ? total_ : options_.size);
    return {};
  }

  /// A server may give less than the rest that was asked for. The next attempt asks for what is missing.
  [[nodiscard]] Result<void> complete(const Request& request) const {
    if (!total_ || part_.size() >= *total_) return {};
    return failure(
        Error{.code = Problem::Incomplete,
              .error_class = ErrorClass::Transient,
              .context = fmt::format("{}: {}: {} bytes of {}", shown_request(request),
                                     make_error_code(Problem::Incomplete).message(), part_.size(), *total_)});
  }

  [[nodiscard]] Result<Downloaded> finish(const std::string& url, bool again) {
    const Request request{.url = url};
    const std::uint64_t size = part_.size();
    const std::string digest = part_.digest();
    std::string problem;
    if (options_.size && size != *options_.size)
      problem = fmt::format("the file has {} bytes and must have {}", size, *options_.size);
    else if (options_.digest && !io::same_hex(digest, options_.digest->hex))
      problem = fmt::format("the digest is {} and must be {}", digest, options_.digest->hex);
    if (problem.empty()) {
      if (auto done = part_.finish(); !done) return failure(std::move(done.error()));
      return Downloaded{.size = size, .digest = digest, .url = url, .resumed = found_};
    }
    const bool mixed = std::exchange(resumed_, false) || found_ > 0;
    if (auto emptied = part_.restart(url, {}); !emptied) return failure(std::move(emptied.error()));
    // The bytes may be of two versions: download once more, from the beginning.
    if (mixed && !again) return from(url, true);
    return failure(wrong(request, problem + ": the downloaded bytes are deleted"));
  }

  const Client& client_;
  PartFile part_;
  const DownloadOptions& options_;
  const std::stop_token& stop_;
  std::uint64_t found_;  ///< bytes of an earlier call that are still valid
  bool resumed_ = false;
  bool has_changed_ = false;   // the last answer was a part of another version of the file
  bool had_no_total_ = false;  // the last part of the file came without the file's size
  std::optional<std::uint64_t> total_{};
};

}  // namespace

Result<Downloaded> download(const Client& client, std::span<const std::string> mirrors, const std::filesystem::path& to,
                            const DownloadOptions& options, const std::stop_token& stop) {
  if (auto problem = options.retry.validate()) return failure(std::move(*problem));
  if (mirrors.empty())
    return failure(Error{.code = Errc::InvalidOptions, .context = fmt::format("download '{}': no URL", to.string())});
  Result<PartFile> part = PartFile::open(to, options.digest ? options.digest->kind : io::DigestKind::Sha256, stop);
  if (!part) return failure(std::move(part.error()));
  Download download(client, std::move(*part), options, stop);
  std::vector<std::string> problems;
  Error last;
  for (const std::string& mirror : mirrors) {
    Result<Downloaded> done = download.from(mirror);
    if (done || !concerns_mirror(done.error()) || mirrors.size() == 1) return done;
    const bool was_transient = !problems.empty() && last.error_class == ErrorClass::Transient;
    last = std::move(done.error());
    if (was_transient) last.error_class = ErrorClass::Transient;
    problems.push_back(last.message());
  }
  last.context = fmt::format("download '{}': no mirror has it: {}", to.string(), fmt::join(problems, "; "));
  last.cause = nullptr;
  return failure(std::move(last));
}

}  // namespace etl::inline v0::http
