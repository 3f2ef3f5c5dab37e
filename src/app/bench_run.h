// One benchmark of hearth bench: a prompt, or a stretch of decoded tokens, repeated with the
// machine's limits measured in between.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "app/model_flags.h"
#include "backend/cpu/machine_limits.h"
#include "backend/profiling_backend.h"
#include "model/traffic.h"

namespace hearth {

/// A prompt of `prompt` tokens, or `generated` tokens one at a time in each of `batch` sequences,
/// after `depth` tokens of context. One of prompt and generated is 0.
struct BenchTest {
  int64_t prompt = 0;
  int64_t generated = 0;
  int64_t depth = 0;
  int64_t batch = 1;

  /// Of one sequence in the end.
  int64_t tokens() const { return depth + prompt + generated; }

  /// Pages of the KV cache for all sequences. One more for each than it has tokens for: a page that
  /// is partly filled at a snapshot is copied.
  int64_t pool_pages() const;

  /// As llama-bench has it: "pp512", "tg128 @ d4096"; with the batch: "tg128 x8".
  std::string name() const;
};

struct BenchSettings {
  int repetitions = 5;
  int64_t chunk_tokens = kDefaultChunk;
  double probe_seconds = 0.3;  // per measurement of a limit; 0: limits are not measured
};

/// Limits that are measured once for a loaded model.
struct MachineRecord {
  double sequential_read = 0;  // bytes per second
  double sequential_read_one_thread = 0;
  double random_read_one_thread = 0;
  double mapping_read = 0;  // random experts of the model itself, where it lies
  double bf16_peak = 0;     // multiply-accumulates per second
};

struct BenchResult {
  std::vector<double> tokens_per_s;  // of each repetition
  std::vector<double> random_read;   // before, between and after the repetitions
  std::vector<double> int8_peak;
  double read_bytes_per_token = 0;     // weights, states and KV; decode only
  double written_bytes_per_token = 0;  // states and KV; decode only
  double linear_macs_per_token = 0;
  std::array<double, kOperationKinds> time_shares{};  // of the wall time of all repetitions
  uint64_t peak_memory_bytes = 0;                     // without the probe's buffer
  uint64_t anonymous_memory_bytes = 0;                // likewise
  uint64_t logits_hash = 0;                           // of the first sequence's last token
};

/// Runs benchmarks on one loaded model.
class BenchRunner {
 public:
  /// `probe` may be null. The model must have been loaded with a profile.
  BenchRunner(const LoadedModel& loaded, const LimitProbe* probe, const BenchSettings& settings);

  MachineRecord measure_machine() const;
  /// Throws MemoryError.
  BenchResult run(const BenchTest& test) const;

  const ModelTraffic& traffic() const { return traffic_; }

 private:
  double sample(const BenchTest& test, struct BenchSequences& sequences) const;
  void measure_limits(BenchResult& result) const;
  void account(const BenchTest& test, uint64_t expert_bytes, BenchResult& result) const;

  const LoadedModel* loaded_;
  const LimitProbe* probe_;
  BenchSettings settings_;
  ModelTraffic traffic_;
};

/// Seconds from a model just loaded to the first token after a prompt of one token.
double first_token_seconds(const Model& model);

double median(std::vector<double> values);
/// The distance between the first and the third quartile.
double quartile_range(std::vector<double> values);

}  // namespace hearth
