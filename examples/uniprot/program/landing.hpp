#pragma once
// The part of the pipeline that an ingest and the units of a job share: all workers parse entries, and one thread
// writes them.

#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <etl/etl.hpp>

#include "inputs.hpp"
#include "options.hpp"
#include "schema.hpp"

namespace program {

/// `Writer` writes to `Store`. Rows, rejected entries and progress are committed together.
template <class Store, class Writer>
struct Landing {
  using position = etl::uniprot::InputPlace;
  const Selection& selection;
  const std::vector<std::filesystem::path>& files;
  Writer* writer = nullptr;  // null for a dry run
  UnparsedCounts* unparsed = nullptr;

  std::string_view describe(const etl::uniprot::RawEntry& raw) const { return raw.text; }
  Row worker() const { return {}; }
  void transform(const etl::uniprot::RawEntry& raw, etl::Out<Row>& out, Row& row) const {
    row.reject = parse(raw, files, row.entry);
    if (!row.reject) {
      if (!wanted(row.entry, selection)) return;
      row.source = display_name(files[raw.input]);
      row.line = raw.line;
      unparsed->add(row.entry);
      complete(row, raw.text);
    } else if (writer == nullptr) {
      return out.reject(row.reject->text());
    }
    std::swap(out.next(), row);  // both elements keep their memory
  }
  // Not const, because only one thread at a time may use the writer. A bad entry is also written to the table
  // 'rejects', and counts against the reject budget.
  etl::Result<void> load(std::span<const Row> batch, etl::BatchContext& context, typename Store::Transaction& tx) {
    if (auto written = writer->write(batch, tx); !written) return written;
    for (std::size_t i = 0; i < batch.size(); ++i)
      if (batch[i].reject) context.reject(i, batch[i].reject->text());
    return {};
  }
};

}  // namespace program
