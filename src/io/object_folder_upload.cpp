// Uploads in parts of a `FolderStore`. Each upload has a folder with a file for the key and a file for each part.

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <etl/io/digest.hpp>
#include <etl/io/object_store_folder.hpp>
#include <etl/io/source.hpp>

#include "durable_file.hpp"
#include "object_folder.hpp"

namespace etl::inline v0::io {
namespace {

namespace fs = std::filesystem;
using detail::store_failure;

constexpr std::uint32_t most_parts = 10'000;  // the same limit as in S3
constexpr std::string_view key_file = "key";

std::string part_name(std::uint32_t number) { return fmt::format("part-{:05}", number); }
std::string etag_of(const std::string& sha256) { return '"' + sha256 + '"'; }

Result<std::string> key_of(const fs::path& folder) {
  return open_file(folder / key_file).and_then([](const Source& file) { return read_all(*file); });
}

/// The folder of an upload in progress.
Result<fs::path> folder_of(const fs::path& root, const Upload& upload, std::string_view what) {
  const auto missing = [&](std::string_view why) {
    return failure(store_failure(StoreProblem::Missing, what, root / upload.key, why));
  };
  // The id may come from a file, so it must not lead to another folder.
  if (upload.id.empty() || upload.id.find_first_not_of("0123456789abcdef-") != std::string::npos)
    return missing(fmt::format("'{}' is no upload of this store", upload.id));
  fs::path folder = root / detail::uploads_name / upload.id;
  const auto key = key_of(folder);
  if (!key) return missing(fmt::format("upload {} was completed or aborted", upload.id));
  if (*key != upload.key) return missing(fmt::format("upload {} is for '{}'", upload.id, *key));
  return folder;
}

/// Appends a part. Its bytes must be the bytes that were put.
Result<void> append(detail::NewObject& made, const fs::path& file, const UploadedPart& part, const fs::path& target,
                    const std::stop_token& stop) {
  const auto no_part = [&](std::string_view why) {
    return failure(store_failure(StoreProblem::Part, "complete", target, fmt::format("part {}: {}", part.number, why)));
  };
  auto source = open_file(file);
  if (!source) return no_part("it was not put");
  Digest digest(DigestKind::Sha256);
  std::vector<char> buffer(std::size_t{1} << 20);
  for (;;) {
    if (stop.stop_requested()) return failure(detail::stopped_failure("complete", target));
    const auto got = (*source)->read(buffer);
    if (!got) return failure(got.error());
    if (*got == 0) break;
    const std::string_view bytes(buffer.data(), *got);
    digest.update(bytes);
    if (auto written = made.write(bytes); !written) return written;
  }
  if (etag_of(digest.finish()) != part.etag) return no_part("another part has been put with this number since");
  return {};
}

}  // namespace

Result<Upload> FolderStore::begin_upload(const std::string& key, const PutOptions&, const std::stop_token&) const {
  auto target = detail::object_path(folder_, key);
  if (!target) return failure(std::move(target.error()));
  Upload upload{.key = key, .id = detail::unique_name(""), .started = std::chrono::system_clock::now()};
  const fs::path folder = folder_ / detail::uploads_name / upload.id;
  if (auto made = detail::make_folder(folder); !made) return failure(std::move(made.error()));
  if (auto written = detail::replace_file(folder / key_file, key); !written) return failure(std::move(written.error()));
  return upload;
}

Result<UploadedPart> FolderStore::put_part(const Upload& upload, std::uint32_t number, std::string_view bytes,
                                           const std::stop_token& stop) const {
  if (stop.stop_requested()) return failure(detail::stopped_failure("put a part of", folder_ / upload.key));
  auto folder = folder_of(folder_, upload, "put a part of");
  if (!folder) return failure(std::move(folder.error()));
  if (number < 1 || number > most_parts)
    return failure(
        store_failure(StoreProblem::Part, "put a part of", folder_ / upload.key,
                      fmt::format("parts have numbers from 1 to {}, and this part has {}", most_parts, number)));
  if (auto written = detail::replace_file(*folder / part_name(number), bytes); !written)
    return failure(std::move(written.error()));
  return UploadedPart{.number = number, .etag = etag_of(digest(DigestKind::Sha256, bytes))};
}

Result<ObjectInfo> FolderStore::complete_upload(const Upload& upload, std::span<const UploadedPart> parts,
                                                const PutOptions& options, const std::stop_token& stop) const {
  const fs::path target = folder_ / upload.key;
  auto folder = folder_of(folder_, upload, "complete");
  if (!folder) return failure(std::move(folder.error()));
  const auto unordered = std::ranges::adjacent_find(parts, std::ranges::greater_equal{}, &UploadedPart::number);
  if (parts.empty() || unordered != parts.end())
    return failure(
        store_failure(StoreProblem::Part, "complete", target,
                      parts.empty() ? "an upload needs at least one part" : "give the parts in order, each part once"));
  auto made = detail::NewObject::make(folder_, upload.key, options);
  if (!made) return failure(std::move(made.error()));
  for (const UploadedPart& part : parts)
    if (auto added = append(*made, *folder / part_name(part.number), part, target, stop); !added)
      return failure(std::move(added.error()));
  auto done = made->commit();
  std::error_code left;  // if this fails, `uploads` still lists the upload
  if (done) fs::remove_all(*folder, left);
  return done;
}

Result<void> FolderStore::abort_upload(const Upload& upload, const std::stop_token&) const {
  auto folder = folder_of(folder_, upload, "abort");
  if (!folder && folder.error().code == StoreProblem::Missing) return {};
  if (!folder) return failure(std::move(folder.error()));
  std::error_code code;
  fs::remove_all(*folder, code);
  if (code) return failure(detail::system_failure(fmt::format("cannot delete '{}'", folder->string()), code.value()));
  return {};
}

Result<UploadPage> FolderStore::uploads(const ListOptions& options, const std::stop_token&) const {
  std::vector<Upload> all;
  std::error_code code;
  const fs::path folder = folder_ / detail::uploads_name;
  for (fs::directory_iterator at(folder, code), end; !code && at != end; at.increment(code)) {
    struct stat info{};
    // The folder of a put, or of an upload that has just ended.
    if (::stat((at->path() / key_file).c_str(), &info) != 0) continue;
    auto key = key_of(at->path());
    if (!key || !key->starts_with(options.prefix)) continue;
    const auto started = detail::object_info({}, info).modified;
    all.push_back({.key = std::move(*key), .id = at->path().filename().string(), .started = started});
  }
  if (code) return failure(detail::system_failure(fmt::format("cannot list '{}'", folder.string()), code.value()));
  const auto place = [](const Upload& upload) { return upload.key + '\0' + upload.id; };
  std::ranges::sort(all, {}, place);
  UploadPage page;
  for (Upload& upload : all) {
    if (place(upload) <= options.next) continue;
    if (page.uploads.size() == options.most) {
      page.next = place(page.uploads.back());
      break;
    }
    page.uploads.push_back(std::move(upload));
  }
  return page;
}

}  // namespace etl::inline v0::io
