#include "model/traffic.h"

#include <initializer_list>

namespace hearth {
namespace {

class Sum {
 public:
  explicit Sum(ModelTraffic& traffic) : traffic_(&traffic) {}

  /// Matrices that every token of a pass goes through.
  void shared(std::initializer_list<const QuantizedMatrix*> matrices) {
    for (const QuantizedMatrix* matrix : matrices) {
      traffic_->model_bytes += matrix_bytes(*matrix);
      traffic_->shared_bytes += matrix_bytes(*matrix);
      traffic_->linear_macs_per_token += matrix->rows * matrix->cols;
    }
  }

  void experts(const MoeWeights& moe, int64_t experts_per_token) {
    // Experts of a layer may differ in precision; a token reads an average one.
    uint64_t all = 0;
    for (const ExpertWeights& expert : moe.experts) {
      for (const QuantizedMatrix* m : {&expert.gate, &expert.up, &expert.down}) {
        all += matrix_bytes(*m);
      }
    }
    traffic_->model_bytes += all;
    traffic_->expert_bytes_per_token +=
        all * static_cast<uint64_t>(experts_per_token) / moe.experts.size();
    const ExpertWeights& any = moe.experts.front();  // their shapes are the same
    for (const QuantizedMatrix* m : {&any.gate, &any.up, &any.down}) {
      traffic_->linear_macs_per_token += experts_per_token * m->rows * m->cols;
    }
  }

 private:
  ModelTraffic* traffic_;
};

}  // namespace

ModelTraffic model_traffic(const Model& model) {
  return model_traffic(model.config(), model.weights(), model.state_shape());
}

ModelTraffic model_traffic(const ModelConfig& config, const ModelWeights& weights,
                           const StateShape& shape) {
  ModelTraffic traffic;
  Sum sum(traffic);
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights& layer = weights.layers[i];
    if (config.layers[i] == MixerKind::kGatedDelta) {
      sum.shared({&layer.delta.qkvz, &layer.delta.ba, &layer.delta.out});
    } else {
      const GatedAttentionWeights& a = layer.attention;
      sum.shared({&a.query_gate, &a.key, &a.value, &a.out});
    }
    const MoeWeights& moe = layer.moe;
    sum.shared({&moe.router, &moe.shared_gate, &moe.shared.gate, &moe.shared.up, &moe.shared.down});
    sum.experts(moe, config.experts_per_token);
  }
  traffic.head_macs = weights.head.rows * weights.head.cols;
  traffic.shared_bytes += matrix_bytes(weights.head);
  traffic.model_bytes += matrix_bytes(weights.head);
  if (weights.embedding.weights != weights.head.weights) {
    traffic.model_bytes += matrix_bytes(weights.embedding);
  }
  traffic.embedding_row_bytes =
      matrix_bytes(weights.embedding) / static_cast<uint64_t>(config.vocab_size);
  traffic.state_bytes = static_cast<uint64_t>(shape.fixed_floats()) * sizeof(float);
  traffic.kv_bytes_per_token = static_cast<uint64_t>(shape.page_bytes() / kKvPageTokens);
  return traffic;
}

}  // namespace hearth
