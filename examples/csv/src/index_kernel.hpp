// This file has no #pragma once, because it is included once per instruction set. The including file defines
// ETLPIPE_CSV_TARGET, and before it `Needles`, `classify`, `prefix_xor`, `popcount` and `lowest`; with
// ETLPIPE_CSV_OWN_FLATTEN also `flatten` and `flatten_rows`. All functions have the same target, so that they can be
// inlined into each other.

#ifndef ETLPIPE_CSV_OWN_FLATTEN
// Writes the offsets of the set bits, and up to `beyond` more entries after the last valid one.
ETLPIPE_CSV_TARGET inline void flatten(std::uint64_t mask, std::uint32_t base, std::uint32_t* to) noexcept {
  do {
    for (std::size_t i = 0; i < 12; ++i) {
      to[i] = base + static_cast<std::uint32_t>(lowest(mask));
      mask &= mask - 1;
    }
    to += 12;
  } while (mask != 0);
}

// Like `flatten`, for the indices of `rows` among `ends`. Most blocks end one or two rows.
ETLPIPE_CSV_TARGET inline void flatten_rows(std::uint64_t rows, std::uint64_t ends, std::uint32_t base,
                                            std::uint32_t* to) noexcept {
  do {
    for (std::size_t i = 0; i < 2; ++i, rows &= rows - 1)
      *to++ = base + static_cast<std::uint32_t>(popcount(ends & ((rows & -rows) - 1)));
  } while (rows != 0);
}
#endif

ETLPIPE_CSV_TARGET inline void append(std::uint64_t mask, std::uint32_t base, Offsets& to) {
  for (; mask != 0; mask &= mask - 1) to.push(base + static_cast<std::uint32_t>(lowest(mask)));
}

ETLPIPE_CSV_TARGET Verdict run(std::string_view text, const Dialect& dialect, Structure& out) {
  const Needles needles(dialect);
  std::uint64_t inside_before = 0;   // all bits set: the block before ended within quotes
  std::uint64_t starts_before = 1;   // bit 0: the byte before ended a cell
  std::uint64_t closing_before = 0;  // bit 0: the byte before was a closing quote
  std::uint64_t broken = 0;
  std::uint64_t carriages = 0;
  std::uint64_t seen = 0, quotes_near = 0;  // quotes in the last step predict quotes in the next
  std::array<char, 64> last{};
  std::size_t count = 0, row_count = 0, room_until = 0;
  std::uint32_t* cells = nullptr;
  std::uint32_t* rows = nullptr;
  for (std::size_t at = 0; at < text.size(); at += 64) {
    if (at == room_until) {
      // Makes room for any contents of the next blocks, so that the common case needs no check.
      room_until += room_step;
      quotes_near = std::exchange(seen, 0);
      out.ends.resize(count);
      out.row_ends.resize(row_count);
      out.ends.room(room_step + beyond);
      out.row_ends.room(room_step + beyond);
      cells = out.ends.data();
      rows = out.row_ends.data();
    }
    const bool whole = text.size() - at >= 64;
    const char* block = text.data() + at;
    if (!whole) {
      std::memcpy(last.data(), block, text.size() - at);
      block = last.data();
    }
    const Masks m = classify(block, needles);
    const std::uint64_t feed_behind = whole && text.size() - at > 64 && block[64] == '\n' ? 1 : 0;
    const std::uint64_t breaks = m.feed | (m.carriage & ~((m.feed >> 1) | (feed_behind << 63)));
    const std::uint64_t inside = prefix_xor(m.quote) ^ inside_before;
    const std::uint64_t ends = (m.delimiter | breaks) & ~inside;
    seen |= m.quote;
    carriages |= m.carriage;
    if ((m.quote | inside_before | closing_before | quotes_near) != 0) {
      const std::uint64_t opening = m.quote & inside;
      const std::uint64_t closing = m.quote & ~inside;
      const std::uint64_t behind_end = (ends << 1) | starts_before;
      const std::uint64_t behind_closing = (closing << 1) | closing_before;
      const std::uint64_t valid = whole ? ~std::uint64_t{0} : (std::uint64_t{1} << (text.size() - at)) - 1;
      broken |= opening & ~(behind_end | behind_closing);
      broken |= behind_closing & ~(ends | opening | (m.carriage & ~inside)) & valid;
      for (std::uint64_t pairs = opening & behind_closing; pairs != 0; pairs &= pairs - 1)
        out.escaped.push(static_cast<std::uint32_t>(count + popcount(ends & ((pairs & -pairs) - 1))));
      append(breaks & inside, static_cast<std::uint32_t>(at), out.breaks);
      closing_before = closing >> 63;
      inside_before = static_cast<std::uint64_t>(static_cast<std::int64_t>(inside) >> 63);
    }
    starts_before = ends >> 63;
    flatten_rows(breaks & ~inside, ends, static_cast<std::uint32_t>(count), rows + row_count);
    row_count += popcount(breaks & ~inside);
    flatten(ends, static_cast<std::uint32_t>(at), cells + count);
    count += popcount(ends);
  }
  out.ends.resize(count);
  out.row_ends.resize(row_count);
  out.carriage = carriages != 0;
  return {.broken = broken != 0, .open = inside_before != 0};
}

// Counts what is outside of quotes for one guess.
ETLPIPE_CSV_TARGET inline void look(const Masks& m, std::uint64_t breaks, std::uint64_t inside, std::uint64_t valid,
                                    bool keep_blank_lines, std::uint64_t carriage_before, detail::Survey::Guess& to) {
  const std::uint64_t ends = (m.delimiter | breaks) & ~inside;
  const std::uint64_t opening = m.quote & inside;
  const std::uint64_t closing = m.quote & ~inside;
  const std::uint64_t behind_end = (ends << 1) | to.starts;
  const std::uint64_t behind_closing = (closing << 1) | to.closing;
  to.broken |= ((opening & ~(behind_end | behind_closing)) |
                (behind_closing & ~(ends | opening | (m.carriage & ~inside)) & valid)) != 0;
  to.starts = ends >> 63;
  to.closing = closing >> 63;
  const std::uint64_t rows = breaks & ~inside;
  const std::uint64_t behind_row = (rows << 1) | (to.row_ends >> 63);
  const std::uint64_t behind_row_and_carriage =
      ((rows << 2) | (to.row_ends >> 62)) & ((m.carriage << 1) | (carriage_before >> 63));
  to.rows += popcount(keep_blank_lines ? rows : rows & ~(behind_row | behind_row_and_carriage));
  to.row_ends = rows;
  if (const std::uint64_t within = popcount(breaks & inside); within != 0 || ends != 0) {
    to.most_lines = std::max(to.most_lines, to.lines + within);
    to.lines = ends == 0 ? to.lines + within : within;
  }
  const std::uint64_t size = popcount(valid);
  if (ends == 0) {
    to.tail += size;
    (to.ended ? to.longest : to.head) = std::max(to.ended ? to.longest : to.head, to.tail);
  } else {
    if (!to.ended) to.head = to.tail + lowest(ends);
    to.ended = true;
    to.tail = size - 1 - (63 - static_cast<std::uint64_t>(std::countl_zero(ends)));
  }
}

ETLPIPE_CSV_TARGET std::size_t survey(std::string_view text, const Dialect& dialect, bool whole, detail::Survey& to) {
  const Needles needles(dialect);
  std::array<char, 64> last{};
  std::size_t at = 0;
  for (; at < text.size() && (whole || text.size() - at > 64); at += 64) {
    const std::size_t size = std::min<std::size_t>(64, text.size() - at);
    const char* block = text.data() + at;
    if (size < 64) {
      std::memcpy(last.data(), block, size);
      block = last.data();
    }
    const std::uint64_t valid = size == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << size) - 1;
    const Masks m = classify(block, needles);
    const std::uint64_t feed_behind = text.size() - at > 64 && block[64] == '\n' ? 1 : 0;
    const std::uint64_t breaks = m.feed | (m.carriage & ~((m.feed >> 1) | (feed_behind << 63)));
    const std::uint64_t inside =
        m.quote == 0 ? (to.odd ? ~std::uint64_t{0} : 0) : prefix_xor(m.quote) ^ (to.odd ? ~std::uint64_t{0} : 0);
    // In most texts the first quote refutes the wrong guess.
    if (!to.guesses[0].broken) look(m, breaks, inside, valid, dialect.keep_blank_lines, to.carriage, to.guesses[0]);
    if (!to.guesses[1].broken)
      look(m, breaks, ~inside & valid, valid, dialect.keep_blank_lines, to.carriage, to.guesses[1]);
    to.lines += popcount(breaks);
    to.odd ^= popcount(m.quote) % 2 != 0;
    to.carriage = m.carriage;
  }
  return std::min(at, text.size());
}
