// The tokens that may still be drawn, with their probabilities as integers.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace hearth {

/// A probability distribution over tokens that is cut down and then drawn from.
///
/// Weights are integers, 2^44 for the likeliest token (less for vocabularies above 2^19), rounded
/// from an exponential that consists of additions and multiplications only. Their sums are exact
/// in any order. So the same logits give the same tokens on every machine with IEEE 754 doubles,
/// whatever its math library and vector width; and no filter needs its candidates sorted. A token
/// that is 2^-45 times as likely as the likeliest, or less, is not drawn.
///
/// Every filter keeps at least one token. Of tokens that a filter cannot tell apart, the likelier
/// and then the lower id goes first; Hugging Face keeps all equals of the last that it keeps.
class Distribution {
 public:
  explicit Distribution(int64_t vocab_size);

  /// The softmax of logits/temperature, temperature > 0. `largest` is the largest logit, finite;
  /// the others are finite or -inf. They have to stay until the draw.
  void assign(std::span<const float> logits, float largest, double temperature) noexcept;
  /// The same of the k largest logits; Fan et al. 2018, arXiv:1805.04833.
  void assign_top_k(std::span<const float> logits, float largest, double temperature,
                    int64_t k) noexcept;

  /// The fewest likeliest tokens whose probabilities reach p; Holtzman et al. 2019,
  /// arXiv:1904.09751.
  void keep_top_p(double p) noexcept;
  /// What is at least p times as likely as the likeliest; Nguyen et al. 2024, arXiv:2407.01082.
  void keep_min_p(double p) noexcept;
  /// The fewest tokens that reach p, those first whose information, -ln of the probability, is
  /// nearest to the entropy; Meister et al. 2022, arXiv:2202.00666.
  void keep_typical(double p) noexcept;

  int32_t draw(std::mt19937_64& random) noexcept;

 private:
  struct Candidate {
    uint64_t weight;
    float logit;
    int32_t token;
  };

  template <typename Less>
  size_t reach(uint64_t target, Less less) noexcept;
  void gather(uint64_t bound) noexcept;
  void keep_first(size_t count) noexcept;
  uint64_t share(double p) const noexcept;

  int weight_bits_;
  std::span<const float> logits_;      // [vocab]
  std::vector<uint64_t> weights_;      // [vocab] of all tokens
  std::vector<Candidate> candidates_;  // [vocab], the first count_ of them
  bool gathered_ = false;              // the distribution is that of the candidates
  bool in_order_ = false;              // they are in the order of ids
  size_t count_ = 0;
  uint64_t total_ = 0;  // sum of the weights
};

/// The largest of the logits, -inf when there is none; not a number is passed over.
float largest_logit(std::span<const float> logits) noexcept;

}  // namespace hearth
