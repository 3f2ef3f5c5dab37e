// What a checkpoint would do on this machine: speed from measured slices of it, memory from its
// ledger, what limits it and what would help.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/predict_sample.h"
#include "model/memory_ledger.h"
#include "model/traffic.h"

namespace hearth {

/// What was measured of the machine; 0: it was not.
struct MachineLimits {
  double random_read_bytes_per_s = 0;  // memory, all workers
  double int8_macs_per_s = 0;
  double storage_random_bytes_per_s = 0;  // pieces of 512 KiB
  double storage_sequential_bytes_per_s = 0;
};

inline constexpr int64_t kPredictedChunk = kDefaultChunk;
inline constexpr int64_t kPredictedContext = 4096;  // of the ledger
inline constexpr int64_t kDeepTokens = 16384;       // what is measured beside depth 0

/// How the passes of a model grow with the context before them: evenly.
struct SpeedCurve {
  double decode_seconds = 0;  // a token at depth 0
  double decode_seconds_per_depth = 0;
  double chunk_seconds = 0;  // kPredictedChunk tokens at depth 0
  double chunk_seconds_per_depth = 0;
  double head_seconds = 0;  // part of decode_seconds

  double decode_tokens_per_s(int64_t depth) const;
  /// Of a whole prompt, in chunks, after `depth` tokens.
  double prefill_tokens_per_s(int64_t prompt, int64_t depth = 0) const;
};

/// `alike`: of a model with the same attention layers, whose growth with depth is taken over; or
/// null.
SpeedCurve measure_curve(const ModelSample& sample, int64_t max_positions, const SpeedCurve* alike);

enum class Fit : uint8_t {
  kFits,
  kWithMore,  // the machine has the memory, but others use it now
  kFromDisk,  // the machine is too small: experts are read again and again
  kNot,       // not even what must be memory fits
};

struct Prediction {
  std::string name;
  std::string what;
  MemoryLedger ledger;
  Fit fit = Fit::kFits;
  uint64_t missing_bytes = 0;  // of memory, to hold everything
  SpeedCurve curve;            // when everything is in memory
  double decode_bandwidth_share = 0;
  double prefill_int8_share = 0;
  double decode_bytes_per_token = 0;
  /// When the weights do not fit: at most this, for reading what is missing; 0 where the disk was
  /// not measured.
  double disk_decode_tokens_per_s = 0;
  double disk_prefill_tokens_per_s = 0;
  std::string limit;              // what limits it, in words
  std::vector<std::string> help;  // what would help, full sentences
};

/// `head_w8_seconds`: of a token's head in 8 bits, where that was measured.
Prediction predict(const ModelOutline& model, const ModelOptions& options, const SpeedCurve& curve,
                   const MachineLimits& limits, const MemoryLedger& ledger, uint64_t total_bytes,
                   double head_w8_seconds);

}  // namespace hearth
