#pragma once
/// The body of a request while it is sent.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <etl/error.hpp>
#include <etl/http/message.hpp>
#include <etl/io/source.hpp>

namespace etl::inline v0::http {

/// Reads a body from its beginning, as often as it is asked to. Refers to the body.
class BodyReader {
 public:
  explicit BodyReader(const Body& body) : body_(body) {}
  BodyReader(const BodyReader&) = delete;
  BodyReader& operator=(const BodyReader&) = delete;
  ~BodyReader();

  /// Must be called before the first `read`, and again before the body is read again.
  [[nodiscard]] Result<void> rewind();
  /// Known after `rewind`; nothing: only its end will tell.
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept { return size_; }
  [[nodiscard]] bool has_body() const noexcept { return body_.what().index() != 0; }
  /// 0: the end.
  [[nodiscard]] Result<std::size_t> read(std::span<char> to);
  /// The bytes, of a body in memory.
  [[nodiscard]] std::optional<std::string_view> in_memory() const noexcept;

 private:
  [[nodiscard]] Result<void> open_file(const Body::File& file);
  const Body& body_;
  std::optional<std::uint64_t> size_ = 0;
  std::uint64_t done_ = 0;
  int file_ = -1;
  io::Source source_{};
};

}  // namespace etl::inline v0::http
