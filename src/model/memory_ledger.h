// What running a model takes, byte by byte, before anything of it is taken.
#pragma once

#include <cstdint>
#include <string>

#include "model/model.h"

namespace hearth {

/// Where the weights are: in the page cache, or in memory of the program's own.
enum class Residency : uint8_t { kMapped, kResident };

/// What will be run.
struct RunNeeds {
  int64_t context_tokens = 0;            // of all sequences together
  int64_t sequences = 1;                 // that run together
  int64_t snapshots = 0;                 // states kept aside
  int64_t chunk_tokens = kDefaultChunk;  // most tokens of one forward pass
  int64_t logit_rows = 1;                // most rows of logits of one
};

struct MemoryLedger {
  Residency residency = Residency::kMapped;
  uint64_t weight_bytes = 0;       // of the files, that a forward pass may read
  uint64_t requantised_bytes = 0;  // copies beside them
  uint64_t state_bytes_per_sequence = 0;
  KvType kv_type = KvType::kBf16;
  uint64_t kv_bytes_per_1k_tokens = 0;
  uint64_t kv_bytes = 0;       // for the context
  uint64_t scratch_bytes = 0;  // of forward passes; the backend's part is an upper estimate
  uint64_t available_bytes = 0;
  RunNeeds needs;

  /// States of all sequences, running and kept.
  uint64_t state_bytes() const {
    return static_cast<uint64_t>(needs.sequences + needs.snapshots) * state_bytes_per_sequence;
  }

  /// What must be had as memory of the program's own: all but mapped weights.
  uint64_t anonymous_bytes() const;
  uint64_t anonymous_bytes(Residency with) const;
  /// Whether this and mapped weights fit together, so that no page is read from disk twice.
  bool fits_whole() const { return anonymous_bytes(Residency::kResident) <= available_bytes; }
};

/// What is known of a model before any of its weights is read.
struct ModelOutline {
  ModelConfig config;
  ModelWeights weights;  // sizes and layouts; what they point to is not looked at, but not null
  uint64_t weight_bytes = 0;  // of the files, that a forward pass may read
};

ModelOutline outline_of(const ModelFiles& files);

/// `available` is what the system could give (available_memory_bytes()).
MemoryLedger make_ledger(const ModelOutline& model, const ModelOptions& options,
                         Residency residency, const RunNeeds& needs, int threads,
                         uint64_t available);
MemoryLedger make_ledger(const ModelFiles& files, const ModelOptions& options, Residency residency,
                         const RunNeeds& needs, int threads, uint64_t available);

/// Which of the choices made would have to change so that the ledger fits; empty when it does.
std::string fit_advice(const MemoryLedger& ledger, const ModelOptions& options);

/// Throws a MemoryError that says what is needed, what there is, and that advice, when the ledger
/// does not fit.
void require_fit(const MemoryLedger& ledger, const ModelOptions& options);

/// `--residency auto`: resident, when the weights are of some size, are not in the page cache
/// already (cached_share: how much of them is), and fit with a margin; mapped otherwise.
Residency choose_residency(const MemoryLedger& ledger, double cached_share);

}  // namespace hearth
