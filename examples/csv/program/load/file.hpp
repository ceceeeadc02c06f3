#pragma once
// Loads one file into one table.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <etl/csv/reader.hpp>
#include <etl/etl.hpp>
#include <etl/io/fingerprint.hpp>

#include "input.hpp"
#include "load.hpp"
#include "plan.hpp"
#include "progress.hpp"

namespace program {

/// A row as it is in the file. A worker decodes it.
struct FoundRow {
  const Rows* rows = nullptr;
  std::size_t i = 0;
};

/// Number of rows of each batch that the database did not keep. Thread-safe.
class DroppedRows {
 public:
  /// `first` is the place of the batch's first row. If a batch is written again, the new count replaces the old one.
  void set(const std::string& first, std::uint64_t count) {
    const std::lock_guard lock(mutex_);
    if (count > 0)
      counts_[first] = count;
    else
      counts_.erase(first);
  }
  [[nodiscard]] std::uint64_t all() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t sum = 0;
    for (const auto& [first, count] : counts_) sum += count;
    return sum;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> counts_;
};

/// The pipeline of a file. Rows, rejects and progress are committed together, so that the next load after a kill
/// resumes after the last commit.
template <class Into>
struct FileLoad {
  using position = etl::Position;

  std::shared_ptr<Input> input;
  std::vector<std::size_t> widened;
  typename Into::Table table;
  TargetColumns columns;  // the columns of the table that are written
  const Load* options;
  std::string print;                  // fingerprint of the file and of all settings that determine what is loaded
  std::vector<etl::csv::Part> parts;  // parts of a large file; otherwise one part without end
  Progress* progress;
  DroppedRows* dropped;
  std::size_t number;  // number of the file in `progress`
  std::filesystem::path file;
  std::string content;  // its own fingerprint; empty if it cannot be read again

  std::string fingerprint() const { return print; }
  const std::vector<etl::csv::Part>& partitions() const { return parts; }
  /// `print` contains the number of parts, so a file that is cut differently counts as another file.
  std::string partition_id(const etl::csv::Part& part) const { return fmt::format("from byte {}", part.begin.offset); }
  std::string describe(const FoundRow& found) const { return found.rows->text(found.i); }

  etl::Result<void> extract(const etl::csv::Part& part, etl::Emitter<FoundRow>& out) const {
    auto source = input->open(part, out.resume_from(), out.stop_token());
    if (!source) return etl::failure(std::move(source.error()));
    std::uint64_t passed = part.begin.offset;
    const auto count = [&](bool now) {
      const std::uint64_t at = std::max(passed, (*source)->bytes_read());
      progress->passed(number, at - std::exchange(passed, at), now);
    };
    count(!out.resume_from());
    for (;;) {
      const auto rows = (*source)->next(out.stop_token());
      if (!rows) return etl::failure(rows.error());
      count(true);
      if (!*rows) return unchanged();
      out.retain(*rows);
      const std::size_t size = (*rows)->size();
      for (std::size_t i = 0; i < size; ++i)
        if (!out.push({.rows = rows->get(), .i = i})) return {};
      out.mark((*source)->position());
    }
  }
  /// Whether the rows are those of one file: another program may have written to it meanwhile.
  etl::Result<void> unchanged() const {
    if (content.empty()) return {};
    const auto now = etl::io::fingerprint(file);
    if (!now) return etl::failure(now.error());
    if (*now == content) return {};
    return etl::failure({.code = etl::Errc::CheckpointMismatch,
                         .context = file.string() + " has changed while it was read, so rows of both versions may be "
                                                    "in the table"});
  }
  void transform(const FoundRow& found, etl::Out<etl::csv::Record>& out) const {
    etl::csv::Record& record = out.next();
    if (auto decoded = found.rows->decode(found.i, record); !decoded) return out.reject(std::move(decoded.error()));
    for (const std::size_t i : widened) widen(record[i]);
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (columns[i].holds.any())
        if (const std::string change = change_by(columns[i].holds, record[i]); !change.empty())
          return out.reject(changed(record, i, change));
  }
  etl::Result<void> load(std::span<const etl::csv::Record> batch, etl::BatchContext& context,
                         typename Into::Tx& tx) const {
    const std::uint64_t before = Into::dropped(tx);
    auto written = tx.write(table, batch, context, Into::on_conflict(options->duplicate));
    if (written) written = Into::check_deferred(tx);
    for (auto& [i, error] : context.rejects()) explain(error, batch[i]);
    if (!written && batch.size() == 1) explain(written.error(), batch[0]);
    if (written && !batch.empty()) dropped->set(input->place(batch[0]), Into::dropped(tx) - before);
    if (written) {
      progress->loaded(batch.size());
      if (!batch.empty())
        options->log(LogLevel::Debug, "{}: batch {} of {} rows", input->place(batch[0]), context.batch(), batch.size());
    }
    return written;
  }
  etl::Error changed(const etl::csv::Record& row, std::size_t i, const std::string& change) const {
    return etl::rejected(fmt::format("{}: column '{}': the table would {} with --type {}={}{}", input->place(row),
                                     columns[i].name, change, columns[i].name, etl::csv::to_string(columns[i].kind),
                                     input->offset(row)));
  }
  /// With the row's place, and the value of a column that the server names.
  void explain(etl::Error& error, const etl::csv::Record& row) const {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string named = fmt::format("(column '{}')", columns[i].name);
      const std::size_t at = error.context.find(named);
      if (at == std::string::npos) continue;
      std::string value;
      etl::csv::append_text(value, row[i]);
      error.context.insert(at + named.size() - 1, fmt::format(": '{}'", etl::csv::detail::shown(value)));
    }
    const auto says = [&](std::string_view part) { return error.context.find(part) != std::string::npos; };
    if (options->duplicate == Duplicate::Reject &&
        (says("duplicate key value violates unique constraint") || says("UNIQUE constraint failed")))
      error.context += "; --on-conflict ignore, replace or update accepts rows whose key is already in the table";
    if (says("invalid input syntax for type") && says(": \"\""))
      error.context += "; with --null '' an empty cell is NULL, also within quotes";
    error.context = fmt::format("{}: {}{}", input->place(row), error.context, input->offset(row));
  }
};

}  // namespace program
