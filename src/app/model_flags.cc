#include "app/model_flags.h"

#include <CLI/CLI.hpp>
#include <bit>

#include "base/clock.h"

namespace hearth {

void add_model_flags(CLI::App& command, ModelFlags& flags) {
  command.add_option("-m,--model", flags.folder, "Model folder (Hugging Face layout)")->required();
  command.add_option("-t,--threads", flags.threads, "Worker threads; 0: one per physical core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command.add_option("--isa", flags.kernel_set,
                     "Kernel set: reference, avx2, avx512, avx512bf16 (default: the best that runs here)");
  command.add_option("--delta", flags.delta_form, "Form of DeltaNet in prefill")
      ->check(CLI::IsMember({"recurrent", "chunked"}))
      ->capture_default_str();
  command.add_flag("--exact", flags.exact,
                   "Float activations and a float KV cache: slow, for comparisons");
  command.add_option("--chunk", flags.chunk_tokens, "Most prompt tokens of one forward pass")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
}

LoadedModel load_model(const ModelFlags& flags) {
  const Stopwatch clock;
  LoadedModel loaded;
  loaded.backend = std::make_unique<CpuBackend>(
      CpuOptions{.threads = flags.threads, .kernel_set = flags.kernel_set});
  const DeltaForm form =
      flags.delta_form == "chunked" ? DeltaForm::kChunked : DeltaForm::kRecurrent;
  loaded.model = std::make_unique<Model>(flags.folder, *loaded.backend,
                                         ModelOptions{.exact = flags.exact, .delta_form = form});
  loaded.load_seconds = clock.seconds();
  return loaded;
}

uint64_t logits_hash(std::span<const float> logits) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const float logit : logits) {
    hash = (hash ^ std::bit_cast<uint32_t>(logit)) * 0x100000001b3u;
  }
  return hash;
}

}  // namespace hearth
