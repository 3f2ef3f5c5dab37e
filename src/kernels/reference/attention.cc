// Softmax attention of a few tokens over one page of cached tokens (online softmax: Milakov and
// Gimelshein 2018; a running maximum rescales what was summed before).
#include <algorithm>
#include <cmath>

#include "base/half.h"
#include "kernels/reference/kernels.h"

namespace hearth::reference {
namespace {

struct F32 {
  using Stored = float;
  static constexpr int64_t kPacked = 1;  // elements of a page that lie next to each other
  static float widen(float stored) { return stored; }
  static float round(float exact) { return exact; }
};

struct Bf16 {
  using Stored = uint16_t;
  static constexpr int64_t kPacked = 2;
  static float widen(uint16_t stored) { return bf16_to_float(stored); }
  static float round(float exact) { return bf16_to_float(float_to_bf16(exact)); }
};

/// Where a block's numbers lie.
template <typename Element>
struct Numbers {
  static constexpr int64_t kPacked = Element::kPacked;
  const AttentionBlock& block;

  static float at(const void* stored, int64_t index) {
    return Element::widen(static_cast<const typename Element::Stored*>(stored)[index]);
  }
  float query(int64_t row, int64_t d) const { return at(block.q, row * block.head_dim + d); }
  float key(int64_t token, int64_t d) const {
    return at(block.keys, (d / kPacked * kKvPageTokens + token) * kPacked + d % kPacked);
  }
  float value(int64_t token, int64_t d) const {
    return at(block.values, (token / kPacked * block.head_dim + d) * kPacked + token % kPacked);
  }
};

template <typename Element>
void attend_row(const AttentionBlock& block, int64_t row) {
  const Numbers<Element> numbers{block};
  const int64_t visible = std::min(block.visible + row / block.heads, kKvPageTokens);
  float* output = block.output + row * block.head_dim;
  float scores[kKvPageTokens];
  float largest = block.maxima[row];
  for (int64_t t = 0; t < visible; ++t) {
    float score = 0.0f;
    for (int64_t d = 0; d < block.head_dim; ++d) {
      score += numbers.query(row, d) * numbers.key(t, d);
    }
    scores[t] = block.key_scales ? score * block.key_scales[t] : score;
    largest = std::fmax(largest, scores[t]);
  }
  const float rescale = std::exp(block.maxima[row] - largest);  // 0 in the first page
  block.maxima[row] = largest;
  block.sums[row] *= rescale;
  for (int64_t d = 0; d < block.head_dim; ++d) output[d] *= rescale;
  for (int64_t t = 0; t < visible; ++t) {
    float weight = Element::round(std::exp(scores[t] - largest));
    block.sums[row] += weight;
    if (block.value_scales) weight = Element::round(weight * block.value_scales[t]);
    for (int64_t d = 0; d < block.head_dim; ++d) output[d] += weight * numbers.value(t, d);
  }
}

}  // namespace

void attend_f32(const AttentionBlock& block) {
  for (int64_t row = 0; row < block.queries * block.heads; ++row) attend_row<F32>(block, row);
}

void attend_bf16(const AttentionBlock& block) {
  for (int64_t row = 0; row < block.queries * block.heads; ++row) attend_row<Bf16>(block, row);
}

void widen_int8(const int8_t* codes, int64_t count, uint16_t* halves) {
  for (int64_t i = 0; i < count; ++i) halves[i] = float_to_bf16(static_cast<float>(codes[i]));
}

}  // namespace hearth::reference
