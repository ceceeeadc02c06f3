#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "raw_inflate.hpp"

namespace etl::inline v0::io::detail {
namespace {

class IsalInflate final : public RawInflate {
 public:
  IsalInflate() { ::isal_inflate_init(&state_); }

  void begin() override { ::isal_inflate_reset(&state_); }

  Status run(const char*& next_in, const char* end_in, char*& next_out, char* end_out) override {
    // ISA-L does not write to its input, in spite of its types.
    state_.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(next_in));
    state_.avail_in = static_cast<std::uint32_t>(end_in - next_in);
    state_.next_out = reinterpret_cast<std::uint8_t*>(next_out);
    state_.avail_out = static_cast<std::uint32_t>(end_out - next_out);
    const int status = ::isal_inflate(&state_);
    const bool stuck =
        state_.avail_in > 0 && next_in == end_in - state_.avail_in && next_out == end_out - state_.avail_out;
    next_in = end_in - state_.avail_in;
    next_out = end_out - state_.avail_out;
    if (state_.block_state == ISAL_BLOCK_FINISH) {
      next_in -= state_.read_in_length / 8;  // whole bytes that it has loaded and not used
      return Status::End;
    }
    return status < 0 || (stuck && next_out != end_out) ? Status::Invalid : Status::Going;
  }

  std::uint32_t crc32(std::uint32_t crc, std::string_view bytes) const noexcept override {
    return ::crc32_gzip_refl(crc, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  }

 private:
  inflate_state state_{};
};

}  // namespace

std::unique_ptr<RawInflate> raw_inflate_isal() { return std::make_unique<IsalInflate>(); }

}  // namespace etl::inline v0::io::detail
