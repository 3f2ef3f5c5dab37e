// The whole gated DeltaNet operation of the backend: convolution, gates, recurrence and norm.
#include <fmt/core.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "os/memory_block.h"
#include "tests/kernels/bench.h"
#include "tests/kernels/random.h"

namespace hearth::kernel_check {
namespace {

constexpr DeltaGeometry kGeometry{16, 32, 128, 128, 4, 1e-6f};

/// More states than a cache holds, as the layers of the model have.
constexpr int64_t kLayers = 24;

/// Memory as the forward pass has it: it begins at a cache line.
struct Floats {
  MemoryBlock memory;

  explicit Floats(int64_t count) : memory(static_cast<size_t>(count) * sizeof(float)) {}
  Floats(int64_t count, float scale) : Floats(count) {
    Random random(5);
    for (int64_t i = 0; i < count; ++i) {
      data()[i] = static_cast<float>(random.integer(-1000, 1000)) * 2e-3f * scale;
    }
  }
  float* data() const { return memory.as<float>(); }
};

/// One layer's weights, the states of many, and inputs of `tokens` tokens.
struct Layers {
  explicit Layers(int64_t tokens)
      : qkvz(tokens * kGeometry.projected(), 1),
        ba(tokens * 2 * kGeometry.value_heads, 1),
        conv_weights(kGeometry.taps * kGeometry.channels(), 0.5f),
        rates(static_cast<size_t>(kGeometry.value_heads), -0.05f),
        bias(rates.size(), 0.1f),
        norm(static_cast<size_t>(kGeometry.value_dim), 1.0f),
        recurrent(kLayers * kGeometry.value_heads * kGeometry.head_state()),
        conv(kLayers * (kGeometry.taps - 1) * kGeometry.channels()),
        output(tokens * kGeometry.values()) {}

  void run(CpuBackend& backend, int64_t layer, int64_t tokens) {
    const int64_t history = (kGeometry.taps - 1) * kGeometry.channels();
    const int64_t states = kGeometry.value_heads * kGeometry.head_state();
    const DeltaSegment segment{
        {0, tokens}, recurrent.data() + layer * states, conv.data() + layer * history};
    backend.gated_delta({.geometry = kGeometry,
                         .form = DeltaForm::kRecurrent,
                         .qkvz = qkvz.data(),
                         .ba = ba.data(),
                         .conv_weights = conv_weights.data(),
                         .decay_rates = rates.data(),
                         .dt_bias = bias.data(),
                         .norm = norm.data(),
                         .segments = {&segment, 1},
                         .tokens = tokens,
                         .output = output.data()});
  }

  Floats qkvz;
  Floats ba;
  Floats conv_weights;
  std::vector<float> rates;
  std::vector<float> bias;
  std::vector<float> norm;
  Floats recurrent;
  Floats conv;
  Floats output;
};

/// The lower quartile: what else runs on a machine only ever adds.
double quiet(std::vector<double> values) {
  const size_t at = values.size() / 4;
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(at), values.end());
  return values[at];
}

}  // namespace

void bench_gated_delta(const KernelSet& set, int threads) {
  // The backend pins this thread, and the next one would find a single core.
  cpu_set_t processors;
  sched_getaffinity(0, sizeof processors, &processors);
  CpuBackend backend({.threads = threads, .kernel_set = set.name});
  for (const int64_t tokens : {1, 16, 512, 2048}) {
    BackendLimits limits;
    limits.tokens = tokens;
    limits.columns = 128;
    limits.delta = kGeometry;
    backend.reserve(limits);
    Layers layers(tokens);
    std::vector<double> seconds;
    const int64_t rounds = tokens == 1 ? 20 * kLayers : tokens == 16 ? 2 * kLayers : 9;
    for (int64_t i = -kLayers; i < rounds; ++i) {
      if (i < 0 && tokens > 16 && i < -2) continue;  // warm up
      const auto start = std::chrono::steady_clock::now();
      layers.run(backend, (i + kLayers) % kLayers, tokens);
      const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
      if (i >= 0) seconds.push_back(spent.count());
    }
    const double time = quiet(seconds);
    const double heads = static_cast<double>(tokens * kGeometry.value_heads);
    const double bytes = 8.0 * static_cast<double>(kGeometry.value_heads * kGeometry.head_state());
    fmt::print("{:<10} {:<16} {:<34} {:8.1f} us {:7.1f} GB/s {:7.3f} us/token-head\n", set.name,
               "gated_delta", fmt::format("{} tokens, {} threads", tokens, threads), time * 1e6,
               bytes / time / 1e9, time * 1e6 / heads);
  }
  sched_setaffinity(0, sizeof processors, &processors);
}

}  // namespace hearth::kernel_check
