// Reading scales and zero points of a K-packed matrix, 16 output rows at a time.
#pragma once

#include "kernels/avx512/vector.h"

namespace hearth::avx512 {

/// Scales of rows n … n+15 of a group; 0 in masked lanes.
static inline __m512 load_scales(const QuantizedMatrix& matrix, int64_t group, int64_t n,
                                 __mmask16 lanes) {
  const uint16_t* scales = matrix.scales + group * matrix.rows + n;
  return halves_to_float(_mm256_maskz_loadu_epi16(lanes, scales), matrix.scale_type);
}

/// Zero points of rows n … n+count−1 of a group, packed 32/kBits to a word along the rows. The few
/// words that hold them are loaded, each lane picks its word and shifts its field down.
template <int kBits>
static inline __m512i load_zeros(const QuantizedMatrix& matrix, int64_t group, int64_t n,
                                 int64_t count) {
  constexpr int64_t kFields = 32 / kBits;
  if (!matrix.zeros) return _mm512_set1_epi32(1 << (kBits - 1));
  const int64_t word = n / kFields;
  const int64_t words = (n + count - 1) / kFields - word + 1;
  const uint32_t* zeros = matrix.zeros + group * (matrix.rows / kFields) + word;
  const __m512i packed = _mm512_maskz_loadu_epi32(first_lanes(words), zeros);
  const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m512i field = _mm512_add_epi32(lane, _mm512_set1_epi32(static_cast<int>(n % kFields)));
  const __m512i place =
      _mm512_and_si512(field, _mm512_set1_epi32(static_cast<int>(kFields) - 1));
  const __m512i own =
      _mm512_permutexvar_epi32(_mm512_srli_epi32(field, kBits == 4 ? 3 : 2), packed);
  const __m512i shifted =
      _mm512_srlv_epi32(own, _mm512_slli_epi32(place, kBits == 4 ? 2 : 3));
  return _mm512_add_epi32(_mm512_and_si512(shifted, _mm512_set1_epi32((1 << kBits) - 1)),
                          _mm512_set1_epi32(matrix.zero_offset));
}

}  // namespace hearth::avx512
