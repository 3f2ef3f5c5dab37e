// What matrix products have in common: what is expected of them, and the rules that hold for all.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/kernel_set.h"
#include "tests/kernels/check.h"
#include "tests/kernels/random.h"

namespace hearth::kernel_check {

/// One product of a matrix with a tile of tokens.
struct ProductCase {
  int64_t rows = 0;
  int tokens = 0;
  /// Calls the kernel for tokens [first, first + count) and rows [begin, end).
  std::function<void(int first, int count, int64_t begin, int64_t end, const ProductOutput& output)>
      run;
  /// [tokens][rows]: the exact result, how far from it a result may be, and the norm Σ|w·x|.
  std::vector<double> expected;
  std::vector<double> tolerance;
  std::vector<double> norm;
};

/// The whole product against what is expected; then parts of it, tokens alone and split rows,
/// which must have the same bits. Nothing but the output may be written.
void check_product(const ProductCase& product, Check& check, Random& random);

}  // namespace hearth::kernel_check
