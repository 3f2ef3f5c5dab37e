// A stand-in for the tokenizer of a synthetic checkpoint: Qwen's pipeline, special tokens and
// number of ids, with made-up merges.
#pragma once

#include <string>

#include "checkpoint/model_config.h"

namespace hearth {

/// tokenizer.json. As in Qwen's, 293 ids above the base vocabulary are set apart: the added tokens
/// (<|endoftext|>, <|im_start|>, <|im_end|>, … </think>) take the first 26 of them. With the
/// vocabulary of 151,936 they have their real ids.
std::string stub_tokenizer_json(const ModelConfig& config);

/// tokenizer_config.json, with a plain ChatML template.
std::string stub_tokenizer_config_json(const ModelConfig& config);

}  // namespace hearth
