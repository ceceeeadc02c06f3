#include "stage.hpp"

#include <cstddef>
#include <string_view>
#include <system_error>
#include <utility>

#include <unistd.h>

#include <boost/json.hpp>
#include <fmt/format.h>

#include <etl/csv/reader.hpp>
#include <etl/io/digest.hpp>
#include <etl/io/sink.hpp>

namespace program {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

/// Appends a row as a line. An empty cell without quotes is null.
void append_row(std::string& text, const etl::csv::Row& row, const std::vector<std::string>& names) {
  json::object object;
  for (std::size_t i = 0; i < row.size(); ++i)
    if (const std::string_view cell = row[i]; !cell.empty() || row.quoted(i)) object[names[i]] = json::string(cell);
  text += json::serialize(object);
  text += '\n';
}

struct Writing {
  etl::io::Sink sink;
  etl::io::Digest digest{etl::io::DigestKind::Sha256};
  std::uint64_t rows = 0;
};

etl::Result<void> add_file(const fs::path& path, const etl::csv::Sniffed& like, const std::vector<std::string>& names,
                           Writing& to, const std::stop_token& stop) {
  auto reader = etl::csv::Reader::open(path, like.dialect, {}, stop);
  if (!reader) return etl::failure(std::move(reader.error()));
  if (reader->header() != names)
    return etl::fatal(fmt::format("{}: its header is not that of the first file; load it separately", reader->name()));
  std::string text;
  for (;;) {
    auto chunk = reader->next(stop);
    if (!chunk) return etl::failure(std::move(chunk.error()));
    if (!*chunk) return {};
    text.clear();
    for (const etl::csv::Row row : **chunk) append_row(text, row, names);
    to.rows += (*chunk)->size();
    to.digest.update(text);
    if (auto written = to.sink->write(text); !written) return written;
    if (stop.stop_requested())
      return etl::Error{.code = std::make_error_code(std::errc::operation_canceled), .context = "stopped"};
  }
}

}  // namespace

etl::Result<Staged> stage(const std::vector<fs::path>& files, const etl::csv::Sniffed& like, const fs::path& folder,
                          const std::string& data_source, const std::stop_token& stop) {
  std::error_code failed;
  const fs::path part = folder / fmt::format(".{}-{}.part.json.gz", data_source, ::getpid());
  fs::create_directories(folder, failed);
  if (failed) return etl::fatal(fmt::format("cannot make the folder '{}': {}", folder.string(), failed.message()));
  auto sink = etl::io::create_output(part);
  if (!sink) return etl::failure(std::move(sink.error()));
  Writing to{.sink = std::move(*sink)};
  std::vector<std::string> names;
  for (const auto& column : like.columns) names.push_back(column.name);
  etl::Result<void> done;
  for (const fs::path& path : files)
    if (done) done = add_file(path, like, names, to, stop);
  if (auto finished = to.sink->finish(); done && !finished) done = std::move(finished);
  Staged staged{.digest = to.digest.finish(), .rows = to.rows};
  staged.folder = fs::absolute(folder) / fmt::format("{}-{}", data_source, staged.digest.substr(0, 20));
  if (done) {
    fs::create_directories(staged.folder, failed);
    if (!failed) fs::rename(part, staged.folder / "rows.json.gz", failed);
    if (failed) done = etl::fatal(fmt::format("cannot write to '{}': {}", staged.folder.string(), failed.message()));
  }
  if (done) return staged;
  fs::remove(part, failed);
  return etl::failure(std::move(done.error()));
}

}  // namespace program
