// How often prompts take part in passes while others decode.
//
// A pass with a chunk of a prompt takes many times as long as one that only decodes, and everybody
// who decodes waits for it. So prompts pause for some passes after each of theirs: as many as it
// takes until those who decode have, on average, lost no more than their share.
#pragma once

#include <optional>

namespace hearth {

class PrefillPacer {
 public:
  /// Because of prompts, the passes of whoever decodes may take longer, on average, by this part,
  /// e.g. 0.3; none: as long as they do.
  explicit PrefillPacer(std::optional<double> slowdown = {}) : slowdown_(slowdown) {}

  /// Whether prompts take part in the next pass beside somebody who decodes.
  bool prompts_next() const { return !slowdown_ || debt_seconds_ <= 0; }

  /// What the pass that ended was, and took.
  void after_pass(bool decoded, bool prompted, double seconds);

 private:
  std::optional<double> slowdown_;
  std::optional<double> decode_seconds_;  // of a pass that only decodes; a mean of the latest
  double debt_seconds_ = 0;               // what prompts took beyond their share
};

}  // namespace hearth
