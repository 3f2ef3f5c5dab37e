#include "backend/cpu/machine_limits.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>

#include "base/clock.h"
#include "os/memory_info.h"

namespace hearth {
namespace {

constexpr int64_t kBufferBytesMax = int64_t{1} << 30;
/// What is read between two looks at the clock: long against the end of a loop, when workers wait.
constexpr int64_t kStretchBytes = int64_t{128} << 20;
/// How far ahead of the loads lines are asked for: hardware stops at the end of a page.
constexpr int64_t kFetchAheadBytes = 2048;

int64_t buffer_bytes() {
  const uint64_t quarter = available_memory_bytes() / 4;
  const int64_t bytes = static_cast<int64_t>(std::min(quarter, uint64_t{kBufferBytesMax}));
  return std::max(bytes / kProbeBlockBytes, int64_t{1}) * kProbeBlockBytes;
}

double median(std::vector<double>& values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Loads every line of the block once.
void read(const ReadBlock& block) {
  constexpr int64_t kStep = 64;
  uint64_t sums[kStep / 8] = {};
  for (int64_t at = 0; at + kStep <= block.bytes; at += kStep) {
    __builtin_prefetch(block.data + at + kFetchAheadBytes);
    uint64_t words[kStep / 8];
    std::memcpy(words, block.data + at, kStep);
    for (size_t i = 0; i < kStep / 8; ++i) sums[i] += words[i];
  }
  asm volatile("" : : "r"(sums) : "memory");
}

template <typename Body>
void run(CpuBackend& backend, ProbeWorkers workers, int64_t count, const Body& body) {
  if (workers == ProbeWorkers::kOne) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  const auto call = [](void* context, int64_t index) {
    (*static_cast<const Body*>(context))(index);
  };
  backend.parallel(count, call, const_cast<Body*>(&body));
}

}  // namespace

LimitProbe::LimitProbe(CpuBackend& backend) : LimitProbe(backend, hearth::buffer_bytes()) {}

LimitProbe::LimitProbe(CpuBackend& backend, int64_t most_buffer_bytes)
    : backend_(&backend),
      buffer_(static_cast<size_t>(std::min(most_buffer_bytes, hearth::buffer_bytes()))) {
  for (int64_t at = 0; at < buffer_bytes(); at += kProbeBlockBytes) {
    blocks_.push_back({buffer_.as<std::byte>() + at, kProbeBlockBytes});
  }
  // Written once, so that every page exists: untouched ones are all the same page of zeros.
  run(backend, ProbeWorkers::kAll, static_cast<int64_t>(blocks_.size()), [&](int64_t i) {
    std::memset(buffer_.as<std::byte>() + i * kProbeBlockBytes, 1, kProbeBlockBytes);
  });
}

double LimitProbe::read_bandwidth(std::span<const ReadBlock> blocks, ReadOrder order,
                                  ProbeWorkers workers, double seconds) const {
  if (blocks.empty()) return 0;
  std::vector<size_t> places(blocks.size());
  std::iota(places.begin(), places.end(), size_t{0});
  if (order == ReadOrder::kRandom) {
    std::shuffle(places.begin(), places.end(), std::mt19937_64(1));
  }
  std::vector<double> rates;
  const Stopwatch whole;
  size_t next = 0;
  while (rates.size() < 3 || whole.seconds() < seconds) {
    const size_t first = next;
    int64_t bytes = 0;
    int64_t count = 0;
    for (; bytes < kStretchBytes; ++count) bytes += blocks[places[next++ % places.size()]].bytes;
    const Stopwatch clock;
    run(*backend_, workers, count,
        [&](int64_t i) { read(blocks[places[(first + static_cast<size_t>(i)) % places.size()]]); });
    rates.push_back(static_cast<double>(bytes) / clock.seconds());
  }
  return median(rates);
}

void LimitProbe::touch(std::span<const ReadBlock> blocks) const {
  run(*backend_, ProbeWorkers::kAll, static_cast<int64_t>(blocks.size()),
      [&](int64_t i) { read(blocks[static_cast<size_t>(i)]); });
}

double LimitProbe::peak(int64_t (*probe)(int64_t rounds), double seconds) const {
  constexpr double kCallSeconds = 0.005;
  const Stopwatch trial;
  constexpr int64_t kTrialRounds = 1 << 14;
  probe(kTrialRounds);
  const int64_t rounds =
      1 + static_cast<int64_t>(kTrialRounds * kCallSeconds / std::max(trial.seconds(), 1e-9));
  const int64_t threads = backend_->threads();
  std::vector<int64_t> done(static_cast<size_t>(threads));
  std::vector<double> rates;
  const Stopwatch whole;
  while (rates.size() < 3 || whole.seconds() < seconds) {
    const Stopwatch clock;
    run(*backend_, ProbeWorkers::kAll, threads,
        [&](int64_t i) { done[static_cast<size_t>(i)] = probe(rounds); });
    const int64_t macs = std::accumulate(done.begin(), done.end(), int64_t{0});
    rates.push_back(static_cast<double>(macs) / clock.seconds());
  }
  return median(rates);
}

double LimitProbe::int8_peak(double seconds) const {
  return peak(backend_->kernels().int8_probe, seconds);
}

double LimitProbe::bf16_peak(double seconds) const {
  return peak(backend_->kernels().bf16_probe, seconds);
}

}  // namespace hearth
