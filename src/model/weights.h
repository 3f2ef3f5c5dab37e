// A model's weights as the forward pass names them. Matrices are views into the checkpoint; small
// vectors are float copies, with what is constant folded in.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "checkpoint/model_config.h"
#include "tensor/quantized_matrix.h"

namespace hearth {

struct GatedDeltaWeights {
  QuantizedMatrix qkvz;            // [2·keys + 2·values, hidden], rows grouped by key head
  QuantizedMatrix ba;              // [2·value_heads, hidden], rows grouped by key head
  QuantizedMatrix out;             // [hidden, values]
  std::vector<float> conv;         // [taps, channels]
  std::vector<float> decay_rates;  // [value_heads], −exp(A_log)
  std::vector<float> dt_bias;      // [value_heads]
  std::vector<float> norm;         // [value_dim]
};

struct GatedAttentionWeights {
  QuantizedMatrix query_gate;     // [2·queries, hidden], per head its query and its gate
  QuantizedMatrix key;            // [kv, hidden]
  QuantizedMatrix value;          // [kv, hidden]
  QuantizedMatrix out;            // [hidden, queries]
  std::vector<float> query_norm;  // [head_dim], 1 + w
  std::vector<float> key_norm;    // [head_dim], 1 + w
};

struct MoeWeights {
  QuantizedMatrix router;       // [experts, hidden]
  QuantizedMatrix shared_gate;  // [1, hidden]
  std::vector<ExpertWeights> experts;
  ExpertWeights shared;
};

struct LayerWeights {
  std::vector<float> input_norm;           // [hidden], 1 + w
  std::vector<float> post_attention_norm;  // [hidden], 1 + w
  // One of the two, as ModelConfig::layers says.
  GatedDeltaWeights delta;
  GatedAttentionWeights attention;
  MoeWeights moe;
};

struct ModelWeights {
  QuantizedMatrix embedding;  // [vocab, hidden]
  std::vector<LayerWeights> layers;
  std::vector<float> final_norm;  // [hidden], 1 + w
  QuantizedMatrix head;           // [vocab, hidden]
};

}  // namespace hearth
