// Ends an answer before a given text, without showing any of that text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hearth {

/// Looks for stop strings in a text that comes in pieces. What has come so far is passed on, except
/// an end of it that may still become a stop string. The result does not depend on how the text is
/// split: it ends before the stop string that is complete first, and of several that are complete
/// with the same byte, before the longest.
///
/// Where the stop strings and the pieces are well-formed UTF-8, so is all that is passed on.
class StopStrings {
 public:
  /// Throws UsageError for an empty stop string.
  explicit StopStrings(const std::vector<std::string>& strings);

  /// The text that is certain now; may be empty. Nothing after a stop string.
  std::string push(std::string_view piece);

  /// Whether a stop string has come.
  bool stopped() const { return !found_.empty(); }
  /// The one that has come, or empty.
  const std::string& found() const { return found_; }

  /// The end of the text: what was held back. The next text starts anew.
  std::string flush();

 private:
  /// One stop string, matched as Knuth, Morris and Pratt do.
  struct Matcher {
    std::string text;
    std::vector<size_t> border;  // [bytes] longest proper border of text[0..i]
    size_t matched = 0;          // bytes of it that the text ends with

    explicit Matcher(const std::string& stop);
    void next(char byte);
  };

  std::vector<Matcher> matchers_;
  std::string held_;  // the end of the text that is not passed on yet
  std::string found_;
};

}  // namespace hearth
