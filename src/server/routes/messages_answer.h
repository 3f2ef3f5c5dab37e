// An answer as the Messages API of Anthropic tells it: as the events of a stream and as one object.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "answer/answer_event.h"
#include "server/dialect/json_fields.h"

namespace hearth {

/// How much of its reasoning a client wants to see.
enum class ThinkingBlocks : uint8_t {
  kHidden,   // it did not ask for any: no block
  kOmitted,  // a block without text, whose signature carries it
  kShown,
};

/// What is certain before the answer begins.
struct MessagesHead {
  std::string id;  // "msg_…"
  std::string model;
  ThinkingBlocks thinking = ThinkingBlocks::kShown;
};

class MessagesAnswer {
 public:
  explicit MessagesAnswer(MessagesHead head) : head_(std::move(head)) {}

  /// What a client that streams hears of an event, as server-sent events; often nothing. `now` is
  /// in seconds, of any clock.
  std::string take(const AnswerEvent& event, double now);

  /// The message as it stands: the answer to a client that does not stream, after the last event.
  Json object() const;

 private:
  enum class Kind : uint8_t { kThinking, kText, kCall };

  /// Of `content`.
  struct Block {
    Kind kind = Kind::kText;
    std::string id;  // of calls, like the name
    std::string name;
    std::string text;  // said so far; of calls, the input as JSON
  };

  void on(const AnswerAccepted& accepted) { prompt_tokens_ = accepted.prompt_tokens; }
  void on(const PromptProgress& progress);
  void on(const PromptLogprobs&) {}
  void on(const TextDelta& delta);
  void on(const ToolCallBegin& call);
  void on(const ToolCallArguments& arguments);
  void on(const ToolCallEnd& end);
  void on(const ChoiceFinished& finished);
  void on(const AnswerDone& done);
  void on(const AnswerFailed& failed);

  void begin();
  void open(Block block);
  void close(size_t index);
  void close_text();
  void delta(size_t index, Json what);
  void emit(const char* type, Json fields);
  Json block_json(const Block& block) const;
  Json usage() const;

  MessagesHead head_;
  std::string frames_;  // of the event being taken
  double now_ = 0;
  double last_frame_ = 0;
  bool begun_ = false;
  int64_t prompt_tokens_ = 0;
  int64_t cached_tokens_ = 0;
  int64_t output_tokens_ = 0;
  std::vector<Block> content_;
  std::optional<size_t> open_text_;  // index of the text or thinking that goes on
  std::map<int64_t, size_t> calls_;  // indices of calls that go on, by their number
  Json stop_reason_;
  Json stop_sequence_;
};

}  // namespace hearth
