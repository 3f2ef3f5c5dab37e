#include "app/synth_tokenizer.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"

namespace hearth {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kReservedIds = 293;  // 151,936 − 151,643

struct AddedToken {
  std::string_view text;
  bool special;
};

constexpr std::array<AddedToken, 26> kAddedTokens = {{
    {"<|endoftext|>", true},      {"<|im_start|>", true},
    {"<|im_end|>", true},         {"<|object_ref_start|>", true},
    {"<|object_ref_end|>", true}, {"<|box_start|>", true},
    {"<|box_end|>", true},        {"<|quad_start|>", true},
    {"<|quad_end|>", true},       {"<|vision_start|>", true},
    {"<|vision_end|>", true},     {"<|vision_pad|>", true},
    {"<|image_pad|>", true},      {"<|video_pad|>", true},
    {"<tool_call>", false},       {"</tool_call>", false},
    {"<|fim_prefix|>", false},    {"<|fim_middle|>", false},
    {"<|fim_suffix|>", false},    {"<|fim_pad|>", false},
    {"<|repo_name|>", false},     {"<|file_sep|>", false},
    {"<tool_response>", false},   {"</tool_response>", false},
    {"<think>", false},           {"</think>", false},
}};

constexpr const char* kSplitPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

constexpr const char* kChatTemplate =
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}";

int64_t base_vocabulary(const ModelConfig& config) {
  const int64_t base = config.vocab_size - kReservedIds;
  CHECK(base >= 256);  // presets are ours
  return base;
}

/// UTF-8 of a code point below U+0800.
std::string utf8(unsigned code) {
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
}

/// The printable stand-ins of the 256 bytes in byte-level BPE: themselves where printable, else
/// code points from U+0100 up. In the order of Qwen's ids: the printable ones come first.
std::vector<std::string> byte_tokens() {
  std::vector<std::string> printable;
  std::vector<std::string> others;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool is_printable =
        (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    if (is_printable) {
      printable.push_back(utf8(byte));
    } else {
      others.push_back(utf8(0x100 + static_cast<unsigned>(others.size())));
    }
  }
  printable.insert(printable.end(), others.begin(), others.end());
  return printable;
}

/// Grows a vocabulary by merges of lower-case letters: pairs first, then pairs with a space before,
/// triples, and so on, until it is full. Every merge joins two tokens that are there.
class StubVocabulary {
 public:
  explicit StubVocabulary(int64_t size) : size_(size) {
    for (std::string& token : byte_tokens()) tokens_.push_back(std::move(token));
    const std::string space = utf8(0x120);
    std::vector<std::string> words;  // of the length reached
    for (char c = 'a'; c <= 'z'; ++c) words.emplace_back(1, c);
    while (!full()) {
      for (const std::string& word : words) merge(space, word);
      std::vector<std::string> longer;
      for (const std::string& word : words) {
        for (char c = 'a'; c <= 'z' && !full(); ++c) {
          merge(word, std::string(1, c));
          longer.push_back(word + c);
        }
      }
      words = std::move(longer);
    }
  }

  Json vocabulary() const {
    Json result = Json::object();
    // Appended to the vector inside, since each new key would be looked up otherwise.
    auto& rows = result.get_ref<Json::object_t&>();
    rows.reserve(tokens_.size());
    for (size_t id = 0; id < tokens_.size(); ++id) rows.emplace_back(tokens_[id], id);
    return result;
  }

  const std::vector<std::string>& merges() const { return merges_; }

 private:
  bool full() const { return tokens_.size() >= static_cast<size_t>(size_); }

  void merge(const std::string& left, const std::string& right) {
    if (full()) return;
    tokens_.push_back(left + right);
    merges_.push_back(left + " " + right);
  }

  int64_t size_;
  std::vector<std::string> tokens_;
  std::vector<std::string> merges_;
};

/// The fields that tokenizer.json and tokenizer_config.json have in common.
Json added_token_json(const AddedToken& token) {
  return {{"content", token.text}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false},       {"normalized", false},  {"special", token.special}};
}

}  // namespace

std::string stub_tokenizer_json(const ModelConfig& config) {
  const int64_t base = base_vocabulary(config);
  const StubVocabulary vocabulary(base);
  Json added = Json::array();
  for (size_t i = 0; i < kAddedTokens.size(); ++i) {
    Json token = {{"id", base + static_cast<int64_t>(i)}};
    token.update(added_token_json(kAddedTokens[i]));
    added.push_back(std::move(token));
  }
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", false},
                           {"use_regex", false}};
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", kSplitPattern}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  const Json tokenizer = {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", std::move(added)},
      {"normalizer", {{"type", "NFC"}}},
      {"pre_tokenizer",
       {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level})}}},
      {"post_processor", byte_level},
      {"decoder", byte_level},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", ""},
        {"end_of_word_suffix", ""},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", false},
        {"vocab", vocabulary.vocabulary()},
        {"merges", vocabulary.merges()}}},
  };
  return tokenizer.dump();
}

std::string stub_tokenizer_config_json(const ModelConfig& config) {
  const int64_t base = base_vocabulary(config);
  Json decoder = Json::object();
  for (size_t i = 0; i < kAddedTokens.size(); ++i) {
    decoder[fmt::format("{}", base + static_cast<int64_t>(i))] = added_token_json(kAddedTokens[i]);
  }
  const Json result = {{"add_bos_token", false},
                       {"add_prefix_space", false},
                       {"added_tokens_decoder", std::move(decoder)},
                       {"bos_token", nullptr},
                       {"chat_template", kChatTemplate},
                       {"clean_up_tokenization_spaces", false},
                       {"eos_token", "<|im_end|>"},
                       {"errors", "replace"},
                       {"model_max_length", config.max_positions},
                       {"pad_token", "<|endoftext|>"},
                       {"split_special_tokens", false},
                       {"tokenizer_class", "Qwen2Tokenizer"},
                       {"unk_token", nullptr}};
  return result.dump(2);
}

}  // namespace hearth
