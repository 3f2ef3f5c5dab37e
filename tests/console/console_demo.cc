// console_demo: a prompt that shows what is typed, as Markdown; Ctrl-C twice or Ctrl-D leaves.
// console_demo FILE [BYTES [MILLISECONDS]]: shows a Markdown file in pieces of so many bytes.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "console/interrupts.h"
#include "console/line_editor.h"
#include "console/markdown_view.h"

namespace hearth {
namespace {

void write(std::string_view output) {
  std::fwrite(output.data(), 1, output.size(), stdout);
  std::fflush(stdout);
}

MarkdownView new_view() {
  const bool terminal = is_terminal(STDOUT_FILENO);
  return MarkdownView({.mode = view_mode(terminal, terminal, false),
                       .style = Style(terminal),
                       .size = [] { return terminal_size(STDOUT_FILENO); },
                       .write = write});
}

int prompt() {
  Interrupts interrupts(STDOUT_FILENO);
  LineEditor editor({.style = Style(is_terminal(STDOUT_FILENO)), .complete = [](auto) {
                       return std::vector<std::string>{"/help", "/save", "/set"};
                     }});
  while (true) {
    const LineEditor::Reading reading = editor.read();
    if (reading.outcome == LineEditor::Outcome::kEnd) return 0;
    if (reading.outcome == LineEditor::Outcome::kInterrupted) {
      if (interrupts.pressed_at_prompt()) return 130;
      write("Press Ctrl-C again to leave.\r\n");
    }
    if (reading.outcome != LineEditor::Outcome::kText) continue;
    interrupts.reset();
    MarkdownView view = new_view();
    for (const char c : reading.text) {
      if (interrupts.stop_requested()) break;
      view.add({&c, 1});
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    view.finish();
  }
}

}  // namespace
}  // namespace hearth

int main(int count, char** arguments) {
  using namespace hearth;
  if (count == 1) return prompt();
  std::ifstream file(arguments[1], std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.empty()) {
    std::fprintf(stderr, "usage: console_demo [FILE [BYTES [MILLISECONDS]]]\n");
    return 2;
  }
  const size_t bytes = count > 2 ? std::strtoul(arguments[2], nullptr, 10) : 4;
  const int pause_ms = count > 3 ? std::atoi(arguments[3]) : 0;
  MarkdownView view = new_view();
  for (size_t at = 0; at < text.size(); at += std::max<size_t>(bytes, 1)) {
    view.add(std::string_view(text).substr(at, bytes));
    if (pause_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
  }
  view.finish();
}
