#include "engine/sampling_parameters.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace hearth {
namespace {

using nlohmann::json;
using P = SamplingParameters;
using Biases = std::vector<LogitBias>;
using Texts = std::vector<std::string>;

constexpr double kMaxCount = std::numeric_limits<int32_t>::max();
constexpr size_t kMaxTexts = 64;
constexpr double kMaxTextBytes = 1024;

constexpr std::array kTable = {
    SamplingParameter{.name = "logit_bias",
                      .alias = "",
                      .flags = "--logit-bias",
                      .member = &P::logit_bias,
                      .min = -100,
                      .max = 100,
                      .help = "Add to the logits of tokens: TOKEN=BIAS"},
    SamplingParameter{.name = "repetition_penalty",
                      .alias = "repeat_penalty",
                      .flags = "--repeat-penalty,--repetition-penalty",
                      .member = &P::repetition_penalty,
                      .min = 0,
                      .max = 100,
                      .above_min = true,
                      .from_checkpoint = true,
                      .help = "Make tokens of prompt and answer less likely; 1: off"},
    SamplingParameter{.name = "presence_penalty",
                      .alias = "",
                      .flags = "--presence-penalty",
                      .member = &P::presence_penalty,
                      .min = -2,
                      .max = 2,
                      .help = "Subtract from the logits of tokens of the answer; 0: off"},
    SamplingParameter{.name = "frequency_penalty",
                      .alias = "",
                      .flags = "--frequency-penalty",
                      .member = &P::frequency_penalty,
                      .min = -2,
                      .max = 2,
                      .help = "The same, for each time that a token was drawn; 0: off"},
    SamplingParameter{.name = "repeat_last_n",
                      .alias = "",
                      .flags = "--repeat-last-n",
                      .member = &P::repeat_last_n,
                      .min = -1,
                      .max = kMaxCount,
                      .help = "How many last tokens the three penalties see; -1: all"},
    SamplingParameter{.name = "dry_multiplier",
                      .alias = "",
                      .flags = "--dry-multiplier",
                      .member = &P::dry_multiplier,
                      .min = 0,
                      .max = 100,
                      .help = "DRY: penalty of a token that goes on repeating; 0: off"},
    SamplingParameter{.name = "dry_base",
                      .alias = "",
                      .flags = "--dry-base",
                      .member = &P::dry_base,
                      .min = 1,
                      .max = 100,
                      .help = "DRY: growth of the penalty with each repeated token"},
    SamplingParameter{.name = "dry_allowed_length",
                      .alias = "",
                      .flags = "--dry-allowed-length",
                      .member = &P::dry_allowed_length,
                      .min = 1,
                      .max = kMaxCount,
                      .help = "DRY: tokens that must repeat before the penalty starts"},
    SamplingParameter{.name = "dry_penalty_last_n",
                      .alias = "",
                      .flags = "--dry-penalty-last-n",
                      .member = &P::dry_penalty_last_n,
                      .min = -1,
                      .max = kMaxCount,
                      .help = "DRY: how many last tokens it sees; -1: all"},
    SamplingParameter{.name = "dry_sequence_breakers",
                      .alias = "",
                      .flags = "--dry-sequence-breaker",
                      .member = &P::dry_sequence_breakers,
                      .min = 1,
                      .max = kMaxTextBytes,
                      .help = "DRY: texts that no repetition reaches across"},
    SamplingParameter{.name = "temperature",
                      .alias = "",
                      .flags = "--temp,--temperature",
                      .member = &P::temperature,
                      .min = 0,
                      .max = 100,
                      .from_checkpoint = true,
                      .help = "Divide the logits by this; 0: greedy"},
    SamplingParameter{.name = "top_k",
                      .alias = "",
                      .flags = "--top-k",
                      .member = &P::top_k,
                      .min = 0,
                      .max = kMaxCount,
                      .from_checkpoint = true,
                      .help = "Keep the k likeliest tokens; 0: all"},
    SamplingParameter{.name = "top_p",
                      .alias = "",
                      .flags = "--top-p",
                      .member = &P::top_p,
                      .min = 0,
                      .max = 1,
                      .above_min = true,
                      .from_checkpoint = true,
                      .help = "Keep the fewest likeliest whose probabilities reach this; 1: all"},
    SamplingParameter{.name = "min_p",
                      .alias = "",
                      .flags = "--min-p",
                      .member = &P::min_p,
                      .min = 0,
                      .max = 1,
                      .from_checkpoint = true,
                      .help = "Keep what is this likely beside the likeliest; 0: all"},
    SamplingParameter{.name = "typical_p",
                      .alias = "",
                      .flags = "--typical,--typical-p",
                      .member = &P::typical_p,
                      .min = 0,
                      .max = 1,
                      .above_min = true,
                      .from_checkpoint = true,
                      .help = "Keep the fewest most typical that reach this; 1: all"},
    SamplingParameter{.name = "seed",
                      .alias = "",
                      .flags = "--seed",
                      .member = &P::seed,
                      .min = 0,
                      .max = 0x1p64,
                      .help = "Where the random numbers start"},
    SamplingParameter{.name = "stop",
                      .alias = "",
                      .flags = "--stop",
                      .member = &P::stop,
                      .min = 1,
                      .max = kMaxTextBytes,
                      .help = "End the answer before any of these texts"},
};

[[noreturn]] void fail(const SamplingParameter& row, const std::string& label,
                       const std::string& found) {
  const char* article = row.repeats() ? "" : row.type()[0] == 'i' ? "an " : "a ";
  throw UsageError(
      fmt::format("{} is {}: expected {}{} {}.", label, found, article, row.type(), row.range()));
}

/// Not a number is in no range.
bool in_range(const SamplingParameter& row, double value) {
  return (row.above_min ? value > row.min : value >= row.min) && value <= row.max;
}

std::string quoted(const std::string& text) {
  return json(text.substr(0, 64)).dump(-1, ' ', true, json::error_handler_t::replace);
}

void check_value(const SamplingParameter& row, const std::string& label, double value) {
  if (!in_range(row, value)) fail(row, label, fmt::format("{}", value));
}

void check_value(const SamplingParameter& row, const std::string& label, int64_t value) {
  if (!in_range(row, static_cast<double>(value))) fail(row, label, std::to_string(value));
}

/// Any 64 bits are a seed.
void check_value(const SamplingParameter&, const std::string&, uint64_t) {}

void check_value(const SamplingParameter& row, const std::string& label, const Biases& biases) {
  for (const LogitBias& entry : biases) {
    if (entry.token >= 0 && in_range(row, entry.bias)) continue;
    fail(row, label, fmt::format("{}={}", entry.token, entry.bias));
  }
}

void check_value(const SamplingParameter& row, const std::string& label, const Texts& texts) {
  if (texts.size() > kMaxTexts) fail(row, label, fmt::format("{} texts", texts.size()));
  for (const std::string& text : texts) {
    if (in_range(row, static_cast<double>(text.size()))) continue;
    fail(row, label, text.empty() ? "empty" : fmt::format("a text of {} bytes", text.size()));
  }
}

/// The whole text as a number, whatever the locale.
template <typename T>
bool parse_number(std::string_view text, T& value) {
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stopped == end;
}

template <typename T>
bool parse_text(const Texts& values, T& value) {
  return !values.empty() && parse_number(values.back(), value);
}

bool parse_text(const Texts& values, Texts& texts) {
  texts = values;
  return true;
}

bool parse_text(const Texts& values, Biases& biases) {
  for (const std::string_view text : values) {
    const size_t equals = text.find('=');
    LogitBias entry;
    if (equals == text.npos || !parse_number(text.substr(0, equals), entry.token)) return false;
    if (!parse_number(text.substr(equals + 1), entry.bias)) return false;
    biases.push_back(entry);
  }
  return true;
}

bool parse_json(const json& found, double& value) {
  if (!found.is_number()) return false;
  value = found.get<double>();
  return true;
}

bool parse_json(const json& found, int64_t& value) {
  if (!found.is_number_integer()) return false;
  // An unsigned number that does not fit would turn negative.
  constexpr uint64_t kLargest = std::numeric_limits<int64_t>::max();
  if (found.is_number_unsigned() && found.get<uint64_t>() > kLargest) return false;
  value = found.get<int64_t>();
  return true;
}

bool parse_json(const json& found, uint64_t& value) {
  if (!found.is_number_unsigned()) return false;
  value = found.get<uint64_t>();
  return true;
}

/// {"TOKEN": BIAS} as OpenAI has it, or [[TOKEN, BIAS]] as llama.cpp also takes it.
bool parse_json(const json& found, Biases& biases) {
  if (!found.is_object() && !found.is_array()) return false;
  for (const auto& [key, value] : found.items()) {
    const bool pair = found.is_array();
    if (pair && (!value.is_array() || value.size() != 2 || !value[0].is_number_integer())) {
      return false;
    }
    LogitBias entry;
    if (!parse_number(pair ? value[0].dump() : key, entry.token)) return false;
    if (!parse_json(pair ? value[1] : value, entry.bias)) return false;
    biases.push_back(entry);
  }
  return true;
}

bool parse_json(const json& found, Texts& texts) {
  if (found.is_string()) {
    texts = {found.get<std::string>()};
    return true;
  }
  if (!found.is_array()) return false;
  for (const json& text : found) {
    if (!text.is_string()) return false;
    texts.push_back(text.get<std::string>());
  }
  return true;
}

/// Fills a fresh value by `parse`, checks it, and only then sets it.
template <typename Parse>
void set_parameter(SamplingParameters& parameters, const SamplingParameter& row,
                   const std::string& label, const std::string& found, const Parse& parse) {
  std::visit(
      [&](auto member) {
        std::decay_t<decltype(parameters.*member)> value{};
        if (!parse(value)) fail(row, label, found);
        check_value(row, label, value);
        parameters.*member = std::move(value);
      },
      row.member);
}

template <typename T>
std::string value_text(const T& value) {
  return fmt::format("{}", value);
}

std::string value_text(const Biases&) { return "none"; }

std::string value_text(const Texts& texts) {
  std::string list;
  for (const std::string& text : texts) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ", quoted(text));
  }
  return list.empty() ? "none" : list;
}

}  // namespace

const char* SamplingParameter::type() const {
  constexpr std::array kTypes = {"number", "integer", "seed", "biases", "texts"};
  return kTypes[member.index()];
}

std::string SamplingParameter::range() const {
  if (std::holds_alternative<uint64_t P::*>(member)) return "from 0 to 2^64 - 1";
  if (std::holds_alternative<Biases P::*>(member)) {
    return fmt::format("of tokens, from {} to {} each", min, max);
  }
  if (std::holds_alternative<Texts P::*>(member)) {
    return fmt::format("of {} to {} bytes, at most {}", min, max, kMaxTexts);
  }
  if (above_min) return fmt::format("above {}, up to {}", min, max);
  if (max == kMaxCount) return fmt::format("of {} or more", min);
  return fmt::format("from {} to {}", min, max);
}

std::string SamplingParameter::default_text() const {
  if (from_checkpoint) return "the model's generation_config.json";
  if (std::holds_alternative<uint64_t P::*>(member)) return "random";
  return value_text(SamplingParameters(), *this);
}

std::string value_text(const SamplingParameters& parameters, const SamplingParameter& row) {
  return std::visit([&](auto m) { return value_text(parameters.*m); }, row.member);
}

std::string SamplingParameter::primary_flag() const {
  const std::string_view all = flags;
  return std::string(all.substr(0, all.find(',')));
}

bool SamplingParameter::repeats() const {
  return std::holds_alternative<Biases P::*>(member) || std::holds_alternative<Texts P::*>(member);
}

std::span<const SamplingParameter> sampling_parameters() { return kTable; }

void set_from_text(SamplingParameters& parameters, const SamplingParameter& row,
                   const std::vector<std::string>& values) {
  const std::string found = values.empty() ? "empty" : quoted(values.back());
  set_parameter(parameters, row, row.primary_flag(), found,
                [&](auto& value) { return parse_text(values, value); });
}

void set_from_json(SamplingParameters& parameters, const json& object) {
  for (const SamplingParameter& row : kTable) {
    // The name wins over the alias.
    for (const char* key : {row.name, row.alias}) {
      const auto found = object.find(key);
      if (found == object.end() || found->is_null()) continue;
      set_parameter(parameters, row, key,
                    found->dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 64),
                    [&](auto& value) { return parse_json(*found, value); });
      break;
    }
  }
}

void check_sampling(const SamplingParameters& parameters) {
  for (const SamplingParameter& row : kTable) {
    std::visit([&](auto member) { check_value(row, row.name, parameters.*member); }, row.member);
  }
}

void check_sampling(const SamplingParameters& parameters, int64_t vocab_size) {
  check_sampling(parameters);
  for (const LogitBias& entry : parameters.logit_bias) {
    if (entry.token < vocab_size) continue;
    throw UsageError(
        fmt::format("logit_bias names token {}: expected ids below {}, the size of the model's "
                    "vocabulary.",
                    entry.token, vocab_size));
  }
}

void copy_parameter(SamplingParameters& to, const SamplingParameters& from,
                    const SamplingParameter& row) {
  std::visit([&](auto member) { to.*member = from.*member; }, row.member);
}

SamplingParameters recommended_sampling(const GenerationDefaults& defaults) {
  return {.temperature = defaults.do_sample ? defaults.temperature : 0.0,
          .top_k = defaults.top_k,
          .top_p = defaults.top_p,
          .min_p = defaults.min_p,
          .typical_p = defaults.typical_p,
          .repetition_penalty = defaults.repetition_penalty};
}

}  // namespace hearth
