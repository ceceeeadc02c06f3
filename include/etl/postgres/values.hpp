#pragma once
/// Values in the form of PostgreSQL's binary COPY.

#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <etl/config.hpp>
#include <etl/error.hpp>
#include <etl/postgres/types.hpp>

namespace etl::inline v0::postgres {
namespace detail {

/// Bytes to which fields are appended, in network order.
class Bytes {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::span<const char> all() const noexcept { return {data_.get(), size_}; }
  void truncate(std::size_t size) noexcept { size_ = size; }
  /// Room for `count` more bytes, which the appends do not ask for.
  ETLPIPE_ALWAYS_INLINE void reserve(std::size_t count) {
    if (capacity_ - size_ < count) [[unlikely]]
      grow(count);
  }
  template <class U>
    requires std::is_unsigned_v<U>
  ETLPIPE_ALWAYS_INLINE void append(U value) noexcept {
    if constexpr (std::endian::native == std::endian::little) {
      if constexpr (sizeof(U) == 2) value = __builtin_bswap16(value);
      if constexpr (sizeof(U) == 4) value = __builtin_bswap32(value);
      if constexpr (sizeof(U) == 8) value = __builtin_bswap64(value);
    }
    std::memcpy(data_.get() + size_, &value, sizeof value);
    size_ += sizeof value;
  }
  ETLPIPE_ALWAYS_INLINE void append(const void* data, std::size_t size) noexcept {
    if (size > 0) std::memcpy(data_.get() + size_, data, size);
    size_ += size;
  }
  /// Sets a length that was not known when it was appended.
  void set(std::size_t at, std::uint32_t value) noexcept {
    const std::size_t end = std::exchange(size_, at);
    append(value);
    size_ = end;
  }

 private:
  ETLPIPE_NOINLINE void grow(std::size_t count);
  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

inline constexpr std::uint32_t null_length = 0xffff'ffffU;
/// More than PostgreSQL takes for one value.
inline constexpr std::size_t most_bytes = 0x3fff'ff00U;
inline constexpr const char* out_of_range = "out of the column's range";

[[nodiscard]] const char* text_problem(std::string_view text) noexcept;
/// Digits in base 10,000; `text` as PostgreSQL reads a numeric.
[[nodiscard]] const char* append_numeric(Bytes& to, std::string_view text);
[[nodiscard]] const char* append_numeric(Bytes& to, Decimal value);

/// Whether a text is ASCII without NUL, which nearly all are.
[[nodiscard]] inline bool plain_ascii(std::string_view text) noexcept {
  constexpr std::uint64_t high = 0x8080'8080'8080'8080U, low = 0x0101'0101'0101'0101U;
  const auto bad = [](std::uint64_t eight) { return (((eight - low) | eight) & high) != 0; };
  const auto load = [&](std::size_t at) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, text.data() + at, sizeof eight);
    return eight;
  };
  if (text.size() < sizeof(std::uint64_t)) {
    bool ok = true;
    for (const char c : text) ok = ok && static_cast<signed char>(c) > 0;
    return ok;
  }
  for (std::size_t at = 0; at + sizeof(std::uint64_t) <= text.size(); at += sizeof(std::uint64_t))
    if (bad(load(at))) return false;
  return !bad(load(text.size() - sizeof(std::uint64_t)));
}

/// PostgreSQL counts from the year 2000.
inline constexpr std::chrono::sys_days epoch{std::chrono::days(10'957)};
/// Julian day 0 and the day after the last.
inline constexpr std::int64_t first_day = -2'451'545, end_day = 2'145'031'949;
inline constexpr std::int64_t first_microsecond = -211'813'488'000'000'000, end_microsecond = 9'223'371'331'200'000'000;

template <Type T>
ETLPIPE_ALWAYS_INLINE const char* append_integer(Bytes& to, auto value) {
  using Wire = std::conditional_t<T == Type::SmallInt, std::int16_t,
                                  std::conditional_t<T == Type::Integer, std::int32_t, std::int64_t>>;
  if (!std::in_range<Wire>(value)) return out_of_range;
  to.append(static_cast<std::uint32_t>(sizeof(Wire)));
  to.append(static_cast<std::make_unsigned_t<Wire>>(static_cast<Wire>(value)));
  return nullptr;
}

template <Type T>
ETLPIPE_ALWAYS_INLINE const char* append_text(Bytes& to, std::string_view text) {
  if (!plain_ascii(text)) [[unlikely]]
    if (const char* why = text_problem(text)) return why;
  if constexpr (T == Type::Numeric) {
    return append_numeric(to, text);
  } else if constexpr (T == Type::Uuid) {
    const std::optional<Uuid> value = Uuid::parse(text);
    if (!value) return "no UUID";
    to.append(std::uint32_t{16});
    to.append(value->bytes.data(), value->bytes.size());
  } else {
    constexpr std::size_t version = T == Type::Jsonb ? 1 : 0;
    if (text.size() > most_bytes) return "more than a gigabyte, PostgreSQL's limit";
    to.append(static_cast<std::uint32_t>(text.size() + version));
    if constexpr (version != 0) to.append(std::uint8_t{1});
    to.append(text.data(), text.size());
  }
  return nullptr;
}

template <class Rep, class Period>
[[nodiscard]] const char* append_time(Bytes& to, std::chrono::duration<Rep, Period> since_1970) {
  using namespace std::chrono;
  // In seconds first: a coarse count may be beyond what fits in microseconds.
  const auto whole = floor<duration<std::int64_t>>(since_1970);
  constexpr std::int64_t most = end_microsecond / 1'000'000;
  if (whole.count() < first_microsecond / 1'000'000 - 1 || whole.count() > most + 946'684'800) return out_of_range;
  const auto part = [rest = since_1970 - whole] {
    // A floating-point duration may be slightly less than the microsecond that it stands for.
    if constexpr (treat_as_floating_point_v<Rep>)
      return round<microseconds>(rest);
    else
      return floor<microseconds>(rest);
  }();
  const std::int64_t count = (whole.count() - epoch.time_since_epoch().count() * 86'400) * 1'000'000 + part.count();
  if (count < first_microsecond || count >= end_microsecond) return out_of_range;
  to.append(std::uint32_t{8});
  to.append(static_cast<std::uint64_t>(count));
  return nullptr;
}

/// Room in which every value of a fixed length fits, with its length.
inline constexpr std::size_t fixed_room = 4 + 16;

template <class V>
[[nodiscard]] ETLPIPE_ALWAYS_INLINE std::size_t room_of(const V& value) {
  if constexpr (TextValue<V>)
    return 5 + fixed_room + std::string_view(value).size();
  else if constexpr (BlobValue<V>)
    return 4 + std::span<const std::byte>(value).size();
  else
    return fixed_room;
}

/// Appends a value with its length. A text: why its column cannot hold it; nullptr: it can.
template <Type T, class V>
[[nodiscard]] ETLPIPE_ALWAYS_INLINE const char* append_value(Bytes& to, const V& value);

template <Type T, class V>
[[nodiscard]] const char* append_array(Bytes& to, const V& values) {
  using Element = array_element_t<V>;
  constexpr TypeInfo info = type_info(T);
  const std::size_t start = to.size();
  to.reserve(4 + 5 * 4);
  to.append(std::uint32_t{0});  // the length, set at the end
  const auto count = static_cast<std::size_t>(std::ranges::size(values));
  if (count > 0x7ff'ffffU) return "more elements than an array can hold";
  bool any_null = false;
  if constexpr (is_optional<Element>)
    for (const auto& v : values) any_null = any_null || !v.has_value();
  to.append(std::uint32_t{count == 0 ? 0U : 1U});
  to.append(std::uint32_t{any_null});
  to.append(info.oid);
  if (count > 0) {
    to.append(static_cast<std::uint32_t>(count));
    to.append(std::uint32_t{1});  // PostgreSQL counts from 1
  }
  for (const auto& v : values)
    if (const char* why = append_value<T>(to, static_cast<const Element&>(v))) return why;
  if (to.size() - start > most_bytes) return "more than a gigabyte, PostgreSQL's limit";
  to.set(start, static_cast<std::uint32_t>(to.size() - start - 4));
  return nullptr;
}

template <Type T, class V>
const char* append_value(Bytes& to, const V& value) {
  if constexpr (is_optional<V>) {
    if (value) return append_value<T>(to, *value);
    to.reserve(4);
    to.append(null_length);
    return nullptr;
  } else if constexpr (ArrayValue<V>) {
    return append_array<T>(to, value);
  } else {
    to.reserve(room_of(value));
    if constexpr (std::is_same_v<V, bool>) {
      to.append(std::uint32_t{1});
      to.append(static_cast<std::uint8_t>(value));
    } else if constexpr (std::is_enum_v<V>) {
      return append_value<T>(to, static_cast<std::underlying_type_t<V>>(value));
    } else if constexpr (IntegerValue<V>) {
      return append_integer<T>(to, value);
    } else if constexpr (RealValue<V>) {
      if constexpr (T == Type::Real) {
        const auto single = static_cast<float>(value);
        if (std::isinf(single) && !std::isinf(value)) return out_of_range;
        to.append(std::uint32_t{4});
        to.append(std::bit_cast<std::uint32_t>(single));
      } else {
        to.append(std::uint32_t{8});
        to.append(std::bit_cast<std::uint64_t>(static_cast<double>(value)));
      }
    } else if constexpr (TextValue<V>) {
      return append_text<T>(to, std::string_view(value));
    } else if constexpr (BlobValue<V>) {
      const std::span<const std::byte> blob(value);
      if (blob.size() > most_bytes) return "more than a gigabyte, PostgreSQL's limit";
      to.append(static_cast<std::uint32_t>(blob.size()));
      to.append(blob.data(), blob.size());
    } else if constexpr (std::is_same_v<V, std::chrono::year_month_day>) {
      if (!value.ok()) return "not a day of the calendar";
      return append_value<T>(to, std::chrono::sys_days(value));
    } else if constexpr (DateValue<V>) {
      const std::int64_t day = std::int64_t{value.time_since_epoch().count()} - epoch.time_since_epoch().count();
      if (day < first_day || day >= end_day) return out_of_range;
      to.append(std::uint32_t{4});
      to.append(static_cast<std::uint32_t>(static_cast<std::int32_t>(day)));
    } else if constexpr (TimeValue<V>) {
      return append_time(to, value.time_since_epoch());
    } else if constexpr (std::is_same_v<V, Uuid>) {
      to.append(std::uint32_t{16});
      to.append(value.bytes.data(), value.bytes.size());
    } else {
      return append_numeric(to, value);
    }
    return nullptr;
  }
}

[[nodiscard]] std::string shown(std::int64_t value);
[[nodiscard]] std::string shown(std::uint64_t value);
[[nodiscard]] std::string shown(double value);
[[nodiscard]] std::string shown(std::string_view text);
[[nodiscard]] std::string shown(std::span<const std::byte> blob);
[[nodiscard]] std::string shown(const Decimal& value);
[[nodiscard]] std::string shown_day(std::int64_t days_since_1970);
[[nodiscard]] std::string shown_time(double seconds_since_1970);
/// A value as an error shows it.
template <class V>
[[nodiscard]] std::string show(const V& value) {
  if constexpr (is_optional<V>) {
    return value ? show(*value) : "NULL";
  } else if constexpr (ArrayValue<V>) {
    std::string all = "{";
    for (const auto& v : value) {
      if (all.size() > 60) return all += ",...}";
      all.append(all.size() > 1 ? "," : "").append(show(static_cast<const array_element_t<V>&>(v)));
    }
    return all += '}';
  } else if constexpr (std::is_enum_v<V>) {
    return show(static_cast<std::underlying_type_t<V>>(value));
  } else if constexpr (std::is_same_v<V, bool>) {
    return value ? "true" : "false";
  } else if constexpr (IntegerValue<V>) {
    return shown(static_cast<std::conditional_t<std::is_unsigned_v<V>, std::uint64_t, std::int64_t>>(value));
  } else if constexpr (RealValue<V>) {
    return shown(static_cast<double>(value));
  } else if constexpr (TextValue<V>) {
    return shown(std::string_view(value));
  } else if constexpr (BlobValue<V>) {
    return shown(std::span<const std::byte>(value));
  } else if constexpr (std::is_same_v<V, std::chrono::year_month_day>) {
    return shown(std::int64_t{static_cast<int>(value.year())}) + "-" + shown(std::uint64_t{unsigned(value.month())}) +
           "-" + shown(std::uint64_t{unsigned(value.day())});
  } else if constexpr (DateValue<V>) {
    return shown_day(value.time_since_epoch().count());
  } else if constexpr (TimeValue<V>) {
    return shown_time(std::chrono::duration<double>(value.time_since_epoch()).count());
  } else if constexpr (std::is_same_v<V, Uuid>) {
    return value.text();
  } else {
    return shown(value);
  }
}

}  // namespace detail
}  // namespace etl::inline v0::postgres
