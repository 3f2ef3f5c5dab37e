// Which tokens the next forward pass computes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hearth {

/// What a place of the engine could do next.
struct PlaceWork {
  int64_t tokens = 0;     // that are known and not computed; 0: nothing to do
  int64_t until_cut = 0;  // of these, before a pass has to end; at least 1 where there is work
  uint64_t order = 0;     // earlier requests have lower ones
};

/// Some tokens of one place.
struct PlannedSegment {
  int64_t place = 0;
  int64_t tokens = 0;
};

/// Plans one pass of at most `most_tokens` tokens, which is at least the number of places.
///
/// A place with one token left (it decodes, or its prompt ends) always takes part: nobody who is
/// reading waits for more than one pass, whatever prompts arrive. What room is left goes to the
/// prompts, the earliest request first, so that an answer begins as soon as it can.
void plan_pass(std::span<const PlaceWork> places, int64_t most_tokens,
               std::vector<PlannedSegment>& plan);

}  // namespace hearth
