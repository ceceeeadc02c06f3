#include <etl/io/digest.hpp>

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

namespace etl::inline v0::io {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

[[noreturn]] void give_up(DigestKind kind) {
  throw Exception(fatal(kind == DigestKind::Md5
                            ? "this OpenSSL does not compute MD5 (FIPS mode, or a minimal build): use SHA-256"
                            : "this OpenSSL does not compute SHA-256: check its configuration (openssl.cnf)"));
}

class DigestingSource final : public FilterSource {
 public:
  DigestingSource(Source source, Digest& digest) : FilterSource(std::move(source)), digest_(&digest) {}
  Result<std::size_t> read(std::span<char> to) override {
    auto got = source().read(to);
    if (got) digest_->update({to.data(), *got});
    return got;
  }

 private:
  Digest* digest_;
};

/// Only ASCII, because std::tolower depends on the locale.
char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

struct Digest::State {
  explicit State(DigestKind which) : kind(which), context(EVP_MD_CTX_new()) {
    if (!context) throw std::bad_alloc();
    begin();
  }
  void begin() const {
    const EVP_MD* algorithm = kind == DigestKind::Md5 ? EVP_md5() : EVP_sha256();
    if (EVP_DigestInit_ex(context.get(), algorithm, nullptr) != 1) give_up(kind);
  }
  DigestKind kind;
  std::unique_ptr<EVP_MD_CTX, FreeContext> context;
};

Digest::Digest(DigestKind kind) : state_(std::make_unique<State>(kind)) {}
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

void Digest::update(std::string_view bytes) {
  if (EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) != 1) give_up(state_->kind);
}

std::string Digest::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(state_->context.get(), raw.data(), &size) != 1) give_up(state_->kind);
  state_->begin();
  std::string hex;
  for (const unsigned char byte : std::span(raw).first(size)) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::string digest(DigestKind kind, std::string_view bytes) {
  Digest one(kind);
  one.update(bytes);
  return one.finish();
}

Result<std::string> digest_file(DigestKind kind, const std::filesystem::path& path) {
  auto file = open_file(path);
  if (!file) return failure(std::move(file).error());
  Digest one(kind);
  std::vector<char> buffer(std::size_t{256} << 10);
  for (;;) {
    const auto got = (*file)->read(buffer);
    if (!got) return failure(got.error());
    if (*got == 0) return one.finish();
    one.update({buffer.data(), *got});
  }
}

Source digesting(Source source, Digest& digest) { return std::make_unique<DigestingSource>(std::move(source), digest); }

bool same_hex(std::string_view a, std::string_view b) noexcept { return std::ranges::equal(a, b, {}, lower, lower); }

}  // namespace etl::inline v0::io
