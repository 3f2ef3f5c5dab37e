// Tool calls in the text of an answer, found while it arrives: those in JSON
// (<tool_call>{"name": …, "arguments": {…}}</tool_call>) and those in XML
// (<tool_call><function=NAME><parameter=NAME>…</parameter></function></tool_call>), whichever the
// model was taught, and with the mistakes that models are known to make in them.
//
// Nothing is lost: what turns out to be no call is text. Arguments are passed on as they come, and
// together are a JSON object. The result does not depend on how the text is split.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/call_reader.h"
#include "text/tool_schemas.h"

namespace hearth {

class ToolCallParser {
 public:
  /// With `known_only`, calls of tools that the request does not have are text; otherwise that is
  /// so only for calls within a line of text. The schemas must outlive the parser.
  ToolCallParser(const ToolSchemas& schemas, bool known_only)
      : schemas_(schemas), known_only_(known_only) {}

  /// Text that follows; whole characters.
  std::vector<ToolPiece> push(std::string_view text);

  /// The end of the text: ends a call that has begun, with its arguments completed.
  std::vector<ToolPiece> flush();
  /// The text was cut off: ends a call that has begun and leaves its arguments as they are, so that
  /// nobody acts on half of them.
  std::vector<ToolPiece> cut();

 private:
  enum class State { kText, kCall, kAfter };
  using Pieces = std::vector<ToolPiece>;

  void run(bool last, Pieces& pieces);
  bool take_text(bool last, Pieces& pieces);
  bool take_call(bool last, Pieces& pieces);
  bool take_after(bool last, Pieces& pieces);
  void start_call(size_t skipped, bool xml, bool wrapped);
  void reject(Pieces& pieces);
  void say(std::string_view text, Pieces& pieces);

  const ToolSchemas& schemas_;
  bool known_only_;
  State state_ = State::kText;
  std::string buffer_;  // not taken yet
  std::string gap_;     // white space that is text only if more text follows
  bool blank_ = true;   // no text since the beginning or the last call
  bool any_call_ = false;
  char last_ = '\n';  // of the text
  std::unique_ptr<CallReader> reader_;
  std::string raw_;  // of a call that has not begun: it may be text after all
  bool begun_ = false;
  bool wrapped_ = false;
};

}  // namespace hearth
