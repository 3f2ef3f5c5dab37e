#include "app/predict.h"

#include <fmt/format.h>

#include <algorithm>

namespace hearth {
namespace {

/// Of the machine's memory, what the system itself needs.
constexpr uint64_t kSystemBytes = uint64_t{1} << 30;
constexpr double kBusy = 0.5;  // of a limit: from here on it is called one

double gb(uint64_t bytes) { return static_cast<double>(bytes) / 1e9; }

double slope(double first, double last, int64_t distance) {
  return distance > 0 ? std::max(0.0, (last - first) / static_cast<double>(distance)) : 0.0;
}

Fit fit_of(const MemoryLedger& ledger, uint64_t total_bytes) {
  if (ledger.fits_whole()) return Fit::kFits;
  const uint64_t most = total_bytes > kSystemBytes ? total_bytes - kSystemBytes : 0;
  if (ledger.anonymous_bytes(Residency::kResident) <= most) return Fit::kWithMore;
  return ledger.anonymous_bytes(Residency::kMapped) <= most ? Fit::kFromDisk : Fit::kNot;
}

/// Weights that memory cannot hold are experts: what every token reads stays in the page cache.
void predict_from_disk(const ModelTraffic& traffic, uint64_t expert_bytes,
                       const MachineLimits& limits, Prediction& prediction) {
  if (limits.storage_random_bytes_per_s <= 0 || limits.storage_sequential_bytes_per_s <= 0) return;
  const double missing = static_cast<double>(std::min(prediction.missing_bytes, expert_bytes));
  const double share = missing / static_cast<double>(std::max<uint64_t>(expert_bytes, 1));
  const double token_seconds = share * static_cast<double>(traffic.expert_bytes_per_token) /
                               limits.storage_random_bytes_per_s;
  const SpeedCurve& curve = prediction.curve;
  prediction.disk_decode_tokens_per_s = 1 / (curve.decode_seconds + token_seconds);
  // A chunk meets every expert.
  const double chunk_seconds = missing / limits.storage_sequential_bytes_per_s;
  prediction.disk_prefill_tokens_per_s = kPredictedChunk / (curve.chunk_seconds + chunk_seconds);
}

std::string limit_text(const Prediction& p) {
  const auto bound = [](double share, const char* what) {
    return fmt::format("{}{:.0f} % of {}", share >= kBusy ? "" : "only ", 100 * share, what);
  };
  std::string text;
  const auto add = [&](const std::string& limit) { text += (text.empty() ? "" : "; ") + limit; };
  if (p.decode_bandwidth_share > 0) {
    add("decode: memory bandwidth, " + bound(p.decode_bandwidth_share, "what random blocks reach"));
  }
  if (p.prefill_int8_share > 0) {
    add("prefill: arithmetic, " + bound(p.prefill_int8_share, "the int8 peak"));
  }
  if (text.empty()) text = "what was not measured";
  if (p.fit == Fit::kNot) return "memory size";
  if (p.fit != Fit::kFromDisk) return text;
  return "memory size, since experts come from the disk again and again (with enough, " + text +
         ")";
}

std::vector<std::string> help_for(const Prediction& p, const ModelOptions& options,
                                  double head_w8_seconds) {
  std::vector<std::string> help;
  const double missing = gb(p.missing_bytes);
  switch (p.fit) {
    case Fit::kFits: break;
    case Fit::kWithMore:
      help.push_back(fmt::format("Close programs that hold {:.1f} GB.", missing));
      break;
    case Fit::kFromDisk:
    case Fit::kNot:
      help.push_back(fmt::format("{:.0f} GB more memory would hold all of it.", missing + 0.5));
      break;
  }
  const double faster = p.curve.head_seconds - head_w8_seconds;
  if (head_w8_seconds > 0 && faster > 0 && options.head == HeadBits::kCheckpoint &&
      p.fit != Fit::kNot && p.fit != Fit::kFromDisk) {
    help.push_back(fmt::format("--head w8: {:.1f} instead of {:.1f} tokens/s in decode.",
                               1 / (p.curve.decode_seconds - faster),
                               p.curve.decode_tokens_per_s(0)));
  }
  if (p.fit == Fit::kFits || p.fit == Fit::kWithMore) {
    help.push_back("Decode follows memory bandwidth (channels, clock), prefill cores.");
  }
  return help;
}

}  // namespace

double SpeedCurve::decode_tokens_per_s(int64_t depth) const {
  return 1 / (decode_seconds + decode_seconds_per_depth * static_cast<double>(depth));
}

double SpeedCurve::prefill_tokens_per_s(int64_t prompt, int64_t depth) const {
  const double tokens = static_cast<double>(prompt);
  const double chunks = tokens / kPredictedChunk;
  const double mean_depth =
      static_cast<double>(depth) + std::max(0.0, chunks - 1) / 2 * kPredictedChunk;
  return tokens / (chunks * (chunk_seconds + chunk_seconds_per_depth * mean_depth) + head_seconds);
}

SpeedCurve measure_curve(const ModelSample& sample, int64_t max_positions,
                         const SpeedCurve* alike) {
  const int64_t deep =
      std::clamp<int64_t>(max_positions - 2 * kPredictedChunk, 0, kDeepTokens) / 64 * 64;
  const int64_t chunk = std::min(kPredictedChunk, max_positions);
  const PassSeconds token = sample.decode(0);
  const PassSeconds prompt = sample.prefill(chunk, chunk, 0);
  SpeedCurve curve{.decode_seconds = token.total(),
                   .decode_seconds_per_depth = 0,
                   .chunk_seconds = prompt.total() - prompt.head,
                   .chunk_seconds_per_depth = 0,
                   .head_seconds = token.head};
  curve.chunk_seconds *= static_cast<double>(kPredictedChunk) / static_cast<double>(chunk);
  if (alike) {
    curve.decode_seconds_per_depth = alike->decode_seconds_per_depth;
    curve.chunk_seconds_per_depth = alike->chunk_seconds_per_depth;
    return curve;
  }
  if (deep == 0) return curve;
  // Only attention looks back, so the other parts must not add their noise to the slope.
  constexpr size_t kAttention = static_cast<size_t>(MixerKind::kGatedAttention);
  curve.decode_seconds_per_depth =
      slope(token.layers[kAttention], sample.decode(deep).layers[kAttention], deep);
  curve.chunk_seconds_per_depth =
      slope(prompt.layers[kAttention], sample.prefill(chunk, chunk, deep).layers[kAttention], deep);
  return curve;
}

Prediction predict(const ModelOutline& model, const ModelOptions& options, const SpeedCurve& curve,
                   const MachineLimits& limits, const MemoryLedger& ledger, uint64_t total_bytes,
                   double head_w8_seconds) {
  const StateShape shape = state_shape_of(model.config, options);
  const ModelTraffic traffic = model_traffic(model.config, model.weights, shape);
  Prediction prediction;
  prediction.ledger = ledger;
  prediction.fit = fit_of(ledger, total_bytes);
  prediction.curve = curve;
  const uint64_t needed = ledger.anonymous_bytes(Residency::kResident);
  if (needed > ledger.available_bytes) prediction.missing_bytes = needed - ledger.available_bytes;
  // A copy is read in place of what it was made of.
  const uint64_t copy = planned_copies(model.weights, options.head, DenseBits::kCheckpoint);
  const uint64_t saved = copy > 0 ? matrix_bytes(model.weights.head) - copy : 0;
  prediction.decode_bytes_per_token =
      static_cast<double>(traffic.weight_bytes_per_token() - saved + traffic.state_bytes);
  // What --dense w4 saves is not counted here, so nothing is said of its share.
  if (limits.random_read_bytes_per_s > 0 && curve.decode_seconds > 0 &&
      options.dense == DenseBits::kCheckpoint) {
    prediction.decode_bandwidth_share =
        prediction.decode_bytes_per_token / curve.decode_seconds / limits.random_read_bytes_per_s;
  }
  if (limits.int8_macs_per_s > 0 && curve.chunk_seconds > 0) {
    prediction.prefill_int8_share = static_cast<double>(traffic.linear_macs_per_token) *
                                    kPredictedChunk / curve.chunk_seconds / limits.int8_macs_per_s;
  }
  if (prediction.fit == Fit::kFromDisk) {
    const uint64_t experts = traffic.expert_bytes_per_token *
                             static_cast<uint64_t>(model.config.expert_count) /
                             static_cast<uint64_t>(model.config.experts_per_token);
    predict_from_disk(traffic, experts, limits, prediction);
  }
  prediction.limit = limit_text(prediction);
  prediction.help = help_for(prediction, options, head_w8_seconds);
  return prediction;
}

}  // namespace hearth
