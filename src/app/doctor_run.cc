#include "app/doctor_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "app/predict_models.h"
#include "backend/cpu/machine_limits.h"
#include "base/clock.h"
#include "base/error.h"
#include "os/cpu_features.h"
#include "os/memory_info.h"

namespace hearth {
namespace {

constexpr uint64_t kStorageFileBytes = uint64_t{512} << 20;

using Say = std::function<void(const std::string&)>;

/// 1, 2, 4, … and all.
std::vector<int> thread_ladder(int threads) {
  std::vector<int> ladder;
  for (int count = 1; count < threads; count *= 2) ladder.push_back(count);
  ladder.push_back(threads);
  return ladder;
}

void measure_memory(const DoctorSettings& settings, DoctorReport& report, const Say& say) {
  const double seconds = settings.quick ? 0.15 : 0.3;
  for (const int threads : thread_ladder(report.threads)) {
    say(fmt::format("memory bandwidth, {} thread{}", threads, threads == 1 ? "" : "s"));
    CpuBackend backend({.threads = threads, .kernel_set = settings.model.kernel_set});
    const LimitProbe probe(backend);
    using enum ReadOrder;
    report.bandwidth.push_back({threads,
                                probe.read_bandwidth(kSequential, ProbeWorkers::kAll, seconds),
                                probe.read_bandwidth(kRandom, ProbeWorkers::kAll, seconds)});
    if (threads < report.threads) continue;
    say("arithmetic");
    const Stopwatch wall;
    const std::clock_t before = std::clock();
    report.int8_macs_per_s = probe.int8_peak(seconds);
    report.processor_share =
        static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC / (wall.seconds() * threads);
    report.bf16_macs_per_s = probe.bf16_peak(seconds);
  }
}

/// One checkpoint on its way to a prediction.
struct Candidate {
  std::string name;
  std::string what;
  ModelOutline outline;
  PageSize pages = PageSize::kHuge;
};

class Predictor {
 public:
  Predictor(const DoctorSettings& settings, DoctorReport& report)
      : settings_(settings),
        report_(report),
        options_(model_options(settings.model)),
        backend_({.threads = settings.model.threads, .kernel_set = settings.model.kernel_set}) {
    limits_ = {.random_read_bytes_per_s = report.bandwidth.back().random_bytes_per_s,
               .int8_macs_per_s = report.int8_macs_per_s,
               .storage_random_bytes_per_s = report.storage.random_large_bytes_per_s,
               .storage_sequential_bytes_per_s = report.storage.sequential_bytes_per_s};
  }

  void folder(const std::string& path) {
    const ModelFiles files(path, backend_);
    const bool huge = settings_.model.residency == "resident" || maps_in_huge_pages(path);
    run({.name = path,
         .what = "the model in this folder",
         .outline = outline_of(files),
         .pages = huge ? PageSize::kHuge : PageSize::kSmall});
  }

  void known(const KnownCheckpoint& checkpoint) {
    run({.name = std::string(checkpoint.name),
         .what = std::string(checkpoint.what),
         .outline = outline_of(checkpoint)});
  }

 private:
  SampleSettings sample_settings(PageSize pages) const {
    return {.pages = pages,
            .expert_bytes = uint64_t{1} << (settings_.quick ? 29 : 30),
            .seconds = settings_.quick ? 0.25 : 0.6};
  }

  void run(const Candidate& candidate) {
    const RunNeeds needs{
        .context_tokens = std::min(kPredictedContext, candidate.outline.config.max_positions),
        .chunk_tokens = kPredictedChunk};
    const MemoryLedger ledger = make_ledger(candidate.outline, options_, Residency::kMapped, needs,
                                            backend_.threads(), report_.available_bytes);
    const SpeedCurve curve = measure(candidate);
    Prediction prediction = predict(candidate.outline, options_, curve, limits_, ledger,
                                    report_.machine.total_bytes, head_w8_seconds_);
    prediction.name = candidate.name;
    prediction.what = candidate.what;
    report_.predictions.push_back(std::move(prediction));
  }

  SpeedCurve measure(const Candidate& candidate) {
    // One head after the other: both beside each other would be too much for small machines.
    if (options_.head == HeadBits::kCheckpoint && head_w8_seconds_ == 0 && !settings_.quick) {
      ModelOptions options = options_;
      options.head = HeadBits::k8;
      SampleSettings small = sample_settings(candidate.pages);
      small.expert_bytes /= 4;
      head_w8_seconds_ = ModelSample(candidate.outline, options, backend_, small).decode(0).head;
    }
    const ModelSample sample(candidate.outline, options_, backend_,
                             sample_settings(candidate.pages));
    // The known checkpoints differ in their weights only.
    const bool first = report_.predictions.empty();
    return measure_curve(sample, candidate.outline.config.max_positions,
                         first ? nullptr : &report_.predictions.front().curve);
  }

  const DoctorSettings& settings_;
  DoctorReport& report_;
  ModelOptions options_;
  CpuBackend backend_;
  MachineLimits limits_;
  double head_w8_seconds_ = 0;
};

void predict_all(const DoctorSettings& settings, DoctorReport& report, const Say& say) {
  Predictor predictor(settings, report);
  try {
    if (!settings.model.folder.empty()) {
      say("prediction for " + settings.model.folder);
      predictor.folder(settings.model.folder);
      return;
    }
    for (const KnownCheckpoint& checkpoint : known_checkpoints()) {
      say(fmt::format("prediction for {}", checkpoint.name));
      predictor.known(checkpoint);
    }
  } catch (const MemoryError& error) {
    report.prediction_problem = error.what();
  }
}

}  // namespace

DoctorReport run_doctor(const DoctorSettings& settings, const Say& say) {
  const Stopwatch clock;
  DoctorReport report;
  report.cpu = cpu_model_name();
  for (const KernelSet& set : available_kernel_sets()) report.kernel_sets.push_back(set.name);
  {
    const CpuBackend backend(
        {.threads = settings.model.threads, .kernel_set = settings.model.kernel_set});
    report.kernel_set = backend.kernels().name;
    report.threads = backend.threads();
  }
  report.topology = topology_summary();
  report.machine = read_machine_info();
  report.available_bytes = available_memory_bytes();
  measure_memory(settings, report, say);
  const std::string& folder = settings.model.folder;
  report.storage_folder =
      std::filesystem::absolute(folder.empty() ? "." : folder).lexically_normal().string();
  say("storage below " + report.storage_folder);
  report.storage = measure_storage(report.storage_folder,
                                   settings.quick ? kStorageFileBytes / 2 : kStorageFileBytes,
                                   settings.quick ? 0.4 : 0.8);
  predict_all(settings, report, say);
  report.seconds = clock.seconds();
  return report;
}

}  // namespace hearth
