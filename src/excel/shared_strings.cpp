#include "shared_strings.hpp"

#include <sys/mman.h>

#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "cell_text.hpp"
#include "xml.hpp"

namespace etl::inline v0::excel::detail {
namespace {

constexpr std::size_t write_size = 1 << 20;

class StringsHandler final : public XmlHandler {
 public:
  explicit StringsHandler(SharedStrings& out, const std::string& part) : out_(out), part_(part) {}
  Result<void> start(std::string_view name, const Attributes&) override {
    if (name == "rPh") ++phonetic_;
    in_text_ = name == "t" && phonetic_ == 0;
    return {};
  }
  Result<void> end(std::string_view name) override {
    if (name == "rPh") --phonetic_;
    if (name == "t") in_text_ = false;
    if (name != "si") return {};
    decoded_.clear();
    append_text(decoded_, text_);
    text_.clear();
    return out_.add(decoded_);
  }
  Result<void> text(std::string_view text) override {
    if (!in_text_) return {};
    constexpr std::size_t most = 16 << 20;  // limit; Excel has at most 32,767 characters
    if (text_.size() + text.size() > most)
      return failure(fatal(fmt::format("{}: text {} is longer than {} bytes", part_, out_.size(), most)));
    text_ += text;
    return {};
  }

 private:
  SharedStrings& out_;
  const std::string& part_;
  std::string text_{}, decoded_{};
  int phonetic_ = 0;
  bool in_text_ = false;
};

}  // namespace

SpillBuffer::SpillBuffer(SpillBuffer&& other) noexcept
    : memory_(std::move(other.memory_)),
      size_(std::exchange(other.size_, 0)),
      file_(std::move(other.file_)),
      mapped_(std::exchange(other.mapped_, nullptr)) {}

SpillBuffer& SpillBuffer::operator=(SpillBuffer&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  std::swap(file_, other.file_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

SpillBuffer::~SpillBuffer() {
  if (mapped_ != nullptr) ::munmap(const_cast<char*>(mapped_), size_);
}

Result<void> SpillBuffer::append(std::string_view bytes) {
  memory_ += bytes;
  size_ += bytes.size();
  return spilled() && memory_.size() >= write_size ? write_out() : Result<void>();
}

Result<void> SpillBuffer::spill() {
  if (spilled()) return {};
  auto file = UnnamedFile::make("the shared strings of a workbook", ", or raise Limits::strings_in_memory");
  if (!file) return failure(std::move(file.error()));
  file_ = std::move(*file);
  return write_out();
}

Result<void> SpillBuffer::write_out() {
  if (auto written = file_.write(memory_); !written) return written;
  memory_.clear();
  if (memory_.capacity() > 4 * write_size) memory_.shrink_to_fit();
  return {};
}

Result<void> SpillBuffer::finish() {
  if (!spilled() || size_ == 0) return {};
  if (auto written = write_out(); !written) return written;
  void* const mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file_.handle(), 0);
  if (mapped == MAP_FAILED) return failure(file_.problem("mapped"));
  mapped_ = static_cast<const char*>(mapped);
  return {};
}

Result<void> SharedStrings::add(std::string_view text) {
  if (auto added = texts_.append(text); !added) return added;
  const std::uint64_t end = texts_.size();
  char bytes[sizeof end];
  std::memcpy(bytes, &end, sizeof end);
  if (auto added = ends_.append({bytes, sizeof bytes}); !added) return added;
  if (spilled_ || texts_.size() + ends_.size() <= in_memory_) return {};
  spilled_ = true;
  if (auto spilled = texts_.spill(); !spilled) return spilled;
  return ends_.spill();
}

Result<void> SharedStrings::finish() {
  if (auto done = texts_.finish(); !done) return done;
  return ends_.finish();
}

std::optional<std::string_view> SharedStrings::at(std::uint64_t i) const noexcept {
  if (i >= size()) return std::nullopt;
  std::uint64_t begin = 0, end = 0;
  if (i > 0) std::memcpy(&begin, ends_.data() + (i - 1) * sizeof begin, sizeof begin);
  std::memcpy(&end, ends_.data() + i * sizeof end, sizeof end);
  return std::string_view(texts_.data() + begin, end - begin);
}

Result<SharedStrings> SharedStrings::read(Part part, std::size_t in_memory) {
  const std::string place = part.name();
  SharedStrings strings(in_memory);
  StringsHandler handler(strings, place);
  if (auto read = read_xml(std::move(part), handler); !read) return failure(read.error());
  if (auto done = strings.finish(); !done) return failure(done.error());
  return strings;
}

}  // namespace etl::inline v0::excel::detail
