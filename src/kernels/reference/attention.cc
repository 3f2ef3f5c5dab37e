// Softmax attention of one token over one block of cached tokens (online softmax: Milakov and
// Gimelshein 2018; a running maximum rescales what was summed before).
#include <cmath>

#include "base/half.h"
#include "kernels/reference/reference.h"

namespace hearth::reference {
namespace {

float cached(const void* rows, KvType type, int64_t index) {
  return type == KvType::kF32 ? static_cast<const float*>(rows)[index]
                              : bf16_to_float(static_cast<const uint16_t*>(rows)[index]);
}

void attend_head(const AttentionBlock& block, int64_t head) {
  const float* q = block.q + head * block.q_stride;
  float* output = block.output + head * block.head_dim;
  float scores[kKvPageTokens];
  float largest = block.maxima[head];
  for (int64_t t = 0; t < block.tokens; ++t) {
    float score = 0.0f;
    for (int64_t d = 0; d < block.head_dim; ++d) {
      score += q[d] * cached(block.keys, block.kv_type, t * block.head_dim + d);
    }
    scores[t] = score;
    largest = std::fmax(largest, score);
  }
  const float rescale = std::exp(block.maxima[head] - largest);  // 0 in the first block
  block.maxima[head] = largest;
  block.sums[head] *= rescale;
  for (int64_t d = 0; d < block.head_dim; ++d) output[d] *= rescale;
  for (int64_t t = 0; t < block.tokens; ++t) {
    const float weight = std::exp(scores[t] - largest);
    block.sums[head] += weight;
    for (int64_t d = 0; d < block.head_dim; ++d) {
      output[d] += weight * cached(block.values, block.kv_type, t * block.head_dim + d);
    }
  }
}

}  // namespace

void attend(const AttentionBlock& block) {
  for (int64_t head = 0; head < block.heads; ++head) attend_head(block, head);
}

}  // namespace hearth::reference
