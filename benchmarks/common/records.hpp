#pragma once
/// The records that are handed over, and what is done with them. Every rival calls the same functions.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

struct Pod {
  std::uint64_t id;
  std::int64_t cents;
  double price;
  std::uint64_t customer;
  std::uint64_t product;
  std::uint64_t time;
  std::uint32_t quantity;
  std::uint32_t flags;
  double weight;
};
static_assert(sizeof(Pod) == 64);

/// A record that owns heap memory: 40 bytes do not fit into the string itself.
struct Str {
  Pod pod;
  std::string text;
};

/// A result of another type than its source item.
struct Sale {
  std::uint64_t id;
  std::int64_t cents;
  std::string text;
};

inline constexpr std::uint64_t end_mark = ~std::uint64_t{0};  // id of a record that means "no more"

inline Pod make_pod(std::uint64_t i) {
  return {.id = i,
          .cents = 0,
          .price = static_cast<double>(static_cast<std::int64_t>(i)) * 0.25,
          .customer = i * 31,
          .product = i * 17 + 5,
          .time = i + 1'700'000'000,
          .quantity = static_cast<std::uint32_t>(i & 63),
          .flags = 1,
          .weight = 2.5};
}
/// The transform: what so many of one product cost, in cents.
inline std::int64_t cents_of(const Pod& p) {
  return static_cast<std::int64_t>(p.price * 100.0) * static_cast<std::int64_t>(p.quantity);
}
/// What a record with these cents adds to the checksum.
inline std::uint64_t digest(const Pod& p, std::int64_t cents) {
  return static_cast<std::uint64_t>(cents) + (p.id ^ p.time) + p.customer;
}

/// Not constant: a source does not know at compile time how long its texts are, and the compiler must not either.
inline std::string_view text_of_40 = "forty bytes of text that need the heap..";
/// One function for all: GCC inlines std::string::assign into a small loop but not into a larger function, which would
/// be measured as a difference between the rivals.
[[gnu::noinline]] inline void assign(std::string& slot, std::string_view text) { slot.assign(text); }
inline char letter(std::uint64_t i) { return static_cast<char>('a' + (i & 15)); }
inline std::uint64_t digest(const std::string& text) {
  return text.size() + static_cast<unsigned char>(text.front()) + static_cast<unsigned char>(text.back());
}

// Workloads with E = T can be worked on in two ways with the same checksum: `process` transforms and sums up in one
// look at the record (no transform stage), or `transform` writes into the record and `digest` sums it up later.

/// E = T = 64 bytes without a pointer.
struct PodWork {
  using E = Pod;
  using T = Pod;
  static constexpr bool in_place = true;
  static E make(std::uint64_t i) { return make_pod(i); }
  static void fill(E& slot, std::uint64_t i) { slot = make_pod(i); }
  static void transform(E& e) { e.cents = cents_of(e); }
  static std::uint64_t digest(const T& t) { return bench::digest(t, t.cents); }
  static std::uint64_t process(const E& e) { return bench::digest(e, cents_of(e)); }
  static std::uint64_t& id(E& e) { return e.id; }
};

/// E = T = the same with a 40-byte heap string.
struct StrWork {
  using E = Str;
  using T = Str;
  static constexpr bool in_place = true;
  static E make(std::uint64_t i) {
    E e{make_pod(i), std::string(text_of_40)};
    e.text[0] = letter(i);
    return e;
  }
  static void fill(E& slot, std::uint64_t i) {
    slot.pod = make_pod(i);
    assign(slot.text, text_of_40);  // into the memory of the record that was here before
    slot.text[0] = letter(i);
  }
  static void transform(E& e) { e.pod.cents = cents_of(e.pod); }
  static std::uint64_t digest(const T& t) { return bench::digest(t.pod, t.pod.cents) + bench::digest(t.text); }
  static std::uint64_t process(const E& e) { return bench::digest(e.pod, cents_of(e.pod)) + bench::digest(e.text); }
  static std::uint64_t& id(E& e) { return e.pod.id; }
};

/// E to a different T, both with strings; the item stays untouched.
struct ConvertWork {
  using E = Str;
  using T = Sale;
  static constexpr bool in_place = false;
  static E make(std::uint64_t i) { return StrWork::make(i); }
  static void fill(E& slot, std::uint64_t i) { StrWork::fill(slot, i); }
  static void transform(const E& e, T& slot) {
    slot.id = e.pod.id;
    slot.cents = cents_of(e.pod);
    assign(slot.text, e.text);
  }
  static std::uint64_t digest(const T& t) { return t.id + static_cast<std::uint64_t>(t.cents) + bench::digest(t.text); }
  static std::uint64_t& id(E& e) { return e.pod.id; }
};

/// A transform that costs about a microsecond of arithmetic: what more workers are for.
struct CpuWork : PodWork {
  static std::int64_t result(const E& e) {
    std::uint64_t x = e.id | 1;
    for (int round = 0; round < 400; ++round) {
      x ^= x << 13;
      x ^= x >> 7;
      x ^= x << 17;
    }
    return static_cast<std::int64_t>(x >> 1);
  }
  static void transform(E& e) { e.cents = result(e); }
  static std::uint64_t process(const E& e) { return bench::digest(e, result(e)); }
};

/// What a rival's worker does with a batch: transform and checksum, its own scratch memory reused.
template <class W>
class BatchWork {
 public:
  std::uint64_t operator()(std::span<typename W::E> batch) {
    std::uint64_t sum = 0;
    if constexpr (W::in_place) {
      for (const auto& record : batch) sum += W::process(record);
    } else {
      if (results_.size() < batch.size()) results_.resize(batch.size());
      for (std::size_t i = 0; i < batch.size(); ++i) {
        W::transform(batch[i], results_[i]);
        sum += W::digest(results_[i]);
      }
    }
    return sum;
  }
  std::uint64_t operator()(typename W::E& record) { return (*this)(std::span(&record, 1)); }

 private:
  std::vector<typename W::T> results_;
};

/// The right answer, found without any hand-over.
template <class W>
std::uint64_t expected_checksum(std::uint64_t records) {
  typename W::E record = W::make(0);
  BatchWork<W> work;
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < records; ++i) {
    W::fill(record, i);
    sum += work(record);
  }
  return sum;
}

}  // namespace bench
