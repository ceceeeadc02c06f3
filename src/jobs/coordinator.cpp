#include <etl/jobs/coordinator.hpp>

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <etl/io/fingerprint.hpp>

namespace etl::inline v0::jobs {
namespace {

Result<std::vector<Input>> inputs_of(std::span<const std::filesystem::path> files) {
  std::vector<Input> inputs;
  for (const auto& file : files) {
    std::error_code error;
    const auto path = std::filesystem::canonical(file, error);
    if (error) return failure(Error{.code = error, .context = fmt::format("{}: {}", file.string(), error.message())});
    auto fingerprint = io::fingerprint(path);
    if (!fingerprint) return failure(std::move(fingerprint.error()));
    inputs.push_back({path.string(), std::move(*fingerprint), std::filesystem::file_size(path, error)});
  }
  return inputs;
}

/// Adds units to the store, a few at a time.
class Adder {
 public:
  Adder(JobStore& store, Id job) : store_(store), job_(job) {}
  Result<void> add(UnitPlace unit) {
    waiting_.push_back(std::move(unit));
    return waiting_.size() < most_ ? Result<void>() : flush();
  }
  Result<void> flush() {
    auto added = store_.add_units(job_, next_, waiting_);
    next_ += waiting_.size();
    waiting_.clear();
    most_ = std::min<std::size_t>(2 * most_, 64);  // the first units soon, so that workers can begin
    return added;
  }

 private:
  JobStore& store_;
  Id job_;
  std::uint64_t next_ = 0;
  std::size_t most_ = 1;
  std::vector<UnitPlace> waiting_;
};

}  // namespace

Result<Job> coordinate(JobStore& store, const JobKey& key, const std::string& spec,
                       std::span<const std::filesystem::path> files, const SplitOptions& options,
                       const std::stop_token& stop, const std::function<void(const Job&)>& on_job) {
  const auto inputs = inputs_of(files);
  if (!inputs) return failure(inputs.error());
  auto job = store.create(key, spec, *inputs, options.unit_bytes);
  if (job && on_job) on_job(*job);
  if (!job || job->state != JobState::Preparing) return job;
  Adder adder(store, job->id);
  for (std::size_t i = 0; i < inputs->size(); ++i)
    if (auto cut = split((*inputs)[i].path, static_cast<std::uint32_t>(i), options,
                         [&](UnitPlace unit) { return adder.add(std::move(unit)); }, stop);
        !cut)
      return failure(std::move(cut.error()));
  if (auto added = adder.flush(); !added) return failure(std::move(added.error()));
  if (auto started = store.start(job->id); !started) return failure(std::move(started.error()));
  return store.find(std::to_string(job->id));
}

}  // namespace etl::inline v0::jobs
