// {"name": "look_up", "arguments": {"word": "ember"}}
//
// The text is repaired first, and what is JSON then is taken apart: the value of `arguments` is
// passed on as it comes, once the name is known.
#include <nlohmann/json.hpp>

#include "text/call_reader.h"
#include "text/lenient_json.h"

namespace hearth {
namespace {

class JsonCall : public CallReader {
 public:
  JsonCall(const ToolSchemas& schemas, CallPlace place) : schemas_(schemas), place_(place) {}

  State take(std::string& buffer, bool last, std::vector<ToolPiece>& pieces) override {
    std::string json;
    buffer.erase(0, reader_.push(buffer, json));
    if (reader_.broken() || (last && !reader_.done())) reader_.finish(json);
    for (const char byte : json) route(byte);
    if (!begun_ && name_ended_ && arguments_start_with('{') && !begin(pieces)) {
      return State::kRejected;
    }
    if (begun_ && !arguments_.empty()) pass_on(pieces);
    if (!reader_.done()) return State::kMore;
    return end(pieces) ? State::kDone : State::kRejected;
  }

 private:
  enum class Value { kNone, kName, kArguments, kOther };

  /// A byte of the repaired call. Keys count at `base_`, the depth of the object that names the
  /// tool: {"type": "function", "function": {"name": …}} is read as its inner object.
  void route(char byte) {
    const bool in_value = depth_ > base_ || (depth_ == base_ && value_ != Value::kNone);
    if (in_string_) {
      (in_value ? value_byte(byte) : key_.push_back(byte));
      if (escaped_) escaped_ = false;
      else if (byte == '\\') escaped_ = true;
      else if (byte == '"') in_string_ = false;
      return;
    }
    if (depth_ == base_ && (byte == ',' || byte == '}')) {
      end_value();
      if (byte == '}') --depth_;
      if (byte == '}' && base_ > 1) --base_;
      return;
    }
    in_string_ = byte == '"';
    if (!in_value) {
      if (byte == '{') ++depth_;
      if (byte == '"') key_ = byte;
      if (byte == ':') start_value();
      return;
    }
    if (key_ == "\"function\"" && byte == '{' && depth_ == base_) {
      value_ = Value::kNone;
      key_.clear();
      base_ = ++depth_;
      return;
    }
    if (byte == '{' || byte == '[') ++depth_;
    if (byte == '}' || byte == ']') --depth_;
    value_byte(byte);
  }

  void start_value() {
    if (key_ == "\"name\"" || key_ == "\"function\"") value_ = Value::kName;
    else if (!has_arguments_ && (key_ == "\"arguments\"" || key_ == "\"parameters\"")) {
      value_ = Value::kArguments;
      has_arguments_ = true;
    } else {
      value_ = Value::kOther;
    }
    others_ |= value_ == Value::kOther && key_ != "\"id\"" && key_ != "\"type\"";
  }

  void value_byte(char byte) {
    const bool space = byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
    // White space around a value is not its own.
    if (space && !in_string_ && depth_ == base_) return;
    if (value_ == Value::kName) name_json_ += byte;
    if (value_ == Value::kArguments) arguments_ += byte;
  }

  void end_value() {
    if (value_ == Value::kName && nlohmann::json::accept(name_json_)) {
      const auto name = nlohmann::json::parse(name_json_);
      if (name.is_string()) name_ = name.get<std::string>();
      name_ended_ = !name_.empty();
    }
    value_ = Value::kNone;
  }

  bool arguments_start_with(char byte) const {
    return !arguments_.empty() && arguments_.front() == byte;
  }

  bool begin(std::vector<ToolPiece>& pieces) {
    if (place_.known_only && !schemas_.knows(name_)) return false;
    pieces.push_back({ToolPiece::Kind::kBegin, name_});
    begun_ = true;
    return true;
  }

  void pass_on(std::vector<ToolPiece>& pieces) {
    pieces.push_back({ToolPiece::Kind::kArguments, std::move(arguments_)});
    arguments_.clear();
  }

  /// The call is read. Arguments may be a string that holds the object, or nothing.
  bool end(std::vector<ToolPiece>& pieces) {
    if (!begun_) {
      if (!name_ended_) return false;
      if (arguments_start_with('"')) unpack();
      if (arguments_ == "null" || arguments_ == "[]") arguments_ = "{}";
      if (arguments_.empty()) {
        if (others_) return false;
        arguments_ = "{}";
      }
      if (!arguments_start_with('{') || !begin(pieces)) return false;
      pass_on(pieces);
    }
    pieces.push_back({ToolPiece::Kind::kEnd});
    return true;
  }

  void unpack() {
    if (!nlohmann::json::accept(arguments_)) return;
    const auto inner = nlohmann::json::parse(arguments_).get<std::string>();
    arguments_.clear();
    if (space_at_front(inner) == inner.size()) return;
    LenientJson reader;
    reader.push(inner, arguments_);
    reader.finish(arguments_);
  }

  const ToolSchemas& schemas_;
  CallPlace place_;
  LenientJson reader_;
  int64_t depth_ = 0;
  int64_t base_ = 1;
  bool in_string_ = false;
  bool escaped_ = false;
  std::string key_;  // with quotes
  Value value_ = Value::kNone;
  std::string name_json_;
  std::string name_;
  std::string arguments_;  // not passed on yet
  bool has_arguments_ = false;
  bool name_ended_ = false;
  bool others_ = false;  // keys that a call does not have
  bool begun_ = false;
};

}  // namespace

std::unique_ptr<CallReader> read_json_call(const ToolSchemas& schemas, CallPlace place) {
  return std::make_unique<JsonCall>(schemas, place);
}

}  // namespace hearth
