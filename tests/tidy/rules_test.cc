// Each rule against a small offender, and against the neighbour that is fine.
#include "tools/tidy/rules.h"

#include <gtest/gtest.h>

namespace hearth::tidy {
namespace {

std::string repeat(const std::string& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

/// The rules that the file breaks, as `rule:line` with spaces between.
std::string broken(const std::string& path, const std::string& text) {
  std::string result;
  for (const Finding& finding : check_file({path, text})) {
    EXPECT_EQ(finding.path, path);
    EXPECT_FALSE(finding.message.empty());
    result += (result.empty() ? "" : " ") + finding.rule + ":" + std::to_string(finding.line);
  }
  return result;
}

struct Case {
  const char* name;
  std::string path;
  std::string text;
  std::string expected;
};

class Rules : public testing::TestWithParam<Case> {};

TEST_P(Rules, Finds) { EXPECT_EQ(broken(GetParam().path, GetParam().text), GetParam().expected); }

const Case kText[] = {
    {"Clean", "src/base/a.cc", "int a;\n", ""},
    {"Tab", "src/base/a.cc", "\tint a;\n", "whitespace:1"},
    {"TrailingSpace", "docs/A.md", "a \n", "whitespace:1"},
    {"CarriageReturn", "src/base/a.cc", "int a;\r\n", "whitespace:1"},
    {"NoFinalLineEnd", "tools/a.py", "a = 1", "whitespace:1"},
    {"LongLine", "CMakeLists.txt", "#" + repeat("x", 100) + "\n", "line-length:1"},
    {"LineOf100Columns", "src/base/a.cc", "//" + repeat("é", 98) + "\n", ""},
    {"LongLineInADocument", "README.md", repeat("x", 200) + "\n", ""},
    {"Script", "demo", "#!/bin/sh\n\techo\n", "whitespace:2"},
    {"UnknownLanguage", "tests/data.bin", "\t \r", ""},
    {"Todo", "src/base/a.cc", "int a;  // TODO: b\n", "todo:1"},
    {"TodoWithOwner", "src/base/a.cc", "int a;  // TODO(anna): b\n", ""},
    {"TodoInAString", "src/base/a.cc", "auto a = \"TODO\";\n", ""},
    {"FixmeInPython", "tools/a.py", "a = 1  # FIXME\n", "todo:1"},
};
INSTANTIATE_TEST_SUITE_P(Text, Rules, testing::ValuesIn(kText),
                         [](const auto& tested) { return std::string(tested.param.name); });

const Case kSizes[] = {
    {"LongFile", "src/base/a.cc", repeat("int a;\n", 601), "file-length:601"},
    {"FileOf600Lines", "src/base/a.cc", repeat("int a;\n", 600), ""},
    {"LongFunction", "src/base/a.cc", "void f() {\n" + repeat("a();\n", 69) + "}\n",
     "function-length:1"},
    {"FunctionOf70Lines", "src/base/a.cc", "void f() {\n" + repeat("a();\n", 68) + "}\n", ""},
    {"LongRustFunction", "src/text/rust/src/lib.rs", "fn f() {\n" + repeat("a();\n", 69) + "}\n",
     "function-length:1"},
    {"LongPythonFunction", "tools/a.py", "def f():\n" + repeat("    a()\n", 70),
     "function-length:1"},
};
INSTANTIATE_TEST_SUITE_P(Sizes, Rules, testing::ValuesIn(kSizes),
                         [](const auto& tested) { return std::string(tested.param.name); });

const Case kPlaces[] = {
    {"HeaderWithoutPragma", "src/base/a.h", "int a;\n", "include-guard:1"},
    {"HeaderWithPragma", "src/base/a.h", "// A.\n#pragma once\n", ""},
    {"ListToInclude", "src/kernels/a.inc", "int a;\n", ""},
    {"ConditionalInAList", "src/engine/a.inc", "#if X\n#endif\n", "preprocessor:1"},
    {"Conditional", "src/engine/a.cc", "#ifdef X\n#endif\n", "preprocessor:1"},
    {"ConditionalInAComment", "src/engine/a.cc", "// #if\n", ""},
    {"ConditionalInOs", "src/os/a.cc", "#ifdef __linux__\n#endif\n", ""},
    {"ConditionalInKernels", "src/kernels/avx2/a.cc", "#if X\n#endif\n", ""},
    {"Environment", "src/os/a.cc", "auto a = std::getenv(\"A\");\n", "environment:1"},
    {"EnvironmentInRust", "src/text/rust/src/lib.rs", "use a;\nstd::env::var(x);\n",
     "environment:2"},
    {"EnvironmentInApp", "src/app/a.cc", "auto a = getenv(\"A\");\n", ""},
    {"TensorName", "src/model/a.cc", "f(\"model.layers.{}.x\");\n", "tensor-name:1"},
    {"TensorNameInAComment", "src/model/a.cc", "// mlp.gate\n", ""},
    {"TensorNameInAFamily", "src/model/families/a.cc", "f(\"mlp.gate\");\n", ""},
    {"TensorNameInATest", "tests/model/a.cc", "f(\"mlp.gate\");\n", ""},
    {"ConfigField", "src/checkpoint/a.cc", "f(\"shared_expert_intermediate_size\");\n", ""},
};
INSTANTIATE_TEST_SUITE_P(Places, Rules, testing::ValuesIn(kPlaces),
                         [](const auto& tested) { return std::string(tested.param.name); });

const Case kIncludes[] = {
    {"Down", "src/app/a.cc", "#include \"base/error.h\"\n", ""},
    {"DownTransitively", "src/engine/a.cc", "#include \"tensor/dtype.h\"\n", ""},
    {"Up", "src/tensor/a.cc", "int a;\n#include \"kernels/kernel_set.h\"\n", "include-table:2"},
    {"Across", "src/engine/a.cc", "#include \"text/tokenizer.h\"\n", "include-table:1"},
    {"BackendSeesNoCheckpoint", "src/backend/a.cc", "#include \"checkpoint/checkpoint.h\"\n",
     "include-table:1"},
    {"NotFromTheRoot", "src/os/a.cc", "#include \"mapped_file.h\"\n", "include-table:1"},
    {"UnknownModule", "src/misc/a.cc", "int a;\n", "include-table:1"},
    {"TestsMayIncludeAll", "tests/os/a.cc", "#include \"app/options.h\"\n", ""},
    {"Cuda", "src/model/a.cc", "#include <cuda_runtime.h>\n", "include-table:1"},
    {"IsaVector", "src/kernels/avx2/a.cc", "#include <vector>\n", "isa-include:1"},
    {"IsaCmath", "src/kernels/avx512/a.cc", "#include <cmath>\n", "isa-include:1"},
    {"IsaIntrinsics", "src/kernels/avx2/a.cc", "#include <immintrin.h>\n#include <cstdint>\n", ""},
    {"IsaBase", "src/kernels/avx2/a.cc", "#include \"base/half.h\"\n", "isa-include:1"},
    {"IsaOther", "src/kernels/avx512/a.cc", "#include \"kernels/avx2/a.h\"\n", "isa-include:1"},
    {"IsaExtended", "src/kernels/avx512bf16/a.cc", "#include \"kernels/avx512/a.h\"\n", ""},
    {"IsaOwn", "src/kernels/avx2/a.cc", "#include \"kernels/avx2/a.h\"\n", ""},
    {"IsaShared", "src/kernels/avx2/a.h",
     "#pragma once\nnamespace a {\n#include \"kernels/a.inc\"\n}\n", ""},
    {"IsaReference", "src/kernels/avx2/a.cc", "#include \"kernels/reference/a.h\"\n",
     "isa-include:1"},
    {"Reference", "src/kernels/reference/a.cc", "#include <cmath>\n#include \"base/half.h\"\n", ""},
};
INSTANTIATE_TEST_SUITE_P(Includes, Rules, testing::ValuesIn(kIncludes),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST(Reach, InstructionSetFilesCallNoInlineFunctionOfAHeader) {
  const SourceFile user = {"src/kernels/avx2/a.cc",
                           "#include \"kernels/kernel_set.h\"\n// f()\nint g() { return f(); }\n"};
  const SourceFile other = {"src/kernels/avx2/b.cc", "#include \"kernels/kernel_set.h\"\n"};
  const SourceFile set = {"src/kernels/kernel_set.h", "#include \"tensor/matrix.h\"\n"};
  const SourceFile matrix = {"src/tensor/matrix.h", "inline int f() {\n  return 1;\n}\n"};
  EXPECT_TRUE(check_reach({other, set, matrix}).empty());
  const std::vector<Finding> findings = check_reach({user, other, set, matrix});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].path, user.path);
  EXPECT_EQ(findings[0].line, 3);
}

TEST(Reach, NoTemplateHeaderReachesInstructionSetFiles) {
  const SourceFile user = {"src/kernels/avx2/a.cc", "#include \"kernels/kernel_set.h\"\n"};
  const SourceFile set = {"src/kernels/kernel_set.h", "#include \"tensor/matrix.h\"\n"};
  const SourceFile matrix = {"src/tensor/matrix.h", "#include <cstdint>\n#include <array>\n"};
  const std::vector<Finding> findings = check_reach({user, set, matrix});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].path, matrix.path);
  EXPECT_EQ(findings[0].line, 2);
  EXPECT_TRUE(check_reach({set, matrix}).empty());
}

TEST(Links, MustLeadToAFileOrAFolder) {
  const SourceFile other = {"docs/B.md", "[a](A.md#there) [c](../src/base/) [d](https://d.e/f)\n"};
  const SourceFile target = {"src/base/a.cc", ""};
  EXPECT_TRUE(check_links({{"docs/A.md", "[b](B.md) [self](#here)\n"}, other, target}).empty());
  const std::vector<Finding> findings = check_links({other, target});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].rule, "link");
  EXPECT_EQ(findings[0].line, 1);
}

TEST(Names, AreThoseOfOneType) {
  const SourceFile one = {"src/a/a.h", "namespace hearth {\nstruct A {};\nclass B;\n}\n"};
  const SourceFile other = {"src/b/b.h", "namespace hearth {\nstruct A;\nclass B {\n};\n}\n"};
  const SourceFile nested = {"src/c/c.h", "namespace hearth::avx2 {\nstruct A {};\n}\n"};
  EXPECT_TRUE(check_names({one, other, nested}).empty());
  const SourceFile same = {"src/d/d.h", "namespace hearth {\n\nstruct A {\n};\n}\n"};
  const std::vector<Finding> findings = check_names({one, same});
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].path, "src/d/d.h");
  EXPECT_EQ(findings[0].line, 3);
  EXPECT_EQ(findings[0].rule, "one-name");
}

TEST(Exemptions, LetPassUpToTheirLimit) {
  const Finding long_function = {"src/a.cc", 3, "function-length", "long", "f", 80};
  const auto kept = [&](const std::string& line) {
    return apply_exemptions({long_function}, {"exemptions.txt", "# why\n" + line + "\n"}).size();
  };
  EXPECT_EQ(kept("src/a.cc:f function-length=80 a table"), 0u);
  EXPECT_EQ(kept("src/a.cc function-length=80 tables"), 0u);
  EXPECT_EQ(kept("src/a.cc:f function-length=79 a table"), 1u);
}

TEST(Exemptions, MustBeUsedAndWellFormed) {
  const Finding finding = {"src/a.cc", 3, "tensor-name", "name", "", 0};
  const auto kept = [&](const std::string& line) {
    return apply_exemptions({finding}, {"exemptions.txt", line + "\n"}).size();
  };
  EXPECT_EQ(kept("src/a.cc tensor-name writes checkpoints"), 0u);
  EXPECT_EQ(kept("src/a.cc tensor-name"), 2u);                     // no reason
  EXPECT_EQ(kept("src/b.cc tensor-name writes checkpoints"), 2u);  // exempts nothing
  EXPECT_EQ(kept("src/a.cc:g tensor-name writes checkpoints"), 2u);
}

}  // namespace
}  // namespace hearth::tidy
