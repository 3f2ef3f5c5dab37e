#include "server/dialect/sampling_fields.h"

#include <fmt/format.h>

#include <array>
#include <random>
#include <string_view>

#include "base/error.h"
#include "server/dialect/limits.h"

namespace hearth {
namespace {

uint64_t random_seed() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

/// What the table takes for a seed: no sign.
nlohmann::json seed_of(const JsonFields& body) {
  const Json* const given = body.find("seed");
  if (!given) return random_seed();
  if (!given->is_number_integer() || given->is_number_unsigned()) return *given;
  const int64_t seed = given->get<int64_t>();
  return seed == -1 ? random_seed() : static_cast<uint64_t>(seed);
}

struct Effort {
  std::string_view name;
  int64_t budget;  // of tokens; negative: none
};

constexpr std::array kEfforts = {Effort{"none", 0},    Effort{"minimal", 1024}, Effort{"low", 4096},
                                 Effort{"medium", -1}, Effort{"high", -1},      Effort{"xhigh", -1},
                                 Effort{"max", -1}};

}  // namespace

SamplingParameters sampling_fields(const JsonFields& body, const SamplingParameters& defaults) {
  SamplingParameters sampling = defaults;
  nlohmann::json given = {{"seed", seed_of(body)}};
  for (const SamplingParameter& row : sampling_parameters()) {
    for (const std::string key : {row.name, row.alias}) {
      const Json* const value = key.empty() || key == "seed" ? nullptr : body.find(key.c_str());
      if (value) given[key] = *value;
    }
  }
  // One by one, so that an error names its field.
  for (const auto& [key, value] : given.items()) {
    try {
      set_from_json(sampling, nlohmann::json::object({{key, value}}));
    } catch (const UsageError& error) {
      throw ApiError(ApiError::Kind::kInvalid, error.what(), body.path(key));
    }
  }
  if (sampling.stop.size() > kLimits.stop_strings) {
    body.fail("stop", fmt::format("has {} entries; at most {} are allowed", sampling.stop.size(),
                                  kLimits.stop_strings));
  }
  return sampling;
}

void enable_thinking(bool enable, AnswerRequest& request) {
  if (auto* const chat = std::get_if<ChatInput>(&request.input)) {
    chat->template_arguments["enable_thinking"] = enable;
  }
  if (!enable) request.thinking_budget = 0;
}

void apply_reasoning_effort(const std::string& name, const std::string& path,
                            AnswerRequest& request) {
  for (const Effort& effort : kEfforts) {
    if (effort.name != name) continue;
    if (auto* const chat = std::get_if<ChatInput>(&request.input)) {
      chat->template_arguments["reasoning_effort"] = name;
    }
    if (effort.budget == 0) enable_thinking(false, request);
    if (effort.budget > 0) request.thinking_budget = effort.budget;
    return;
  }
  throw ApiError(
      ApiError::Kind::kInvalid,
      fmt::format("{} must be none, minimal, low, medium, high, xhigh or max, not \"{}\".", path,
                  name.substr(0, 64)),
      path);
}

}  // namespace hearth
