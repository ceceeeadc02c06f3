/// States, errors and figures of jobs.

#include <algorithm>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include <etl/jobs/fenced_store.hpp>
#include <etl/jobs/job.hpp>

namespace etl::inline v0::jobs {

std::string_view to_string(JobState state) noexcept {
  switch (state) {
    case JobState::Preparing: return "preparing";
    case JobState::Running: return "running";
    case JobState::Completed: return "completed";
    case JobState::CompletedWithQuarantine: return "completed_with_quarantine";
    case JobState::Cancelled: break;
  }
  return "cancelled";
}
std::string_view to_string(UnitState state) noexcept {
  switch (state) {
    case UnitState::Pending: return "pending";
    case UnitState::Running: return "running";
    case UnitState::Done: return "done";
    case UnitState::Quarantined: break;
  }
  return "quarantined";
}

const std::error_category& error_category() noexcept {
  struct Category final : std::error_category {
    [[nodiscard]] const char* name() const noexcept override { return "jobs"; }
    [[nodiscard]] std::string message(int code) const override {
      switch (static_cast<Errc>(code)) {
        case Errc::LeaseLost: return "lease lost";
        case Errc::NewerSchema: return "schema is newer than the program";
        case Errc::NotFound: return "no such job";
        case Errc::WrongState: return "the job is in another state";
        case Errc::InputChanged: return "an input has changed";
        case Errc::JobDiffers: return "the job was made from other inputs or settings";
      }
      return "unknown error";
    }
  };
  static const Category category;
  return category;
}
std::error_code make_error_code(Errc e) noexcept { return {static_cast<int>(e), error_category()}; }

Error lease_lost(const Lease& lease) {
  return {
      .code = Errc::LeaseLost,
      .context = fmt::format("unit {} is no longer this worker's (its lease had epoch {}): the lease ran out and the "
                             "unit was given to another worker, or was handed back; what was not committed is undone",
                             lease.unit, lease.epoch)};
}

std::string Claimed::pipeline() const { return fmt::format("jobs/{}/{}", lease.job, number); }

double Progress::completion() const noexcept {
  if (bytes == 0) return units() == 0 ? 0 : static_cast<double>(done) / static_cast<double>(units());
  return static_cast<double>(bytes_done) / static_cast<double>(bytes);
}
std::chrono::milliseconds Progress::eta() const noexcept {
  const double part = completion();
  if (part <= 0 || part >= 1) return {};
  return std::chrono::milliseconds(static_cast<std::int64_t>(static_cast<double>(elapsed.count()) * (1 - part) / part));
}

}  // namespace etl::inline v0::jobs
