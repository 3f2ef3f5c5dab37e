#include "answer/sequence_breakers.h"

#include <algorithm>

namespace hearth {

std::vector<int32_t> tokens_holding(const std::vector<std::string>& texts,
                                    const Tokenizer& tokenizer) {
  std::vector<int32_t> tokens;
  for (int32_t token = 0; token < tokenizer.vocab_size(); ++token) {
    const std::string text = tokenizer.token_text(token);
    const auto holds = [&](const std::string& part) { return text.find(part) != text.npos; };
    if (std::any_of(texts.begin(), texts.end(), holds)) tokens.push_back(token);
  }
  return tokens;
}

const std::vector<int32_t>& SequenceBreakers::tokens(const std::vector<std::string>& texts,
                                                     const Tokenizer& tokenizer) {
  if (texts != texts_) {
    tokens_ = tokens_holding(texts, tokenizer);
    texts_ = texts;
  }
  return tokens_;
}

}  // namespace hearth
