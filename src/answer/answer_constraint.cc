#include "answer/answer_constraint.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "answer/api_error.h"
#include "base/check.h"
#include "os/thread_priority.h"

namespace hearth {
namespace {

constexpr int64_t kWordBits = 32;
/// Grammars that are kept. Thirty tools compile in 20 to 40 ms; their copy takes 0.02 ms.
constexpr size_t kCompiledMax = 16;

bool contains(std::span<const int32_t> ids, int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

AnswerConstraint::AnswerConstraint(TokenMatcher matcher, const ConstraintTokens& tokens,
                                   bool starts_in_thinking)
    : matcher_(std::move(matcher)),
      tokens_(tokens),
      thinking_(starts_in_thinking && tokens.thinking_end),
      words_(static_cast<size_t>((tokens.count + kWordBits - 1) / kWordBits)) {}

void AnswerConstraint::allow(std::span<const int32_t> ids) {
  for (const int32_t id : ids) words_[static_cast<size_t>(id / kWordBits)] |= 1U << id % kWordBits;
}

std::span<const uint32_t> AnswerConstraint::allowed() {
  if (thinking_) {
    std::fill(words_.begin(), words_.end(), ~0U);
    for (const int32_t id : tokens_.ends) {
      words_[static_cast<size_t>(id / kWordBits)] &= ~(1U << id % kWordBits);
    }
    return words_;
  }
  try {
    if (error_.empty()) matcher_.mask(words_);
  } catch (const GrammarError& error) {
    error_ = error.what();
  }
  if (!error_.empty()) {
    std::fill(words_.begin(), words_.end(), 0U);
    allow(tokens_.ends);
  }
  if (gap_) allow(tokens_.line_ends);
  return words_;
}

void AnswerConstraint::accept(int32_t token) {
  if (thinking_) {
    thinking_ = token != *tokens_.thinking_end;
    gap_ = !thinking_;
    return;
  }
  const bool gap = std::exchange(gap_, false);
  if (contains(tokens_.ends, token) || !error_.empty()) return;
  try {
    if (gap && contains(tokens_.line_ends, token)) return;
    matcher_.accept(token);
  } catch (const GrammarError& error) {
    error_ = error.what();
  }
}

ConstraintCompiler::ConstraintCompiler(const Tokenizer& tokenizer, std::vector<int32_t> end_tokens,
                                       int64_t token_count, CallForm form)
    : tokenizer_(tokenizer), form_(form) {
  tokens_.count = token_count;
  tokens_.ends = std::move(end_tokens);
  tokens_.thinking_end = tokenizer.token_id("</think>");
  for (const char* text : {"Ċ", "ĊĊ"}) {  // as tokenizers spell line ends
    if (const auto id = tokenizer.token_id(text)) tokens_.line_ends.push_back(*id);
  }
}

ConstraintCompiler::~ConstraintCompiler() {
  if (warm_up_.joinable()) warm_up_.join();
}

void ConstraintCompiler::warm_up() {
  CHECK(!warm_up_.joinable());
  warm_up_ = std::thread([this] {
    lower_thread_priority();
    try {
      compiler();
    } catch (const std::exception&) {
      // Who asks for a constraint will hear of it.
    }
  });
}

/// Two threads may both make one: nobody waits for the one that has a low priority.
std::shared_ptr<const GrammarCompiler> ConstraintCompiler::compiler() {
  {
    const std::lock_guard lock(mutex_);
    if (compiler_) return compiler_;
  }
  auto made = std::make_shared<const GrammarCompiler>(tokenizer_, tokens_.ends);
  const std::lock_guard lock(mutex_);
  if (!compiler_) compiler_ = std::move(made);
  return compiler_;
}

TokenMatcher ConstraintCompiler::compiled(const std::vector<Grammar>& grammars) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = std::find_if(compiled_.begin(), compiled_.end(),
                                    [&](const auto& each) { return each.grammars == grammars; });
    if (known != compiled_.end()) {
      compiled_.splice(compiled_.begin(), compiled_, known);
      return known->matcher.fork();
    }
  }
  TokenMatcher matcher = compiler()->compile(grammars);
  TokenMatcher answer = matcher.fork();
  const std::lock_guard lock(mutex_);
  ++compilations_;
  compiled_.push_front({grammars, std::move(matcher)});
  if (compiled_.size() > kCompiledMax) compiled_.pop_back();
  return answer;
}

int64_t ConstraintCompiler::compilations() const {
  const std::lock_guard lock(mutex_);
  return compilations_;
}

std::optional<TokenMatcher> ConstraintCompiler::compile(const AnswerRequest& request) {
  const std::vector<Grammar> grammars = answer_grammars(request, form_);
  if (grammars.empty()) return std::nullopt;
  try {
    return compiled(grammars);
  } catch (const GrammarError& error) {
    refuse(request, error.what());
  }
}

/// Names the part of the request at fault.
void ConstraintCompiler::refuse(const AnswerRequest& request, const std::string& message) {
  const auto refuse_if_bad = [&](AnswerRequest part, const std::string& parameter) {
    try {
      const std::vector<Grammar> grammars = answer_grammars(part, form_);
      if (!grammars.empty()) compiler()->compile(grammars);
    } catch (const GrammarError& error) {
      throw ApiError(ApiError::Kind::kInvalid,
                     fmt::format("{} cannot be followed: {}. Simplify it or leave it out.",
                                 parameter, error.what()),
                     parameter);
    }
  };
  AnswerRequest format{.input = ChatInput{}};
  format.format = request.format;
  refuse_if_bad(format, "response_format");
  const auto* chat = std::get_if<ChatInput>(&request.input);
  for (size_t i = 0; chat && i < chat->tools.size(); ++i) {
    ChatInput alone;
    alone.tools.push_back(chat->tools[i]);
    AnswerRequest call{.input = std::move(alone)};
    call.tool_choice.mode = ToolChoice::Mode::kRequired;
    refuse_if_bad(std::move(call), fmt::format("tools[{}].function.parameters", i));
  }
  throw ApiError(ApiError::Kind::kInvalid,
                 "the tools together cannot be followed: " + message + ". Send fewer of them.",
                 "tools");
}

}  // namespace hearth
