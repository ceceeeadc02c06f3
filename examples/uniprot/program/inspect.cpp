// etl-uniprot inspect: prints entries as text, in the order of the files.
#include <cstdio>
#include <span>
#include <string>

#include <fmt/format.h>
#include <etl/io/digest.hpp>
#include <etl/io/sink.hpp>
#include <etl/uniprot/format.hpp>

#include "common/standard_streams.hpp"
#include "inputs.hpp"
#include "options.hpp"

namespace program {
namespace {

namespace uniprot = etl::uniprot;

struct Inspection {
  const Inspect& options;
  etl::io::Sink sink = etl::io::standard_output();
  UnparsedCounts* unparsed = nullptr;
  bool any = false;

  uniprot::Entry worker() const { return {}; }

  void extract(etl::Emitter<uniprot::RawEntry>& out) { extract_files(options.files, out, options.range); }
  void transform(const uniprot::RawEntry& raw, etl::Out<std::string>& out, uniprot::Entry& entry) const {
    if (auto bad = parse(raw, options.files, entry)) return out.reject(bad->text());
    if (!wanted(entry, options.selection)) return;
    unparsed->add(entry);
    std::string& text = out.next();
    text.clear();
    switch (options.format) {
      case Format::Ndjson:
      case Format::Json:
        uniprot::append_json(text, entry, etl::io::digest(etl::io::DigestKind::Md5, entry.sequence),
                             options.pretty ? uniprot::JsonStyle::Pretty : uniprot::JsonStyle::Compact);
        if (options.format == Format::Ndjson) text += '\n';
        return;
      case Format::Fasta: return uniprot::append_fasta(text, entry);
      case Format::Dat: text.assign(raw.text); return;
    }
  }
  etl::Result<void> load(std::span<const std::string> batch) {
    for (const std::string& text : batch) {
      if (options.format == Format::Json)
        if (auto written = sink->write(any ? ",\n" : "[\n"); !written) return written;
      any = true;
      if (auto written = sink->write(text); !written) return written;
    }
    return {};
  }
  etl::Result<void> finish() {
    if (options.format == Format::Json)
      if (auto written = sink->write(any ? "\n]\n" : "[]\n"); !written) return written;
    return sink->finish();
  }
};

}  // namespace

int inspect(const Inspect& options, const etl::StopToken& stop) {
  if (auto problem = check_inputs(options.files)) {
    say("etl-uniprot: {}\n", problem->message());
    return 2;
  }
  UnparsedCounts unparsed;
  Inspection inspection{.options = options, .unparsed = &unparsed};
  etl::Options run{.name = "inspect", .batch_size = 200, .workers = options.workers, .order = etl::Order::Source};
  run.memory = options.memory;
  run.errors.max_rejects = UINT64_MAX;
  run.errors.on_reject = [](const etl::Rejection& r) { say("{}\n", r.error.message()); };
  const etl::RunReport report = etl::run(inspection, run, stop);
  if (const auto finished = inspection.finish(); !finished && report.ok()) {
    say("etl-uniprot: {}\n", finished.error().message());
    return 1;
  }
  if (report.ok() && report.items.extracted == 0) say("etl-uniprot: the input holds no entries\n");
  if (const std::string line = unparsed.text(); !line.empty()) say("etl-uniprot: {}\n", line);
  if (!report.ok() || report.items.rejected > 0) {
    for (const etl::ErrorRecord& error : report.errors)
      if (error.error.error_class != etl::ErrorClass::Rejected) say("etl-uniprot: {}\n", error.error.message());
    say("etl-uniprot: {} entries, {} written, {} rejected: {}\n", report.items.extracted, report.items.loaded,
        report.items.rejected, etl::to_string(report.outcome));
  }
  return report.exit_code();
}

}  // namespace program
