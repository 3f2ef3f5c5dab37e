// An answer as the Responses API of OpenAI tells it: as the events of a stream and as one object.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "answer/answer_event.h"
#include "server/dialect/json_fields.h"

namespace hearth {

/// What is certain before the answer begins.
struct ResponsesHead {
  std::string id;  // "resp_…"
  std::string model;
  int64_t created_at = 0;  // Unix time in seconds
  /// Fields of the object that repeat the request.
  Json echo = Json::object();
  /// Reasoning travels in encrypted_content, too: a client that keeps nothing but this sends it
  /// back, and the next prompt begins as this one ended.
  bool carries_reasoning = false;
};

class ResponsesAnswer {
 public:
  explicit ResponsesAnswer(ResponsesHead head) : head_(std::move(head)) {}

  /// What a client that streams hears of an event, as server-sent events; often nothing. `now` is
  /// Unix time in seconds. A failure before anything else makes a whole stream, too.
  std::string take(const AnswerEvent& event, double now);

  /// The object as it stands: the answer to a client that does not stream, after the last event.
  Json object() const;

  bool ended() const { return status_ != "in_progress"; }

 private:
  enum class Kind : uint8_t { kReasoning, kMessage, kCall };

  /// Of `output`.
  struct Item {
    Kind kind = Kind::kMessage;
    std::string id;
    std::string call_id;  // of calls, like the name
    std::string name;
    std::string text;               // said so far; of calls, the arguments
    Json logprobs = Json::array();  // of the text, where they were asked for
    const char* status = "in_progress";
  };

  void on(const AnswerAccepted&) { begin(); }
  void on(const PromptProgress&);
  void on(const PromptLogprobs&) {}
  void on(const TextDelta& delta);
  void on(const ToolCallBegin& call);
  void on(const ToolCallArguments& arguments);
  void on(const ToolCallEnd& end);
  void on(const ChoiceFinished& finished);
  void on(const AnswerDone& done);
  void on(const AnswerFailed& failed);

  void begin();
  void open(Item item);
  void close(size_t index, const char* status);
  void close_text(const char* status);
  void emit(const char* type, Json fields);
  void emit_of(const char* type, size_t index, Json fields);
  void emit_part(const char* type, size_t index, Json fields);
  Json item_json(const Item& item, bool with_content) const;

  ResponsesHead head_;
  std::string frames_;  // of the event being taken
  double now_ = 0;
  double last_frame_ = 0;
  int64_t sequence_ = 0;
  bool begun_ = false;
  std::string status_ = "in_progress";
  bool cut_ = false;  // at max_output_tokens
  std::vector<Item> output_;
  std::optional<size_t> open_text_;  // index of the message or reasoning that goes on
  std::map<int64_t, size_t> calls_;  // indices of calls that go on, by their number
  Json usage_;
  Json error_;
};

}  // namespace hearth
