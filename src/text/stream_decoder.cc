#include "text/stream_decoder.h"

#include <cstddef>
#include <string_view>

namespace hearth {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

bool in_range(unsigned char byte, unsigned char first, unsigned char last) {
  return byte >= first && byte <= last;
}

/// Bytes in the code point that `lead` begins; 0: none begins so.
size_t sequence_size(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (in_range(lead, 0xC2, 0xDF)) return 2;
  if (in_range(lead, 0xE0, 0xEF)) return 3;
  if (in_range(lead, 0xF0, 0xF4)) return 4;
  return 0;
}

/// Whether `byte` may be at `index` (from 1) of the code point that `lead` begins. The second byte
/// has narrower bounds after some leads: no overlong forms, no surrogates, none past U+10FFFF.
bool continues(unsigned char lead, size_t index, unsigned char byte) {
  if (index > 1) return in_range(byte, 0x80, 0xBF);
  switch (lead) {
    case 0xE0: return in_range(byte, 0xA0, 0xBF);
    case 0xED: return in_range(byte, 0x80, 0x9F);
    case 0xF0: return in_range(byte, 0x90, 0xBF);
    case 0xF4: return in_range(byte, 0x80, 0x8F);
    default: return in_range(byte, 0x80, 0xBF);
  }
}

/// Moves what is decided from `bytes` to the result: code points, and U+FFFD for each longest
/// ill-formed part, as Unicode advises and Rust does. An unfinished code point stays.
std::string take_decided(std::string& bytes) {
  std::string text;
  size_t start = 0;
  while (start < bytes.size()) {
    const auto lead = static_cast<unsigned char>(bytes[start]);
    const size_t size = sequence_size(lead);
    size_t have = 1;
    while (have < size && start + have < bytes.size() &&
           continues(lead, have, static_cast<unsigned char>(bytes[start + have]))) {
      ++have;
    }
    if (have < size && start + have == bytes.size()) break;
    if (have == size) {
      text.append(bytes, start, size);
    } else {
      text += kReplacement;
    }
    start += have;
  }
  bytes.erase(0, start);
  return text;
}

}  // namespace

StreamDecoder::StreamDecoder(const Tokenizer& tokenizer, bool skip_special)
    : tokenizer_(&tokenizer), skip_special_(skip_special) {}

std::string StreamDecoder::push(int32_t id) {
  if (skip_special_ && tokenizer_->is_special(id)) return {};
  pending_ += tokenizer_->token_text(id);
  return take_decided(pending_);
}

std::string StreamDecoder::flush() {
  const bool unfinished = !pending_.empty();
  pending_.clear();
  return unfinished ? std::string(kReplacement) : std::string();
}

}  // namespace hearth
