#include "app/bench_ledger.h"

#include <initializer_list>

namespace hearth {
namespace {

class Sum {
 public:
  explicit Sum(BenchLedger& ledger) : ledger_(&ledger) {}

  /// Matrices that every token of a pass goes through.
  void shared(std::initializer_list<const QuantizedMatrix*> matrices) {
    for (const QuantizedMatrix* matrix : matrices) {
      ledger_->model_bytes += matrix_bytes(*matrix);
      ledger_->shared_bytes += matrix_bytes(*matrix);
      ledger_->linear_macs_per_token += matrix->rows * matrix->cols;
    }
  }

  void experts(const MoeWeights& moe, int64_t experts_per_token) {
    for (const ExpertWeights& expert : moe.experts) {
      for (const QuantizedMatrix* m : {&expert.gate, &expert.up, &expert.down}) {
        ledger_->model_bytes += matrix_bytes(*m);
      }
    }
    const ExpertWeights& any = moe.experts.front();  // their shapes are the same
    for (const QuantizedMatrix* m : {&any.gate, &any.up, &any.down}) {
      ledger_->linear_macs_per_token += experts_per_token * m->rows * m->cols;
    }
  }

 private:
  BenchLedger* ledger_;
};

}  // namespace

BenchLedger bench_ledger(const Model& model) {
  const ModelConfig& config = model.config();
  const ModelWeights& weights = model.weights();
  BenchLedger ledger;
  Sum sum(ledger);
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
  ledger.head_macs = weights.head.rows * weights.head.cols;
  ledger.shared_bytes += matrix_bytes(weights.head);
  ledger.model_bytes += matrix_bytes(weights.head);
  if (weights.embedding.weights != weights.head.weights) {
    ledger.model_bytes += matrix_bytes(weights.embedding);
  }
  ledger.embedding_row_bytes =
      matrix_bytes(weights.embedding) / static_cast<uint64_t>(config.vocab_size);
  const StateShape& shape = model.state_shape();
  ledger.state_bytes = static_cast<uint64_t>(shape.fixed_floats()) * sizeof(float);
  ledger.kv_bytes_per_token = static_cast<uint64_t>(shape.page_bytes() / kKvPageTokens);
  return ledger;
}

}  // namespace hearth
