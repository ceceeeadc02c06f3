#pragma once
/// Sources and sinks for tests, and a folder for their files.

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <etl/io/sink.hpp>
#include <etl/io/source.hpp>

namespace test {

/// A folder of its own, gone at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "etlpipe-io-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::filesystem::path operator/(const char* name) const { return path_ / name; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}
inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Gives `piece` bytes a time, then `error`, or the end. Owns its bytes.
class PiecesSource final : public etl::io::ByteSource {
 public:
  PiecesSource(std::string bytes, std::size_t piece, std::string error = {})
      : bytes_(std::move(bytes)), piece_(piece), error_(std::move(error)) {}
  etl::Result<std::size_t> read(std::span<char> to) override {
    if (consumed_ == bytes_.size() && !error_.empty()) return etl::failure(etl::fatal(error_));
    const std::size_t count = bytes_.copy(to.data(), std::min(piece_, to.size()), consumed_);
    consumed_ += count;
    return count;
  }
  [[nodiscard]] const std::string& name() const noexcept override { return name_; }
  [[nodiscard]] std::uint64_t consumed() const noexcept override { return consumed_; }

 private:
  std::string bytes_;
  std::size_t piece_;
  std::string error_;
  std::size_t consumed_ = 0;
  std::string name_ = "pieces";
};
inline etl::io::Source pieces(std::string bytes, std::size_t piece, std::string error = {}) {
  return std::make_unique<PiecesSource>(std::move(bytes), piece, std::move(error));
}

/// Appends to a string.
class StringSink final : public etl::io::ByteSink {
 public:
  explicit StringSink(std::string& target) : target_(&target) {}
  etl::Result<void> write(std::string_view bytes) override {
    target_->append(bytes);
    return {};
  }
  etl::Result<void> finish() override { return {}; }

 private:
  std::string* target_;
};

/// What a source gave before its end or its error.
struct Drained {
  std::string bytes;
  std::string error;
};
inline Drained drain(etl::io::ByteSource& source, std::size_t piece = 1 << 16) {
  Drained all;
  std::string buffer(piece, '\0');
  for (;;) {
    const auto got = source.read(buffer);
    if (!got) {
      all.error = got.error().message();
      return all;
    }
    if (*got == 0) return all;
    all.bytes.append(buffer, 0, *got);
  }
}

/// Text that compresses about as well as a flat file does, the same for each call.
inline std::string flat_text(std::size_t size) {
  std::string text;
  std::uint64_t state = 42;
  while (text.size() < size) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    text += "DR   EMBL; X" + std::to_string(state >> 44) + "; AAA" + std::to_string((state >> 30) & 1023) + ".1; -.\n";
    if ((state >> 60) == 0) text += "//\n";
  }
  text.resize(size);
  return text;
}

}  // namespace test
