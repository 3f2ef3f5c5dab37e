// The real Qwen3 tokenizer against Hugging Face's `tokenizers`, recorded by
// tools/reference/record_text.py. fetch_qwen3_tokenizer.sh brings the tokenizer.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/temp_folder.h"
#include "tests/text/string_source.h"
#include "text/chat_template.h"
#include "text/stream_decoder.h"

namespace hearth {
namespace {

using Json = nlohmann::json;
using testing::Digest;

const std::filesystem::path kFolder = HEARTH_QWEN3_TOKENIZER;

class Qwen3Tokenizer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(kFolder / "tokenizer.json")) {
      const auto reason = kFolder / "skipped";
      GTEST_SKIP() << (std::filesystem::exists(reason) ? testing::read_file(reason)
                                                       : "the Qwen3 tokenizer was not fetched");
    }
    static const Tokenizer kTokenizer(kFolder);
    tokenizer_ = &kTokenizer;
  }

  std::string digest_of_ids(const std::vector<std::string>& strings, bool parse_special) const {
    Digest digest;
    for (const std::string& string : strings) {
      const std::vector<int32_t> ids = tokenizer_->encode(string, parse_special);
      for (const int32_t id : ids) digest.add(id);
      digest.add(static_cast<int32_t>(ids.size()));
    }
    return hex(digest);
  }

  static std::string hex(const Digest& digest) {
    char text[17];
    std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(digest.value()));
    return text;
  }

  /// Checks every block of one kind of strings.
  void check_digests(const std::string& wanted, std::string (*make)(int64_t), int64_t count) const {
    std::ifstream file("tests/text/golden/token_digests.txt");
    int64_t checked = 0;
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string kind, strings_digest, ids_digest, plain_digest;
      int64_t start = 0;
      words >> kind >> start >> strings_digest >> ids_digest >> plain_digest;
      if (kind != wanted) continue;
      std::vector<std::string> strings;
      Digest digest;
      for (int64_t i = start; i < std::min(count, start + testing::kStringBlock); ++i) {
        strings.push_back(make(i));
        digest.add(strings.back());
      }
      ASSERT_EQ(hex(digest), strings_digest) << "the generators differ: " << kind << ' ' << start;
      EXPECT_EQ(digest_of_ids(strings, true), ids_digest) << kind << ' ' << start;
      if (!plain_digest.empty()) {
        EXPECT_EQ(digest_of_ids(strings, false), plain_digest) << kind << ' ' << start;
      }
      checked += static_cast<int64_t>(strings.size());
    }
    EXPECT_EQ(checked, count);
  }

  std::string streamed(std::span<const int32_t> ids, bool skip_special) const {
    StreamDecoder decoder(*tokenizer_, skip_special);
    std::string text;
    for (const int32_t id : ids) {
      const std::string piece = decoder.push(id);
      // Invalid UTF-8 would make the library replace something.
      EXPECT_NO_THROW(Json(piece).dump()) << "not UTF-8";
      text += piece;
    }
    return text + decoder.flush();
  }

  const Tokenizer* tokenizer_ = nullptr;
};

TEST_F(Qwen3Tokenizer, EveryCodePointAlone) {
  check_digests("alone", testing::alone_string, testing::kCodePoints);
}

TEST_F(Qwen3Tokenizer, EveryCodePointInCompany) {
  check_digests("embedded", testing::embedded_string, testing::kEmbeddedStrings);
}

TEST_F(Qwen3Tokenizer, Mixtures) {
  check_digests("mixed", testing::mixed_string, testing::kMixedStrings);
}

TEST_F(Qwen3Tokenizer, ExplicitCases) {
  std::ifstream file("tests/text/golden/encodings.jsonl");
  int rows = 0;
  for (std::string line; std::getline(file, line); ++rows) {
    const Json row = Json::parse(line);
    const std::string text = row["text"];
    EXPECT_EQ(tokenizer_->encode(text), row["ids"].get<std::vector<int32_t>>()) << row["text"];
    EXPECT_EQ(tokenizer_->encode(text, false), row["plain"].get<std::vector<int32_t>>())
        << row["text"];
  }
  EXPECT_GE(rows, 300);
}

TEST_F(Qwen3Tokenizer, KnownEncodingsAndTokens) {
  EXPECT_EQ(tokenizer_->encode("Hello world"), (std::vector<int32_t>{9707, 1879}));
  EXPECT_EQ(tokenizer_->encode(" Hello world"), (std::vector<int32_t>{21927, 1879}));
  EXPECT_EQ(tokenizer_->encode(""), std::vector<int32_t>{});
  EXPECT_EQ(tokenizer_->vocab_size(), 151669);
  EXPECT_EQ(tokenizer_->token_id("<|im_end|>"), 151645);
  EXPECT_EQ(tokenizer_->token_id("</think>"), 151668);
  EXPECT_EQ(tokenizer_->token_id("\u0120world"), 1879);
  EXPECT_EQ(tokenizer_->token_id("no such token"), std::nullopt);
  EXPECT_TRUE(tokenizer_->is_special(151645));
  EXPECT_FALSE(tokenizer_->is_special(151667)) << "<think> is added, but not special";
  EXPECT_FALSE(tokenizer_->is_special(9707));
  EXPECT_FALSE(tokenizer_->is_special(-1));
  EXPECT_EQ(tokenizer_->token_text(1879), " world");
  EXPECT_EQ(tokenizer_->token_text(151645), "<|im_end|>");
  EXPECT_EQ(tokenizer_->token_text(151669), "");
  EXPECT_EQ(tokenizer_->token_text(-1), "");
}

TEST_F(Qwen3Tokenizer, SpecialTokensInTextAreTextWhenAsked) {
  const std::string text = "a<|im_end|><think>b</think>";
  EXPECT_EQ(tokenizer_->encode(text), (std::vector<int32_t>{64, 151645, 151667, 65, 151668}));
  const std::vector<int32_t> plain = tokenizer_->encode(text, false);
  for (const int32_t id : plain) EXPECT_LT(id, 151643);
  EXPECT_EQ(tokenizer_->decode(plain, true), text);
}

TEST_F(Qwen3Tokenizer, DecodingKeepsWhatIsNotSpecial) {
  const std::vector<int32_t> ids = {151644, 151667, 9707, 151668, 151645};
  EXPECT_EQ(tokenizer_->decode(ids, false), "<|im_start|><think>Hello</think><|im_end|>");
  EXPECT_EQ(tokenizer_->decode(ids, true), "<think>Hello</think>");
  EXPECT_EQ(tokenizer_->decode(std::vector<int32_t>{9707, -1, 1 << 30, 1879}, false),
            "Hello world");
}

TEST_F(Qwen3Tokenizer, TextComesBack) {
  for (int64_t i = 0; i < testing::kMixedStrings; i += 11) {
    // Normalisation changes a text once; what it gives, it keeps.
    const std::string text =
        tokenizer_->decode(tokenizer_->encode(testing::mixed_string(i)), false);
    EXPECT_EQ(tokenizer_->decode(tokenizer_->encode(text), false), text) << i;
  }
  const std::string composed = "Zoë isst 3 Äpfel, 你好 \U0001F600\n";
  EXPECT_EQ(tokenizer_->decode(tokenizer_->encode(composed), false), composed);
}

TEST_F(Qwen3Tokenizer, IllFormedTextIsReadWithReplacements) {
  EXPECT_EQ(tokenizer_->encode("a\xFFz"), tokenizer_->encode("a\uFFFDz"));
  EXPECT_EQ(tokenizer_->encode("\xE4\xBD"), tokenizer_->encode("\uFFFD"));
}

TEST_F(Qwen3Tokenizer, StreamingGivesWhatDecodingGives) {
  uint64_t state = 1;
  for (int round = 0; round < 4000; ++round) {
    std::vector<int32_t> ids;
    for (int i = 0; i < 24; ++i) {
      state = state * 6364136223846793005 + 1442695040888963407;
      // Every other id stands for a single byte: most code points are broken then.
      const auto draw = static_cast<int32_t>(state >> 40);
      ids.push_back(round % 2 == 0 ? draw % 256 : draw % 151700 - 10);
    }
    for (const bool skip : {false, true}) {
      ASSERT_EQ(streamed(ids, skip), tokenizer_->decode(ids, skip)) << round;
    }
  }
  for (int64_t i = 0; i < testing::kMixedStrings; i += 37) {
    const std::vector<int32_t> ids = tokenizer_->encode(testing::mixed_string(i));
    ASSERT_EQ(streamed(ids, true), tokenizer_->decode(ids, true)) << i;
  }
}

TEST_F(Qwen3Tokenizer, ThreadsShareOne) {
  std::vector<std::thread> threads;
  const std::vector<int32_t> expected = tokenizer_->encode(testing::mixed_string(5));
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = 0; i < 300; ++i)
        (void)tokenizer_->encode(testing::mixed_string(300 * t + i));
      EXPECT_EQ(tokenizer_->encode(testing::mixed_string(5)), expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(Qwen3Tokenizer, ItsOwnTemplateRendersAsTransformers) {
  const ChatTemplate chat_template(kFolder);
  std::ifstream file("tests/text/golden/templates.jsonl");
  int rows = 0;
  for (std::string line; std::getline(file, line); ++rows) {
    const Json row = Json::parse(line);
    const Json& outcome = row["rendered"]["qwen3"];
    const TemplateOptions options{.add_generation_prompt = row["add_generation_prompt"],
                                  .extra_json = row.value("extra", "")};
    const auto render = [&] {
      return chat_template.render(row["messages"].get<std::string>(), row.value("tools", ""),
                                  options);
    };
    if (outcome.contains("error")) {
      EXPECT_THROW(render(), TemplateError) << row["messages"];
    } else {
      EXPECT_EQ(render(), outcome["text"].get<std::string>()) << row["messages"];
    }
  }
  EXPECT_GE(rows, 200);
}

}  // namespace
}  // namespace hearth
