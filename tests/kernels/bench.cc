#include "tests/kernels/bench.h"

#include <fmt/core.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <vector>

#include "backend/cpu/panels.h"
#include "os/memory_block.h"
#include "tests/kernels/random.h"

namespace hearth::kernel_check {
namespace {

/// More than the caches of a desktop or server core's share hold.
constexpr int64_t kPoolBytes = int64_t{384} << 20;

/// Processor time of this thread, which other programs disturb less than the time of day.
double seconds_now() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// The least seconds of one run(i), i counting up, over a few rounds. Reading the clock takes as
/// long as a small kernel: runs between two readings double until that does not matter.
double time_of(const std::function<void(int64_t)>& run) {
  int64_t index = 0;
  int64_t runs = 1;
  double best = 1e9;
  for (int rounds = 0; rounds < 5;) {
    const double start = seconds_now();
    for (int64_t i = 0; i < runs; ++i) run(index++);
    const double spent = seconds_now() - start;
    if (spent < 0.03) {
      runs *= 2;
      continue;
    }
    best = std::min(best, spent / static_cast<double>(runs));
    ++rounds;
  }
  return best;
}

/// What this thread could do at most with a set, measured in the same run.
struct Limits {
  double read = 0;  // bytes per second, of random blocks
  double int8 = 0;  // multiply-accumulates per second, on registers
  double bf16 = 0;
};
Limits limits;

/// Both rates with their shares of a limit: reading, and the products of int8, or else of bf16.
void print_line(const KernelSet& set, const std::string& kernel, const std::string& shape,
                double bytes, double macs, double seconds) {
  const double peak = kernel.ends_with("int8") ? limits.int8 : limits.bf16;
  fmt::print("{:<10} {:<16} {:<34} {:8.2f} us {:6.1f} GB/s {:4.0f} % {:6.1f} GMAC/s {:4.0f} %\n",
             set.name, kernel, shape, seconds * 1e6, bytes / seconds / 1e9,
             100 * bytes / seconds / limits.read, macs / seconds / 1e9,
             100 * macs / seconds / peak);
}

/// Memory full of random bits for weights, halves near 1 for scales, and inputs.
struct Pool {
  std::vector<uint64_t> weights;
  std::vector<uint16_t> scales;
  std::vector<int32_t> words;
  std::vector<float> floats;
  std::vector<int32_t> sums;
  std::vector<float> output;

  Pool()
      : weights(static_cast<size_t>(kPoolBytes / 8)),
        scales(size_t{1} << 20, uint16_t{0x2001}),
        words(size_t{1} << 16, 0x01FF7F02),
        floats(size_t{1} << 18, 0.01f),
        sums(size_t{1} << 12, 100),
        output(size_t{1} << 19) {
    Random random(1);
    for (uint64_t& w : weights) w = random.bits() & 0xBF7FBF7FBF7FBF7Fu;  // finite bf16, f16, f32
  }

  static Pool& shared() {
    static Pool pool;
    return pool;
  }
};

struct Shape {
  const char* kernel;
  QuantLayout layout;
  int64_t rows;
  int64_t cols;
};

constexpr Shape kShapes[] = {
    {"matmul_w4_int8", QuantLayout::kW4KPacked, 512, 2048},    // an expert's gate, up
    {"matmul_w4_int8", QuantLayout::kW4KPacked, 2048, 512},    // an expert's down
    {"matmul_w8_int8", QuantLayout::kW8KPacked, 12288, 2048},  // DeltaNet's in_proj_qkvz
    {"matmul_w8_int8", QuantLayout::kW8KPacked, 2048, 4096},   // DeltaNet's out_proj
    {"matmul_w4_float", QuantLayout::kW4KPacked, 512, 2048},
    {"matmul_w8_float", QuantLayout::kW8KPacked, 512, 2048},
    {"matmul_bf16", QuantLayout::kBf16, 8192, 2048},  // a slice of the head
    {"matmul_f16", QuantLayout::kF16, 8192, 2048},
    {"matmul_f32", QuantLayout::kF32, 512, 2048},
};

QuantizedMatrix bench_matrix(const Shape& shape, int64_t rows) {
  QuantizedMatrix matrix;
  matrix.layout = shape.layout;
  matrix.rows = rows;
  matrix.cols = shape.cols;
  matrix.group_size = 128;
  matrix.scales = Pool::shared().scales.data();
  return matrix;
}

/// Reads every word, into many sums so that no addition waits for another.
void read_block(const std::byte* data, int64_t bytes) {
  const auto* words = reinterpret_cast<const uint64_t*>(data);
  uint64_t sums[32] = {};
  for (int64_t i = 0; i < bytes / 8; i += 32) {
    for (int64_t k = 0; k < 32; ++k) sums[k] += words[i + k];
  }
  volatile uint64_t sink = 0;
  for (const uint64_t sum : sums) sink = sink + sum;
}

void measure_limits(const KernelSet& set) {
  constexpr int64_t kBlock = int64_t{576} << 10;
  constexpr int64_t kRounds = 1 << 14;
  const Pool& pool = Pool::shared();
  const auto* base = reinterpret_cast<const std::byte*>(pool.weights.data());
  limits.read = kBlock / time_of([&](int64_t i) {
                  read_block(base + i * 7919 % (kPoolBytes / kBlock) * kBlock, kBlock);
                });
  double macs = 0;
  const double int8 = time_of([&](int64_t) { macs = double(set.int8_probe(kRounds)); });
  limits.int8 = macs / int8;
  const double bf16 = time_of([&](int64_t) { macs = double(set.bf16_probe(kRounds)); });
  limits.bf16 = macs / bf16;
  fmt::print("{:<10} limits of one thread: {:.1f} GB/s, int8 {:.1f} GMAC/s, bf16 {:.1f} GMAC/s\n",
             set.name, limits.read / 1e9, limits.int8 / 1e9, limits.bf16 / 1e9);
}

/// `next`: the matrix of the multiplication after this one.
void multiply(const KernelSet& set, const QuantizedMatrix& matrix, const QuantizedMatrix& next,
              int tokens, bool int8) {
  Pool& pool = Pool::shared();
  const float* rows[kMaxTileTokens];
  for (int t = 0; t < tokens; ++t) rows[t] = pool.floats.data() + t * matrix.cols;
  ActivationTile tile{pool.words.data(), pool.floats.data(), pool.sums.data(), 128, tokens};
  for (int64_t n = 0; n < matrix.rows; n += kPanelRowsMax) {
    const int64_t end = std::min(n + kPanelRowsMax, matrix.rows);
    tile.next = end < matrix.rows ? &matrix : &next;
    tile.next_row = end < matrix.rows ? end : 0;
    const ProductOutput output{pool.output.data() + n, matrix.rows};
    if (int8) int8_product(set, matrix.layout)(matrix, n, end, tile, output);
    else float_product(set, matrix.layout)(matrix, n, end, {rows, tokens}, output);
  }
}

void bench_product(const KernelSet& set, const Shape& shape, int tokens, bool in_cache) {
  // Weights that stay in a second-level cache: at most 512 KiB of them.
  const int64_t row_bytes = shape.cols * weight_bits(shape.layout) / 8;
  const int64_t cached_rows = std::min(shape.rows, (int64_t{512} << 10) / row_bytes);
  const QuantizedMatrix first = bench_matrix(shape, in_cache ? cached_rows : shape.rows);
  const int64_t bytes = first.rows * row_bytes;
  const int64_t places = in_cache ? 1 : kPoolBytes / bytes;
  const auto* base = reinterpret_cast<const std::byte*>(Pool::shared().weights.data());
  const bool int8 = std::string_view(shape.kernel).ends_with("int8");
  const double seconds = time_of([&](int64_t i) {
    QuantizedMatrix matrix = first;
    QuantizedMatrix next = first;
    matrix.weights = base + i * 7919 % places * bytes;  // no order that a prefetcher knows
    next.weights = base + (i + 1) * 7919 % places * bytes;
    multiply(set, matrix, next, tokens, int8);
  });
  print_line(set, shape.kernel,
             fmt::format("[{} x {}] {} tokens, {}", first.rows, first.cols, tokens,
                         in_cache ? "cache" : "memory"),
             static_cast<double>(matrix_bytes(first)),
             static_cast<double>(first.rows * first.cols * tokens), seconds);
}

void bench_delta(const KernelSet& set, bool chunked) {
  constexpr int64_t kDim = 128;
  for (const int64_t tokens : {int64_t{1}, kDeltaChunk}) {
    if (chunked && tokens == 1) continue;
    MemoryBlock state(kDim * kDim * sizeof(float));  // begins at a cache line, as states do
    std::fill_n(state.as<float>(), kDim * kDim, 0.1f);
    std::vector<float> rows(static_cast<size_t>(kDim * tokens), 0.08f);
    std::vector<float> output(rows.size());
    std::vector<float> gates(static_cast<size_t>(tokens), -0.1f);
    std::vector<float> betas(gates.size(), 0.5f);
    std::vector<float> scratch(static_cast<size_t>(delta_chunk_scratch(kDim, kDim)));
    const DeltaHead head{state.as<float>(),
                         rows.data(),
                         rows.data(),
                         kDim,
                         rows.data(),
                         kDim,
                         output.data(),
                         kDim,
                         gates.data(),
                         betas.data(),
                         1,
                         tokens,
                         kDim,
                         kDim};
    const double seconds = time_of([&](int64_t) {
      if (chunked) set.delta_chunked(head, scratch.data());
      else set.delta_recurrent(head);
    });
    // Bytes: the state in and out. Multiplications: two reads and one update of it per token.
    print_line(set, chunked ? "delta_chunked" : "delta_recurrent",
               fmt::format("[{} x {}] {} tokens", kDim, kDim, tokens), 2.0 * kDim * kDim * 4,
               3.0 * kDim * kDim * static_cast<double>(tokens), seconds);
  }
}

/// One token reads pages from memory; the queries of a prompt's unit meet one in a cache.
void bench_attend(const KernelSet& set, KvType type, int64_t queries) {
  constexpr int64_t kHeads = 8;
  constexpr int64_t kDim = 256;
  Pool& pool = Pool::shared();
  const int64_t part = kKvPageTokens * kDim * (type == KvType::kF32 ? 4 : 2);
  const int64_t places = queries > 1 ? 1 : kPoolBytes / (2 * part);
  const auto* base = reinterpret_cast<const std::byte*>(pool.weights.data());
  std::vector<float> carried(static_cast<size_t>(2 * kHeads * queries), 0.0f);
  AttentionBlock block;
  block.q = pool.floats.data();
  block.visible = kKvPageTokens;
  block.queries = queries;
  block.heads = kHeads;
  block.head_dim = kDim;
  block.maxima = carried.data();
  block.sums = carried.data() + kHeads * queries;
  block.output = pool.output.data();
  const double seconds = time_of([&](int64_t i) {
    block.keys = base + i * 7919 % places * 2 * part;
    block.values = static_cast<const std::byte*>(block.keys) + part;
    block.next_keys = base + (i + 1) * 7919 % places * 2 * part;
    if (type == KvType::kF32) set.attend_f32(block);
    else set.attend_bf16(block);
  });
  const double macs = 2.0 * static_cast<double>(kHeads * queries * kDim * kKvPageTokens);
  print_line(set, type == KvType::kF32 ? "attend_f32" : "attend_bf16",
             fmt::format("{} x {} rows, {}", queries, kHeads, queries > 1 ? "cache" : "memory"),
             2.0 * static_cast<double>(part), macs, seconds);
}

void bench_widen(const KernelSet& set) {
  constexpr int64_t kCount = kKvPageTokens * 256;
  Pool& pool = Pool::shared();
  const auto* codes = reinterpret_cast<const int8_t*>(pool.weights.data());
  const double seconds =
      time_of([&](int64_t) { set.widen_int8(codes, kCount, pool.scales.data()); });
  print_line(set, "widen_int8", fmt::format("{} values", kCount), 3.0 * kCount, kCount, seconds);
  std::fill(pool.scales.begin(), pool.scales.end(), uint16_t{0x2001});
}

void bench_elementwise(const KernelSet& set, std::string_view kernel) {
  constexpr int64_t kHidden = 2048;
  std::vector<float> x(kHidden, 0.5f);
  const std::vector<float> weight(kHidden, 1.01f);
  std::vector<float> y(kHidden, 0.25f);
  std::vector<int32_t> words(kHidden / 4 * kMaxTileTokens);
  std::vector<int32_t> sums(kHidden);
  const auto bench = [&](const char* name, double bytes, const std::function<void()>& run) {
    if (!kernel.empty() && kernel != name) return;
    print_line(set, name, fmt::format("{} values", kHidden), bytes * kHidden, kHidden,
               time_of([&](int64_t) { run(); }));
  };
  bench("rms_norm", 16, [&] { set.rms_norm(x.data(), weight.data(), kHidden, 1e-6f, y.data()); });
  bench("swiglu", 12, [&] {
    std::fill(y.begin(), y.end(), 0.25f);
    set.swiglu(y.data(), x.data(), kHidden);
  });
  bench("accumulate", 12, [&] { set.accumulate(x.data(), 1e-9f, kHidden, y.data()); });
  for (const int64_t stride : {int64_t{1}, int64_t{kMaxTileTokens}}) {
    bench("quantize_activations", 9, [&] {
      set.quantize_activations(x.data(), kHidden, 128, QuantLayout::kW4KPacked, stride,
                               words.data(), y.data(), sums.data());
    });
  }
}

}  // namespace

void run_bench(const KernelSet& set, std::string_view kernel) {
  measure_limits(set);
  const auto wanted = [&](const char* name) { return kernel.empty() || kernel == name; };
  for (const Shape& shape : kShapes) {
    if (!wanted(shape.kernel)) continue;
    std::vector<int> counts{1, 2, 4};
    for (const int tokens : {8, 10, 12, 20, set.tile_tokens}) {
      if (tokens <= set.tile_tokens && tokens > counts.back()) counts.push_back(tokens);
    }
    for (const bool in_cache : {true, false}) {
      for (const int tokens : counts) bench_product(set, shape, tokens, in_cache);
    }
  }
  if (wanted("delta_recurrent")) {
    bench_delta(set, false);
    for (const int threads : {1, 2}) bench_gated_delta(set, threads);
  }
  if (wanted("delta_chunked")) bench_delta(set, true);
  for (const int64_t queries : {1, 16}) {
    if (wanted("attend_f32")) bench_attend(set, KvType::kF32, queries);
    if (wanted("attend_bf16")) bench_attend(set, KvType::kBf16, queries);
  }
  if (wanted("widen_int8")) bench_widen(set);
  bench_elementwise(set, kernel);
}

}  // namespace hearth::kernel_check
