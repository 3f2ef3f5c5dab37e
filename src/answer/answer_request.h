// A request for an answer in text, as every interface of hearth turns into one.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/sampling_parameters.h"

namespace hearth {

/// A conversation, to be answered.
struct ChatInput {
  /// As a template wants them: role, content, reasoning_content, tool_calls, tool_call_id, name.
  /// Contents are strings; at most one system message, the first.
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();
  /// {"type": "function", "function": {"name", "description", "parameters"}} each.
  nlohmann::ordered_json tools = nlohmann::ordered_json::array();
  /// More variables for the template, e.g. {"enable_thinking": false}.
  nlohmann::ordered_json template_arguments = nlohmann::ordered_json::object();
  /// The last message is the assistant's, and the answer goes on with it.
  bool continues_last = false;
};

/// A text or its tokens, to be continued as it is.
using RawInput = std::variant<std::string, std::vector<int32_t>>;

/// Whether the model may, must or must not call tools.
struct ToolChoice {
  enum class Mode : uint8_t { kAuto, kNone, kRequired, kNamed };
  Mode mode = Mode::kAuto;
  std::string name = {};  // of kNamed
  bool parallel = true;   // more than one call in an answer
};

/// What the answer, reasoning aside, has to look like.
struct AnswerFormat {
  enum class Kind : uint8_t { kText, kJsonObject, kJsonSchema, kRegex, kLark };
  Kind kind = Kind::kText;
  std::string source = {};  // the schema as JSON, the expression, the grammar
};

struct AnswerRequest {
  std::variant<ChatInput, RawInput> input;
  SamplingParameters sampling = {};  // with the stop strings
  /// Most tokens of each answer; none: what the context leaves.
  std::optional<int64_t> max_tokens = {};
  /// Most tokens of reasoning; none: as many as it takes.
  std::optional<int64_t> thinking_budget = {};
  int64_t choices = 1;  // answers, each drawn by itself
  ToolChoice tool_choice = {};
  AnswerFormat format = {};
  /// Tell with each token of the answer its logprob and those of this many others, 0 to 20.
  std::optional<int64_t> top_logprobs = {};
  /// Tell the same of the prompt's tokens before the answer. Needs top_logprobs.
  bool prompt_logprobs = false;
  bool ends_at_end_token = true;  // false: goes on behind it
  bool keeps_states = true;       // for later prompts that begin like this one
  int64_t priority = 0;           // higher ones are admitted first
  std::string client = {};        // of equals, who has the fewest answers running is next
};

}  // namespace hearth
