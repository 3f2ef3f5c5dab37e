// What a forward pass reads and computes, from the sizes of the weights: the figures that turn
// tokens per second into shares of the machine's limits.
#pragma once

#include <cstdint>

#include "model/model.h"

namespace hearth {

struct ModelTraffic {
  uint64_t model_bytes = 0;             // all weight matrices
  uint64_t shared_bytes = 0;            // read once a pass, whatever its tokens: all but experts
  uint64_t expert_bytes_per_token = 0;  // of the experts that one token goes through, on average
  uint64_t embedding_row_bytes = 0;     // per token
  uint64_t state_bytes = 0;             // recurrent states and histories of a sequence
  uint64_t kv_bytes_per_token = 0;      // of the cache, per cached token
  int64_t linear_macs_per_token = 0;    // linear layers without the head
  int64_t head_macs = 0;                // per row of logits

  /// Bytes of weights that one token decoded alone reads, with scales and the embedding row.
  uint64_t weight_bytes_per_token() const {
    return shared_bytes + expert_bytes_per_token + embedding_row_bytes;
  }
};

ModelTraffic model_traffic(const ModelConfig& config, const ModelWeights& weights,
                           const StateShape& shape);
ModelTraffic model_traffic(const Model& model);

}  // namespace hearth
