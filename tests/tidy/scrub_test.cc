#include "tools/tidy/scrub.h"

#include <gtest/gtest.h>

namespace hearth::tidy {
namespace {

TEST(Scrub, SeparatesCodeStringsAndComments) {
  const Scrubbed found = scrub("a = \"b // c\"; // d\n/* e\nf */ g\n", Language::kCpp);
  EXPECT_EQ(found.code, "a = \"      \";     \n    \n     g\n");
  EXPECT_EQ(found.strings, "     b // c       \n    \n      \n");
  EXPECT_EQ(found.comments, "              // d\n/* e\nf */  \n");
}

TEST(Scrub, KnowsEscapesRawStringsAndDigitSeparators) {
  const Scrubbed found = scrub("\"\\\"{\" R\"x({)\" })x\" 1'000 '{' u8'}'", Language::kCpp);
  EXPECT_EQ(found.code.find('{'), std::string::npos);
  EXPECT_EQ(found.code.find('}'), std::string::npos);
  EXPECT_NE(found.code.find("1'000"), std::string::npos);
}

TEST(Scrub, TellsRustLifetimesFromCharacters) {
  const Scrubbed found =
      scrub("fn f<'a>(x: &'a str) { '{'; '\\''; 'é'; r#\"}\"{\"# }", Language::kRust);
  EXPECT_EQ(found.code.find('{'), found.code.rfind('{'));
  EXPECT_EQ(found.code.find('}'), found.code.rfind('}'));
  EXPECT_NE(found.code.find("&'a str"), std::string::npos);
}

TEST(Scrub, PythonStringsMayTakeSeveralLines) {
  const Scrubbed found = scrub("x = \"\"\"a\n# b\"\"\"\n# c\n", Language::kPython);
  EXPECT_EQ(found.comments, "        \n      \n# c\n");
}

TEST(Scrub, ShellNumberSignsAreNotAllComments) {
  const Scrubbed found = scrub("echo $# ${x#y} # z\n", Language::kScript);
  EXPECT_EQ(found.comments, "               # z\n");
}

}  // namespace
}  // namespace hearth::tidy
