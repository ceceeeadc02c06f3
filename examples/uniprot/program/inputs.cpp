#include "inputs.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <etl/io/digest.hpp>
#include <etl/io/fingerprint.hpp>
#include <etl/io/object_store_url.hpp>
#include <etl/io/source.hpp>

namespace program {

namespace fs = std::filesystem;
namespace uniprot = etl::uniprot;

std::string Reject::text() const {
  std::string text = fmt::format("{}:{}:{}: ", file, line, column);
  if (!accession.empty()) text += accession + ": ";
  return text + reason;
}

void UnparsedCounts::add(const uniprot::Entry& entry) {
  if (entry.unparsed.empty()) return;
  const std::lock_guard lock(mutex_);
  for (const uniprot::Unparsed& part : entry.unparsed) ++counts_[std::string(part.kind)];
}

std::string UnparsedCounts::json() const {
  const std::lock_guard lock(mutex_);
  std::string all;
  for (const auto& [kind, count] : counts_) all += fmt::format(R"({}"{}":{})", all.empty() ? "" : ",", kind, count);
  return '{' + all + '}';
}

std::string UnparsedCounts::text() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  std::string all;
  for (const auto& [kind, count] : counts_) {
    sum += count;
    all += fmt::format("{}{} {}", all.empty() ? "" : ", ", kind, count);
  }
  if (sum == 0) return {};
  return fmt::format("{} of entries {} not follow the format and {} kept as text ({})",
                     sum == 1 ? "1 part" : fmt::format("{} parts", sum), sum == 1 ? "does" : "do",
                     sum == 1 ? "was" : "were", all);
}

std::string display_name(const fs::path& file) { return file == "-" ? "standard input" : file.string(); }

std::optional<etl::Error> check_inputs(const std::vector<fs::path>& files) {
  for (const fs::path& file : files) {
    std::error_code unknown;
    if (file == "-" || fs::is_fifo(file, unknown)) continue;
    if (auto source = etl::io::open_file(file); !source) return std::move(source.error());
  }
  return std::nullopt;
}

std::uint64_t estimate_entries(const std::vector<fs::path>& files) {
  std::uint64_t bytes = 0;
  for (const fs::path& file : files) {
    if (!etl::io::can_be_read_again(file)) return 0;
    bytes += etl::io::size_of(file).value_or(0);
  }
  auto source = etl::io::open_input(files.front());
  if (!source) return 0;
  std::uint64_t entries = 0;
  std::vector<char> buffer(1 << 20);
  for (std::size_t read = 0; read < (4u << 20);) {
    const auto got = (*source)->read(buffer);
    if (!got || *got == 0) break;
    read += *got;
    const std::string_view text(buffer.data(), *got);
    for (std::size_t at = text.find("\n//"); at != text.npos; at = text.find("\n//", at + 3)) ++entries;
  }
  const std::uint64_t consumed = (*source)->consumed();
  return consumed == 0 ? 0
                       : static_cast<std::uint64_t>(static_cast<double>(bytes) * static_cast<double>(entries) /
                                                    static_cast<double>(consumed));
}

etl::Result<Job> job_of(const Ingest& options) {
  Job job{.name = display_name(options.files.front())};
  std::string all;
  for (const fs::path& file : options.files) {
    all += display_name(file) + "\n";
    if (!etl::io::can_be_read_again(file)) {
      job.resumable = false;
      continue;
    }
    auto fingerprint = etl::io::fingerprint(file);
    if (!fingerprint) return etl::failure(std::move(fingerprint.error()));
    job.fingerprint += fmt::format("{}: {}\n", file.string(), *fingerprint);
  }
  if (options.files.size() > 1)
    job.name += fmt::format(" and {} more, {}", options.files.size() - 1,
                            etl::io::digest(etl::io::DigestKind::Md5, all).substr(0, 8));
  job.fingerprint +=
      fmt::format("taxa [{}], {} entries, {} tables", fmt::join(options.selection.taxa, ", "),
                  options.selection.reviewed ? "reviewed" : "all", options.tables == Tables::Full ? "all" : "few");
  return job;
}

void extract_files(const std::vector<fs::path>& files, etl::Emitter<uniprot::RawEntry>& out,
                   const uniprot::EntryRange& range) {
  uniprot::InputPlace begin;
  if (const auto& position = out.resume_from()) {
    const auto place = uniprot::InputPlace::from(*position);
    if (!place) throw etl::Exception(etl::fatal("another version of this program saved the progress: use --restart"));
    begin = *place;
  }
  for (std::uint32_t i = begin.input; i < files.size(); ++i) {
    if (i > begin.input) begin = {.input = i};
    auto source = etl::io::open_input(files[i]);
    if (source) {
      if (!uniprot::extract_entries(std::move(*source), begin, out, range)) return;
      continue;
    }
    const auto why = std::make_shared<const std::string>(source.error().message());
    out.retain(why);
    if (!out.push({.text = *why, .input = i, .kind = uniprot::RawEntry::Kind::Unreadable})) return;
  }
}

bool wanted(const uniprot::Entry& entry, const Selection& selection) {
  if (selection.reviewed && !entry.reviewed()) return false;
  return selection.taxa.empty() ||
         std::ranges::find_first_of(entry.taxonomy_ids, selection.taxa) != entry.taxonomy_ids.end();
}

std::optional<Reject> parse(const uniprot::RawEntry& raw, const std::vector<fs::path>& files, uniprot::Entry& entry) {
  std::string file = display_name(files[raw.input]);
  if (raw.kind == uniprot::RawEntry::Kind::Unreadable)
    return Reject{.file = std::move(file), .line = raw.line, .column = 1, .reason = std::string(raw.text)};
  auto problem = uniprot::parse(raw.text, entry);
  if (!problem) return std::nullopt;
  return Reject{.file = std::move(file),
                .line = raw.line + problem->line - 1,
                .column = problem->column,
                .accession = std::string(entry.accession()),
                .reason = std::move(problem->reason)};
}

}  // namespace program
