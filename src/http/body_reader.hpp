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

/// Reads a body from its beginning, any number of times. Refers to the body.
class BodyReader {
 public:
  explicit BodyReader(const Body& body) : body_(body) {}
  BodyReader(const BodyReader&) = delete;
  BodyReader& operator=(const BodyReader&) = delete;
  ~BodyReader();

  /// Goes back to the begin of the body. Must be called before the first `read`, and before the body is read again.
  [[nodiscard]] Result<void> rewind();
  /// Size of the body, known after `rewind`; no value if only the end of the body will show it.
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept { return size_; }
  [[nodiscard]] bool has_body() const noexcept { return body_.what().index() != 0; }
  /// Reads bytes; returns 0 at the end.
  [[nodiscard]] Result<std::size_t> read(std::span<char> to);
  /// The bytes of a body in memory.
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
