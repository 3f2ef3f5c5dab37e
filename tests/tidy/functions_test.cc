#include "tools/tidy/functions.h"

#include <gtest/gtest.h>

namespace hearth::tidy {
namespace {

std::string describe(const std::string& text, Language language = Language::kCpp) {
  std::string result;
  for (const Function& function : find_functions(scrub(text, language).code, language)) {
    result += function.name + ":" + std::to_string(function.first_line) + "+" +
              std::to_string(function.line_count) + " ";
  }
  return result;
}

TEST(Functions, FindsFreeFunctionsInNamespaces) {
  EXPECT_EQ(describe("namespace a {\nint f() {\n  if (x) { y(); }\n}\n\nvoid g() {}\n}\n"),
            "f:2+3 g:6+1 ");
}

TEST(Functions, CountsSignatureAndBody) {
  EXPECT_EQ(describe("template <typename T>\nstd::vector<T> f(\n    int a,\n    int b) {\n}\n"),
            "f:1+5 ");
}

TEST(Functions, FindsMembersConstructorsAndOperators) {
  EXPECT_EQ(describe("class A : public B {\n public:\n  explicit A(int x) : B{x}, y_(x) {\n  }\n"
                     "  ~A() { close(); }\n  bool operator==(const A& o) const {\n    return y;\n"
                     "  }\n  int y_ = 0;\n};\n"),
            "A:3+2 ~A:5+1 operator==:6+3 ");
}

TEST(Functions, KeepsSuiteAndCaseOfATest) {
  EXPECT_EQ(describe("TEST(Suite, Case) {\n  EXPECT_EQ(1, 1);\n}\n"), "Suite.Case:1+3 ");
}

TEST(Functions, IgnoresInitialisersEnumsAndDirectives) {
  EXPECT_EQ(describe("enum class E : int { kA };\nconst int kTable[] = {\n  f(1),\n};\n"
                     "#define OPEN {\nconstexpr std::array<R, 2> kRows = {{\n {1, g(2)}\n}};\n"),
            "");
}

TEST(Functions, FindsRustFunctions) {
  EXPECT_EQ(
      describe("impl<'a> X<'a> {\n  pub fn f(&self) -> char {\n    '{'\n  }\n}\n"
               "static A: [B; 1] = [B { c: 1 }];\n#[no_mangle]\npub extern \"C\" fn g() {\n}\n",
               Language::kRust),
      "f:2+3 g:7+3 ");
}

TEST(Functions, FindsPythonFunctions) {
  EXPECT_EQ(describe("def f(a,\n      b):\n    x\n\n    y\n\n\nclass A:\n    def g(self):\n"
                     "        return 1\n\nz = 1\n",
                     Language::kPython),
            "f:1+5 g:9+2 ");
}

}  // namespace
}  // namespace hearth::tidy
