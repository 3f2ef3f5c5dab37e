#include "console/line_editor.h"

#include <histedit.h>
#include <langinfo.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "console/history_file.h"

namespace hearth {
namespace {

constexpr std::string_view kQuotes = "\"\"\"";
constexpr std::string_view kPasteOn = "\x1b[?2004h";
constexpr std::string_view kPasteOff = "\x1b[?2004l";
constexpr std::wstring_view kPasteEnd = L"\x1b[201~";
constexpr char kLiteral = '\1';  // around control sequences in a prompt

/// libedit reads and shows characters by the locale.
void use_utf8() {
  const auto is_utf8 = [] { return std::string_view(nl_langinfo(CODESET)) == "UTF-8"; };
  if (is_utf8()) return;
  std::setlocale(LC_CTYPE, "");
  if (!is_utf8()) std::setlocale(LC_CTYPE, "C.UTF-8");
}

std::string common_prefix(const std::vector<std::string>& texts) {
  std::string common = texts.front();
  for (const std::string& text : texts) {
    const auto differ = std::mismatch(common.begin(), common.end(), text.begin(), text.end());
    common.erase(differ.first, common.end());
  }
  return common;
}

/// A plain line. Whether anything could be read.
bool read_plain(FILE* input, std::string& line) {
  char* bytes = nullptr;
  size_t capacity = 0;
  const ssize_t length = getline(&bytes, &capacity, input);
  if (length >= 0) line.assign(bytes, static_cast<size_t>(length));
  std::free(bytes);
  if (line.ends_with('\n')) line.pop_back();
  if (line.ends_with('\r')) line.pop_back();
  return length >= 0;
}

}  // namespace

/// libedit on a terminal.
class LineEditor::Terminal {
 public:
  explicit Terminal(const LineEditorOptions& options);
  ~Terminal() { el_end(editor_); }

  Reading read_line(bool is_continuation);
  InputHistory& history() { return history_; }

 private:
  static Terminal& of(EditLine* editor);
  static char* prompt(EditLine* editor) { return of(editor).prompt_.data(); }
  static unsigned char interrupt(EditLine* editor, int key);
  static unsigned char suspend(EditLine* editor, int key);
  static unsigned char paste(EditLine* editor, int key);
  static unsigned char complete(EditLine* editor, int key);
  void write(std::string_view text);
  void bind(const char* key, const char* name, const char* help,
            unsigned char (*function)(EditLine*, int));
  std::string styled_prompt(const std::string& text) const;

  const LineEditorOptions& options_;
  InputHistory history_;
  EditLine* editor_;
  std::string prompt_;
  bool interrupted_ = false;
  bool had_text_ = false;  // when it was interrupted
};

LineEditor::Terminal::Terminal(const LineEditorOptions& options)
    : options_(options), history_(options.history_file, options.history_limit) {
  use_utf8();
  editor_ = el_init("hearth", options.input, options.output, stderr);
  CHECK(editor_ != nullptr);
  el_set(editor_, EL_CLIENTDATA, this);
  el_set(editor_, EL_PROMPT_ESC, &prompt, kLiteral);
  el_set(editor_, EL_HIST, ::history, history_.entries());
  el_set(editor_, EL_EDITOR, "emacs");
  el_set(editor_, EL_SIGNAL, 1);
  el_source(editor_, nullptr);  // the person's own bindings: ~/.editrc
  // While a line is edited, Ctrl-C and Ctrl-Z are keys, and no signals.
  el_set(editor_, EL_SETTY, "-d", "-isig", nullptr);
  bind("^C", "hearth-interrupt", "Give up the line", interrupt);
  bind("^Z", "hearth-suspend", "Stop until the shell continues", suspend);
  bind("\\e[200~", "hearth-paste", "Insert pasted text", paste);
  bind("^I", "hearth-complete", "Complete a command", complete);
  for (const auto& [key, command] : {std::pair{"\\e[1;5C", "em-next-word"},
                                     {"\\e[1;5D", "ed-prev-word"},
                                     {"\\e[3~", "ed-delete-next-char"},
                                     {"^R", "em-inc-search-prev"}}) {
    el_set(editor_, EL_BIND, key, command, nullptr);
  }
}

LineEditor::Terminal& LineEditor::Terminal::of(EditLine* editor) {
  void* data = nullptr;
  el_get(editor, EL_CLIENTDATA, &data);
  return *static_cast<Terminal*>(data);
}

void LineEditor::Terminal::bind(const char* key, const char* name, const char* help,
                                unsigned char (*function)(EditLine*, int)) {
  el_set(editor_, EL_ADDFN, name, help, function);
  el_set(editor_, EL_BIND, key, name, nullptr);
}

void LineEditor::Terminal::write(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), options_.output);
  std::fflush(options_.output);
}

std::string LineEditor::Terminal::styled_prompt(const std::string& text) const {
  if (!options_.style.on()) return text;
  const std::string literal(1, kLiteral);
  std::string styled = literal;
  styled.append(options_.style.begin(options_.prompt_styles)).append(literal).append(text);
  return styled.append(literal).append(options_.style.end(options_.prompt_styles)).append(literal);
}

/// The line is shown as given up, and ended by the key for that, so that libedit moves the cursor
/// below it.
unsigned char LineEditor::Terminal::interrupt(EditLine* editor, int) {
  Terminal& terminal = of(editor);
  const LineInfo* const line = el_line(editor);
  terminal.had_text_ = line->lastchar != line->buffer;
  terminal.interrupted_ = true;
  el_insertstr(editor, "^C");
  el_push(editor, "\n");
  return CC_REFRESH;
}

/// libedit handles the signal: it gives the terminal back before, and takes it again after.
unsigned char LineEditor::Terminal::suspend(EditLine* editor, int) {
  of(editor).write(kPasteOff);
  std::raise(SIGTSTP);
  of(editor).write(kPasteOn);
  return CC_REDISPLAY;
}

/// Several lines are inserted as they are: a line feed among them does not end the message.
unsigned char LineEditor::Terminal::paste(EditLine* editor, int) {
  std::wstring text;
  wchar_t character = 0;
  while (!text.ends_with(kPasteEnd)) {
    if (el_wgetc(editor, &character) != 1) return CC_EOF;
    text += character;
  }
  text.resize(text.size() - kPasteEnd.size());
  std::replace(text.begin(), text.end(), L'\r', L'\n');
  std::replace(text.begin(), text.end(), L'\t', L' ');
  std::erase_if(text, [](wchar_t c) { return (c < L' ' && c != L'\n') || c == L'\x7f'; });
  while (text.ends_with(L'\n')) text.pop_back();
  if (!text.empty() && el_winsertstr(editor, text.c_str()) != 0) return CC_ERROR;
  return CC_REFRESH;
}

unsigned char LineEditor::Terminal::complete(EditLine* editor, int) {
  Terminal& terminal = of(editor);
  const LineInfo* const line = el_line(editor);
  const std::string before(line->buffer, line->cursor);
  std::vector<std::string> candidates;
  if (terminal.options_.complete) candidates = terminal.options_.complete(before);
  std::erase_if(candidates, [&](const std::string& text) { return !text.starts_with(before); });
  if (candidates.empty()) return CC_ERROR;
  std::string more = common_prefix(candidates).substr(before.size());
  if (candidates.size() == 1) more += ' ';
  if (!more.empty()) {
    el_insertstr(editor, more.c_str());
    return CC_REFRESH;
  }
  std::string list = "\r\n";
  for (const std::string& candidate : candidates) list.append(candidate).append("  ");
  terminal.write(list.append("\r\n"));
  return CC_REDISPLAY;
}

LineEditor::Reading LineEditor::Terminal::read_line(bool is_continuation) {
  prompt_ = styled_prompt(is_continuation ? options_.continuation_prompt : options_.prompt);
  interrupted_ = false;
  write(kPasteOn);
  int length = 0;
  const char* const line = el_gets(editor_, &length);
  const bool was_signal = line == nullptr && length < 0 && errno == EINTR;
  write(kPasteOff);
  if (interrupted_ || was_signal) {
    return {had_text_ && interrupted_ ? Outcome::kGivenUp : Outcome::kInterrupted, ""};
  }
  if (line == nullptr || length <= 0) {
    write("\r\n");
    return {Outcome::kEnd, ""};
  }
  std::string text(line, static_cast<size_t>(length));
  if (text.ends_with('\n')) text.pop_back();
  return {Outcome::kText, std::move(text)};
}

LineEditor::LineEditor(LineEditorOptions options) : options_(std::move(options)) {
  if (is_terminal(fileno(options_.input)) && is_terminal(fileno(options_.output))) {
    terminal_ = std::make_unique<Terminal>(options_);
  }
}

LineEditor::~LineEditor() = default;

LineEditor::Reading LineEditor::read() {
  Reading reading = read_line(false);
  if (reading.outcome == Outcome::kText && reading.text.starts_with(kQuotes)) {
    reading = read_quoted(reading.text.substr(kQuotes.size()));
  }
  const bool is_empty = reading.text.find_first_not_of(" \t\n") == std::string::npos;
  if (terminal_ && reading.outcome == Outcome::kText && !is_empty) {
    terminal_->history().add(reading.text);
  }
  return reading;
}

/// `first`: what follows the opening quotes in their line.
LineEditor::Reading LineEditor::read_quoted(std::string first) {
  std::string text = std::move(first);
  while (!text.ends_with(kQuotes)) {
    Reading next = read_line(true);
    if (next.outcome == Outcome::kInterrupted) next.outcome = Outcome::kGivenUp;
    if (next.outcome == Outcome::kGivenUp) return next;
    if (next.outcome == Outcome::kEnd) return {Outcome::kText, std::move(text)};
    if (!text.empty()) text += '\n';
    text += next.text;
  }
  text.resize(text.size() - kQuotes.size());
  if (text.ends_with('\n')) text.pop_back();
  return {Outcome::kText, std::move(text)};
}

LineEditor::Reading LineEditor::read_line(bool is_continuation) {
  if (terminal_) return terminal_->read_line(is_continuation);
  Reading reading;
  errno = 0;
  if (read_plain(options_.input, reading.text)) {
    reading.outcome = Outcome::kText;
  } else if (errno == EINTR) {
    std::clearerr(options_.input);
    reading.outcome = Outcome::kInterrupted;
  }
  return reading;
}

const std::string& LineEditor::history_problem() const {
  static const std::string none;
  return terminal_ ? terminal_->history().problem() : none;
}

}  // namespace hearth
