/// `etl::run`: a source that pushes or fills, and every place where batches may run.

#include <stdexcept>

#include <etl/run.hpp>

#include <handoff/impl.hpp>

namespace bench {
namespace {

/// The source that all pipelines below share.
template <class W, bool fill_in_place>
struct Source {
  using extracted = typename W::E;
  using loaded = typename W::T;
  std::uint64_t records = 0;
  std::uint64_t sum = 0;

  void extract(etl::Emitter<extracted>& out) {
    for (std::uint64_t i = 0, end = records; i < end; ++i) {
      if constexpr (fill_in_place) {
        if (!out.fill([i](extracted& slot) { W::fill(slot, i); })) return;
      } else {
        if (!out.push(W::make(i))) return;
      }
    }
  }
};

/// E = T without a transform stage: the hand-over alone.
template <class W, bool fill_in_place>
struct LoadOnly : Source<W, fill_in_place> {
  void load(std::span<const typename W::T> batch) {
    std::uint64_t total = 0;
    for (const auto& record : batch) total += W::process(record);
    this->sum += total;
  }
};

/// The load of all that have a transform stage.
template <class W, bool fill_in_place>
struct Summing : Source<W, fill_in_place> {
  void load(std::span<const typename W::T> batch) {
    std::uint64_t total = 0;
    for (const auto& result : batch) total += W::digest(result);
    this->sum += total;
  }
};

/// E = T: a batch is changed in place, a pass of its own.
template <class W, bool fill_in_place>
struct InPlace : Summing<W, fill_in_place> {
  void transform(std::span<typename W::E> batch) const {
    for (auto& record : batch) W::transform(record);
  }
};

/// E to T into a used slot; the item stays untouched.
template <class W, bool fill_in_place>
struct IntoSlot : Summing<W, fill_in_place> {
  void transform(const typename W::E& item, etl::Out<typename W::T>& out) const { W::transform(item, out.next()); }
};

/// E to T, the string swapped out of the item: nothing is copied.
struct Swapping : Summing<ConvertWork, true> {
  void transform(Str& item, etl::Out<Sale>& out) const {
    Sale& slot = out.next();
    slot.id = item.pod.id;
    slot.cents = cents_of(item.pod);
    slot.text.swap(item.text);
  }
};

/// E to T returned by value: a new string per result.
struct ByValue : Summing<ConvertWork, true> {
  Sale transform(const Str& item) const {
    Sale result;
    ConvertWork::transform(item, result);
    return result;
  }
};

template <class P>
std::uint64_t run(const Job& job, JsonLine& line, etl::Mode mode, etl::Inline inline_batches) {
  P pipeline;
  pipeline.records = job.records;
  const etl::RunReport report = etl::run(
      pipeline, {.mode = mode, .batch_size = job.batch, .workers = job.workers, .inline_batches = inline_batches});
  if (!report.ok()) throw std::runtime_error(report.text());
  line.number("inline_batches", report.inline_batches);
  line.number("max_queue_depth", report.max_queue_depth);
  return pipeline.sum;
}

/// Where batches may run. "handover": on the producer only while it would have to wait anyway.
template <class P>
void add_modes(std::vector<Impl>& impls, const std::string& suffix, std::string_view workload) {
  const auto add = [&](std::string_view name, etl::Mode mode, etl::Inline inline_batches) {
    impls.push_back(
        {std::string(name) + suffix, std::string(workload),
         [mode, inline_batches](const Job& job, JsonLine& line) { return run<P>(job, line, mode, inline_batches); }});
  };
  add("etl-adaptive", etl::Mode::Parallel, etl::Inline::Adaptive);
  add("etl-handover", etl::Mode::Parallel, etl::Inline::WhenWaiting);
  add("etl-never", etl::Mode::Parallel, etl::Inline::Never);
  add("etl-fused", etl::Mode::Fused, etl::Inline::Adaptive);
}

}  // namespace

void add_etl_run(std::vector<Impl>& impls) {
  add_modes<LoadOnly<PodWork, false>>(impls, "-push", "pod");
  add_modes<LoadOnly<PodWork, true>>(impls, "-fill", "pod");
  add_modes<InPlace<PodWork, false>>(impls, "-push-transform", "pod");
  add_modes<LoadOnly<StrWork, false>>(impls, "-push", "str");
  add_modes<LoadOnly<StrWork, true>>(impls, "-fill", "str");
  add_modes<InPlace<StrWork, false>>(impls, "-push-transform", "str");
  add_modes<IntoSlot<ConvertWork, false>>(impls, "-push", "convert");
  add_modes<IntoSlot<ConvertWork, true>>(impls, "-fill", "convert");
  add_modes<Swapping>(impls, "-fill-swap", "convert");
  add_modes<ByValue>(impls, "-fill-value", "convert");
  add_modes<InPlace<CpuWork, false>>(impls, "-push", "cpu");
}

}  // namespace bench
