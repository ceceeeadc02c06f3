#include <new>

#include "raw_inflate.hpp"

#include <zlib.h>

namespace etl::inline v0::io::detail {
namespace {

class ZlibInflate final : public RawInflate {
 public:
  ZlibInflate() {
    if (::inflateInit2(&stream_, -15) != Z_OK) throw std::bad_alloc();  // negative: no header and no trailer
  }
  ZlibInflate(const ZlibInflate&) = delete;
  ZlibInflate& operator=(const ZlibInflate&) = delete;
  ~ZlibInflate() override { ::inflateEnd(&stream_); }

  void begin() override {
    ::inflateReset(&stream_);
    flush_ = Z_NO_FLUSH;
  }
  void begin_at(int bits, unsigned char byte, std::string_view window) override {
    begin();
    if (bits > 0) ::inflatePrime(&stream_, bits, byte >> (8 - bits));
    ::inflateSetDictionary(&stream_, reinterpret_cast<const Bytef*>(window.data()), static_cast<uInt>(window.size()));
  }
  void stop_after_block() override { flush_ = Z_BLOCK; }
  int unused_bits() const noexcept override { return stream_.data_type & 7; }

  Status run(const char*& next_in, const char* end_in, char*& next_out, char* end_out) override {
    stream_.next_in = reinterpret_cast<const Bytef*>(next_in);
    stream_.avail_in = static_cast<uInt>(end_in - next_in);
    stream_.next_out = reinterpret_cast<Bytef*>(next_out);
    stream_.avail_out = static_cast<uInt>(end_out - next_out);
    const int status = ::inflate(&stream_, flush_);
    const bool stops = flush_ == Z_BLOCK;
    flush_ = Z_NO_FLUSH;
    next_in = end_in - stream_.avail_in;
    next_out = end_out - stream_.avail_out;
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    if (status == Z_STREAM_END) return Status::End;
    if (status != Z_OK && status != Z_BUF_ERROR) return Status::Invalid;
    constexpr int last_block = 64, after_block = 128;  // of data_type, see zlib.h
    return stops && (stream_.data_type & (last_block | after_block)) == after_block ? Status::Block : Status::Going;
  }

  std::uint32_t crc32(std::uint32_t crc, std::string_view bytes) const noexcept override {
    return static_cast<std::uint32_t>(::crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  }

 private:
  z_stream stream_{};
  int flush_ = Z_NO_FLUSH;
};

}  // namespace

std::unique_ptr<RawInflate> raw_inflate_zlib() { return std::make_unique<ZlibInflate>(); }

}  // namespace etl::inline v0::io::detail
