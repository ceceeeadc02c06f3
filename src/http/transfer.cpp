#include "transfer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <span>
#include <utility>

#include <fmt/format.h>

#include <etl/io/digest.hpp>

#include "aws_signature.hpp"
#include "shown.hpp"

namespace etl::inline v0::http {
namespace {

using std::chrono::milliseconds;
constexpr std::size_t most_buffered = std::size_t{1} << 20;

SteadyTime now() { return std::chrono::steady_clock::now(); }

/// Converts a time limit: libcurl would take 0 for its own default.
long limit(milliseconds time) {
  return time.count() > 0 ? static_cast<long>(time.count()) : std::numeric_limits<int>::max();
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  text.remove_prefix(first);
  return text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

struct Cause {
  Problem problem;
  ErrorClass error_class = ErrorClass::Transient;
};
Cause cause_of(CURLcode code, bool connected) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return {Problem::Resolve};
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY: return {Problem::Connect};
    case CURLE_OPERATION_TIMEDOUT: return {connected ? Problem::Timeout : Problem::Connect};
    case CURLE_SSL_CONNECT_ERROR: return {Problem::Tls};  // or the connection broke during the handshake
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH: return {Problem::Tls, ErrorClass::Fatal};
    case CURLE_PARTIAL_FILE: return {Problem::Incomplete};
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: return {Problem::Reset};
    default: return {Problem::Protocol, ErrorClass::Fatal};
  }
}

}  // namespace

Transfer::Transfer(Client::State& client, const Request& request, const Hop& hop, SteadyTime deadline, To to)
    : client_(client),
      request_(request),
      hop_(hop),
      deadline_(deadline),
      to_(to),
      session_(client.sessions.take()),
      body_(request.body) {}

Transfer::~Transfer() {
  if (!session_) return;
  if (started_) curl_multi_remove_handle(session_->multi.get(), session_->easy.get());
  curl_easy_reset(session_->easy.get());  // the handle refers to this object
  client_.sessions.give_back(std::move(session_));
}

template <class V>
void Transfer::set(CURLoption option, V value) {
  curl_easy_setopt(session_->easy.get(), option, value);
}

Error Transfer::problem(Problem problem, std::string_view what, ErrorClass error_class) const {
  std::string context =
      fmt::format("{}: {}", shown_request(request_, hop_.url.text()), make_error_code(problem).message());
  if (!what.empty()) context.append(": ").append(what);
  return {.code = problem,
          .error_class = error_class,
          .context = without_secrets(std::move(context), request_, client_.options)};
}

// --- what libcurl is told --------------------------------------------------------------------------------------------

Result<void> Transfer::start() {
  if (!session_) return failure(fatal("out of memory for an HTTP connection"));
  reason_.assign(CURL_ERROR_SIZE, '\0');
  set(CURLOPT_ERRORBUFFER, reason_.data());
  set(CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
  set(CURLOPT_QUICK_EXIT, 1L);  // otherwise a stop would wait for the system's name lookup
#endif
  set(CURLOPT_URL, hop_.url.text().c_str());
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_HTTP_VERSION, client_.options.http2 ? long{CURL_HTTP_VERSION_2TLS} : long{CURL_HTTP_VERSION_1_1});
  set(CURLOPT_USERAGENT, client_.options.user_agent.c_str());
  if (client_.options.proxy) set(CURLOPT_PROXY, client_.options.proxy->c_str());
  set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &Transfer::on_write);
  set(CURLOPT_WRITEDATA, this);
  set_tls();
  set_limits();
  if (auto done = set_body(); !done) return done;
  if (auto done = set_headers(); !done) return done;
  if (auto done = set_auth(); !done) return done;
  set(CURLOPT_HTTPHEADER, headers_.get());
  moved_ = now();
  if (deadline_ != SteadyTime::max()) {
    const auto left = std::chrono::ceil<milliseconds>(deadline_ - moved_);
    if (left.count() <= 0) return failure(problem(Problem::Timeout, "", ErrorClass::Transient));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(left.count()));
  }
  if (curl_multi_add_handle(session_->multi.get(), session_->easy.get()) != CURLM_OK)
    return failure(fatal("out of memory for an HTTP request"));
  started_ = true;
  return {};
}

void Transfer::set_tls() {
  const TlsOptions& tls = client_.options.tls;
  set(CURLOPT_SSL_VERIFYPEER, tls.verify ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, tls.verify ? 2L : 0L);
  set(CURLOPT_SSLVERSION, long{CURL_SSLVERSION_TLSv1_2});
  if (!tls.ca_file.empty()) set(CURLOPT_CAINFO, tls.ca_file.c_str());
  if (!tls.ca_folder.empty()) set(CURLOPT_CAPATH, tls.ca_folder.c_str());
  if (tls.client_certificate.empty()) return;
  set(CURLOPT_SSLCERT, tls.client_certificate.c_str());
  set(CURLOPT_SSLKEY, (tls.client_key.empty() ? tls.client_certificate : tls.client_key).c_str());
  if (!tls.client_key_password.empty()) set(CURLOPT_KEYPASSWD, tls.client_key_password.c_str());
}

void Transfer::set_limits() {
  set(CURLOPT_CONNECTTIMEOUT_MS, limit(client_.options.timeouts.connect));
  const bool in_memory = to_ == To::Response && !request_.on_body;
  max_body_ =
      request_.max_body.value_or(in_memory ? client_.options.max_body : std::numeric_limits<std::uint64_t>::max());
  if (request_.range) {
    const std::string last = request_.range->last ? std::to_string(*request_.range->last) : "";
    set(CURLOPT_RANGE, fmt::format("{}-{}", request_.range->first, last).c_str());
  } else {
    decompress_ = client_.options.compression && request_.decompress;
  }
}

Result<void> Transfer::set_body() {
  const std::string& method = hop_.method;
  const bool has_body = hop_.with_body && body_.has_body();
  // If a kept connection ends before an answer, libcurl sends the request again, whatever its method. `on_seek` refuses
  // that, but libcurl does not ask where there is no body.
  repeatable_ = request_.repeatable.value_or(method != "POST" && method != "PATCH");
  if (!repeatable_ && !has_body) set(CURLOPT_FRESH_CONNECT, 1L);
  if (method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (has_body || method == "POST" || method == "PUT" || method == "PATCH") {
    if (auto ready = body_.rewind(); has_body && !ready) return ready;
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_INFILESIZE_LARGE,
        has_body && !body_.size() ? curl_off_t{-1} : static_cast<curl_off_t>(has_body ? *body_.size() : 0));
    set(CURLOPT_READFUNCTION, &Transfer::on_read);
    set(CURLOPT_READDATA, this);
    set(CURLOPT_SEEKFUNCTION, &Transfer::on_seek);
    set(CURLOPT_SEEKDATA, this);
    set(CURLOPT_CUSTOMREQUEST, method.c_str());
  } else if (method != "GET") {
    set(CURLOPT_CUSTOMREQUEST, method.c_str());
  }
  return {};
}

Result<void> Transfer::add_header(std::string_view name, std::string_view value) {
  const auto bad = [](unsigned char c) { return c < ' ' && c != '\t'; };
  if (name.empty() || name.find_first_of(": \t\r\n") != std::string_view::npos || std::ranges::any_of(name, bad) ||
      std::ranges::any_of(value, bad))
    return failure(Error{.code = Errc::InvalidOptions,
                         .context = fmt::format("{}: header '{}': neither its name nor its value may hold a control "
                                                "character, nor its name a blank or ':'",
                                                shown_request(request_, hop_.url.text()), excerpt(name))});
  // libcurl has a special form for an empty value; "Name:" would omit the header.
  const std::string line = value.empty() ? fmt::format("{};", name) : fmt::format("{}: {}", name, value);
  curl_slist* const list = headers_.release();
  curl_slist* const longer = curl_slist_append(list, line.c_str());
  headers_.reset(longer == nullptr ? list : longer);
  if (longer == nullptr) return failure(fatal("out of memory for an HTTP header"));
  sent_.push_back({std::string(name), std::string(value)});
  return {};
}

Result<void> Transfer::set_headers() {
  // libcurl would wait a second for a 100 that many servers never send.
  if (!request_.headers.contains("Expect")) headers_.reset(curl_slist_append(headers_.release(), "Expect:"));
  // libcurl would also inflate, but it takes a stream that ends too early for a complete one. The header is not signed,
  // because servers between may change it.
  if (decompress_ && !request_.headers.contains("Accept-Encoding") &&
      !client_.options.headers.contains("Accept-Encoding"))
    headers_.reset(curl_slist_append(headers_.release(), "Accept-Encoding: gzip"));
  const auto add = [&](const Header& header) -> Result<void> {
    const bool secret = is_secret_name(header.name) && !same_name(header.name, request_.public_header);
    if (!hop_.with_credentials && secret) return {};
    const bool of_body = same_name(header.name.substr(0, 8), "Content-");
    if (of_body && !hop_.with_body) return {};  // a redirect has turned the request into a GET
    return add_header(header.name, header.value);
  };
  for (const Header& header : request_.headers)
    if (auto added = add(header); !added) return added;
  for (const Header& header : client_.options.headers)
    if (!request_.headers.contains(header.name))
      if (auto added = add(header); !added) return added;
  return {};
}

Result<void> Transfer::set_auth() {
  if (!hop_.with_credentials) return {};
  const Auth& auth = request_.auth ? *request_.auth : client_.options.auth;
  const auto basic = [&](const std::string& user, const std::string& password) {
    set(CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BASIC));
    set(CURLOPT_USERNAME, user.c_str());
    set(CURLOPT_PASSWORD, password.c_str());
  };
  switch (auth.kind()) {
    case Auth::Kind::None:
      if (!hop_.url.user().empty() || !hop_.url.password().empty()) basic(hop_.url.user(), hop_.url.password());
      return {};
    case Auth::Kind::Basic: basic(auth.name(), auth.secret()); return {};
    case Auth::Kind::Bearer:
    case Auth::Kind::Header: {
      if (request_.headers.contains(auth.name())) return {};  // this request has its own header
      return add_header(auth.name(), auth.kind() == Auth::Kind::Bearer ? "Bearer " + auth.secret() : auth.secret());
    }
    case Auth::Kind::AwsSigV4: break;
  }
  return sign(auth);
}

Result<void> Transfer::sign(const Auth& auth) {
  const auto has = [&](std::string_view name) {
    return std::ranges::any_of(sent_, [&](const Header& header) { return same_name(header.name, name); });
  };
  if (has("Authorization")) return {};  // this request has its own
  const auto bytes = hop_.with_body ? body_.in_memory() : std::string_view();
  // libcurl would sign, too, but which paths and queries it signs as they are written differs between its versions.
  for (const auto& [name, value] : std::initializer_list<Header>{
           {"Host", host_header(hop_.url)},
           {"x-amz-date", aws_time(std::chrono::system_clock::now())},
           {"x-amz-security-token", auth.session_token()},
           {"x-amz-content-sha256",
            bytes && !has("x-amz-content-sha256") ? io::digest(io::DigestKind::Sha256, *bytes) : "UNSIGNED-PAYLOAD"}})
    if (!value.empty() && !has(name))
      if (auto added = add_header(name, value); !added) return added;
  return add_header("Authorization", aws_authorization(auth, hop_.method, hop_.url, sent_));
}

// --- what libcurl tells ----------------------------------------------------------------------------------------------

template <class F>
bool Transfer::guarded(F&& f) noexcept {
  if (error_ || exception_) return false;
  try {
    Result<void> done = f();
    if (!done) error_ = std::move(done.error());
    return done.has_value();
  } catch (...) {
    exception_ = std::current_exception();  // libcurl is C, so `run` throws the exception
    return false;
  }
}

std::size_t Transfer::on_header(char* data, std::size_t one, std::size_t size, void* self) noexcept {
  auto& me = *static_cast<Transfer*>(self);
  me.moved_ = now();
  return me.guarded([&] { return me.header_line({data, one * size}); }) ? one * size : 0;
}

std::size_t Transfer::on_write(char* data, std::size_t one, std::size_t size, void* self) noexcept {
  auto& me = *static_cast<Transfer*>(self);
  if (me.to_ == To::Buffer && me.buffer_.size() >= most_buffered) {
    me.paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  const bool taken = me.guarded([&] { return me.take({data, one * size}); });
  me.moved_ = now();  // the server is not responsible for the time that the caller takes
  return taken ? one * size : 0;
}

std::size_t Transfer::on_read(char* data, std::size_t one, std::size_t size, void* self) noexcept {
  auto& me = *static_cast<Transfer*>(self);
  std::size_t got = 0;
  const bool read = me.guarded([&]() -> Result<void> {
    if (!me.hop_.with_body || !me.body_.has_body()) return {};
    Result<std::size_t> done = me.body_.read({data, one * size});
    if (!done) return failure(std::move(done.error()));
    got = *done;
    me.body_begun_ = me.body_begun_ || got > 0;
    return {};
  });
  me.moved_ = now();
  return read ? got : CURL_READFUNC_ABORT;
}

int Transfer::on_seek(void* self, curl_off_t offset, int origin) noexcept {
  auto& me = *static_cast<Transfer*>(self);
  if (offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  if (me.body_begun_ && !me.repeatable_) return CURL_SEEKFUNC_FAIL;
  return me.guarded([&] { return me.body_.rewind(); }) ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

Result<void> Transfer::header_line(std::string_view line) {
  if (line.starts_with("HTTP/")) {  // there may be an earlier answer 1xx
    response_ = {};
    const std::size_t blank = std::min(line.find(' '), line.size());
    response_.version = line.substr(5, blank - 5);
    const std::string_view rest = trimmed(line.substr(blank));
    std::from_chars(rest.data(), rest.data() + rest.size(), response_.status);
    return {};
  }
  if (head_done_) return {};  // trailer field
  const std::string_view text = trimmed(line);
  if (text.empty()) return response_.status < 200 ? Result<void>() : end_of_head();
  const std::size_t colon = text.find(':');
  if (colon != std::string_view::npos)
    response_.headers.add(std::string(trimmed(text.substr(0, colon))), std::string(trimmed(text.substr(colon + 1))));
  return {};
}

Result<void> Transfer::end_of_head() {
  head_done_ = true;
  response_.url = hop_.url.text();
  const unsigned most = request_.max_redirects.value_or(client_.options.max_redirects);
  redirects_ = most > 0 && is_redirect(response_.status) && response_.headers.contains("Location");
  if (redirects_) return {};
  if (const auto coding = response_.headers.find("Content-Encoding"); coding && decompress_ && hop_.method != "HEAD") {
    if (same_name(*coding, "gzip") || same_name(*coding, "x-gzip"))
      packed_ = std::make_unique<GzipBody>();
    else if (!coding->empty() && !same_name(*coding, "identity") && response_.ok())
      return failure(
          problem(Problem::Protocol,
                  fmt::format("the server sent Content-Encoding '{}', but only gzip was requested", excerpt(*coding)),
                  ErrorClass::Fatal));
  }
  curl_off_t size = -1;
  curl_easy_getinfo(session_->easy.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
  if (response_.ok() && hop_.method != "HEAD" && size > 0 && static_cast<std::uint64_t>(size) > max_body_)
    return too_large();
  return request_.on_head ? request_.on_head(response_) : Result<void>();
}

Result<void> Transfer::too_large() const {
  return failure(problem(Problem::TooLarge, fmt::format("more than {} bytes", max_body_), ErrorClass::Fatal));
}

Result<void> Transfer::take(std::string_view bytes) {
  if (redirects_) return {};
  if (!packed_) return keep(bytes);
  std::optional<Error> refused;
  auto done = packed_->take(bytes, [&](std::string_view inflated) {
    auto kept = keep(inflated);
    if (!kept) refused = kept.error();
    return kept;
  });
  if (done || !response_.ok()) return {};  // the status of an error matters more than its body
  if (refused) return failure(std::move(*refused));
  return failure(problem(Problem::Protocol, done.error().message(), ErrorClass::Fatal));
}

Result<void> Transfer::keep(std::string_view bytes) {
  if (response_.ok()) {
    taken_ += bytes.size();
    if (taken_ > max_body_) return too_large();
    if (to_ == To::Response && request_.on_body) return request_.on_body(bytes);
    (to_ == To::Buffer ? buffer_ : response_.body).append(bytes);
    return {};
  }
  // The body of an error is cut instead of refused, so that its status is not lost.
  const std::uint64_t most = std::min(max_body_, client_.options.max_body);
  response_.body.append(
      bytes.substr(0, static_cast<std::size_t>(most - std::min<std::uint64_t>(most, response_.body.size()))));
  return {};
}

// --- running ---------------------------------------------------------------------------------------------------------

void Transfer::interrupt() noexcept {
  interrupted_ = true;
  if (session_) curl_multi_wakeup(session_->multi.get());
}

bool Transfer::waits() const noexcept {
  if (done_) return false;
  return to_ == To::Response || !head_done_ || !response_.ok() || redirects_ || (handed_over_ && buffer_.empty());
}

Result<void> Transfer::run(const std::stop_token& stop) {
  CURLM* const multi = session_->multi.get();
  const std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
  moved_ = now();
  if (paused_ && buffer_.empty()) {
    paused_ = false;
    curl_easy_pause(session_->easy.get(), CURLPAUSE_CONT);
  }
  while (waits()) {
    if (stop.stop_requested() || interrupted_) return failure(problem(Problem::Stopped, "", ErrorClass::Fatal));
    int running = 0;
    CURLMcode code = curl_multi_perform(multi, &running);
    int left = 0;
    if (const CURLMsg* const message = curl_multi_info_read(multi, &left)) {
      if (auto finished = finish(message->data.result); !finished) return finished;
      continue;
    }
    if (!waits()) break;
    int wait = 600'000;
    if (const milliseconds stall = client_.options.timeouts.stall; stall.count() > 0) {
      const auto left_to_stall = std::chrono::ceil<milliseconds>(moved_ + stall - now());
      if (left_to_stall.count() <= 0)
        return failure(
            problem(Problem::Timeout, fmt::format("no data for {} ms", stall.count()), ErrorClass::Transient));
      wait = static_cast<int>(std::min<std::int64_t>(wait, left_to_stall.count()));
    }
    if (code == CURLM_OK) code = curl_multi_poll(multi, nullptr, 0, wait, nullptr);
    if (code != CURLM_OK) return failure(fatal(fmt::format("libcurl: {}", curl_multi_strerror(code))));
    curl_off_t connected = 0;
    curl_easy_getinfo(session_->easy.get(), CURLINFO_PRETRANSFER_TIME_T, &connected);
    if (connected == 0) moved_ = now();  // before that, the connect time-out applies
  }
  handed_over_ = true;
  return {};
}

Result<void> Transfer::finish(CURLcode code) {
  done_ = true;
  if (exception_) std::rethrow_exception(std::exchange(exception_, nullptr));
  if (error_) return failure(std::move(*error_));
  if (code == CURLE_OK && head_done_) {
    if (!packed_ || packed_->complete() || !response_.ok()) return {};
    return failure(problem(Problem::Incomplete, "the gzip stream has not ended", ErrorClass::Transient));
  }
  curl_off_t connected = 0;
  curl_easy_getinfo(session_->easy.get(), CURLINFO_PRETRANSFER_TIME_T, &connected);
  long tunnel = 0;
  curl_easy_getinfo(session_->easy.get(), CURLINFO_HTTP_CONNECTCODE, &tunnel);
  if (const int status = static_cast<int>(tunnel); status >= 400) {
    Error error = problem(Problem::Connect, "the proxy answers " + error_category().message(status), class_of(status));
    error.code = status_code(status);
    return failure(std::move(error));
  }
  const Cause cause = code == CURLE_OK ? Cause{Problem::Protocol} : cause_of(code, connected > 0);
  std::string_view said = reason_.c_str();
  if (code == CURLE_SEND_FAIL_REWIND) said = "the kept connection was closed before any answer";
  if (said.empty()) said = curl_easy_strerror(code);
  return failure(problem(cause.problem, said, cause.error_class));
}

}  // namespace etl::inline v0::http
