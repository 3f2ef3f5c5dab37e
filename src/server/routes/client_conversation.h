// Messages for a template, out of the pieces in which other dialects than Chat Completions send a
// conversation.
#pragma once

#include <optional>
#include <string>

#include "server/dialect/json_fields.h"

namespace hearth {

class ClientConversation {
 public:
  /// Instructions of whoever runs the client. Templates know one such message, the first: what
  /// comes before the first answer joins it. Later ones stay where they are, as a remark, since
  /// everything behind a changed first message would have to be computed again.
  void instruct(const std::string& text);

  void say(const std::string& text);

  /// What a client adds on its own: part of the message before, so that it begins no new turn of
  /// the user. Templates forget the reasoning of the turns before.
  void remark(const std::string& text);

  // The model's own turn, which goes on until somebody else speaks.
  void think(const std::string& text);
  void answer(const std::string& text);
  /// `arguments` is an object.
  void call(const std::string& id, const std::string& name, Json arguments);

  void result(const std::string& call_id, const std::string& text);

  bool empty() const { return messages_.empty(); }
  /// The model's turn is the last one, and calls no tool.
  bool ends_with_answer() const;
  /// Of a ChatInput.
  Json messages() const;

 private:
  Json& own_turn();

  std::string instructions_;
  Json messages_ = Json::array();
  bool answered_ = false;
};

/// Arguments of an earlier call as an object, which some templates insist on; what is none is put
/// into one.
Json call_arguments(const std::string& text);

/// The object that a text is; nothing when it is none, or deeper than limits.h allows.
std::optional<Json> parse_object(const std::string& text);

}  // namespace hearth
