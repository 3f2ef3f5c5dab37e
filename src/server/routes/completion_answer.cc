#include "server/routes/completion_answer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "server/dialect/openai_error.h"

namespace hearth {
namespace {

/// A token as text; what is only a part of a character as OpenAI wrote it: bytes:\xe2\x82.
std::string token_text(const std::string& bytes) {
  const Json quoted = bytes;
  try {
    quoted.dump();
    return bytes;
  } catch (const Json::type_error&) {
  }
  std::string text = "bytes:";
  for (const char c : bytes) {
    text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return text;
}

/// Tokens side by side: their texts, logprobs, likeliest others, and where they begin.
class Logprobs {
 public:
  /// A token of a prompt may have none.
  void add(const PlaceLogprobs& place, bool known) {
    tokens_.push_back(token_text(place.chosen.bytes));
    logprobs_.push_back(known ? Json(finite_logprob(place.chosen.logprob)) : Json());
    Json top;
    if (known) {
      top = Json::object();
      for (const TokenLogprob& other : place.top) {
        top[token_text(other.bytes)] = finite_logprob(other.logprob);
      }
      top[token_text(place.chosen.bytes)] = finite_logprob(place.chosen.logprob);
    }
    top_.push_back(std::move(top));
    offsets_.push_back(characters_);
    characters_ += std::ranges::count_if(
        place.chosen.bytes, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
  }

  bool empty() const { return tokens_.empty(); }

  /// What was added since the last call.
  Json take() {
    return {{"tokens", std::exchange(tokens_, Json::array())},
            {"token_logprobs", std::exchange(logprobs_, Json::array())},
            {"top_logprobs", std::exchange(top_, Json::array())},
            {"text_offset", std::exchange(offsets_, Json::array())}};
  }

 private:
  Json tokens_ = Json::array();
  Json logprobs_ = Json::array();
  Json top_ = Json::array();
  Json offsets_ = Json::array();
  int64_t characters_ = 0;
};

class CompletionWriter : public AnswerWriter {
 public:
  explicit CompletionWriter(CompletionHead head)
      : head_(std::move(head)),
        usage_(head_.prompts),
        choices_(head_.prompts * static_cast<size_t>(head_.choices)) {}

  std::string take(size_t request, const AnswerEvent& event) override {
    usage_.take(request, event);
    const auto index =
        request * static_cast<size_t>(head_.choices) + static_cast<size_t>(event.choice);
    if (std::holds_alternative<AnswerAccepted>(event.what)) {
      return head_.logprobs ? "" : echo(request);
    }
    if (const auto* const prompt = std::get_if<PromptLogprobs>(&event.what)) {
      return prompt_logprobs(request, *prompt);
    }
    if (const auto* const delta = std::get_if<TextDelta>(&event.what)) return text(index, *delta);
    if (const auto* const finished = std::get_if<ChoiceFinished>(&event.what)) {
      choices_.at(index).finish_reason = openai_finish_reason(finished->reason);
      return head_.sending.stream ? release(index) : "";
    }
    return "";
  }

  std::string finish() override {
    if (!head_.sending.stream) return whole();
    std::string text;
    if (head_.sending.include_usage) {
      Json last = object(Json::array());
      last["usage"] = usage_.usage();
      last["timings"] = usage_.timings();
      text = openai_chunk(last);
    }
    return text + kOpenAiStreamEnd;
  }

  HttpResponse refuse(const ApiError& error) override { return openai_refusal(error); }
  std::string fail(const ApiError& error) override {
    return openai_chunk(openai_error(error)) + kOpenAiStreamEnd;
  }

 private:
  /// Not sent yet.
  struct Choice {
    std::string text;
    Logprobs logprobs;
    const char* finish_reason = nullptr;
  };

  Json object(Json choices) const {
    return {{"id", head_.id},
            {"object", "text_completion"},
            {"created", head_.created},
            {"model", head_.model},
            {"system_fingerprint", "hearth-" + head_.version},
            {"choices", std::move(choices)}};
  }

  Json take_choice(size_t index) {
    Choice& choice = choices_.at(index);
    Json json = {{"index", index}, {"text", std::exchange(choice.text, {})}, {"logprobs", nullptr}};
    if (head_.logprobs && !choice.logprobs.empty()) json["logprobs"] = choice.logprobs.take();
    json["finish_reason"] = choice.finish_reason ? Json(choice.finish_reason) : Json();
    return json;
  }

  std::string release(size_t index) {
    Json json = object(Json::array({take_choice(index)}));
    if (head_.sending.include_usage) json["usage"] = nullptr;
    return openai_chunk(json);
  }

  /// The prompt's text, in each of its choices.
  std::string echo(size_t request) {
    if (head_.echoes.empty()) return "";
    std::string text;
    for (int64_t i = 0; i < head_.choices; ++i) {
      const size_t index = request * static_cast<size_t>(head_.choices) + static_cast<size_t>(i);
      choices_.at(index).text += head_.echoes.at(request);
      if (head_.sending.stream) text += release(index);
    }
    return text;
  }

  std::string prompt_logprobs(size_t request, const PromptLogprobs& prompt) {
    for (int64_t i = 0; i < head_.choices; ++i) {
      const size_t index = request * static_cast<size_t>(head_.choices) + static_cast<size_t>(i);
      for (size_t k = 0; k < prompt.tokens.size(); ++k) {
        choices_.at(index).logprobs.add(prompt.tokens[k], k > 0);
      }
    }
    return echo(request);
  }

  std::string text(size_t index, const TextDelta& delta) {
    if (delta.text.empty() && delta.logprobs.empty()) return "";
    Choice& choice = choices_.at(index);
    choice.text += delta.text;
    for (const PlaceLogprobs& place : delta.logprobs) choice.logprobs.add(place, true);
    return head_.sending.stream ? release(index) : "";
  }

  std::string whole() {
    Json choices = Json::array();
    for (size_t i = 0; i < choices_.size(); ++i) choices.push_back(take_choice(i));
    Json json = object(std::move(choices));
    json["usage"] = usage_.usage();
    json["timings"] = usage_.timings();
    return to_text(json);
  }

  const CompletionHead head_;
  UsageCount usage_;
  std::vector<Choice> choices_;  // of all prompts
};

}  // namespace

std::unique_ptr<AnswerWriter> completion_writer(CompletionHead head) {
  return std::make_unique<CompletionWriter>(std::move(head));
}

}  // namespace hearth
