// Which tokens break the sequences that DRY looks at.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace hearth {

/// Tokens whose text holds one of the texts. One that only several tokens together spell is not
/// found; the usual breakers are single characters.
std::vector<int32_t> tokens_holding(const std::vector<std::string>& texts,
                                    const Tokenizer& tokenizer);

/// The same, kept for the texts that were asked for last: they seldom change.
class SequenceBreakers {
 public:
  const std::vector<int32_t>& tokens(const std::vector<std::string>& texts,
                                     const Tokenizer& tokenizer);

 private:
  std::vector<std::string> texts_;
  std::vector<int32_t> tokens_;
};

}  // namespace hearth
