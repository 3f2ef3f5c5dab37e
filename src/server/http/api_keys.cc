#include "server/http/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>

#include "base/error.h"

namespace hearth {
namespace {

std::array<uint8_t, 32> sha256(std::string_view text) {
  std::array<uint8_t, 32> hash;
  SHA256(reinterpret_cast<const uint8_t*>(text.data()), text.size(), hash.data());
  return hash;
}

}  // namespace

ApiKeys::ApiKeys(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    const auto is_visible = [](char c) { return c > ' ' && c < 0x7F; };
    if (key.empty() || !std::ranges::all_of(key, is_visible)) {
      throw UsageError(
          "an API key is empty or has characters that no header carries. Use visible ASCII "
          "characters without spaces.");
    }
    hashes_.push_back(sha256(key));
  }
}

bool ApiKeys::contains(std::string_view key) const {
  const Hash shown = sha256(key);
  int matches = 0;
  for (const Hash& hash : hashes_) {  // all of them, whichever matches
    matches += CRYPTO_memcmp(hash.data(), shown.data(), hash.size()) == 0;
  }
  return matches > 0;
}

}  // namespace hearth
