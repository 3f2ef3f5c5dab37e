// Fewer bits for matrices that every token reads, made when a model is loaded: a speed that the
// user asks for, never a default (docs/decisions/0011-requantised-copies.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "model/weights.h"
#include "os/memory_block.h"
#include "tensor/quantized_matrix.h"

namespace hearth {

enum class HeadBits : uint8_t { kCheckpoint, k8 };
enum class DenseBits : uint8_t { kCheckpoint, k4 };

/// Inputs that share a scale in a re-quantised matrix; matrices with fewer or other columns take
/// the largest power of two, of at least 32, that divides them.
inline constexpr int64_t kRequantisedGroup = 128;

/// What was re-quantised, for statistics.
struct RequantisationReport {
  int64_t matrices = 0;
  double squared_error = 0;  // Σ(old − new)²
  double squared_size = 0;   // Σ old²

  /// √(squared_error / squared_size); 0 when nothing was re-quantised.
  double relative_rms() const;
};

/// Matrices in memory of their own. Moving it leaves what its matrices point to in place.
class RequantisedCopies {
 public:
  RequantisedCopies() = default;

  /// Replaces the head, and the dense projections (DeltaNet's qkvz and out, attention's four, the
  /// shared expert's three), by K-packed copies of 8 and 4 bits: symmetric, scales in bfloat16.
  /// A matrix of that many bits or fewer stays, and so does one of a width without a group. The
  /// same bits at any number of threads. Throws LoadError when a weight is not finite, MemoryError.
  RequantisedCopies(ModelWeights& weights, HeadBits head, DenseBits dense, Backend& backend);

  size_t bytes() const;
  const RequantisationReport& head() const { return head_; }
  const RequantisationReport& dense() const { return dense_; }

 private:
  void replace(QuantizedMatrix& matrix, int bits, Backend& backend, RequantisationReport& report);

  std::vector<MemoryBlock> blocks_;
  RequantisationReport head_;
  RequantisationReport dense_;
};

/// The bytes of the copies that RequantisedCopies would make.
size_t planned_copies(const ModelWeights& weights, HeadBits head, DenseBits dense);

}  // namespace hearth
