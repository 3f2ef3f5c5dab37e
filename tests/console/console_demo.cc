// console_demo FILE [BYTES [MILLISECONDS]]: shows a Markdown file in pieces of so many bytes.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "console/markdown_view.h"

int main(int count, char** arguments) {
  using namespace hearth;
  std::ifstream file(count > 1 ? arguments[1] : "README.md", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.empty()) {
    std::fprintf(stderr, "usage: console_demo FILE [BYTES [MILLISECONDS]]\n");
    return 2;
  }
  const size_t bytes = count > 2 ? std::strtoul(arguments[2], nullptr, 10) : 4;
  const int pause_ms = count > 3 ? std::atoi(arguments[3]) : 0;
  const bool terminal = is_terminal(STDOUT_FILENO);
  MarkdownView view({.mode = view_mode(terminal, terminal, false),
                     .style = Style(terminal),
                     .size = [] { return terminal_size(STDOUT_FILENO); },
                     .write =
                         [](std::string_view output) {
                           std::fwrite(output.data(), 1, output.size(), stdout);
                           std::fflush(stdout);
                         }});
  for (size_t at = 0; at < text.size(); at += std::max<size_t>(bytes, 1)) {
    view.add(std::string_view(text).substr(at, bytes));
    if (pause_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));
  }
  view.finish();
}
