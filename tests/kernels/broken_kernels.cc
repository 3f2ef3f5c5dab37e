#include "tests/kernels/broken_kernels.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "kernels/ladder.h"
#include "tests/kernels/kernel_cases.h"

namespace hearth::kernel_check {
namespace {

// Each does what the reference does, and one thing more or less.

void sum_off_by_one(const float* x, int64_t cols, int64_t block, QuantLayout order, int64_t stride,
                    int32_t* words, float* scales, int32_t* sums) {
  reference_kernels().quantize_activations(x, cols, block, order, stride, words, scales, sums);
  sums[(cols / block - 1) * stride] += 1;
}

/// A saturating maddubs: the largest pair of w4 products, seldom.
void last_row_slightly_wrong(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                             const ActivationTile& input, const ProductOutput& output) {
  reference_kernels().matmul_w4_int8(matrix, row_begin, row_end, input, output);
  float& last = output.values[row_end - row_begin - 1];
  last += last * 1e-4f;
}

void zero_offset_masked(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                        const ActivationTile& input, const ProductOutput& output) {
  QuantizedMatrix other = matrix;
  other.zero_offset = 0;
  reference_kernels().matmul_w8_int8(other, row_begin, row_end, input, output);
}

void starts_at_the_first_block(const QuantizedMatrix& matrix, int64_t block_begin,
                               int64_t block_end, const ActivationTile& input, int32_t* sums) {
  reference_kernels().block_sums_w4(matrix, 0, block_end - block_begin, input, sums);
}

void forgets_zero_points(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                         const ActivationTile& input, const int32_t* sums, float* y) {
  QuantizedMatrix other = matrix;
  other.zeros = nullptr;
  reference_kernels().scale_sums_w8(other, row_begin, row_end, input, sums, y);
}

void depends_on_batch(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                      const FloatTile& input, const ProductOutput& output) {
  reference_kernels().matmul_f32(matrix, row_begin, row_end, input, output);
  if (input.tokens == 4) output.values[0] = std::nextafterf(output.values[0], 1e9f);
}

void writes_past_its_rows(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                          const FloatTile& input, const ProductOutput& output) {
  reference_kernels().matmul_bf16(matrix, row_begin, row_end, input, output);
  if (output.stride > row_end - row_begin) output.values[row_end - row_begin] = 0.0f;
}

void drops_the_last_input(const QuantizedMatrix& matrix, int64_t row_begin, int64_t row_end,
                          const FloatTile& input, const ProductOutput& output) {
  const uint16_t* weights = static_cast<const uint16_t*>(matrix.weights);
  reference_kernels().matmul_f16(matrix, row_begin, row_end, input, output);
  QuantizedMatrix column = matrix;  // the last one alone, row by row
  column.rows = 1;
  column.cols = 1;
  for (int64_t n = row_begin; n < row_end; ++n) {
    column.weights = weights + n * matrix.cols + matrix.cols - 1;
    const float* last = input.rows[0] + matrix.cols - 1;
    float term = 0;
    reference_kernels().matmul_f16(column, 0, 1, {&last, 1}, {&term, 1});
    output.values[n - row_begin] -= term;
  }
}

void reads_past_its_input(const float* x, const float* weight, int64_t n, float eps, float* y) {
  reference_kernels().rms_norm(x, weight, n, eps, y);
  const volatile float next = x[n];
  static_cast<void>(next);
}

void writes_past_its_output(float* gate, const float* up, int64_t n) {
  reference_kernels().swiglu(gate, up, n);
  gate[n] = 0.0f;
}

void overflows_far_out(float* x, const float* gate, int64_t n) {
  reference_kernels().sigmoid_gate(x, gate, n);
  for (int64_t i = 0; i < n; ++i) {
    if (gate[i] < -100.0f) x[i] = NAN;
  }
}

void forgets_history(const ConvRun& run) {
  ConvRun other = run;
  float nowhere[16];
  const bool small = run.channels == 1 && run.taps <= 4;
  if (small) {
    for (int i = 0; i + 1 < run.taps; ++i) nowhere[i] = run.history[i * run.weight_stride];
    other.history = nowhere;
    other.weight_stride = 1;
    float weights[4];
    for (int i = 0; i < run.taps; ++i) weights[i] = run.weights[i * run.weight_stride];
    other.weights = weights;
    return reference_kernels().conv_silu(other);
  }
  reference_kernels().conv_silu(other);
}

/// log(1 + e^x) as it reads: 1 swallows what is small.
void loses_small_softplus(const DeltaGates& gates) {
  reference_kernels().delta_gates(gates);
  for (int64_t t = 0; t < gates.tokens; ++t) {
    const float power = std::exp(gates.a[t * gates.stride] + gates.bias);
    if (power < 1.0f) gates.log_decay[t] = gates.rate * std::log(1.0f + power);
  }
}

void reads_before_decay(const DeltaHead& head) {
  DeltaHead other = head;
  const float none = 0.0f;
  if (head.tokens == 1) other.log_decay = &none;
  reference_kernels().delta_recurrent(other);
}

void writes_past_its_scratch(const DeltaHead& head, float* scratch) {
  reference_kernels().delta_chunked(head, scratch);
  scratch[delta_chunk_scratch(head.key_dim, head.columns)] = 0.0f;
}

void forgets_earlier_pages(const AttentionBlock& block) {
  for (int64_t r = 0; r < block.queries * block.heads; ++r) block.sums[r] = 0.0f;
  reference_kernels().attend_f32(block);
}

void sees_the_future(const AttentionBlock& block) {
  AttentionBlock other = block;
  other.visible += block.queries > 1 ? 1 : 0;
  reference_kernels().attend_bf16(other);
}

void widens_to_unsigned(const int8_t* codes, int64_t count, uint16_t* halves) {
  reference_kernels().widen_int8(codes, count, halves);
  for (int64_t i = 0; i < count; ++i) halves[i] = halves[i] & uint16_t{0x7FFF};
}

struct Mistake {
  const char* kernel;
  const char* what;
  void (*make)(KernelSet& set);
};

constexpr Mistake kMistakes[] = {
    {"quantize_activations", "a sum off by one",
     [](KernelSet& s) { s.quantize_activations = sum_off_by_one; }},
    {"matmul_w4_int8", "one row off by a ten-thousandth",
     [](KernelSet& s) { s.matmul_w4_int8 = last_row_slightly_wrong; }},
    {"matmul_w8_int8", "zero_offset ignored",
     [](KernelSet& s) { s.matmul_w8_int8 = zero_offset_masked; }},
    {"block_sums_w4", "the first blocks always",
     [](KernelSet& s) { s.block_sums_w4 = starts_at_the_first_block; }},
    {"block_sums_w8", "zero points forgotten",
     [](KernelSet& s) { s.scale_sums_w8 = forgets_zero_points; }},
    {"matmul_f32", "other bits in a batch of four",
     [](KernelSet& s) { s.matmul_f32 = depends_on_batch; }},
    {"matmul_bf16", "a write between rows of the output",
     [](KernelSet& s) { s.matmul_bf16 = writes_past_its_rows; }},
    {"matmul_f16", "the last input dropped",
     [](KernelSet& s) { s.matmul_f16 = drops_the_last_input; }},
    {"rms_norm", "a read past the input", [](KernelSet& s) { s.rms_norm = reads_past_its_input; }},
    {"swiglu", "a write past the output", [](KernelSet& s) { s.swiglu = writes_past_its_output; }},
    {"sigmoid_gate", "NaN for extreme gates",
     [](KernelSet& s) { s.sigmoid_gate = overflows_far_out; }},
    {"conv_silu", "history not updated", [](KernelSet& s) { s.conv_silu = forgets_history; }},
    {"delta_gates", "softplus cut off at small values",
     [](KernelSet& s) { s.delta_gates = loses_small_softplus; }},
    {"delta_recurrent", "no decay for single tokens",
     [](KernelSet& s) { s.delta_recurrent = reads_before_decay; }},
    {"delta_chunked", "a write past the scratch",
     [](KernelSet& s) { s.delta_chunked = writes_past_its_scratch; }},
    {"attend_f32", "earlier pages forgotten",
     [](KernelSet& s) { s.attend_f32 = forgets_earlier_pages; }},
    {"attend_bf16", "a token seen too early",
     [](KernelSet& s) { s.attend_bf16 = sees_the_future; }},
    {"widen_int8", "signs dropped", [](KernelSet& s) { s.widen_int8 = widens_to_unsigned; }},
};

/// In a child process, whose output is of no interest: a mistake may end it.
bool is_noticed(const Mistake& mistake) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere < 0 || dup2(nowhere, STDOUT_FILENO) < 0) _exit(2);
    KernelSet set = reference_kernels();
    set.name = "broken";
    mistake.make(set);
    Check check(true);
    _exit(run_cases(*find_kernel(mistake.kernel), set, check) ? 0 : 1);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 1;
}

}  // namespace

bool run_self_test() {
  bool all = true;
  for (const Mistake& mistake : kMistakes) {
    const bool noticed = is_noticed(mistake);
    fmt::print("{} self-test {}: {} {}\n", noticed ? "ok  " : "FAIL", mistake.kernel, mistake.what,
               noticed ? "is noticed" : "goes unnoticed");
    all = all && noticed;
  }
  return all;
}

}  // namespace hearth::kernel_check
