#include "app/model_bandwidth.h"

#include <fmt/format.h>

namespace hearth {

std::vector<ReadBlock> expert_blocks(const Model& model) {
  constexpr uint64_t kMostBytes = uint64_t{1} << 30;
  std::vector<ReadBlock> blocks;
  uint64_t bytes = 0;
  for (const LayerWeights& layer : model.weights().layers) {
    for (const ExpertWeights& expert : layer.moe.experts) {
      for (const QuantizedMatrix* m : {&expert.gate, &expert.up, &expert.down}) {
        if (bytes >= kMostBytes) break;
        const int64_t values = m->rows * m->cols * weight_bits(m->layout) / 8;
        blocks.push_back({static_cast<const std::byte*>(m->weights), values});
        bytes += static_cast<uint64_t>(values);
      }
    }
  }
  return blocks;
}

double model_read_bandwidth(LoadedModel& loaded) {
  constexpr int64_t kLeastBytes = int64_t{256} << 20;  // several times any cache
  constexpr double kSeconds = 0.1;
  if (loaded.ledger.residency == Residency::kMapped && !loaded.ledger.fits_whole()) return 0;
  const std::vector<ReadBlock> blocks = expert_blocks(*loaded.model);
  int64_t bytes = 0;
  for (const ReadBlock& block : blocks) bytes += block.bytes;
  if (bytes < kLeastBytes) return 0;
  loaded.populator.wait();
  return LimitProbe(*loaded.backend, 0)
      .read_bandwidth(blocks, ReadOrder::kRandom, ProbeWorkers::kAll, kSeconds);
}

std::string bandwidth_share_text(double bytes_per_s, double bandwidth) {
  if (bandwidth <= 0) return "";
  return fmt::format(", {:.0f} % of {:.1f} GB/s", 100 * bytes_per_s / bandwidth, bandwidth / 1e9);
}

}  // namespace hearth
