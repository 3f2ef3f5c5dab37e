#include "app/bench_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "app/model_bandwidth.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/sequence_runner.h"
#include "os/memory_info.h"
#include "os/process_info.h"

namespace hearth {
namespace {

/// A quantile by linear interpolation.
double quantile(std::vector<double> values, double part) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = part * static_cast<double>(values.size() - 1);
  const size_t low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, values.size() - 1);
  return values[low] + (at - static_cast<double>(low)) * (values[high] - values[low]);
}

/// Random tokens, always the same: they choose experts as widely as text of many kinds does.
std::vector<int32_t> random_tokens(const Model& model, int64_t count, int64_t seed) {
  std::mt19937_64 random(static_cast<uint64_t>(seed) + 1);
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens) {
    token = static_cast<int32_t>(random() % static_cast<uint64_t>(model.config().vocab_size));
  }
  return tokens;
}

}  // namespace

/// The sequences of one benchmark and where they stand before each repetition.
struct BenchSequences {
  BenchSequences(const Model& loaded, const BenchTest& test, int64_t chunk_tokens)
      : model(loaded),
        chunk(std::min(chunk_tokens, std::max(test.depth, test.prompt))),
        pool(model.state_shape().page_bytes(), test.pool_pages()),
        workspace(model, std::max(chunk, test.batch), test.batch, test.batch),
        batch(static_cast<size_t>(test.batch)) {
    for (int64_t i = 0; i < test.batch; ++i) {
      const std::vector<int32_t> all = random_tokens(model, test.tokens(), i);
      tokens.emplace_back(all.begin() + test.depth, all.end());
      states.emplace_back(model.state_shape(), pool);
      const std::span<const int32_t> context(all.data(), static_cast<size_t>(test.depth));
      CHECK(states.back().reserve(test.depth));
      feed(states.back(), context);
      starts.push_back(states.back().snapshot());
    }
  }

  /// Feeds tokens of one sequence, in chunks; the logits are those of the last one.
  void feed(SequenceState& state, std::span<const int32_t> rest) {
    while (!rest.empty()) {
      const size_t count = std::min(rest.size(), static_cast<size_t>(chunk));
      const Segment segment{&state, rest.first(count), count == rest.size() ? 1 : 0};
      model.forward({&segment, 1}, workspace);
      rest = rest.subspan(count);
    }
  }

  void restore() {
    for (size_t i = 0; i < states.size(); ++i) {
      states[i].restore(starts[i]);
      CHECK(states[i].reserve(static_cast<int64_t>(tokens[i].size())));
    }
  }

  /// Feeds every sequence its token at `index`.
  void step(size_t index) {
    for (size_t i = 0; i < states.size(); ++i) {
      batch[i] = {&states[i], {tokens[i].data() + index, 1}, 1};
    }
    model.forward(batch, workspace);
  }

  const Model& model;
  int64_t chunk;
  KvPagePool pool;
  Workspace workspace;
  std::vector<std::vector<int32_t>> tokens;  // after the context, by sequence
  std::vector<SequenceState> states;
  std::vector<StateSnapshot> starts;
  std::vector<Segment> batch;
};

int64_t BenchTest::pool_pages() const {
  return batch * ((tokens() + kKvPageTokens - 1) / kKvPageTokens + 1);
}

std::string BenchTest::name() const {
  std::string text = prompt > 0 ? fmt::format("pp{}", prompt) : fmt::format("tg{}", generated);
  if (batch > 1) text += fmt::format(" x{}", batch);
  if (depth > 0) text += fmt::format(" @ d{}", depth);
  return text;
}

double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

double quartile_range(std::vector<double> values) {
  return quantile(values, 0.75) - quantile(values, 0.25);
}

double first_token_seconds(const Model& model) {
  const Stopwatch clock;
  SequenceRunner runner(model, {.context_tokens = 1, .chunk_tokens = 1});
  const int32_t token = 0;
  runner.feed({&token, 1});
  return clock.seconds();
}

BenchRunner::BenchRunner(const LoadedModel& loaded, const LimitProbe* probe,
                         const BenchSettings& settings)
    : loaded_(&loaded), probe_(probe), settings_(settings), traffic_(model_traffic(*loaded.model)) {
  loaded.profile->set_head(loaded.model->weights().head);
}

MachineRecord BenchRunner::measure_machine() const {
  MachineRecord record;
  if (!probe_) return record;
  const std::vector<ReadBlock> experts = expert_blocks(*loaded_->model);
  const double s = settings_.probe_seconds;
  using enum ReadOrder;
  using enum ProbeWorkers;
  record.sequential_read = probe_->read_bandwidth(kSequential, kAll, s);
  record.sequential_read_one_thread = probe_->read_bandwidth(kSequential, kOne, s);
  record.random_read_one_thread = probe_->read_bandwidth(kRandom, kOne, s);
  record.bf16_peak = probe_->bf16_peak(s);
  // First once around, because the first touch of a mapped page is what takes long.
  probe_->touch(experts);
  record.mapping_read = probe_->read_bandwidth(experts, kRandom, kAll, s);
  return record;
}

void BenchRunner::measure_limits(BenchResult& result) const {
  if (!probe_) return;
  const double seconds = settings_.probe_seconds / 2;  // there are many of these
  result.random_read.push_back(
      probe_->read_bandwidth(ReadOrder::kRandom, ProbeWorkers::kAll, seconds));
  result.int8_peak.push_back(probe_->int8_peak(seconds));
}

double BenchRunner::sample(const BenchTest& test, BenchSequences& sequences) const {
  sequences.restore();
  const Stopwatch clock;
  if (test.prompt > 0) {
    sequences.feed(sequences.states[0], sequences.tokens[0]);
  } else {
    for (size_t i = 0; i < static_cast<size_t>(test.generated); ++i) sequences.step(i);
  }
  return clock.seconds();
}

void BenchRunner::account(const BenchTest& test, uint64_t expert_bytes, BenchResult& result) const {
  result.linear_macs_per_token = static_cast<double>(traffic_.linear_macs_per_token);
  if (test.prompt > 0) {
    result.linear_macs_per_token +=
        static_cast<double>(traffic_.head_macs) / static_cast<double>(test.prompt);
    return;
  }
  result.linear_macs_per_token += static_cast<double>(traffic_.head_macs);
  const double tokens = static_cast<double>(test.generated * test.batch);
  // A token reads what was cached before it; its own keys and values are still in a cache.
  const double cached =
      static_cast<double>(test.depth) + static_cast<double>(test.generated - 1) / 2;
  const double kv = static_cast<double>(traffic_.kv_bytes_per_token);
  const double state = static_cast<double>(traffic_.state_bytes);
  result.read_bytes_per_token =
      static_cast<double>(traffic_.shared_bytes) / static_cast<double>(test.batch) +
      static_cast<double>(expert_bytes) / tokens +
      static_cast<double>(traffic_.embedding_row_bytes) + state + cached * kv;
  result.written_bytes_per_token = state + kv;
}

BenchResult BenchRunner::run(const BenchTest& test) const {
  BenchResult result;
  reset_peak_memory();
  BenchSequences sequences(*loaded_->model, test, settings_.chunk_tokens);
  ProfilingBackend& profile = *loaded_->profile;
  // The warm-up is the same work, so it can tell which experts the work reads.
  if (test.generated > 0) profile.start_counting(loaded_->model->config().expert_count);
  sample(test, sequences);
  account(test, profile.stop_counting(), result);
  profile.reset();
  double seconds = 0;
  for (int i = 0; i < settings_.repetitions; ++i) {
    measure_limits(result);
    const double spent = sample(test, sequences);
    const double tokens =
        static_cast<double>(test.prompt > 0 ? test.prompt : test.generated * test.batch);
    result.tokens_per_s.push_back(tokens / spent);
    seconds += spent;
  }
  measure_limits(result);
  for (size_t i = 0; i < kOperationKinds; ++i) {
    result.time_shares[i] = profile.seconds()[i] / seconds;
  }
  const uint64_t own = probe_ ? static_cast<uint64_t>(probe_->buffer_bytes()) : 0;
  const auto without_probe = [own](uint64_t bytes) { return bytes > own ? bytes - own : 0; };
  result.peak_memory_bytes = without_probe(peak_memory_bytes());
  result.anonymous_memory_bytes = without_probe(anonymous_memory_bytes());
  const size_t vocab = static_cast<size_t>(loaded_->model->config().vocab_size);
  result.logits_hash = logits_hash({sequences.workspace.logits(0), vocab});
  return result;
}

}  // namespace hearth
