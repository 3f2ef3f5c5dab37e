// JSON as models write it, to JSON as parsers read it, while it arrives.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hearth {

/// Passes one JSON value on, byte by byte, and repairs what models get wrong: single quotes, quotes
/// and line ends that should be escaped, escapes that do not exist, True and None, words without
/// quotes, commas too many or too few, brackets left open. What is well-formed passes unchanged.
///
/// A quote ends a string when a comma, a bracket or a tag follows (a colon, behind a key): the
/// quotes of `"say "hi" now"` are text. Where a value can neither go on nor be repaired it is
/// broken.
class LenientJson {
 public:
  /// Takes bytes from the front of `text` and appends to `out` what is certain. Returns how many it
  /// took; fewer than all when the value has ended or is broken there.
  size_t push(std::string_view text, std::string& out);

  /// Nothing follows: closes all that is open. What was passed on is then JSON, if a value began.
  void finish(std::string& out);

  bool done() const { return state_ == State::kDone; }
  bool broken() const { return state_ == State::kBroken; }

 private:
  enum class State {
    kValue,       // a value must come
    kItem,        // a value or the end of an array
    kKey,         // a key or the end of an object
    kColon,       // behind a key
    kNext,        // behind a value in a container
    kString,      // inside
    kAfterQuote,  // behind a quote that may end the string
    kWord,        // a number, true, or a word without quotes
    kDone,
    kBroken,
  };

  bool step(char c, std::string& out);
  bool start_value(char c, std::string& out);
  bool start_key(char c, std::string& out);
  bool next(char c, std::string& out);
  bool close(char bracket, std::string& out);
  void value_ended();
  void string_byte(char c, std::string& out);
  void escape_byte(char c, std::string& out);
  void unicode_escape(std::string& out);
  bool after_quote(char c, std::string& out);
  void end_string(std::string& out);
  void end_word(std::string& out);
  void flush_gap(std::string& out);
  void flush_surrogate(std::string& out);
  bool fail();

  State state_ = State::kValue;
  State before_broken_ = State::kValue;
  std::string open_;       // brackets
  std::string gap_;        // white space, and a comma, before what comes next
  bool is_key_ = false;    // of the string or word
  char quote_ = '"';       // of the string
  std::string tail_;       // kAfterQuote: the quote and the white space behind it
  std::string escape_;     // an escape that is not complete
  std::string surrogate_;  // the escape of the first half of a pair
  std::string word_;
};

}  // namespace hearth
