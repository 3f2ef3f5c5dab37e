// What this machine could do at most, measured by the workers that run the model, where they are
// pinned: the read bandwidth of memory and the peak of dot products on registers.
//
// Both drift with what else the machine does, by a quarter within minutes. A share of a limit is
// therefore only worth something when the limit was measured between the runs that it judges.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "os/memory_block.h"

namespace hearth {

/// The bytes of one 4-bit expert matrix of 512 × 2048 with its scales.
inline constexpr int64_t kProbeBlockBytes = int64_t{576} << 10;

/// A stretch of memory that is read from front to back.
struct ReadBlock {
  const std::byte* data = nullptr;
  int64_t bytes = 0;
};

enum class ReadOrder : uint8_t { kSequential, kRandom };

/// Which workers take part.
enum class ProbeWorkers : uint8_t { kOne, kAll };

class LimitProbe {
 public:
  /// Takes a buffer of up to a gigabyte in huge pages, less where memory is short. The backend
  /// must outlive it and be idle whenever something is measured. Throws MemoryError.
  explicit LimitProbe(CpuBackend& backend);
  /// With a buffer of at most this size; 0: memory is measured elsewhere only.
  LimitProbe(CpuBackend& backend, int64_t most_buffer_bytes);

  int64_t buffer_bytes() const { return static_cast<int64_t>(buffer_.bytes()); }

  /// Bytes per second from the probe's own buffer; the median over stretches of `seconds`.
  double read_bandwidth(ReadOrder order, ProbeWorkers workers, double seconds) const {
    return read_bandwidth(blocks_, order, workers, seconds);
  }
  /// The same from given memory, which should be larger than the caches. 0 without blocks.
  double read_bandwidth(std::span<const ReadBlock> blocks, ReadOrder order, ProbeWorkers workers,
                        double seconds) const;

  /// Reads every block once.
  void touch(std::span<const ReadBlock> blocks) const;

  /// Multiply-accumulates per second of all workers, by the backend's kernel set.
  double int8_peak(double seconds) const;
  double bf16_peak(double seconds) const;

 private:
  double peak(int64_t (*probe)(int64_t rounds), double seconds) const;

  CpuBackend* backend_;
  MemoryBlock buffer_;
  std::vector<ReadBlock> blocks_;
};

}  // namespace hearth
