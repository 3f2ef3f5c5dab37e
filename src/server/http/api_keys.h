// The keys that clients may show.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth {

/// Keeps SHA-256 hashes only. How long a comparison takes depends on the number of keys and on the
/// length of what was shown, and on nothing that a client could learn from.
class ApiKeys {
 public:
  /// Throws UsageError for a key that no header could carry.
  explicit ApiKeys(const std::vector<std::string>& keys);

  bool empty() const { return hashes_.empty(); }
  bool contains(std::string_view key) const;

 private:
  using Hash = std::array<uint8_t, 32>;

  std::vector<Hash> hashes_;
};

}  // namespace hearth
