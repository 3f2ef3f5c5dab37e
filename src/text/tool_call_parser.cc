#include "text/tool_call_parser.h"

#include <algorithm>

namespace hearth {
namespace {

constexpr std::string_view kOpen = "<tool_call>";
constexpr std::string_view kClose = "</tool_call>";
constexpr std::string_view kFunction = "<function=";
constexpr size_t kMostUndecided = 16384;  // bytes of a call whose tool is not known yet

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

Begins begins_with(std::string_view text, std::string_view start) {
  if (text.starts_with(start)) return Begins::kYes;
  return start.starts_with(text) ? Begins::kMaybe : Begins::kNo;
}

size_t space_at_front(std::string_view text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_space);
  return static_cast<size_t>(end - text.begin());
}

std::vector<ToolPiece> ToolCallParser::push(std::string_view text) {
  Pieces pieces;
  buffer_ += text;
  run(false, pieces);
  return pieces;
}

std::vector<ToolPiece> ToolCallParser::flush() {
  Pieces pieces;
  run(true, pieces);
  if (!any_call_ && !gap_.empty()) pieces.push_back({ToolPiece::Kind::kText, gap_});
  gap_.clear();
  return pieces;
}

std::vector<ToolPiece> ToolCallParser::cut() {
  Pieces pieces;
  if (state_ == State::kCall && begun_) {
    pieces.push_back({ToolPiece::Kind::kEnd});
  } else {
    if (state_ == State::kCall) say(raw_, pieces);
    say(buffer_, pieces);
    if (!any_call_ && !gap_.empty()) pieces.push_back({ToolPiece::Kind::kText, gap_});
  }
  buffer_.clear();
  raw_.clear();
  gap_.clear();
  return pieces;
}

void ToolCallParser::run(bool last, Pieces& pieces) {
  for (bool more = true; more;) {
    switch (state_) {
      case State::kText: more = take_text(last, pieces); break;
      case State::kCall: more = take_call(last, pieces); break;
      case State::kAfter: more = take_after(last, pieces); break;
    }
  }
}

/// Text up to where a call may begin. One line end before a call belongs to it: templates write it.
/// False: it takes more text to go on.
bool ToolCallParser::take_text(bool last, Pieces& pieces) {
  const size_t stop = std::min(buffer_.find_first_of("<\n"), buffer_.size());
  say(std::string_view(buffer_).substr(0, stop), pieces);
  buffer_.erase(0, stop);
  if (buffer_.empty()) return false;
  const size_t line = buffer_.front() == '\n' ? 1 : 0;
  const std::string_view tag = std::string_view(buffer_).substr(line);
  if (tag.empty() && !last) return false;
  const Begins call = begins_with(tag, kOpen);
  const Begins function = begins_with(tag, kFunction);
  bool open = !tag.empty() && (call == Begins::kMaybe || function == Begins::kMaybe);
  if (call == Begins::kYes) {
    const size_t space = space_at_front(tag.substr(kOpen.size()));
    const std::string_view rest = tag.substr(kOpen.size() + space);
    const Begins xml = begins_with(rest, "<function");
    open = rest.empty() || xml == Begins::kMaybe;
    if (xml == Begins::kYes || rest.starts_with('{')) {
      start_call(line + kOpen.size() + space, xml == Begins::kYes, true);
      return true;
    }
  } else if (function == Begins::kYes) {
    start_call(line, true, false);
    return true;
  }
  if (open && !last) return false;
  say(std::string_view(buffer_).substr(0, 1), pieces);
  buffer_.erase(0, 1);
  return true;
}

void ToolCallParser::start_call(size_t skipped, bool xml, bool wrapped) {
  const bool in_line = buffer_.front() != '\n' && last_ != '\n';
  const CallPlace place{wrapped, known_only_ || in_line};
  reader_ = xml ? read_xml_call(schemas_, place) : read_json_call(schemas_, place);
  raw_ = buffer_.substr(0, skipped);
  buffer_.erase(0, skipped);
  begun_ = false;
  wrapped_ = wrapped;
  state_ = State::kCall;
}

bool ToolCallParser::take_call(bool last, Pieces& pieces) {
  const std::string before = begun_ ? std::string() : buffer_;
  const size_t count = pieces.size();
  CallReader::State state = reader_->take(buffer_, last, pieces);
  begun_ |= pieces.size() > count;
  if (begun_) raw_.clear();
  else raw_ += before.substr(0, before.size() - buffer_.size());
  if (state == CallReader::State::kMore && !begun_ && raw_.size() > kMostUndecided) {
    state = CallReader::State::kRejected;
  }
  if (state == CallReader::State::kMore) return false;
  if (state == CallReader::State::kRejected) {
    reject(pieces);
    return true;
  }
  any_call_ = true;
  blank_ = true;
  last_ = '\n';
  gap_.clear();
  state_ = State::kAfter;
  return true;
}

/// No call: its first character is text, and what follows is looked at anew.
void ToolCallParser::reject(Pieces& pieces) {
  buffer_.insert(0, raw_);
  raw_.clear();
  state_ = State::kText;
  const size_t said = buffer_.front() == '\n' ? 2 : 1;
  say(std::string_view(buffer_).substr(0, said), pieces);
  buffer_.erase(0, said);
}

/// Behind a call: its closing tag, brackets too many before that, or another call.
bool ToolCallParser::take_after(bool last, Pieces& pieces) {
  const size_t stray = std::min(buffer_.find_first_not_of(" \t\r\n}]"), buffer_.size());
  const std::string_view rest = std::string_view(buffer_).substr(stray);
  const Begins close = begins_with(rest, kClose);
  if (close == Begins::kMaybe && !last) return false;
  if (close == Begins::kNo && wrapped_ && rest.starts_with('{')) {
    start_call(stray, false, true);
    return true;
  }
  if (close == Begins::kYes) buffer_.erase(0, stray + kClose.size());
  // At the end: a closing tag that is cut off, or none.
  if (close == Begins::kMaybe && rest.size() != 1) buffer_.clear();
  const bool only_space = space_at_front(buffer_) >= stray;
  state_ = State::kText;
  if (close == Begins::kNo && !only_space) {
    say(std::string_view(buffer_).substr(0, stray), pieces);
    buffer_.erase(0, stray);
  }
  return true;
}

void ToolCallParser::say(std::string_view text, Pieces& pieces) {
  if (text.empty()) return;
  last_ = text.back();
  if (blank_) {
    gap_ += text;
    if (space_at_front(gap_) == gap_.size()) return;
    blank_ = false;
    pieces.push_back({ToolPiece::Kind::kText, std::move(gap_)});
    gap_.clear();
    return;
  }
  pieces.push_back({ToolPiece::Kind::kText, std::string(text)});
}

}  // namespace hearth
