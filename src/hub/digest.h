// The checksums by which the Hub names its files: SHA-256 for large ones (git LFS), git's blob
// SHA-1 for small ones. A file in the cache is called by its checksum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct evp_md_ctx_st;  // of OpenSSL

namespace hearth {

enum class DigestKind { kSha256, kGitBlobSha1 };

/// By the number of lower-case hexadecimal digits, 64 or 40; nothing when it is no checksum.
std::optional<DigestKind> digest_kind(std::string_view name);

/// A checksum in the making.
class Digest {
 public:
  /// git's begins with the size of the file; the other one ignores it.
  Digest(DigestKind kind, uint64_t size);
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();

  void update(std::span<const std::byte> bytes);
  /// The checksum in lower-case hexadecimal. Ends the digest.
  std::string hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace hearth
