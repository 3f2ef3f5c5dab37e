#include "tests/kernels/products.h"

#include <algorithm>

#include "tests/kernels/guarded_buffer.h"

namespace hearth::kernel_check {
namespace {

/// Output with a stride larger than its rows.
struct GuardedOutput {
  int tokens;
  int64_t rows;
  int64_t stride;
  Guarded<float> values;

  GuardedOutput(int token_count, int64_t row_count, Random& random)
      : tokens(token_count),
        rows(row_count),
        stride(row_count + random.integer(0, 5)),
        values((token_count - 1) * stride + row_count, random.coin() ? Edge::kEnd : Edge::kBegin) {
    std::fill(values.begin(), values.end(), unwritten());
  }

  ProductOutput view(int64_t from = 0) const { return {values.data() + from, stride}; }
  float at(int token, int64_t row) const { return values[token * stride + row]; }

  void check_surroundings(Check& check) const {
    check.require(values.intact(), "wrote outside the output");
    for (int64_t i = 0; i < values.size(); ++i) {
      if (i % stride >= rows && !is_unwritten(values[i])) {
        check.fail("wrote between the rows of the output");
        return;
      }
    }
  }
};

void compare_bits(const char* what, const GuardedOutput& part, int first_token,
                  const GuardedOutput& whole, Check& check) {
  part.check_surroundings(check);
  for (int t = 0; t < part.tokens; ++t) {
    for (int64_t n = 0; n < part.rows; ++n) {
      check.same(what, first_token + t, n, part.at(t, n), whole.at(first_token + t, n));
    }
  }
}

void check_fewer_tokens(const ProductCase& product, int first, int count,
                        const GuardedOutput& whole, Check& check, Random& random) {
  const GuardedOutput part(count, product.rows, random);
  product.run(first, count, 0, product.rows, part.view());
  compare_bits(count == 1 ? "token alone" : "fewer tokens", part, first, whole, check);
}

/// Row ranges of any size, one call each, from the first to the last or backwards: what a call
/// writes beyond either end of its range overwrites rows that are already there.
void check_split_rows(const ProductCase& product, const GuardedOutput& whole, Check& check,
                      Random& random) {
  const GuardedOutput part(product.tokens, product.rows, random);
  std::vector<int64_t> cuts{0};
  while (cuts.back() < product.rows) {
    const int64_t left = product.rows - cuts.back();
    cuts.push_back(cuts.back() + random.integer(1, std::min<int64_t>(left, 50)));
  }
  const bool backwards = random.coin();
  const size_t ranges = cuts.size() - 1;
  for (size_t i = 0; i < ranges; ++i) {
    const size_t range = backwards ? ranges - 1 - i : i;
    product.run(0, product.tokens, cuts[range], cuts[range + 1], part.view(cuts[range]));
  }
  compare_bits("split rows", part, 0, whole, check);
}

}  // namespace

void check_product(const ProductCase& product, Check& check, Random& random) {
  const GuardedOutput whole(product.tokens, product.rows, random);
  product.run(0, product.tokens, 0, product.rows, whole.view());
  whole.check_surroundings(check);
  for (int t = 0; t < product.tokens; ++t) {
    for (int64_t n = 0; n < product.rows; ++n) {
      const size_t i = static_cast<size_t>(t * product.rows + n);
      check.near("y", t, n, whole.at(t, n), product.expected[i], product.tolerance[i],
                 product.norm[i]);
    }
  }
  if (product.tokens > 1) {
    const int last = product.tokens - 1;
    check_fewer_tokens(product, static_cast<int>(random.integer(0, last)), 1, whole, check, random);
    check_fewer_tokens(product, last, 1, whole, check, random);
    check_fewer_tokens(product, 1, last, whole, check, random);
    const int half = product.tokens / 2;
    if (half > 1) check_fewer_tokens(product, 0, half, whole, check, random);
  }
  check_split_rows(product, whole, check, random);
}

}  // namespace hearth::kernel_check
