#include "lines_source.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <etl/error.hpp>
#include <etl/http/error.hpp>

namespace etl::inline v0::druid {
namespace {

class CompleteLines final : public io::ByteSource {
 public:
  explicit CompleteLines(io::Source source) : source_(std::move(source)) {}

  [[nodiscard]] Result<std::size_t> read(std::span<char> to) override {
    Result<std::size_t> got = source_->read(to);
    if (!got) return got;
    for (const char c : to.first(*got)) line_ends_ = c == '\n' ? line_ends_ + 1 : c == '\r' ? line_ends_ : 0;
    any_ = any_ || *got > 0;
    // An empty result consists of one empty line.
    if (*got > 0 || line_ends_ >= 2 || (any_ && consumed() <= 2 && line_ends_ == 1)) return got;
    return Error{
        .code = http::Problem::Incomplete,
        .error_class = ErrorClass::Transient,
        .context = fmt::format("{}: the result ends after {} bytes, before the empty line that ends a complete "
                               "result; Druid has given up while it sent rows",
                               name(), consumed())};
  }
  [[nodiscard]] const std::string& name() const noexcept override { return source_->name(); }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return source_->consumed(); }
  [[nodiscard]] std::uint64_t size_hint() const noexcept override { return source_->size_hint(); }
  bool interrupt() noexcept override { return source_->interrupt(); }

 private:
  io::Source source_;
  std::size_t line_ends_ = 0;
  bool any_ = false;
};

}  // namespace

io::Source complete_lines(io::Source source) { return std::make_unique<CompleteLines>(std::move(source)); }

}  // namespace etl::inline v0::druid
