#pragma once
// One file into one table.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <etl/csv/reader.hpp>
#include <etl/etl.hpp>

#include "load.hpp"
#include "load_plan.hpp"
#include "load_progress.hpp"

namespace program {

/// A row as it stands in the file: a worker decodes it.
struct FoundRow {
  etl::csv::Row row{};
  const etl::csv::BadRow* bad = nullptr;  // then it is none
};

/// Rows, what was rejected and how far it has got are committed together, so that a load that was killed goes on behind
/// its last commit.
template <class Into>
struct FileLoad {
  using position = etl::csv::Place;

  std::filesystem::path path;
  etl::csv::Dialect dialect;
  std::shared_ptr<etl::csv::Reader> opened;  // of a pipe
  TableDecoder decoder;
  typename Into::Table table;
  Duplicate duplicate;
  std::string print;                  // of the file and all settings that decide what is loaded
  std::vector<etl::csv::Part> parts;  // of a big file; else one without end
  Progress* progress;
  std::size_t number;  // there

  std::string fingerprint() const { return print; }
  const std::vector<etl::csv::Part>& partitions() const { return parts; }
  std::string_view describe(const FoundRow& found) const {
    return found.bad != nullptr ? found.bad->text : found.row.text();
  }

  etl::Result<void> extract(const etl::csv::Part& part, etl::Emitter<FoundRow>& out) const {
    if (opened) return read(*opened, part, out);
    etl::csv::ReaderOptions options{.bad_rows = etl::csv::BadRows::SetAside, .begin = part.begin};
    if (part.end != 0) options.end = part.end;
    if (const auto& mark = out.resume_from()) {
      const auto place = etl::csv::Place::from(*mark);
      if (!place)
        return etl::failure(etl::fatal("the checkpoint is of another version of this program: use --restart"));
      options.begin = *place;
    }
    auto reader = etl::csv::Reader::open(path, dialect, options, out.stop());
    if (!reader) return etl::failure(std::move(reader.error()));
    return read(*reader, part, out);
  }
  etl::Result<void> read(etl::csv::Reader& reader, const etl::csv::Part& part, etl::Emitter<FoundRow>& out) const {
    std::uint64_t passed = part.begin.offset;
    const auto count = [&](bool now) {
      const std::uint64_t at = std::max(passed, reader.bytes_read());
      progress->passed(number, at - std::exchange(passed, at), now);
    };
    count(!out.resume_from());
    for (;;) {
      auto chunk = reader.next(out.stop());
      if (!chunk) return etl::failure(std::move(chunk.error()));
      count(true);
      if (!*chunk) return {};
      out.hold((*chunk)->keep());
      if (!push(**chunk, out)) return {};
      out.mark((*chunk)->next_place().position());
    }
  }
  void transform(const FoundRow& found, etl::Out<etl::csv::Record>& out) const {
    if (found.bad != nullptr) return out.reject(with_remedy(found.bad->error));
    etl::csv::Record& record = out.next();
    if (auto decoded = decoder.decode(found.row, record); !decoded) return out.reject(std::move(decoded.error()));
    record.emplace_back(static_cast<std::int64_t>(found.row.line()));  // behind the columns: for errors
  }
  etl::Result<void> load(std::span<const etl::csv::Record> batch, etl::BatchContext& context,
                         typename Into::Tx& tx) const {
    auto written = tx.write(table, batch, context, Into::on_conflict(duplicate));
    for (auto& [i, error] : context.rejects())
      error.context = fmt::format("{}:{}: {}", path.string(), std::get<std::int64_t>(batch[i].back()), error.context);
    if (written) progress->loaded(batch.size());
    return written;
  }

 private:
  /// The reader's, which does not know the command line.
  static etl::Error with_remedy(etl::Error error) {
    if (error.context.ends_with("read it as Latin-1")) error.context += as_latin1;
    return error;
  }
  /// In the order of the file, bad rows too: what a chunk is must not decide which number a row has.
  static bool push(const etl::csv::Chunk& chunk, etl::Emitter<FoundRow>& out) {
    auto bad = chunk.bad_rows().begin();
    const auto push_bad_before = [&](std::uint64_t row) {
      for (; bad != chunk.bad_rows().end() && bad->place.row < row; ++bad)
        if (!out.push({.row = {}, .bad = &*bad})) return false;
      return true;
    };
    if (chunk.bad_rows().empty()) {
      for (const etl::csv::Row row : chunk)
        if (!out.push({.row = row})) return false;
      return true;
    }
    for (const etl::csv::Row row : chunk)
      if (!push_bad_before(row.number()) || !out.push({.row = row})) return false;
    return push_bad_before(UINT64_MAX);
  }
};

}  // namespace program
