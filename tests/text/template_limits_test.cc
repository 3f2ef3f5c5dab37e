// Templates are programs from strangers: what they may spend is bounded, and the error says so.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "tests/support/temp_folder.h"
#include "text/chat_template.h"

namespace hearth {
namespace {

std::string error_of(const std::string& source) {
  testing::TempFolder folder;
  testing::write_file(folder.path() / "chat_template.jinja", source);
  const ChatTemplate chat_template(folder.path());
  try {
    (void)chat_template.render(R"([{"role": "user", "content": "Hi"}])", "", {});
  } catch (const TemplateError& error) {
    EXPECT_EQ(error.code(), ExitCode::kFailure);
    EXPECT_EQ(error.name(), "chat_template.jinja");
    return error.what();
  }
  return "no error";
}

TEST(TemplateLimits, EndlessLoopsRunOutOfFuel) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(error_of("{% for a in range(99999) %}\n{% for b in range(99999) %}\n"
                     "{% set c = b %}{% endfor %}{% endfor %}"),
            "chat_template.jinja:3: the template runs too long");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(TemplateLimits, HugeOutputIsCut) {
  EXPECT_EQ(error_of("{% for a in range(99999) %}" + std::string(10000, 'x') + "{% endfor %}"),
            "chat_template.jinja: the template writes more than 64 MiB");
  EXPECT_EQ(error_of("{% for a in range(9999) %}{{ 'x' * 99999 }}{% endfor %}"),
            "chat_template.jinja: the template writes more than 64 MiB");
}

TEST(TemplateLimits, RecursionIsCut) {
  EXPECT_NE(error_of("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}").find("recursion"),
            std::string::npos);
  EXPECT_NE(error_of("{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}").find("recursion"),
            std::string::npos);
}

TEST(TemplateLimits, HugeValuesAreRefused) {
  for (const char* source :
       {"{{ range(10 ** 9) | list }}", "{{ 'x' * 10 ** 12 }}", "{{ [1] | tojson(indent=10 ** 9) }}",
        "{{ 10 ** 10 ** 10 }}", "{{ '%999999999999d' | format(1) }}",
        "{{ '{:>999999999999}'.format(1) }}"}) {
    EXPECT_NE(error_of(source), "no error") << source;
  }
}

TEST(TemplateLimits, DeepNestingIsRefused) {
  const std::string deep(100000, '[');
  testing::TempFolder folder;
  testing::write_file(folder.path() / "chat_template.jinja", "{{ messages }}{{ " + deep + " }}");
  EXPECT_THROW(ChatTemplate{folder.path()}, LoadError);
  testing::write_file(folder.path() / "chat_template.jinja", "{{ messages | tojson }}");
  EXPECT_THROW(ChatTemplate(folder.path()).render(deep, "", {}), TemplateError);
}

TEST(TemplateLimits, NothingOutsideIsReached) {
  for (const char* source : {"{% include '/etc/passwd' %}", "{% extends 'x' %}{{ 1 }}",
                             "{% import 'os' as os %}{{ os.x.y }}", "{{ ''.__class__.__mro__ }}"}) {
    EXPECT_NE(error_of(source), "no error") << source;
  }
}

}  // namespace
}  // namespace hearth
