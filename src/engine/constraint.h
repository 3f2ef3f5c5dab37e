// What an answer may consist of, as the engine sees it: which tokens may come next.
#pragma once

#include <cstdint>
#include <span>

namespace hearth {

class Constraint {
 public:
  virtual ~Constraint() = default;

  /// One bit for each token, the lowest of word 0 for token 0; valid until the next call. Empty:
  /// every token. At least one token is allowed: where nothing fits, the end of the answer.
  virtual std::span<const uint32_t> allowed() = 0;

  /// The token that was drawn.
  virtual void accept(int32_t token) = 0;
};

}  // namespace hearth
