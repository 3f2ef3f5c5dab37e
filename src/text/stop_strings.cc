#include "text/stop_strings.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace hearth {

StopStrings::Matcher::Matcher(const std::string& stop) : text(stop) {
  if (text.empty()) throw UsageError("a stop string is empty: expected at least one byte.");
  border.push_back(0);
  for (size_t i = 1, length = 0; i < text.size(); ++i) {
    while (length > 0 && text[i] != text[length]) length = border[length - 1];
    if (text[i] == text[length]) ++length;
    border.push_back(length);
  }
}

void StopStrings::Matcher::next(char byte) {
  while (matched > 0 && byte != text[matched]) matched = border[matched - 1];
  if (byte == text[matched]) ++matched;
}

StopStrings::StopStrings(const std::vector<std::string>& strings)
    : matchers_(strings.begin(), strings.end()) {}

std::string StopStrings::push(std::string_view piece) {
  if (stopped()) return "";
  for (const char byte : piece) {
    held_ += byte;
    size_t complete = 0;  // bytes of the longest stop string that ends here
    for (Matcher& matcher : matchers_) {
      matcher.next(byte);
      if (matcher.matched == matcher.text.size()) complete = std::max(complete, matcher.matched);
    }
    if (complete == 0) continue;
    found_ = held_.substr(held_.size() - complete);
    held_.resize(held_.size() - complete);
    return std::exchange(held_, "");
  }
  size_t hold = 0;
  for (const Matcher& matcher : matchers_) hold = std::max(hold, matcher.matched);
  std::string certain = held_.substr(0, held_.size() - hold);
  held_.erase(0, certain.size());
  return certain;
}

std::string StopStrings::flush() {
  for (Matcher& matcher : matchers_) matcher.matched = 0;
  found_.clear();
  return std::exchange(held_, "");
}

}  // namespace hearth
