// Attention over one page of cached tokens, see kernels/attention_pages.h.
#include "kernels/attention_pages.h"
#include "kernels/avx512/kernels.h"
#include "kernels/avx512/lanes.h"

namespace hearth::avx512 {

void attend_f32(const AttentionBlock& block) { PageAttention<FloatPages<Lanes>>{}(block); }

void attend_bf16(const AttentionBlock& block) { PageAttention<Bf16Pages<Lanes>>{}(block); }

void widen_int8(const int8_t* codes, int64_t count, uint16_t* halves) {
  for (int64_t i = 0; i < count; i += kLanes) {
    const __mmask16 lanes = first_lanes(count - i);
    const __m512i wide = _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes, codes + i));
    const __m512i bits = _mm512_castps_si512(_mm512_cvtepi32_ps(wide));
    _mm256_mask_storeu_epi16(halves + i, lanes, _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16)));
  }
}

}  // namespace hearth::avx512
