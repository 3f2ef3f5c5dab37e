#include "backend/profiling_backend.h"

#include "base/check.h"
#include "base/clock.h"

namespace hearth {

template <typename Operation>
void ProfilingBackend::timed(OperationKind kind, const Operation& operation) noexcept {
  const Stopwatch clock;
  operation();
  seconds_[static_cast<size_t>(kind)] += clock.seconds();
}

void ProfilingBackend::start_counting(int64_t experts) {
  counting_ = true;
  expert_bytes_ = 0;
  uses_.resize(static_cast<size_t>(experts));
}

uint64_t ProfilingBackend::stop_counting() {
  counting_ = false;
  return expert_bytes_;
}

void ProfilingBackend::counted_moe(const MoeTask& task) noexcept {
  CHECK(task.uses && task.experts.size() <= uses_.size());
  const auto uses = [&](size_t e) { return task.uses->count(task.layer, static_cast<int64_t>(e)); };
  for (size_t e = 0; e < task.experts.size(); ++e) uses_[e] = uses(e);
  backend_->moe(task);
  for (size_t e = 0; e < task.experts.size(); ++e) {
    if (uses(e) == uses_[e]) continue;
    const ExpertWeights& expert = task.experts[e];
    for (const QuantizedMatrix* m : {&expert.gate, &expert.up, &expert.down}) {
      expert_bytes_ += matrix_bytes(*m);
    }
  }
}

void ProfilingBackend::embed(const QuantizedMatrix& table, std::span<const int32_t> tokens,
                             float* x) noexcept {
  timed(OperationKind::kOther, [&] { backend_->embed(table, tokens, x); });
}

void ProfilingBackend::rope_angles(std::span<const int64_t> positions,
                                   std::span<const float> inverse_frequencies, float scale,
                                   float* cosines, float* sines) noexcept {
  timed(OperationKind::kOther,
        [&] { backend_->rope_angles(positions, inverse_frequencies, scale, cosines, sines); });
}

void ProfilingBackend::rms_norm(const float* x, const float* weight, int64_t rows, int64_t columns,
                                float eps, float* y) noexcept {
  timed(OperationKind::kOther, [&] { backend_->rms_norm(x, weight, rows, columns, eps, y); });
}

void ProfilingBackend::linear(std::span<const LinearTask> tasks, const float* x,
                              int64_t tokens) noexcept {
  const bool head = tasks.size() == 1 && tasks[0].matrix->weights == head_;
  timed(head ? OperationKind::kHead : OperationKind::kProjection,
        [&] { backend_->linear(tasks, x, tokens); });
}

void ProfilingBackend::gated_delta(const GatedDeltaTask& task) noexcept {
  timed(OperationKind::kDelta, [&] { backend_->gated_delta(task); });
}

void ProfilingBackend::gated_attention(const GatedAttentionTask& task) noexcept {
  timed(OperationKind::kAttention, [&] { backend_->gated_attention(task); });
}

void ProfilingBackend::moe(const MoeTask& task) noexcept {
  if (counting_) return counted_moe(task);
  timed(OperationKind::kMoe, [&] { backend_->moe(task); });
}

void ProfilingBackend::parallel(int64_t count, void (*body)(void* context, int64_t index),
                                void* context) noexcept {
  backend_->parallel(count, body, context);
}

}  // namespace hearth
