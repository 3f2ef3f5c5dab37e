// Stop strings: the same answer for every way that a text can be split, and no part of one shown.
#include "text/stop_strings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/error.h"

namespace hearth {
namespace {

struct Answer {
  std::string text;
  bool stopped = false;

  bool operator==(const Answer&) const = default;
};

/// The definition: looks at each end of the text in turn, for the longest that stops there.
Answer reference(const std::vector<std::string>& stops, const std::string& text) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const std::string& stop : stops) {
      const bool fits =
          stop.size() <= end && text.compare(end - stop.size(), stop.size(), stop) == 0;
      if (fits) longest = std::max(longest, stop.size());
    }
    if (longest > 0) return {text.substr(0, end - longest), true};
  }
  return {text, false};
}

/// Bytes at the end of the text that may become a stop string.
size_t undecided(const std::vector<std::string>& stops, const std::string& text) {
  size_t longest = 0;
  for (const std::string& stop : stops) {
    for (size_t length = 1; length < stop.size() && length <= text.size(); ++length) {
      const bool fits = text.compare(text.size() - length, length, stop, 0, length) == 0;
      if (fits) longest = std::max(longest, length);
    }
  }
  return longest;
}

/// Bit i of `cuts`: a new piece starts after byte i.
Answer streamed(StopStrings& stops, const std::string& text, uint64_t cuts) {
  Answer answer;
  std::string piece;
  for (size_t i = 0; i < text.size(); ++i) {
    piece += text[i];
    if ((cuts >> i & 1) == 0 && i + 1 < text.size()) continue;
    answer.text += stops.push(piece);
    piece.clear();
  }
  answer.stopped = stops.stopped();
  answer.text += stops.flush();
  return answer;
}

TEST(StopStrings, EverySplitOfATextGivesTheSame) {
  const std::vector<std::vector<std::string>> sets = {
      {"END"}, {"a"}, {"aab", "ab"}, {"abcd", "bc"}, {"aaaa"}, {"abab", "babb", "bb"}, {}};
  const std::vector<std::string> texts = {"so it ENDs",  "EENENDE",    "EN",         "aaaabaaab",
                                          "abcabcd",     "abababb",    "aaabaaaaab", "",
                                          "xxabcxabcdx", "bababbabaab"};
  for (const auto& set : sets) {
    StopStrings stops(set);
    for (const std::string& text : texts) {
      const Answer expected = reference(set, text);
      for (uint64_t cuts = 0; cuts < uint64_t{1} << text.size(); ++cuts) {
        ASSERT_EQ(streamed(stops, text, cuts), expected) << text << " cut by " << cuts;
      }
    }
  }
}

TEST(StopStrings, RandomTextsAndSetsGiveWhatTheDefinitionSays) {
  std::mt19937_64 random(1);
  const auto word = [&](size_t most) {
    std::string text;
    for (size_t length = 1 + random() % most; length > 0; --length) {
      text += static_cast<char>('a' + random() % 3);
    }
    return text;
  };
  int stopped = 0;
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::string> set;
    for (uint64_t count = 1 + random() % 4; count > 0; --count) set.push_back(word(7));
    const std::string text = word(40);
    StopStrings stops(set);
    const Answer expected = reference(set, text);
    ASSERT_EQ(streamed(stops, text, random()), expected) << text;
    stopped += expected.stopped ? 1 : 0;
  }
  EXPECT_GT(stopped, 2000);
  EXPECT_LT(stopped, 19000);
}

TEST(StopStrings, HoldsBackOnlyWhatMayBecomeOne) {
  std::mt19937_64 random(2);
  const std::vector<std::string> set = {"abcabd", "bca", "</s>"};
  for (int i = 0; i < 2000; ++i) {
    StopStrings stops(set);
    std::string text;
    std::string shown;
    while (text.size() < 60) {
      text += "abcd</s>"[random() % 8];
      shown += stops.push(text.substr(text.size() - 1));
      if (stops.stopped()) break;
      ASSERT_EQ(shown.size(), text.size() - undecided(set, text)) << text;
    }
  }
}

TEST(StopStrings, NothingIsShownAfterAStopAndFlushStartsAnew) {
  StopStrings stops({"stop"});
  EXPECT_EQ(stops.push("go, st"), "go, ");
  EXPECT_EQ(stops.push("op and on"), "");
  EXPECT_TRUE(stops.stopped());
  EXPECT_EQ(stops.push("more"), "");
  EXPECT_EQ(stops.flush(), "");
  EXPECT_FALSE(stops.stopped());
  EXPECT_EQ(stops.push("op st"), "op ");
  EXPECT_EQ(stops.flush(), "st");
}

TEST(StopStrings, CharactersStayWhole) {
  // Both arrows start with the same two bytes.
  StopStrings stops({"\u2192!"});
  EXPECT_EQ(stops.push("a\u2190"), "a\u2190");
  EXPECT_EQ(stops.push("\u2192"), "");
  EXPECT_EQ(stops.push("?"), "\u2192?");
}

TEST(StopStrings, AnEmptyOneIsRefused) { EXPECT_THROW(StopStrings({"a", ""}), UsageError); }

}  // namespace
}  // namespace hearth
