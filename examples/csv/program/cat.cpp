// etl-csv cat: writes several files as one, in one dialect.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <etl/csv/reader.hpp>
#include <etl/csv/writer.hpp>
#include <etl/io/sink.hpp>

#include "command.hpp"
#include "workbook.hpp"

namespace program {
namespace {

namespace csv = etl::csv;

struct Options {
  std::vector<std::filesystem::path> files{};
  csv::Dialect dialect{.header_rows = 0, .ragged = csv::Ragged::Keep};
  SheetChoice sheet{};
  bool set_aside = false;
};

int cat(const Options& options, const etl::StopToken& stop) {
  auto writer = csv::Writer::to(etl::io::standard_output());
  if (!writer) return fail(writer.error());
  const csv::ReaderOptions how{.bad_rows = options.set_aside ? csv::BadRows::SetAside : csv::BadRows::Stop};
  std::vector<std::string> header;
  bool rejects = false;
  for (const std::filesystem::path& path : options.files) {
    csv::Dialect dialect = options.dialect;
    auto reader = open_rows(path, dialect, how, options.sheet, stop.drain());
    if (!reader && stop.drain().stop_requested()) break;
    if (!reader) return fail(reader.error(), exit_usage);
    if (options.dialect.header_rows > 0 && reader->width() == 0) continue;  // an empty file
    if (header.empty() && !reader->header().empty()) {
      header = reader->header();
      if (auto written = writer->row(header); !written) return fail_to_print(written.error());
    } else if (header != reader->header()) {
      return fail(etl::fatal(fmt::format("{}: the header differs from the header of '{}'; print the files one by one",
                                         reader->name(), options.files.front().string())));
    }
    for (;;) {
      auto chunk = reader->next(stop.drain());
      if (!chunk) {
        if (auto written = writer->finish(); !written) return fail_to_print(written.error());
        return fail(with_sheet_remedy(chunk.error()));
      }
      if (!*chunk) break;
      for (const csv::Row row : **chunk) {
        for (std::size_t i = 0; i < row.size(); ++i)
          row[i].empty() && !row.quoted(i) ? writer->null() : writer->cell(row[i]);
        if (auto written = writer->end_row(); !written) return fail_to_print(written.error());
      }
      for (const csv::BadRow& bad : (*chunk)->bad_rows()) say("{}\n", bad.error.message());
      rejects |= !(*chunk)->bad_rows().empty();
    }
    if (stop.drain().stop_requested()) break;
  }
  if (auto written = writer->finish(); !written) return fail_to_print(written.error());
  return stop.drain().stop_requested() ? exit_stopped : rejects ? exit_rejects : 0;
}

}  // namespace

void add_cat(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<Options>();
  CLI::App* const command = app.add_subcommand(
      "cat", "Print the rows of files in one format (RFC 4180): commas, quotes where they are needed, LF");
  command->add_option("FILE", options->files, "CSV files or workbooks, plain or compressed; - is standard input")
      ->required();
  add_dialect(*command, options->dialect);
  add_sheet(*command, options->sheet);
  command->add_flag_callback(
      "--header", [options] { options->dialect.header_rows = 1; },
      "The first row of each file is its header, which is printed once");
  command->add_flag("--keep-going", options->set_aside, "Print broken rows to standard error and continue");
  command->callback(
      [options, &chosen] { chosen = [options](const etl::StopToken& stop) { return cat(*options, stop); }; });
}

}  // namespace program
