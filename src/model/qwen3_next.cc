// The forward pass of Qwen3-Next, once, for every format, instruction set and backend.
#include "model/model.h"

#include <algorithm>

#include "base/check.h"

namespace hearth {

/// One forward pass over one batch.
class ForwardPass {
 public:
  ForwardPass(const Model& model, std::span<const Segment> batch, Workspace& workspace)
      : model_(model),
        config_(model.config_),
        backend_(*model.backend_),
        batch_(batch),
        work_(workspace),
        eps_(static_cast<float>(config_.rms_norm_eps)),
        precision_(model.options_.exact ? Precision::kFloat : Precision::kInt8) {}

  void run() {
    gather_tokens();
    backend_.embed(model_.weights_.embedding, {work_.tokens_.data(), count()}, work_.residual_);
    observe(-1);
    int64_t delta_layer = 0;
    int64_t attention_layer = 0;
    for (size_t i = 0; i < model_.weights_.layers.size(); ++i) {
      const LayerWeights& layer = model_.weights_.layers[i];
      norm(layer.input_norm);
      if (config_.layers[i] == MixerKind::kGatedDelta) {
        gated_delta(layer.delta, delta_layer++);
      } else {
        gated_attention(layer.attention, attention_layer++);
      }
      norm(layer.post_attention_norm);
      experts(layer.moe, static_cast<int64_t>(i));
      observe(static_cast<int64_t>(i));
    }
    head();
    for (const Segment& segment : batch_) {
      segment.state->advance(static_cast<int64_t>(segment.tokens.size()));
    }
  }

 private:
  size_t count() const { return static_cast<size_t>(tokens_); }

  /// Lays the segments out one after the other: rows, tokens, positions, angles.
  void gather_tokens() {
    CHECK(batch_.size() <= static_cast<size_t>(work_.max_segments_));
    for (const Segment& segment : batch_) {
      CHECK(tokens_ + static_cast<int64_t>(segment.tokens.size()) <= work_.max_tokens_);
      for (size_t t = 0; t < segment.tokens.size(); ++t) {
        const int32_t token = segment.tokens[t];
        CHECK(token >= 0 && token < config_.vocab_size);
        work_.tokens_[count()] = token;
        work_.positions_[count()] = segment.state->length() + static_cast<int64_t>(t);
        ++tokens_;
      }
    }
    backend_.rope_angles({work_.positions_.data(), count()}, model_.inverse_frequencies_,
                         model_.rope_scale_, work_.rope_cos_, work_.rope_sin_);
  }

  void norm(const std::vector<float>& weight) {
    backend_.rms_norm(work_.residual_, weight.data(), tokens_, config_.hidden_size, eps_,
                      work_.normed_);
  }

  void gated_delta(const GatedDeltaWeights& weights, int64_t layer) {
    const DeltaGeometry& geometry = model_.state_shape_.delta;
    const LinearTask inputs[] = {
        {.matrix = &weights.qkvz,
         .output = work_.projected_,
         .output_stride = geometry.projected(),
         .precision = precision_},
        // Decay errors compound over a sequence: the gates' inputs stay in float.
        {.matrix = &weights.ba,
         .output = work_.ba_,
         .output_stride = 2 * geometry.value_heads,
         .precision = Precision::kFloat},
    };
    backend_.linear(inputs, work_.normed_, tokens_);
    int64_t row = 0;
    for (size_t i = 0; i < batch_.size(); ++i) {
      const int64_t tokens = static_cast<int64_t>(batch_[i].tokens.size());
      work_.delta_segments_[i] = {.rows = {row, tokens},
                                  .recurrent = batch_[i].state->recurrent(layer),
                                  .conv = batch_[i].state->conv(layer)};
      row += tokens;
    }
    backend_.gated_delta({.geometry = geometry,
                          .form = model_.options_.delta_form,
                          .qkvz = work_.projected_,
                          .ba = work_.ba_,
                          .conv_weights = weights.conv.data(),
                          .decay_rates = weights.decay_rates.data(),
                          .dt_bias = weights.dt_bias.data(),
                          .norm = weights.norm.data(),
                          .segments = {work_.delta_segments_.data(), batch_.size()},
                          .tokens = tokens_,
                          .output = work_.mixed_});
    add_to_residual(weights.out);
  }

  void gated_attention(const GatedAttentionWeights& weights, int64_t layer) {
    const AttentionGeometry& geometry = model_.state_shape_.attention;
    const LinearTask inputs[] = {
        {.matrix = &weights.query_gate,
         .output = work_.projected_,
         .output_stride = 2 * geometry.queries(),
         .precision = precision_},
        {.matrix = &weights.key,
         .output = work_.keys_,
         .output_stride = geometry.kv(),
         .precision = precision_},
        {.matrix = &weights.value,
         .output = work_.values_,
         .output_stride = geometry.kv(),
         .precision = precision_},
    };
    backend_.linear(inputs, work_.normed_, tokens_);
    int64_t row = 0;
    for (size_t i = 0; i < batch_.size(); ++i) {
      const int64_t tokens = static_cast<int64_t>(batch_[i].tokens.size());
      const SequenceState& state = *batch_[i].state;
      CHECK(static_cast<int64_t>(state.pages().size()) * kKvPageTokens >= state.length() + tokens);
      work_.attention_segments_[i] = {.rows = {row, tokens},
                                      .position = state.length(),
                                      .pages = state.pages().data(),
                                      .layer_offset = layer * geometry.page_bytes()};
      row += tokens;
    }
    backend_.gated_attention({.geometry = geometry,
                              .query_gate = work_.projected_,
                              .keys = work_.keys_,
                              .values = work_.values_,
                              .query_norm = weights.query_norm.data(),
                              .key_norm = weights.key_norm.data(),
                              .rope_cos = work_.rope_cos_,
                              .rope_sin = work_.rope_sin_,
                              .segments = {work_.attention_segments_.data(), batch_.size()},
                              .tokens = tokens_,
                              .output = work_.mixed_});
    add_to_residual(weights.out);
  }

  void add_to_residual(const QuantizedMatrix& projection) {
    const LinearTask task{.matrix = &projection,
                          .output = work_.residual_,
                          .output_stride = config_.hidden_size,
                          .accumulate = true,
                          .precision = precision_};
    backend_.linear({&task, 1}, work_.mixed_, tokens_);
  }

  void experts(const MoeWeights& weights, int64_t layer) {
    backend_.moe({.router = &weights.router,
                  .shared_gate = &weights.shared_gate,
                  .experts = weights.experts,
                  .shared = &weights.shared,
                  .experts_per_token = config_.experts_per_token,
                  .normalise_top_k = config_.normalise_top_k,
                  .precision = precision_,
                  .input = work_.normed_,
                  .hidden = config_.hidden_size,
                  .tokens = tokens_,
                  .output = work_.residual_,
                  .uses = &work_.expert_uses_,
                  .layer = layer});
  }

  /// Norm and vocabulary projection, for the rows that want logits.
  void head() {
    int64_t rows = 0;
    int64_t end = 0;
    for (const Segment& segment : batch_) {
      end += static_cast<int64_t>(segment.tokens.size());
      CHECK(rows + segment.logit_rows <= work_.max_logit_rows_);
      backend_.rms_norm(work_.residual_ + (end - segment.logit_rows) * config_.hidden_size,
                        model_.weights_.final_norm.data(), segment.logit_rows, config_.hidden_size,
                        eps_, work_.logit_input_ + rows * config_.hidden_size);
      rows += segment.logit_rows;
    }
    const LinearTask task{.matrix = &model_.weights_.head,
                          .output = work_.logits_,
                          .output_stride = config_.vocab_size,
                          .precision = precision_};
    backend_.linear({&task, 1}, work_.logit_input_, rows);
  }

  void observe(int64_t layer) {
    if (work_.observer.observe) {
      work_.observer.observe(work_.observer.context, layer, work_.residual_, tokens_);
    }
  }

  const Model& model_;
  const ModelConfig& config_;
  Backend& backend_;
  std::span<const Segment> batch_;
  Workspace& work_;
  float eps_;
  Precision precision_;
  int64_t tokens_ = 0;
};

void Model::forward(std::span<const Segment> batch, Workspace& workspace) const noexcept {
  ForwardPass(*this, batch, workspace).run();
}

}  // namespace hearth
