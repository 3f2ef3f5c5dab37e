// Packed weights times int8 activations on sdot: four products of signed bytes of a lane, added
// into 32 bits (int8_panels.h draws the layout).
//
// The nibbles of w4 are unsigned, but below 16, so that they are signed bytes as well. The codes of
// w8 are made signed, c = w − 128. The other operand is one lane of a register with the words of up
// to four tokens.
#include "kernels/int8_panels.h"
#include "kernels/neon/kernels.h"
#include "kernels/neon/simd.h"

namespace hearth::neon {
namespace {

/// One word of activations of up to 4 tokens, each in a lane.
template <int N>
HEARTH_INLINE int8x16_t load_tokens(const int32_t* words) {
  int32x4_t lanes;
  if constexpr (N == 1) {
    lanes = vdupq_n_s32(words[0]);
  } else if constexpr (N == 4) {
    lanes = vld1q_s32(words);
  } else {
    lanes = vcombine_s32(vld1_s32(words), vdup_n_s32(words[N - 1]));
  }
  return vreinterpretq_s8_s32(lanes);
}

/// acc[t] += codes · token t, for t from T on.
template <int T, int M, int Q>
HEARTH_INLINE void add_tokens(int8x16_t codes, const int8x16_t (&x)[Q], int32x4_t (&acc)[M]) {
  acc[T] = vdotq_laneq_s32(acc[T], codes, x[T / 4], T % 4);
  if constexpr (T + 1 < M) add_tokens<T + 1>(codes, x, acc);
}

/// Adds the products of V vectors of codes with one word of each token's activations.
template <int V, int M>
HEARTH_INLINE void add_codes(const int8x16_t (&codes)[V], const int32_t* words,
                             int32x4_t (&acc)[V][M]) {
  int8x16_t x[(M + 3) / 4];
  x[0] = load_tokens < M < 4 ? M : 4 > (words);
  if constexpr (M > 4) x[1] = load_tokens<M - 4>(words + 4);
#pragma GCC unroll 8
  for (int i = 0; i < V; ++i) add_tokens<0>(codes[i], x, acc[i]);
}

HEARTH_INLINE int8x16_t low_codes(int32x4_t words) {
  return vandq_s8(vreinterpretq_s8_s32(words), vdupq_n_s8(0x0F));
}

HEARTH_INLINE int8x16_t high_codes(int32x4_t words) {
  return vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s32(words), 4));
}

HEARTH_INLINE int8x16_t centred_codes(int32x4_t words) {
  return veorq_s8(vreinterpretq_s8_s32(words), vdupq_n_s8(-128));
}

struct Int8Vectors {
  static constexpr int64_t kLanes = neon::kLanes;
  static constexpr int64_t panel_vectors(int /*bits*/) { return 128; }
  static constexpr int64_t kWordsAhead = 1024;
  using Float = float32x4_t;
  using Ints = int32x4_t;
  using Codes = int8x16_t;

  static constexpr int tile_tokens(int /*bits*/) { return 8; }
  /// Up to 16 accumulators of the 32 registers. One token takes a cache line of each word row.
  static constexpr int tile_vectors(int tokens) { return tokens <= 2 ? 8 : tokens <= 4 ? 4 : 2; }

  static HEARTH_INLINE Ints load_words(const uint32_t* p, int64_t left) {
    return vreinterpretq_s32_u32(neon::load_words(p, left));
  }
  static constexpr int code_parts(int bits) { return bits == 4 ? 2 : 1; }
  template <int kBits, int kPart>
  static HEARTH_INLINE Codes codes(Ints words) {
    if constexpr (kBits == 8) return centred_codes(words);
    else return kPart == 0 ? low_codes(words) : high_codes(words);
  }
  template <int kBits, typename RowCodes, int V, int M>
  static HEARTH_INLINE void add_rows(RowCodes& row_codes, const int32_t* inputs, int64_t tokens,
                                     int64_t rows, Ints (&sums)[V][M]) {
    for (; rows > 0; --rows, inputs += 8 / kBits * tokens) {
      Codes codes[V];
      row_codes.template part<0>(codes);
      add_codes(codes, inputs, sums);
      if constexpr (kBits == 4) {
        row_codes.template part<1>(codes);
        add_codes(codes, inputs + tokens, sums);
      }
    }
  }

  template <int kBits>
  static HEARTH_INLINE Ints start_factor(const QuantizedMatrix& matrix, int64_t group, int64_t n,
                                         int64_t left) {
    return vsubq_s32(vdupq_n_s32(kBits == 8 ? 128 : 0), load_zeros(matrix, kBits, group, n, left));
  }
  static HEARTH_INLINE Ints multiply(Ints v, int32_t x) { return vmulq_n_s32(v, x); }
  static HEARTH_INLINE Float load_scales(const uint16_t* p, ScaleType type, int64_t left) {
    return neon::load_scales(p, type, left);
  }
  static HEARTH_INLINE Ints add(Ints a, Ints b) { return vaddq_s32(a, b); }
  static HEARTH_INLINE Float load_floats(const float* p, int64_t left) {
    return neon::load_floats(p, left);
  }
  static HEARTH_INLINE void store_floats(float* p, Float v, int64_t left) {
    neon::store_floats(p, v, left);
  }
  static HEARTH_INLINE Float scaled_sum(Float y, Float scales, float scale, Ints sum) {
    return vfmaq_f32(y, vmulq_n_f32(scales, scale), vcvtq_f32_s32(sum));
  }
  static HEARTH_INLINE void add_scaled(float* y, int64_t left, Float scales, float scale,
                                       Ints sum) {
    store_floats(y, scaled_sum(load_floats(y, left), scales, scale, sum), left);
  }

  static HEARTH_INLINE Ints load_ints(const int32_t* p, int64_t left) {
    return load_words(reinterpret_cast<const uint32_t*>(p), left);
  }
  static HEARTH_INLINE void store_ints(int32_t* p, Ints v, int64_t left) {
    if (left >= kLanes) return vst1q_s32(p, v);
    int32_t lanes[kLanes];
    vst1q_s32(lanes, v);
    for (int64_t i = 0; i < left; ++i) p[i] = lanes[i];
  }
  using Operand = int8x16_t;
  static HEARTH_INLINE Operand broadcast(int32_t word) {
    return vreinterpretq_s8_s32(vdupq_n_s32(word));
  }
  template <int kBits>
  static HEARTH_INLINE Ints add_words(Ints sums, const uint32_t* p, int64_t left,
                                      const Operand* x) {
    const Ints words = load_words(p, left);
    if constexpr (kBits == 8) return vdotq_s32(sums, centred_codes(words), x[0]);
    return vdotq_s32(vdotq_s32(sums, low_codes(words), x[0]), high_codes(words), x[1]);
  }
};

}  // namespace

void matmul_w4_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  Int8Panels<Int8Vectors>::product<4>(matrix, row_begin, row_end, input, output);
}

void matmul_w8_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  Int8Panels<Int8Vectors>::product<8>(matrix, row_begin, row_end, input, output);
}

void use_int8_streams(KernelSet& set) { use_streams<Int8Vectors>(set); }

}  // namespace hearth::neon
