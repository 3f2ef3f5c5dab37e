// Packed weights times int8 activations, in place, on sdot: four products of signed bytes of a
// lane, added into 32 bits.
//
//              n … n+3 (one register)                   activations of the same 8 inputs
//   k 0..7   [ word | word | word | word ]              [k 0,2,4,6] of token 0, 1, …
//   k 8..15  [ word | word | word | word ]              [k 1,3,5,7] of token 0, 1, …
//
// w4: `& 0x0F` leaves k = 0,2,4,6 of each output row as the four bytes of its lane, `>> 4` of each
// byte k = 1,3,5,7: unsigned, but below 16, so that they are signed bytes as well. w8: the codes
// are made signed, c = w − 128. The other operand is one lane of a register with the words of up to
// four tokens. The zero point (less 128 for w8) enters as the start value −z·Σa of the sums.
//
// A tile of V vectors × M tokens stays in registers for a block of inputs; a panel of up to 512
// rows goes through all inputs block by block, its float sums in memory (the first-level cache):
// what memory sees are long pieces of a few word rows, which lie pages apart. For the same reason
// processors do not prefetch them, so a later block is asked for here.
#include "kernels/neon/kernels.h"
#include "kernels/neon/simd.h"

namespace hearth::neon {
namespace {

constexpr int kMostTokens = 8;
constexpr int64_t kPanelVectors = 128;
constexpr int64_t kBlocksAhead = 2;

/// Vectors of rows at once: up to 16 accumulators of the 32 registers. One token takes a cache line
/// of each word row.
constexpr int tile_vectors(int tokens) { return tokens <= 2 ? 8 : tokens <= 4 ? 4 : 2; }

/// Asks for the words of a later block row by row, a step with every word row that is computed.
struct Prefetcher {
  const uint32_t* at;
  int64_t column;   // in vectors
  int64_t columns;  // of the panel
  int64_t stride;   // words of a matrix row

  template <int V>
  HEARTH_INLINE void step() {
#pragma GCC unroll 4
    for (int i = 0; i < V; i += 4) __builtin_prefetch(at + i * kLanes, 0, 2);
    at += V * kLanes;
    column += V;
    if (column >= columns) {
      at += stride - column * kLanes;
      column = 0;
    }
  }
};

/// One block of inputs of a panel.
struct BlockWork {
  const QuantizedMatrix* matrix;
  const uint32_t* weights;  // [word_rows] rows of the matrix, from first_row on
  int64_t word_rows;
  int64_t group;
  int64_t first_row;     // of the panel
  int64_t panel_rows;    // likewise
  const int32_t* words;  // this block's part of ActivationTile's, from the first of M tokens on:
  const float* scales;   // [tokens]
  const int32_t* sums;   // [tokens]
  int64_t tokens;        // of the tile
  float* totals;         // [vectors of the panel][M][4]

  int64_t left(int64_t v) const { return panel_rows - v * kLanes; }
};

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

template <int kBits, bool kWhole, int V, int M>
HEARTH_INLINE void add_row(const BlockWork& work, const uint32_t* w, const int32_t* a, int64_t left,
                           int32x4_t (&acc)[V][M]) {
  int8x16_t codes[V];
  if constexpr (kBits == 4) {
    int8x16_t high[V];
#pragma GCC unroll 8
    for (int i = 0; i < V; ++i) {
      const uint8x16_t row =
          vreinterpretq_u8_u32(load_words(w + i * kLanes, kWhole ? kLanes : left));
      codes[i] = vreinterpretq_s8_u8(vandq_u8(row, vdupq_n_u8(0x0F)));
      high[i] = vreinterpretq_s8_u8(vshrq_n_u8(row, 4));
    }
    add_codes(codes, a, acc);
    add_codes(high, a + work.tokens, acc);
  } else {
#pragma GCC unroll 8
    for (int i = 0; i < V; ++i) {
      const uint8x16_t row =
          vreinterpretq_u8_u32(load_words(w + i * kLanes, kWhole ? kLanes : left));
      codes[i] = vreinterpretq_s8_u8(veorq_u8(row, vdupq_n_u8(0x80)));
    }
    add_codes(codes, a, acc);
  }
}

/// Vectors [v, v + V) of the panel; kWhole unless they are its last.
template <int kBits, bool kWhole, int M, int V>
HEARTH_INLINE void block_vectors(const BlockWork& work, int64_t v, Prefetcher& prefetcher) {
  const QuantizedMatrix& matrix = *work.matrix;
  const int64_t n = work.first_row + v * kLanes;
  const int64_t left = work.left(v);
  int32x4_t acc[V][M];
#pragma GCC unroll 8
  for (int i = 0; i < V; ++i) {
    const int32x4_t zeros =
        load_zeros(matrix, kBits, work.group, n + i * kLanes, left - i * kLanes);
    const int32x4_t factor = vsubq_s32(vdupq_n_s32(kBits == 8 ? 128 : 0), zeros);
#pragma GCC unroll 8
    for (int t = 0; t < M; ++t) acc[i][t] = vmulq_n_s32(factor, work.sums[t]);
  }
  const uint32_t* w = work.weights + v * kLanes;
  const int32_t* a = work.words;
  for (int64_t r = 0; r < work.word_rows; ++r) {
    prefetcher.step<V>();
    add_row<kBits, kWhole>(work, w, a, left, acc);
    w += matrix.rows;
    a += int64_t{8 / kBits} * work.tokens;
  }
#pragma GCC unroll 8
  for (int i = 0; i < V; ++i) {
    const float32x4_t scales =
        load_scales(matrix.scales + work.group * matrix.rows + n + i * kLanes, matrix.scale_type,
                    left - i * kLanes);
    float* totals = work.totals + (v + i) * M * kLanes;
#pragma GCC unroll 8
    for (int t = 0; t < M; ++t, totals += kLanes) {
      const float32x4_t scale = vmulq_n_f32(scales, work.scales[t]);
      vst1q_f32(totals, vfmaq_f32(vld1q_f32(totals), scale, vcvtq_f32_s32(acc[i][t])));
    }
  }
}

template <int kBits, int M>
void block_panel(const BlockWork& work, const uint32_t* ahead) {
  constexpr int V = tile_vectors(M);
  const int64_t vectors = (work.panel_rows + kLanes - 1) / kLanes;
  Prefetcher prefetcher{ahead, 0, vectors, work.matrix->rows};
  int64_t v = 0;
  for (; (v + V) * kLanes <= work.panel_rows; v += V) {
    block_vectors<kBits, true, M, V>(work, v, prefetcher);
  }
  for (; v < vectors; ++v) block_vectors<kBits, false, M, 1>(work, v, prefetcher);
}

/// All inputs of the panel of `rows` rows that begins at first_row, for tokens from `token` on.
template <int kBits, int M>
void panel_product(const QuantizedMatrix& matrix, int64_t first_row, int64_t rows,
                   const ActivationTile& input, int token, float* y, int64_t y_stride) {
  float totals[kPanelVectors * M * kLanes];
  const int64_t vectors = (rows + kLanes - 1) / kLanes;
  for (int64_t i = 0; i < vectors * M * kLanes; ++i) totals[i] = 0.0f;
  const int64_t blocks = matrix.cols / input.block;
  const int64_t word_rows = input.block * kBits / 32;
  const int64_t block_words = word_rows * matrix.rows;
  const uint32_t* weights = static_cast<const uint32_t*>(matrix.weights) + first_row;
  for (int64_t b = 0; b < blocks; ++b) {
    const BlockWork work{&matrix,
                         weights + b * block_words,
                         word_rows,
                         b * input.block / matrix.group_size,
                         first_row,
                         rows,
                         input.words + b * (input.block / 4) * input.tokens + token,
                         input.scales + b * input.tokens + token,
                         input.sums + b * input.tokens + token,
                         input.tokens,
                         totals};
    // At the end, what is in the cache already: no traffic.
    const uint32_t* ahead =
        b + kBlocksAhead < blocks ? work.weights + kBlocksAhead * block_words : work.weights;
    block_panel<kBits, M>(work, ahead);
  }
  for (int64_t v = 0; v < vectors; ++v) {
    for (int t = 0; t < M; ++t) {
      store_floats(y + t * y_stride + v * kLanes, vld1q_f32(totals + (v * M + t) * kLanes),
                   rows - v * kLanes);
    }
  }
}

using PanelProduct = void (*)(const QuantizedMatrix& matrix, int64_t first_row, int64_t rows,
                              const ActivationTile& input, int token, float* y, int64_t y_stride);

template <int kBits>
constexpr PanelProduct kPanelProducts[kMostTokens] = {
    panel_product<kBits, 1>, panel_product<kBits, 2>, panel_product<kBits, 3>,
    panel_product<kBits, 4>, panel_product<kBits, 5>, panel_product<kBits, 6>,
    panel_product<kBits, 7>, panel_product<kBits, 8>};

template <int kBits>
void product(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
             const ActivationTile& input, const ProductOutput& output) {
  constexpr int64_t kPanelRows = kPanelVectors * kLanes;
  const int tiles = (input.tokens + kMostTokens - 1) / kMostTokens;
  for (int64_t n = row_begin; n < row_end; n += kPanelRows) {
    const int64_t rows = row_end - n < kPanelRows ? row_end - n : kPanelRows;
    for (int i = 0; i < tiles; ++i) {  // of even size
      const int token = input.tokens * i / tiles;
      const int count = input.tokens * (i + 1) / tiles - token;
      kPanelProducts<kBits>[count - 1](matrix, n, rows, input, token,
                                       output.values + token * output.stride + n - row_begin,
                                       output.stride);
    }
  }
}

}  // namespace

void matmul_w4_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  product<4>(matrix, row_begin, row_end, input, output);
}

void matmul_w8_int8(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                    const ActivationTile& input, const ProductOutput& output) {
  product<8>(matrix, row_begin, row_end, input, output);
}

}  // namespace hearth::neon
