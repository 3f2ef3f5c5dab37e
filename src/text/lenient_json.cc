#include "text/lenient_json.h"

#include <nlohmann/json.hpp>

namespace hearth {
namespace {

constexpr size_t kDeepest = 200;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '-' || c == '+' || c == '.';
}

/// A byte of a string, escaped where JSON wants it.
void append_escaped(char c, std::string& out) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  if (static_cast<unsigned char>(c) >= 0x20) {
    out += c;
    return;
  }
  constexpr const char* kDigits = "0123456789abcdef";
  out += "\\u00";
  out += kDigits[static_cast<unsigned char>(c) / 16];
  out += kDigits[static_cast<unsigned char>(c) % 16];
}

/// Word characters need no escapes.
std::string quoted_word(const std::string& word) {
  std::string json = "\"";
  json += word;
  return json += '"';
}

/// A value without quotes.
std::string json_of_word(const std::string& word) {
  if (word == "True") return "true";
  if (word == "False") return "false";
  if (word == "None" || word == "undefined" || word == "NaN") return "null";
  if (nlohmann::json::accept(word)) return word;
  return quoted_word(word);
}

}  // namespace

size_t LenientJson::push(std::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (done() || broken() || !step(text[i], out)) return i;
  }
  return text.size();
}

/// One byte; false: it does not belong to the value.
bool LenientJson::step(char c, std::string& out) {
  switch (state_) {
    case State::kString: string_byte(c, out); return true;
    case State::kAfterQuote: return after_quote(c, out);
    case State::kWord:
      if (is_word(c)) {
        word_ += c;
        return true;
      }
      end_word(out);
      return !done() && step(c, out);
    case State::kDone:
    case State::kBroken: return false;
    default: break;
  }
  if (is_space(c)) {
    gap_ += c;
    return true;
  }
  switch (state_) {
    case State::kKey: return start_key(c, out);
    case State::kNext: return next(c, out);
    case State::kColon:
      if (c == ':') {
        flush_gap(out);
        out += ':';
        state_ = State::kValue;
        return true;
      }
      if (c != ',' && c != '}') return fail();
      out += ":null";
      value_ended();
      return step(c, out);
    default: return start_value(c, out);
  }
}

bool LenientJson::start_value(char c, std::string& out) {
  if (state_ == State::kItem && c == ']') return close(c, out);
  if (state_ == State::kItem && c == ',') return true;  // a comma too many
  if (c == '{' || c == '[') {
    if (open_.size() == kDeepest) return fail();
    flush_gap(out);
    out += c;
    open_ += c;
    state_ = c == '{' ? State::kKey : State::kItem;
    return true;
  }
  is_key_ = false;
  if (c == '"' || c == '\'') {
    flush_gap(out);
    out += '"';
    quote_ = c;
    state_ = State::kString;
    return true;
  }
  if (!is_word(c)) return fail();
  flush_gap(out);
  word_ = c;
  state_ = State::kWord;
  return true;
}

bool LenientJson::start_key(char c, std::string& out) {
  if (c == '}') return close(c, out);
  if (c == ',') return true;
  if (c != '"' && c != '\'' && !is_word(c)) return fail();
  flush_gap(out);
  is_key_ = true;
  quote_ = c;
  if (is_word(c)) {
    word_ = c;
    state_ = State::kWord;
  } else {
    out += '"';
    state_ = State::kString;
  }
  return true;
}

/// Behind a value in a container: a comma, its end, or a new element whose comma is missing.
bool LenientJson::next(char c, std::string& out) {
  if (c == '}' || c == ']') return close(c, out);
  const State element = open_.back() == '{' ? State::kKey : State::kItem;
  if (c == ',') {
    gap_ += ',';
    state_ = element;
    return true;
  }
  const bool starts =
      c == '"' || c == '\'' || is_word(c) || (element == State::kItem && (c == '{' || c == '['));
  if (!starts) return fail();
  gap_.insert(0, 1, ',');
  state_ = element;
  return step(c, out);
}

/// Closes the innermost bracket of the kind, and those left open inside of it.
bool LenientJson::close(char bracket, std::string& out) {
  const char wanted = bracket == '}' ? '{' : '[';
  const size_t found = open_.rfind(wanted);
  if (found == std::string::npos) return fail();
  if (const size_t comma = gap_.find(','); comma != std::string::npos) gap_.erase(comma, 1);
  flush_gap(out);
  while (open_.size() > found) {
    out += open_.back() == '{' ? '}' : ']';
    open_.pop_back();
  }
  value_ended();
  return true;
}

void LenientJson::value_ended() { state_ = open_.empty() ? State::kDone : State::kNext; }

void LenientJson::string_byte(char c, std::string& out) {
  if (!escape_.empty()) return escape_byte(c, out);
  if (c == '\\') {
    escape_ = c;
    return;
  }
  flush_surrogate(out);
  if (c == quote_) {
    tail_ = c;
    state_ = State::kAfterQuote;
    return;
  }
  append_escaped(c, out);
}

void LenientJson::escape_byte(char c, std::string& out) {
  constexpr size_t kUnicodeSize = 6;  // \u1234
  const bool unicode = escape_.size() > 1;
  if (unicode ? is_hex(c) : c == 'u') {
    escape_ += c;
    if (escape_.size() == kUnicodeSize) unicode_escape(out);
    return;
  }
  flush_surrogate(out);
  const std::string begun = std::move(escape_);
  escape_.clear();
  if (unicode) {  // not enough digits: text
    out += '\\';
    out += begun;
    return string_byte(c, out);
  }
  if (c == '\'') {
    out += c;
  } else if (std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos) {
    out += begun;
    out += c;
  } else {
    out += "\\\\";
    append_escaped(c, out);
  }
}

/// Halves of surrogate pairs that stand alone are no JSON.
void LenientJson::unicode_escape(std::string& out) {
  const unsigned long unit = std::stoul(escape_.substr(2), nullptr, 16);
  const bool first = unit >= 0xD800 && unit < 0xDC00;
  const bool second = unit >= 0xDC00 && unit < 0xE000;
  if (second && !surrogate_.empty()) {
    out += surrogate_ + escape_;
    surrogate_.clear();
  } else {
    flush_surrogate(out);
    if (first) surrogate_ = escape_;
    else out += second ? "\\ufffd" : escape_;
  }
  escape_.clear();
}

void LenientJson::flush_surrogate(std::string& out) {
  if (!surrogate_.empty()) out += "\\ufffd";
  surrogate_.clear();
}

bool LenientJson::after_quote(char c, std::string& out) {
  if (is_space(c)) {
    tail_ += c;
    return true;
  }
  const bool lines = tail_.find('\n') != std::string::npos;
  const bool ends = (is_key_ && c == ':') || c == ',' || c == '}' || c == ']' || c == '<' ||
                    // The next line begins with a quote: a comma is missing.
                    (!open_.empty() && !is_key_ && lines && c == quote_);
  if (ends) {
    end_string(out);
    return !done() && step(c, out);
  }
  for (const char text : tail_) append_escaped(text, out);
  state_ = State::kString;
  string_byte(c, out);
  return true;
}

void LenientJson::end_string(std::string& out) {
  out += '"';
  gap_ = tail_.substr(1);
  if (is_key_) state_ = State::kColon;
  else value_ended();
}

void LenientJson::end_word(std::string& out) {
  if (is_key_) {
    out += quoted_word(word_);
    state_ = State::kColon;
  } else {
    out += json_of_word(word_);
    value_ended();
  }
}

void LenientJson::flush_gap(std::string& out) {
  out += gap_;
  gap_.clear();
}

bool LenientJson::fail() {
  before_broken_ = state_;
  state_ = State::kBroken;
  return false;
}

void LenientJson::finish(std::string& out) {
  if (broken()) state_ = before_broken_;
  if (state_ == State::kString) {
    flush_surrogate(out);
    if (!escape_.empty()) out.append("\\").append(escape_);
    tail_ = quote_;
    end_string(out);
  } else if (state_ == State::kAfterQuote) {
    end_string(out);
  } else if (state_ == State::kWord) {
    end_word(out);
  }
  if (state_ == State::kColon) out += ":null";
  if (state_ == State::kValue) out += "null";
  gap_.clear();
  for (; !open_.empty(); open_.pop_back()) out += open_.back() == '{' ? '}' : ']';
  state_ = State::kDone;
}

}  // namespace hearth
