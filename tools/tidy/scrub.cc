#include "tools/tidy/scrub.h"

#include <cctype>
#include <cstddef>

namespace hearth::tidy {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

class Scrubber {
 public:
  Scrubber(std::string_view text, Language language) : text_(text), language_(language) {
    std::string blank(text);
    for (char& c : blank) {
      if (c != '\n') c = ' ';
    }
    result_ = {.code = blank, .strings = blank, .comments = blank};
  }

  Scrubbed run() {
    while (at_ < text_.size()) step();
    return result_;
  }

 private:
  bool has_slash_comments() const {
    return language_ == Language::kCpp || language_ == Language::kRust;
  }
  bool starts(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  char before() const { return at_ > 0 ? text_[at_ - 1] : '\n'; }

  void step() {
    if (language_ == Language::kDocument) return take(result_.code, 1);
    if (starts_comment()) return comment();
    if (is_raw_string()) return raw_string();
    if (language_ == Language::kPython && (starts("\"\"\"") || starts("'''"))) {
      return quoted(text_.substr(at_, 3));
    }
    if (text_[at_] == '"') return quoted("\"");
    if (text_[at_] == '\'' && opens_single_quotes()) return quoted("'");
    take(result_.code, language_ == Language::kScript && text_[at_] == '\\' ? 2 : 1);
  }

  bool starts_comment() const {
    if (has_slash_comments()) return starts("//") || starts("/*");
    // In a shell, $# and ${x#y} are no comments.
    return text_[at_] == '#' &&
           (language_ == Language::kPython || std::isspace(static_cast<unsigned char>(before())));
  }

  void comment() {
    const bool is_block = has_slash_comments() && starts("/*");
    const size_t end = is_block ? text_.find("*/", at_ + 2) : text_.find('\n', at_);
    if (end == std::string_view::npos) return take(result_.comments, text_.size() - at_);
    take(result_.comments, end - at_ + (is_block ? 2 : 0));
  }

  bool is_raw_string() const {
    if (is_word(before())) return false;
    if (language_ == Language::kCpp) return starts("R\"");
    return language_ == Language::kRust && (starts("r\"") || starts("r#"));
  }

  void raw_string() {
    const size_t quote = text_.find('"', at_);
    if (quote == std::string_view::npos) return take(result_.code, 1);
    std::string close = "\"";
    size_t open_end = quote + 1;
    if (language_ == Language::kRust) {
      close += text_.substr(at_ + 1, quote - at_ - 1);
    } else {
      const size_t paren = text_.find('(', quote);
      if (paren == std::string_view::npos) return take(result_.code, 2);
      close = ")";
      close.append(text_.substr(quote + 1, paren - quote - 1)).append("\"");
      open_end = paren + 1;
    }
    take(result_.code, open_end - at_);
    literal(text_.find(close, at_), close.size());
  }

  /// Whether this ' opens a literal: not a digit separator (1'000), not a lifetime ('a).
  bool opens_single_quotes() const {
    if (language_ == Language::kRust) {
      // One character, of up to four bytes, and another quotation mark.
      const std::string_view rest = text_.substr(at_ + 1, 5);
      if (rest.starts_with('\\')) return true;
      const size_t close = rest.find('\'');
      return close == 1 || (close != std::string_view::npos && close > 1 && rest[0] < 0);
    }
    if (language_ != Language::kCpp || !is_word(before())) return true;
    size_t token = at_;
    while (token > 0 && (is_word(text_[token - 1]) || text_[token - 1] == '\'')) --token;
    return std::isdigit(static_cast<unsigned char>(text_[token])) == 0;
  }

  void quoted(std::string_view quote) {
    take(result_.code, quote.size());
    const bool spans_lines =
        quote.size() == 3 || !(language_ == Language::kCpp || language_ == Language::kPython);
    const bool escapes = !(language_ == Language::kScript && quote == "'");
    size_t end = at_;
    while (end < text_.size() && !text_.substr(end).starts_with(quote)) {
      if (text_[end] == '\n' && !spans_lines) break;  // an apostrophe in a directive, not a literal
      end += escapes && text_[end] == '\\' ? 2 : 1;
    }
    literal(end, quote.size());
  }

  void literal(size_t end, size_t close_size) {
    if (end >= text_.size()) return take(result_.strings, text_.size() - at_);
    take(result_.strings, end - at_);
    if (text_[at_] != '\n') take(result_.code, close_size);
  }

  void take(std::string& into, size_t count) {
    for (; count > 0 && at_ < text_.size(); --count, ++at_) into[at_] = text_[at_];
  }

  std::string_view text_;
  Language language_;
  size_t at_ = 0;
  Scrubbed result_;
};

}  // namespace

Scrubbed scrub(std::string_view text, Language language) { return Scrubber(text, language).run(); }

}  // namespace hearth::tidy
