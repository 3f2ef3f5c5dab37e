// Softmax attention of a few tokens over one page of cached tokens (online softmax: Milakov and
// Gimelshein 2018; a running maximum rescales what was summed before).
#include <algorithm>
#include <cmath>

#include "base/half.h"
#include "kernels/reference/kernels.h"

namespace hearth::reference {
namespace {

struct F32Page {
  static float query(const AttentionBlock& block, int64_t row, int64_t d) {
    return static_cast<const float*>(block.q)[row * block.head_dim + d];
  }
  static float key(const AttentionBlock& block, int64_t token, int64_t d) {
    return static_cast<const float*>(block.keys)[token * block.head_dim + d];
  }
  static float value(const AttentionBlock& block, int64_t token, int64_t d) {
    return static_cast<const float*>(block.values)[token * block.head_dim + d];
  }
  static float weight(float exact) { return exact; }
  static float key_scale(const AttentionBlock&, int64_t) { return 1.0f; }
  static float scaled(const AttentionBlock&, int64_t, float weight) { return weight; }
};

struct Bf16Page {
  static float element(const void* halves, int64_t index) {
    return bf16_to_float(static_cast<const uint16_t*>(halves)[index]);
  }
  static float query(const AttentionBlock& block, int64_t row, int64_t d) {
    return element(block.q, row * block.head_dim + d);
  }
  static float key(const AttentionBlock& block, int64_t token, int64_t d) {
    return element(block.keys, (d / 2 * kKvPageTokens + token) * 2 + d % 2);
  }
  static float value(const AttentionBlock& block, int64_t token, int64_t d) {
    return element(block.values, (token / 2 * block.head_dim + d) * 2 + token % 2);
  }
  static float weight(float exact) { return bf16_to_float(float_to_bf16(exact)); }
  static float key_scale(const AttentionBlock& block, int64_t token) {
    return block.key_scales ? block.key_scales[token] : 1.0f;
  }
  static float scaled(const AttentionBlock& block, int64_t token, float rounded) {
    return block.value_scales ? weight(rounded * block.value_scales[token]) : rounded;
  }
};

template <typename Page>
void attend_row(const AttentionBlock& block, int64_t row) {
  const int64_t visible = std::min(block.visible + row / block.heads, kKvPageTokens);
  float* output = block.output + row * block.head_dim;
  float scores[kKvPageTokens];
  float largest = block.maxima[row];
  for (int64_t t = 0; t < visible; ++t) {
    float score = 0.0f;
    for (int64_t d = 0; d < block.head_dim; ++d) {
      score += Page::query(block, row, d) * Page::key(block, t, d);
    }
    scores[t] = score * Page::key_scale(block, t);
    largest = std::fmax(largest, scores[t]);
  }
  const float rescale = std::exp(block.maxima[row] - largest);  // 0 in the first page
  block.maxima[row] = largest;
  block.sums[row] *= rescale;
  for (int64_t d = 0; d < block.head_dim; ++d) output[d] *= rescale;
  for (int64_t t = 0; t < visible; ++t) {
    const float weight = Page::weight(std::exp(scores[t] - largest));
    block.sums[row] += weight;
    const float scaled = Page::scaled(block, t, weight);
    for (int64_t d = 0; d < block.head_dim; ++d) output[d] += scaled * Page::value(block, t, d);
  }
}

}  // namespace

void attend_f32(const AttentionBlock& block) {
  for (int64_t row = 0; row < block.queries * block.heads; ++row) attend_row<F32Page>(block, row);
}

void attend_bf16(const AttentionBlock& block) {
  for (int64_t row = 0; row < block.queries * block.heads; ++row) attend_row<Bf16Page>(block, row);
}

void widen_int8(const int8_t* codes, int64_t count, uint16_t* halves) {
  for (int64_t i = 0; i < count; ++i) halves[i] = float_to_bf16(static_cast<float>(codes[i]));
}

}  // namespace hearth::reference
