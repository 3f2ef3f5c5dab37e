// <function=look_up>
// <parameter=word>
// ember
// </parameter>
// </function>
//
// Values are text as it is, without any escapes, and may well hold these very tags. A closing tag
// therefore counts where something follows that belongs behind it; it may also be missing.
#include <algorithm>
#include <set>

#include "text/call_reader.h"
#include "text/lenient_json.h"

namespace hearth {
namespace {

constexpr std::string_view kCloseParameter = "</parameter>";
constexpr std::string_view kCloseFunction = "</function>";
constexpr std::string_view kOpenCall = "<tool_call>";
constexpr std::string_view kCloseCall = "</tool_call>";

/// <parameter=NAME>: also with quotes around the name, as name="NAME", or with a line end for `>`.
struct OpenTag {
  Begins begins = Begins::kNo;
  std::string name = {};
  size_t size = 0;  // without that line end
};

OpenTag open_tag(std::string_view text, std::string_view start) {
  constexpr size_t kLongestName = 256;
  const Begins begins = begins_with(text, start);
  if (begins != Begins::kYes) return {begins};
  if (text.size() == start.size()) return {Begins::kMaybe};
  size_t at = start.size() + 1;
  if (text[start.size()] == ' ') {
    const Begins attribute = begins_with(text.substr(at), "name=");
    if (attribute != Begins::kYes) return {attribute};
    at += std::string_view("name=").size();
  } else if (text[start.size()] != '=') {
    return {};
  }
  const size_t end = text.find_first_of(">\n<", at);
  if (end == std::string_view::npos) {
    return {text.size() - at > kLongestName ? Begins::kNo : Begins::kMaybe};
  }
  std::string_view name = text.substr(at, end - at);
  const size_t first = name.find_first_not_of(" \"'");
  if (text[end] == '<' || first == std::string_view::npos || name.size() > kLongestName) return {};
  name = name.substr(first, name.find_last_not_of(" \"'\r") + 1 - first);
  return {Begins::kYes, std::string(name), text[end] == '>' ? end + 1 : end};
}

class XmlCall : public CallReader {
 public:
  XmlCall(const ToolSchemas& schemas, CallPlace place) : schemas_(schemas), place_(place) {}

  State take(std::string& buffer, bool last, std::vector<ToolPiece>& pieces) override {
    for (;;) {
      const size_t before = pieces.size();
      const size_t bytes = buffer.size();
      const Part part = part_;
      State state = State::kMore;
      switch (part_) {
        case Part::kName: state = take_name(buffer, last, pieces); break;
        case Part::kBetween: state = take_between(buffer, last, pieces); break;
        case Part::kValue: state = take_value(buffer, last, pieces); break;
        case Part::kBody: state = take_body(buffer, last, pieces); break;
      }
      if (state != State::kMore) return state;
      const bool stands = part == part_ && bytes == buffer.size() && before == pieces.size();
      if (stands && !last) return state;
      if (stands) return end(pieces);
    }
  }

 private:
  enum class Part {
    kName,     // <function=NAME>
    kBetween,  // parameters
    kValue,
    kBody,  // arguments as JSON in place of parameters
  };

  State take_name(std::string& buffer, bool last, std::vector<ToolPiece>& pieces) {
    const OpenTag tag = open_tag(buffer, "<function");
    if (tag.begins == Begins::kMaybe && !last) return State::kMore;
    if (tag.begins != Begins::kYes) return State::kRejected;
    const bool known = schemas_.knows(tag.name);
    if (!known && (place_.known_only || !place_.wrapped)) return State::kRejected;
    if (!place_.wrapped) {
      // Prose may mention the tag; a call goes on behind it.
      std::string_view rest = std::string_view(buffer).substr(tag.size);
      rest.remove_prefix(space_at_front(rest));
      const Begins parameter = begins_with(rest, "<parameter");
      const Begins close = begins_with(rest, kCloseFunction);
      const bool sure = parameter == Begins::kYes || close == Begins::kYes;
      const bool open = parameter == Begins::kMaybe || close == Begins::kMaybe;
      if (!sure) return open && !last ? State::kMore : State::kRejected;
    }
    tool_ = tag.name;
    buffer.erase(0, tag.size);
    pieces.push_back({ToolPiece::Kind::kBegin, tool_});
    part_ = Part::kBetween;
    return State::kMore;
  }

  State take_between(std::string& buffer, bool last, std::vector<ToolPiece>& pieces) {
    std::string_view rest = buffer;
    rest.remove_prefix(space_at_front(rest));
    if (rest.empty()) return State::kMore;
    if (rest.front() == '{' && given_.empty() && !has_body_) {
      buffer.erase(0, buffer.size() - rest.size());
      part_ = Part::kBody;
      return State::kMore;
    }
    const OpenTag tag = open_tag(rest, "<parameter");
    const Begins close = begins_with(rest, kCloseFunction);
    if (tag.begins == Begins::kYes && !has_body_) {
      start_value(tag.name, pieces);
      buffer.erase(0, buffer.size() - rest.size() + tag.size);
      return State::kMore;
    }
    if (close == Begins::kYes) {
      buffer.erase(0, buffer.size() - rest.size() + kCloseFunction.size());
      return end(pieces);
    }
    const bool open = tag.begins == Begins::kMaybe || close == Begins::kMaybe;
    if (open && !last) return State::kMore;
    if (open && rest.size() > 1) buffer.clear();  // a tag that is cut off
    return end(pieces);
  }

  void start_value(const std::string& name, std::vector<ToolPiece>& pieces) {
    std::string start = given_.empty() ? "{" : ", ";
    start += json_string(name) + ": ";
    types_ = schemas_.types(tool_, name);
    if (types_.only_string()) start += '"';
    given_.insert(name);
    pieces.push_back({ToolPiece::Kind::kArguments, std::move(start)});
    value_.clear();
    fresh_ = true;
    part_ = Part::kValue;
  }

  State take_value(std::string& buffer, bool last, std::vector<ToolPiece>& pieces) {
    if (fresh_) {  // the line end behind the tag is not the value's
      if ((buffer.empty() || buffer == "\r") && !last) return State::kMore;
      if (buffer.starts_with("\r\n")) buffer.erase(0, 1);
      if (buffer.starts_with('\n')) buffer.erase(0, 1);
      line_start_ = true;
      fresh_ = false;
    }
    std::string text;
    const bool ended = scan_value(buffer, last, text);
    if (types_.only_string()) {
      std::string json = json_string(text);
      json = json.substr(1, json.size() - 2);
      if (ended) json += '"';
      if (!json.empty()) pieces.push_back({ToolPiece::Kind::kArguments, std::move(json)});
    } else {
      value_ += text;
      if (ended) pieces.push_back({ToolPiece::Kind::kArguments, json_of_text(types_, value_)});
    }
    if (ended) part_ = Part::kBetween;
    return State::kMore;
  }

  /// Moves what is certain of the value to `text`; whether the value has ended.
  bool scan_value(std::string& buffer, bool last, std::string& text) {
    size_t at = 0;
    bool ended = false;
    while (at < buffer.size()) {
      const size_t stop = std::min(buffer.find_first_of("<\n", at), buffer.size());
      if (stop > at) line_start_ = false;
      text.append(buffer, at, stop - at);
      at = stop;
      if (at == buffer.size()) break;
      const bool line = buffer[at] == '\n';
      const std::string_view tag = std::string_view(buffer).substr(at + (line ? 1 : 0));
      if (tag.empty() && !last) break;
      size_t size = 0;
      const Begins closes = closing(tag, line || line_start_, last, size);
      if (closes == Begins::kMaybe && !last) break;
      if (closes == Begins::kYes) {
        at += (line ? 1 : 0) + size;
        ended = true;
        break;
      }
      text += buffer[at++];
      line_start_ = line;
    }
    buffer.erase(0, at);
    return ended || last;
  }

  /// Whether a value ends at `text`, and the size of its closing tag.
  Begins closing(std::string_view text, bool line_start, bool last, size_t& size) const {
    if (text.empty()) return last ? Begins::kYes : Begins::kMaybe;
    for (const std::string_view tag : {kCloseParameter, kCloseFunction, kCloseCall}) {
      const Begins found = begins_with(text, tag);
      if (found == Begins::kNo) continue;
      const bool of_parameter = tag == kCloseParameter;
      if (found == Begins::kMaybe) {
        size = text.size();  // an end that is cut off
        return last && size > 1 ? Begins::kYes : Begins::kMaybe;
      }
      size = of_parameter ? tag.size() : 0;
      return followed(text.substr(tag.size()), of_parameter, last);
    }
    if (!line_start) return Begins::kNo;
    size = 0;
    if (const Begins call = begins_with(text, kOpenCall); call != Begins::kNo) {
      if (call == Begins::kMaybe) return call;
      std::string_view rest = text.substr(kOpenCall.size());
      rest.remove_prefix(space_at_front(rest));
      return begins_with(rest, "<function=");
    }
    return next_parameter(text);
  }

  /// What may stand behind a closing tag, if it is one.
  Begins followed(std::string_view text, bool of_parameter, bool last) const {
    text.remove_prefix(space_at_front(text));
    if (text.empty()) return last ? Begins::kYes : Begins::kMaybe;
    Begins best = of_parameter ? next_parameter(text) : Begins::kNo;
    for (const std::string_view tag : {kCloseFunction, kCloseCall, kOpenCall}) {
      if (!of_parameter && tag == kCloseFunction) continue;
      best = std::max(best, begins_with(text, tag));
    }
    return best == Begins::kMaybe && last ? Begins::kYes : best;
  }

  /// A tag of a parameter that the tool has and the call does not yet.
  Begins next_parameter(std::string_view text) const {
    const OpenTag tag = open_tag(text, "<parameter");
    if (tag.begins != Begins::kYes) return tag.begins;
    const bool fits = !given_.contains(tag.name) &&
                      (schemas_.declares(tool_, tag.name) || !schemas_.knows(tool_));
    return fits ? Begins::kYes : Begins::kNo;
  }

  State take_body(std::string& buffer, bool last, std::vector<ToolPiece>& pieces) {
    std::string json;
    buffer.erase(0, body_.push(buffer, json));
    if (body_.broken() || (last && !body_.done())) body_.finish(json);
    if (!json.empty()) pieces.push_back({ToolPiece::Kind::kArguments, std::move(json)});
    if (!body_.done()) return State::kMore;
    has_body_ = true;
    part_ = Part::kBetween;
    return State::kMore;
  }

  State end(std::vector<ToolPiece>& pieces) {
    if (!has_body_) {
      pieces.push_back({ToolPiece::Kind::kArguments, given_.empty() ? "{}" : "}"});
    }
    pieces.push_back({ToolPiece::Kind::kEnd});
    return State::kDone;
  }

  const ToolSchemas& schemas_;
  CallPlace place_;
  Part part_ = Part::kName;
  std::string tool_;
  std::set<std::string> given_;  // parameters
  ValueTypes types_;             // of the value
  std::string value_;            // of one that is not passed on before it is whole
  bool fresh_ = false;           // nothing of the value has come
  bool line_start_ = false;
  LenientJson body_;
  bool has_body_ = false;
};

}  // namespace

std::unique_ptr<CallReader> read_xml_call(const ToolSchemas& schemas, CallPlace place) {
  return std::make_unique<XmlCall>(schemas, place);
}

}  // namespace hearth
