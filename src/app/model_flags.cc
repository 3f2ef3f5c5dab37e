#include "app/model_flags.h"

#include <fmt/format.h>

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
                     "Kernel set: reference, avx2, avx512 (default: the best that runs here)");
  command.add_option("--delta", flags.delta_form, "Form of DeltaNet in prefill")
      ->check(CLI::IsMember({"recurrent", "chunked"}))
      ->capture_default_str();
  command.add_flag("--exact", flags.exact,
                   "Float activations and a float KV cache: slow, for comparisons");
  command
      .add_option("--head", flags.head, "Head: as the checkpoint has it (bf16), or in 8 bits (w8)")
      ->check(CLI::IsMember({"bf16", "w8"}))
      ->capture_default_str();
  command
      .add_option("--dense", flags.dense, "Dense projections: as in the checkpoint, or in 4 bits")
      ->check(CLI::IsMember({"checkpoint", "w4"}))
      ->capture_default_str();
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
  loaded.model = std::make_unique<Model>(
      flags.folder, *loaded.backend,
      ModelOptions{.exact = flags.exact,
                   .delta_form = form,
                   .head = flags.head == "w8" ? HeadBits::k8 : HeadBits::kCheckpoint,
                   .dense = flags.dense == "w4" ? DenseBits::k4 : DenseBits::kCheckpoint});
  loaded.load_seconds = clock.seconds();
  return loaded;
}

std::string precision_text(const Model& model) {
  std::string text;
  const auto add = [&](const char* name, const RequantisationReport& report) {
    if (report.matrices == 0) return;
    text += fmt::format("{}{} ({:.1f} % RMS error)", text.empty() ? "" : ", ", name,
                        100 * report.relative_rms());
  };
  add("head w8", model.requantised().head());
  add("dense w4", model.requantised().dense());
  return text.empty() ? "as in the checkpoint" : text;
}

uint64_t logits_hash(std::span<const float> logits) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const float logit : logits) {
    hash = (hash ^ std::bit_cast<uint32_t>(logit)) * 0x100000001b3u;
  }
  return hash;
}

}  // namespace hearth
