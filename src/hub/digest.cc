#include "hub/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace hearth {
std::optional<DigestKind> digest_kind(std::string_view name) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (!std::all_of(name.begin(), name.end(), is_hex)) return {};
  if (name.size() == 64) return DigestKind::kSha256;
  if (name.size() == 40) return DigestKind::kGitBlobSha1;
  return {};
}

void Digest::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Digest::Digest(DigestKind kind, uint64_t size) : context_(EVP_MD_CTX_new()) {
  const EVP_MD* method = kind == DigestKind::kSha256 ? EVP_sha256() : EVP_sha1();
  CHECK(context_ && EVP_DigestInit_ex(context_.get(), method, nullptr) == 1);
  if (kind == DigestKind::kGitBlobSha1) {
    const std::string head = fmt::format("blob {}", size);  // with the zero at its end
    update(std::as_bytes(std::span(head.c_str(), head.size() + 1)));
  }
}

Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

void Digest::update(std::span<const std::byte> bytes) {
  CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::string Digest::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned count = 0;
  CHECK(EVP_DigestFinal_ex(context_.get(), bytes.data(), &count) == 1);
  std::string text;
  for (unsigned i = 0; i < count; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

}  // namespace hearth
