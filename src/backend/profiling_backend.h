// A backend in front of another one that notes where the time goes, by kind of operation, and on
// request which routed experts a pass reads. Noting costs two looks at the clock per operation.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace hearth {

enum class OperationKind : uint8_t {
  kProjection,  // linear layers of DeltaNet and attention
  kDelta,       // Gated DeltaNet between its projections
  kAttention,   // gated attention between its projections
  kMoe,         // router, routed experts, shared expert
  kHead,
  kOther,  // embedding, rotary angles, norms of the residual stream
};
inline constexpr size_t kOperationKinds = 6;

class ProfilingBackend final : public Backend {
 public:
  /// The other backend must outlive this one.
  explicit ProfilingBackend(Backend& backend) : backend_(&backend) {}

  /// A linear layer with this matrix is the head.
  void set_head(const QuantizedMatrix& head) { head_ = head.weights; }

  /// Seconds spent since the last reset, by OperationKind.
  const std::array<double, kOperationKinds>& seconds() const { return seconds_; }
  void reset() { seconds_ = {}; }

  /// From now on, adds up the bytes of the different experts that each MoE operation chooses, out
  /// of so many. Their time is not noted meanwhile.
  void start_counting(int64_t experts);
  /// Ends that, and returns the bytes since the start.
  uint64_t stop_counting();

  std::string description() const override { return backend_->description(); }
  void reserve(const BackendLimits& limits) override { backend_->reserve(limits); }
  void embed(const QuantizedMatrix& table, std::span<const int32_t> tokens,
             float* x) noexcept override;
  void rope_angles(std::span<const int64_t> positions, std::span<const float> inverse_frequencies,
                   float scale, float* cosines, float* sines) noexcept override;
  void rms_norm(const float* x, const float* weight, int64_t rows, int64_t columns, float eps,
                float* y) noexcept override;
  void linear(std::span<const LinearTask> tasks, const float* x, int64_t tokens) noexcept override;
  void gated_delta(const GatedDeltaTask& task) noexcept override;
  void gated_attention(const GatedAttentionTask& task) noexcept override;
  void moe(const MoeTask& task) noexcept override;
  void parallel(int64_t count, void (*body)(void* context, int64_t index),
                void* context) noexcept override;

 private:
  template <typename Operation>
  void timed(OperationKind kind, const Operation& operation) noexcept;
  void counted_moe(const MoeTask& task) noexcept;

  Backend* backend_;
  const void* head_ = nullptr;
  std::array<double, kOperationKinds> seconds_{};

  bool counting_ = false;
  uint64_t expert_bytes_ = 0;
  std::vector<uint64_t> uses_;  // [experts], before an operation
};

}  // namespace hearth
