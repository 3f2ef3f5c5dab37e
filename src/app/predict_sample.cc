#include "app/predict_sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "app/sample_weights.h"
#include "base/check.h"
#include "base/clock.h"

namespace hearth {
namespace {

constexpr size_t kLayers = 4;  // at least: one period of the family's pattern
constexpr int kDecodeSteps = 8;
constexpr int kRounds = 3;  // at least

size_t index(MixerKind kind) { return static_cast<size_t>(kind); }

/// The first layers, so many that every kind is among them.
size_t slice_layers(const ModelConfig& config) {
  size_t count = std::min(kLayers, config.layers.size());
  for (const MixerKind kind : {MixerKind::kGatedDelta, MixerKind::kGatedAttention}) {
    const auto first = std::find(config.layers.begin(), config.layers.end(), kind);
    if (first == config.layers.end()) continue;
    count = std::max(count, static_cast<size_t>(first - config.layers.begin()) + 1);
  }
  return count;
}

/// Notes when the layers of a pass end.
class LayerClock {
 public:
  explicit LayerClock(const ModelConfig& config) : config_(&config) {}

  PassSeconds run(const Model& model, std::span<const Segment> batch, Workspace& workspace) {
    seconds_ = {};
    workspace.observer = {&LayerClock::observe, this};
    clock_.restart();
    model.forward(batch, workspace);
    seconds_.head = clock_.seconds();
    return seconds_;
  }

 private:
  static void observe(void* context, int64_t layer, const float*, int64_t) {
    LayerClock& self = *static_cast<LayerClock*>(context);
    double& place =
        layer < 0 ? self.seconds_.embedding
                  : self.seconds_.layers[index(self.config_->layers[static_cast<size_t>(layer)])];
    place += self.clock_.seconds();
    self.clock_.restart();
  }

  const ModelConfig* config_;
  Stopwatch clock_;
  PassSeconds seconds_;
};

/// The median of each part.
PassSeconds medians(const std::vector<PassSeconds>& passes) {
  const auto of = [&](const auto& part) {
    std::vector<double> values;
    for (const PassSeconds& pass : passes) values.push_back(part(pass));
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
  };
  return {.embedding = of([](const PassSeconds& p) { return p.embedding; }),
          .layers = {of([](const PassSeconds& p) { return p.layers[0]; }),
                     of([](const PassSeconds& p) { return p.layers[1]; })},
          .head = of([](const PassSeconds& p) { return p.head; })};
}

void add(PassSeconds& sum, const PassSeconds& pass, double factor) {
  sum.embedding += pass.embedding * factor;
  for (size_t i = 0; i < 2; ++i) sum.layers[i] += pass.layers[i] * factor;
  sum.head += pass.head * factor;
}

std::vector<int32_t> random_tokens(int64_t count, int64_t vocab, std::mt19937_64& random) {
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens) {
    token = static_cast<int32_t>(random() % static_cast<uint64_t>(vocab));
  }
  return tokens;
}

/// Puts the sequence behind `depth` tokens that it never saw: zeros cost what others cost.
void start_at(SequenceState& state, int64_t depth, int64_t tokens) {
  state.reset();
  CHECK(state.reserve(depth + tokens));
  state.advance(depth);
}

}  // namespace

ModelSample::ModelSample(const ModelOutline& model, const ModelOptions& options,
                         CpuBackend& backend, const SampleSettings& settings)
    : settings_(settings) {
  ModelConfig config = model.config;
  config.layers.resize(slice_layers(config));
  for (const MixerKind kind : {MixerKind::kGatedDelta, MixerKind::kGatedAttention}) {
    const int64_t here = config.count(kind);
    if (here == 0) continue;
    repeats_[index(kind)] =
        static_cast<double>(model.config.count(kind)) / static_cast<double>(here);
  }
  SampleWeights made =
      make_sample_weights(config, model.weights, backend, settings.pages, settings.expert_bytes);
  memory_ = std::move(made.memory);
  expert_bytes_ = made.expert_bytes;
  for (const MemoryBlock& block : memory_) bytes_ += block.bytes();
  model_ = std::make_unique<Model>(std::move(config), std::move(made.weights), backend, options);
}

PassSeconds ModelSample::whole_model(const PassSeconds& slice) const {
  PassSeconds whole = slice;
  for (size_t i = 0; i < 2; ++i) whole.layers[i] *= repeats_[i];
  return whole;
}

PassSeconds ModelSample::decode(int64_t depth, int64_t batch) const {
  const StateShape& shape = model_->state_shape();
  std::mt19937_64 random(1);
  // Room for as many tokens as the fastest of models decodes meanwhile.
  constexpr int64_t kTokensMost = 4096;
  KvPagePool pool(shape.page_bytes(), batch * shape.pages(depth + kTokensMost));
  Workspace workspace(*model_, batch, batch, batch);
  std::vector<SequenceState> states;
  for (int64_t i = 0; i < batch; ++i) {
    states.emplace_back(shape, pool);
    start_at(states.back(), depth, kTokensMost);
  }
  LayerClock clock(model_->config());
  std::vector<Segment> segments(static_cast<size_t>(batch));
  std::vector<PassSeconds> rounds;
  const Stopwatch whole;
  int64_t tokens = 0;
  // One round more than counts: the first one warms up.
  while (rounds.size() <= kRounds || whole.seconds() < settings_.seconds) {
    if (tokens + kDecodeSteps > kTokensMost) break;
    PassSeconds round;
    for (int step = 0; step < kDecodeSteps; ++step, ++tokens) {
      const std::vector<int32_t> next = random_tokens(batch, model_->config().vocab_size, random);
      for (size_t i = 0; i < segments.size(); ++i) segments[i] = {&states[i], {&next[i], 1}, 1};
      add(round, clock.run(*model_, segments, workspace), 1.0 / kDecodeSteps);
    }
    rounds.push_back(round);
  }
  rounds.erase(rounds.begin());
  return whole_model(medians(rounds));
}

PassSeconds ModelSample::chunk(int64_t tokens, int64_t depth) const {
  const auto known = chunks_.find({tokens, depth});
  if (known != chunks_.end()) return known->second;
  const StateShape& shape = model_->state_shape();
  std::mt19937_64 random(2);
  KvPagePool pool(shape.page_bytes(), shape.pages(depth + tokens));
  Workspace workspace(*model_, tokens, 1, 1);
  SequenceState state(shape, pool);
  LayerClock clock(model_->config());
  std::vector<PassSeconds> rounds;
  const Stopwatch whole;
  while (rounds.size() <= kRounds || whole.seconds() < settings_.seconds) {
    start_at(state, depth, tokens);
    const std::vector<int32_t> prompt = random_tokens(tokens, model_->config().vocab_size, random);
    const Segment segment{&state, prompt, 1};
    rounds.push_back(clock.run(*model_, {&segment, 1}, workspace));
  }
  rounds.erase(rounds.begin());
  return chunks_[{tokens, depth}] = whole_model(medians(rounds));
}

PassSeconds ModelSample::prefill(int64_t prompt, int64_t chunk_tokens, int64_t depth) const {
  CHECK(prompt > 0 && chunk_tokens > 0);
  const int64_t chunks = prompt / chunk_tokens;
  const int64_t tail = prompt % chunk_tokens;
  PassSeconds sum;
  double head = 0;
  if (chunks > 0) {
    // What attention adds grows evenly: two depths say it for all between.
    const PassSeconds first = chunk(chunk_tokens, depth);
    const PassSeconds last = chunk(chunk_tokens, depth + (chunks - 1) * chunk_tokens);
    add(sum, first, static_cast<double>(chunks) / 2);
    add(sum, last, static_cast<double>(chunks) / 2);
    head = last.head;
  }
  if (tail > 0) {
    const PassSeconds rest = chunk(tail, depth + chunks * chunk_tokens);
    add(sum, rest, 1);
    head = rest.head;
  }
  sum.head = head;  // only the last token's logits are wanted
  return sum;
}

}  // namespace hearth
