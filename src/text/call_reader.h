// One tool call in a model's output, read while it arrives. Private to this module.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/tool_schemas.h"

namespace hearth {

/// What is certain of an output with tool calls.
struct ToolPiece {
  enum class Kind : uint8_t {
    kText,
    kBegin,      // text: the tool's name
    kArguments,  // more of a call's arguments, a JSON object in all
    kEnd,
  };
  Kind kind = Kind::kText;
  std::string text = {};

  bool operator==(const ToolPiece&) const = default;
};

/// Where a call stands, which decides what is believed of it.
struct CallPlace {
  bool wrapped = true;      // in <tool_call>
  bool known_only = false;  // a call of a tool that the request does not have is text
};

class CallReader {
 public:
  enum class State : uint8_t {
    kMore,      // needs more text
    kDone,      // the call has ended
    kRejected,  // this is no call; nothing was passed on
  };

  virtual ~CallReader() = default;

  /// Takes what it can from the front of `buffer`. With `last`, nothing follows, and the state is
  /// not kMore. A call that has begun is ended, with its arguments repaired.
  virtual State take(std::string& buffer, bool last, std::vector<ToolPiece>& pieces) = 0;
};

/// {"name": …, "arguments": {…}}
std::unique_ptr<CallReader> read_json_call(const ToolSchemas& schemas, CallPlace place);

/// <function=NAME><parameter=NAME>VALUE</parameter>…</function>
std::unique_ptr<CallReader> read_xml_call(const ToolSchemas& schemas, CallPlace place);

/// Whether a text begins with another, or could if it went on.
enum class Begins : uint8_t { kNo, kMaybe, kYes };
Begins begins_with(std::string_view text, std::string_view start);

/// Bytes of white space at the front.
size_t space_at_front(std::string_view text);

}  // namespace hearth
