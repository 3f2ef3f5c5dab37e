// The table of parameters: values by flag and by JSON, ranges, messages, and its document.
#include "engine/sampling_parameters.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/error.h"

namespace hearth {
namespace {

using nlohmann::json;

const SamplingParameter& row(const std::string& name) {
  for (const SamplingParameter& found : sampling_parameters()) {
    if (found.name == name) return found;
  }
  throw std::invalid_argument(name);
}

SamplingParameters from_json(const char* text) {
  SamplingParameters parameters;
  set_from_json(parameters, json::parse(text));
  return parameters;
}

template <typename Action>
std::string message(const Action& action) {
  try {
    action();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

std::string json_message(const char* text) {
  return message([&] { from_json(text); });
}

std::string text_message(const char* name, const std::vector<std::string>& values) {
  SamplingParameters parameters;
  return message([&] { set_from_text(parameters, row(name), values); });
}

TEST(SamplingParameters, JsonSetsEveryParameter) {
  const SamplingParameters p = from_json(R"({
    "temperature": 0.5, "top_k": 7, "top_p": 0.75, "min_p": 0.125, "typical_p": 0.25,
    "repetition_penalty": 1.5, "presence_penalty": -1, "frequency_penalty": 2,
    "repeat_last_n": 64, "dry_multiplier": 0.5, "dry_base": 2, "dry_allowed_length": 3,
    "dry_penalty_last_n": 100, "dry_sequence_breakers": ["\n", "x"], "stop": "END",
    "logit_bias": {"5": -100, "7": 1.5}, "seed": 18446744073709551615, "model": "other"})");
  EXPECT_EQ(p.temperature, 0.5);
  EXPECT_EQ(p.top_k, 7);
  EXPECT_EQ(p.top_p, 0.75);
  EXPECT_EQ(p.min_p, 0.125);
  EXPECT_EQ(p.typical_p, 0.25);
  EXPECT_EQ(p.repetition_penalty, 1.5);
  EXPECT_EQ(p.presence_penalty, -1);
  EXPECT_EQ(p.frequency_penalty, 2);
  EXPECT_EQ(p.repeat_last_n, 64);
  EXPECT_EQ(p.dry_multiplier, 0.5);
  EXPECT_EQ(p.dry_base, 2);
  EXPECT_EQ(p.dry_allowed_length, 3);
  EXPECT_EQ(p.dry_penalty_last_n, 100);
  EXPECT_EQ(p.dry_sequence_breakers, (std::vector<std::string>{"\n", "x"}));
  EXPECT_EQ(p.stop, std::vector<std::string>{"END"});
  EXPECT_EQ(p.logit_bias, (std::vector<LogitBias>{{5, -100}, {7, 1.5}}));
  EXPECT_EQ(p.seed, std::numeric_limits<uint64_t>::max());
}

TEST(SamplingParameters, JsonTakesAliasesListsAndNull) {
  EXPECT_EQ(from_json(R"({"repeat_penalty": 1.25})").repetition_penalty, 1.25);
  EXPECT_EQ(from_json(R"({"repeat_penalty": 1.25, "repetition_penalty": 2})").repetition_penalty,
            2);
  EXPECT_EQ(from_json(R"({"repeat_penalty": 1.25, "repetition_penalty": null})").repetition_penalty,
            1.25);
  EXPECT_EQ(from_json(R"({"logit_bias": [[5, -1], [6, 2]]})").logit_bias,
            (std::vector<LogitBias>{{5, -1}, {6, 2}}));
  EXPECT_EQ(from_json(R"({"stop": ["a", "b"]})").stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(from_json(R"({"top_k": null, "stop": null})").top_k, 0);
  EXPECT_TRUE(from_json(R"({"dry_sequence_breakers": []})").dry_sequence_breakers.empty());
}

TEST(SamplingParameters, FlagsSetTheSame) {
  SamplingParameters p;
  set_from_text(p, row("temperature"), {"0.25"});
  set_from_text(p, row("top_k"), {"3", "7"});
  set_from_text(p, row("presence_penalty"), {"-1.5"});
  set_from_text(p, row("seed"), {"18446744073709551615"});
  set_from_text(p, row("logit_bias"), {"15=-100", "16=2.5"});
  set_from_text(p, row("stop"), {"one", "two"});
  EXPECT_EQ(p.temperature, 0.25);
  EXPECT_EQ(p.top_k, 7);  // the last one counts
  EXPECT_EQ(p.presence_penalty, -1.5);
  EXPECT_EQ(p.seed, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(p.logit_bias, (std::vector<LogitBias>{{15, -100}, {16, 2.5}}));
  EXPECT_EQ(p.stop, (std::vector<std::string>{"one", "two"}));
}

TEST(SamplingParameters, MessagesNameParameterValueAndRange) {
  EXPECT_EQ(json_message(R"({"top_p": 1.5})"), "top_p is 1.5: expected a number above 0, up to 1.");
  EXPECT_EQ(text_message("top_p", {"1.5"}), "--top-p is 1.5: expected a number above 0, up to 1.");
  EXPECT_EQ(json_message(R"({"repeat_penalty": 0})"),
            "repeat_penalty is 0: expected a number above 0, up to 100.");
  EXPECT_EQ(json_message(R"({"temperature": "hot"})"),
            "temperature is \"hot\": expected a number from 0 to 100.");
  EXPECT_EQ(text_message("temperature", {"hot"}),
            "--temp is \"hot\": expected a number from 0 to 100.");
  EXPECT_EQ(json_message(R"({"top_k": -1})"), "top_k is -1: expected an integer of 0 or more.");
  EXPECT_EQ(json_message(R"({"seed": -1})"), "seed is -1: expected a seed from 0 to 2^64 - 1.");
  EXPECT_EQ(text_message("logit_bias", {"5=101"}),
            "--logit-bias is 5=101: expected biases of tokens, from -100 to 100 each.");
  EXPECT_EQ(json_message(R"({"stop": ["a", ""]})"),
            "stop is empty: expected texts of 1 to 1024 bytes, at most 64.");
}

TEST(SamplingParameters, RefusesWhatIsNoValue) {
  for (const char* text :
       {R"({"top_k": 1.5})", R"({"top_k": 18446744073709551615})", R"({"top_k": true})",
        R"({"logit_bias": 5})", R"({"logit_bias": {"x": 1}})", R"({"logit_bias": {"5": "x"}})",
        R"({"logit_bias": {"-5": 1}})", R"({"logit_bias": [[5]]})", R"({"logit_bias": [5, 1]})",
        R"({"logit_bias": {"99999999999": 1}})", R"({"stop": 5})", R"({"stop": [5]})",
        R"({"seed": 1.5})", R"({"temperature": [1]})", R"({"temperature": 1e999})"}) {
    const auto parse = [&] { from_json(text); };
    EXPECT_ANY_THROW(parse()) << text;
  }
  for (const char* text : {"", "nan", "inf", "1x", " 1", "0,5", "1e999", "-0.1"}) {
    EXPECT_NE(text_message("temperature", {text}), "no error") << text;
  }
  for (const char* text : {"", "5", "5=", "=5", "5=nan", "x=1", "5=1=2"}) {
    EXPECT_NE(text_message("logit_bias", {text}), "no error") << text;
  }
  EXPECT_NE(text_message("stop", std::vector<std::string>(65, "a")), "no error");
  EXPECT_NE(text_message("stop", {std::string(1025, 'a')}), "no error");
  EXPECT_EQ(text_message("stop", {std::string(1024, 'a')}), "no error");
}

TEST(SamplingParameters, AFailedValueChangesNothing) {
  SamplingParameters p;
  EXPECT_ANY_THROW(set_from_json(p, json::parse(R"({"top_p": 2})")));
  EXPECT_EQ(p.top_p, 1);
}

TEST(SamplingParameters, EdgesOfRangesAreInOrOut) {
  for (const SamplingParameter& parameter : sampling_parameters()) {
    if (!std::holds_alternative<double SamplingParameters::*>(parameter.member)) continue;
    SamplingParameters p;
    const auto set = [&](double value) {
      const std::string key = parameter.name;
      return message([&] { set_from_json(p, json{{key, value}}); }) == "no error";
    };
    EXPECT_EQ(set(parameter.min), !parameter.above_min) << parameter.name;
    EXPECT_TRUE(set(parameter.max)) << parameter.name;
    EXPECT_FALSE(set(std::nextafter(parameter.min, -1e9))) << parameter.name;
    EXPECT_FALSE(set(std::nextafter(parameter.max, 1e9))) << parameter.name;
  }
}

TEST(SamplingParameters, DefaultsAreInRangeAndNamesAreUnique) {
  EXPECT_NO_THROW(check_sampling({}));
  std::multiset<std::string> names;
  for (const SamplingParameter& parameter : sampling_parameters()) {
    names.insert(parameter.name);
    if (*parameter.alias != 0) names.insert(parameter.alias);
    std::istringstream flags(parameter.flags);
    for (std::string flag; std::getline(flags, flag, ',');) names.insert(flag);
  }
  for (const std::string& name : names) EXPECT_EQ(names.count(name), 1) << name;
}

TEST(SamplingParameters, CheckpointsRecommendThem) {
  const SamplingParameters greedy = recommended_sampling({});
  EXPECT_EQ(greedy.temperature, 0);
  const SamplingParameters p = recommended_sampling({.temperature = 0.6,
                                                     .top_k = 20,
                                                     .top_p = 0.95,
                                                     .min_p = 0.1,
                                                     .typical_p = 0.9,
                                                     .repetition_penalty = 1.05,
                                                     .do_sample = true});
  EXPECT_EQ(p.temperature, 0.6);
  EXPECT_EQ(p.top_k, 20);
  EXPECT_EQ(p.top_p, 0.95);
  EXPECT_EQ(p.min_p, 0.1);
  EXPECT_EQ(p.typical_p, 0.9);
  EXPECT_EQ(p.repetition_penalty, 1.05);
}

std::string document_row(const SamplingParameter& parameter) {
  const auto code = [](const std::string& text) { return "`" + text + "`"; };
  std::string names = code(parameter.name);
  if (*parameter.alias != 0) names += ", " + code(parameter.alias);
  std::string flags;
  std::istringstream all(parameter.flags);
  for (std::string flag; std::getline(all, flag, ',');) {
    flags += (flags.empty() ? "" : ", ") + code(flag);
  }
  std::string initial = parameter.default_text();
  if (parameter.repeats() && initial != "none") initial = code(initial);
  return fmt::format("| {} | {} | {} {} | {} | {} |", names, flags, parameter.type(),
                     parameter.range(), initial, parameter.help);
}

TEST(SamplingParameters, TheDocumentHasTheTable) {
  std::ifstream file("docs/SAMPLING.md");
  std::vector<std::string> rows;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("| `", 0) == 0) rows.push_back(line);
  }
  std::vector<std::string> expected;
  for (const SamplingParameter& parameter : sampling_parameters()) {
    expected.push_back(document_row(parameter));
  }
  ASSERT_EQ(rows.size(), expected.size());
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i], expected[i]);
}

}  // namespace
}  // namespace hearth
