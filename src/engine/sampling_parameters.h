// What can be said about choosing tokens: the values, and the one table that describes them. The
// command line, the API and docs/SAMPLING.md are made from the table or compared with it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "checkpoint/model_config.h"

namespace hearth {

struct LogitBias {
  int32_t token = 0;
  double bias = 0;  // added to the logit

  bool operator==(const LogitBias&) const = default;
};

/// The defaults change nothing: tokens are drawn from the softmax of the logits. The order in
/// which the parameters act, and their formulas, are in docs/SAMPLING.md.
struct SamplingParameters {
  double temperature = 1.0;  // 0: greedy
  int64_t top_k = 0;         // 0: all
  double top_p = 1.0;        // 1: all
  double min_p = 0.0;        // 0: all
  double typical_p = 1.0;    // 1: all
  double repetition_penalty = 1.0;
  double presence_penalty = 0.0;
  double frequency_penalty = 0.0;
  int64_t repeat_last_n = -1;   // window of the three above; -1: everything
  double dry_multiplier = 0.0;  // 0: no DRY
  double dry_base = 1.75;
  int64_t dry_allowed_length = 2;
  int64_t dry_penalty_last_n = -1;  // window of DRY; -1: everything
  std::vector<LogitBias> logit_bias = {};
  uint64_t seed = 0;

  // Texts, for those who have a tokenizer. The sampler does not look at them.
  std::vector<std::string> dry_sequence_breakers = {"\n", ":", "\"", "*"};
  std::vector<std::string> stop = {};

  /// The tokens whose text holds one of dry_sequence_breakers; not in the table.
  std::vector<int32_t> dry_breaker_tokens = {};
};

/// A row of the table.
struct SamplingParameter {
  using Member =
      std::variant<double SamplingParameters::*, int64_t SamplingParameters::*,
                   uint64_t SamplingParameters::*, std::vector<LogitBias> SamplingParameters::*,
                   std::vector<std::string> SamplingParameters::*>;

  const char* name;   // the key in JSON: OpenAI's where it has one, else Hugging Face's
  const char* alias;  // llama.cpp's key where it is another; may be empty
  const char* flags;  // of the command line, separated by commas
  Member member;
  double min;  // of numbers and biases; of texts the bytes of each
  double max;
  bool above_min = false;  // the minimum itself is out of range
  bool from_checkpoint = false;
  const char* help;  // one line, no full stop

  const char* type() const;          // "number", "integer", "seed", "biases" or "texts"
  std::string range() const;         // "from 0 to 100", "above 0, up to 1"
  std::string default_text() const;  // of documents and help
  std::string primary_flag() const;  // the first of flags
  bool repeats() const;              // may be given several times: a list
};

/// The value of a parameter, for people.
std::string value_text(const SamplingParameters& parameters, const SamplingParameter& row);

/// The whole table, in the order in which parameters act.
std::span<const SamplingParameter> sampling_parameters();

/// Sets a parameter from the values of its flag. Throws UsageError naming flag, value and range.
void set_from_text(SamplingParameters& parameters, const SamplingParameter& row,
                   const std::vector<std::string>& values);

/// Sets what a JSON object has, by name or alias; null counts as absent, and keys of others are
/// left alone. Throws UsageError naming key, value and range.
void set_from_json(SamplingParameters& parameters, const nlohmann::json& object);

/// Throws UsageError naming the first parameter that is out of range.
void check_sampling(const SamplingParameters& parameters);
/// The same for a model of so many tokens.
void check_sampling(const SamplingParameters& parameters, int64_t vocab_size);

/// Takes over one parameter of another set.
void copy_parameter(SamplingParameters& to, const SamplingParameters& from,
                    const SamplingParameter& row);

/// What the authors of a checkpoint recommend; greedy where they do not sample.
SamplingParameters recommended_sampling(const GenerationDefaults& defaults);

}  // namespace hearth
