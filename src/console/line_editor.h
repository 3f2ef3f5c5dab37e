// Asks a person for the next message.
#pragma once

#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "console/style.h"

namespace hearth {

struct LineEditorOptions {
  FILE* input = stdin;
  FILE* output = stdout;  ///< where the prompt and what is typed appear
  std::string prompt = ">>> ";
  std::string continuation_prompt = "... ";  ///< between triple quotes
  Style style{false};
  unsigned prompt_styles = kBold;
  std::filesystem::path history_file = {};  ///< empty: nothing is kept
  int history_limit = 1000;                 ///< entries
  /// What the text before the cursor may become: `/he` → `/help`. Asked when Tab is pressed.
  std::function<std::vector<std::string>(std::string_view before_cursor)> complete = {};
};

/// Lines with editing, history, completion, and pasting of several lines as one message. A message
/// that begins with three double quotes goes on until a line that ends with three.
///
/// Where input or output is no terminal, lines are read as they come, without a prompt. On a
/// terminal it needs a UTF-8 locale for character types, and sets one.
class LineEditor {
 public:
  enum class Outcome {
    kText,
    kGivenUp,      ///< Ctrl-C: what was typed is dropped
    kInterrupted,  ///< Ctrl-C, and nothing was typed
    kEnd,          ///< Ctrl-D on an empty line, or the end of the input
  };
  struct Reading {
    Outcome outcome = Outcome::kEnd;
    std::string text;  ///< without a line feed at its end
  };

  explicit LineEditor(LineEditorOptions options);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  Reading read();

  /// Why the history is not kept; empty if all is well.
  const std::string& history_problem() const;

 private:
  class Terminal;

  Reading read_line(bool is_continuation);
  Reading read_quoted(std::string first);

  LineEditorOptions options_;
  std::unique_ptr<Terminal> terminal_;  // none where lines are read plainly
};

}  // namespace hearth
