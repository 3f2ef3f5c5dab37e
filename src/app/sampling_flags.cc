#include "app/sampling_flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <random>
#include <string>

#include "answer/sequence_breakers.h"

namespace hearth {
namespace {

uint64_t random_seed() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

std::string value_name(const SamplingParameter& row) {
  if (std::string(row.type()) == "biases") return "TOKEN=BIAS";
  if (std::string(row.type()) == "texts") return "TEXT";
  // The names that CLI11 has for types.
  if (std::string(row.type()) == "seed") return "UINT";
  return std::string(row.type()) == "number" ? "FLOAT" : "INT";
}

}  // namespace

void add_sampling_flags(CLI::App& command, SamplingFlags& flags) {
  for (const SamplingParameter& row : sampling_parameters()) {
    const auto set = [&flags, &row](const std::vector<std::string>& values) {
      set_from_text(flags.values, row, values);
      flags.given.push_back(&row);
    };
    const std::string help = fmt::format("{} (default: {}){}", row.help, row.default_text(),
                                         row.repeats() ? "; may be given several times" : "");
    CLI::Option* option =
        command.add_option_function<std::vector<std::string>>(row.flags, set, help);
    // One value for each time that the flag is there.
    option->expected(1)->allow_extra_args(false)->type_name(value_name(row))->group("Sampling");
    option->multi_option_policy(row.repeats() ? CLI::MultiOptionPolicy::TakeAll
                                              : CLI::MultiOptionPolicy::TakeLast);
  }
}

SamplingParameters resolve_sampling(const SamplingFlags& flags, const std::filesystem::path& folder,
                                    const Tokenizer& tokenizer) {
  SamplingParameters parameters = recommended_sampling(load_generation_defaults(folder));
  parameters.seed = random_seed();
  for (const SamplingParameter* row : flags.given) copy_parameter(parameters, flags.values, *row);
  if (parameters.dry_multiplier > 0) {
    parameters.dry_breaker_tokens = tokens_holding(parameters.dry_sequence_breakers, tokenizer);
  }
  return parameters;
}

}  // namespace hearth
