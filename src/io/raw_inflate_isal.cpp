#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include "raw_inflate.hpp"

namespace etl::inline v0::io::detail {
namespace {

class IsalInflate final : public RawInflate {
 public:
  IsalInflate() { ::isal_inflate_init(&state_); }

  void begin() override {
    ::isal_inflate_reset(&state_);
    stops_ = false;
  }
  void begin_at(int bits, unsigned char byte, std::string_view window) override {
    begin();
    state_.read_in = bits > 0 ? byte >> (8 - bits) : 0;
    state_.read_in_length = bits;
    // It does not write to the dictionary.
    ::isal_inflate_set_dict(&state_, reinterpret_cast<std::uint8_t*>(const_cast<char*>(window.data())),
                            static_cast<std::uint32_t>(window.size()));
  }
  void stop_after_block() override {
    // ISA-L stops only after a stream's last block. So the block that it is in is called the last one. Between blocks,
    // or within a header, this has to wait.
    if (state_.bfinal != 0 || (state_.block_state != ISAL_BLOCK_CODED && state_.block_state != ISAL_BLOCK_TYPE0))
      return;
    state_.bfinal = 1;
    stops_ = true;
  }
  int unused_bits() const noexcept override { return state_.read_in_length % 8; }

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
      return stops_ ? Status::Block : Status::End;
    }
    return status < 0 || (stuck && next_out != end_out) ? Status::Invalid : Status::Going;
  }

  std::uint32_t crc32(std::uint32_t crc, std::string_view bytes) const noexcept override {
    return ::crc32_gzip_refl(crc, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  }

 private:
  inflate_state state_{};
  bool stops_ = false;  // the block that is called the last one is not
};

}  // namespace

std::unique_ptr<RawInflate> raw_inflate_isal() { return std::make_unique<IsalInflate>(); }

}  // namespace etl::inline v0::io::detail
