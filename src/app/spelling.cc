#include "app/spelling.h"

#include <algorithm>
#include <vector>

namespace hearth {
namespace {

/// Optimal string alignment: Levenshtein's distance, with a swap of neighbours as one error.
size_t typing_errors(std::string_view a, std::string_view b) {
  const size_t width = b.size() + 1;
  std::vector<size_t> errors((a.size() + 1) * width);  // [a.size() + 1, b.size() + 1]
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      size_t& cell = errors[i * width + j];
      if (i == 0 || j == 0) {
        cell = i + j;
        continue;
      }
      const size_t* above = &errors[(i - 1) * width];
      cell = std::min({above[j] + 1, errors[i * width + j - 1] + 1,
                       above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cell = std::min(cell, errors[(i - 2) * width + j - 2] + 1);
      }
    }
  }
  return errors.back();
}

}  // namespace

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  std::string best;
  size_t fewest = SIZE_MAX;
  for (const std::string& candidate : candidates) {
    const size_t letters = std::max(word.size(), candidate.size());
    size_t errors = typing_errors(word, candidate);
    // Half a word names it, too: --temperature and --temp.
    const size_t shared = std::min(word.size(), candidate.size());
    if (shared >= 4 && word.substr(0, shared) == candidate.substr(0, shared)) {
      errors = std::min(errors, (letters + 1) / 3);
    }
    if (errors * 3 > letters + 1 || errors >= fewest) continue;
    fewest = errors;
    best = candidate;
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> candidates) {
  const std::string best = nearest(word, candidates);
  return best.empty() ? "" : " Did you mean " + best + "?";
}

}  // namespace hearth
