#include "tests/console/pseudo_terminal.h"

#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace hearth::testing {
namespace {

constexpr int kTimeoutMs = 10000;

}  // namespace

PseudoTerminal::PseudoTerminal(const std::function<int()>& program) {
  std::fflush(nullptr);
  winsize size{24, 80, 0, 0};
  process_ = forkpty(&controller_, nullptr, nullptr, &size);
  if (process_ == 0) {
    setenv("TERM", "xterm", 1);
    const int status = program();
    std::fflush(nullptr);
    _exit(status);
  }
}

PseudoTerminal::~PseudoTerminal() {
  if (process_ > 0) {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  close(controller_);
}

void PseudoTerminal::type(std::string_view keys) {
  while (!keys.empty()) {
    const ssize_t written = write(controller_, keys.data(), keys.size());
    if (written <= 0) return;
    keys.remove_prefix(static_cast<size_t>(written));
  }
}

bool PseudoTerminal::shows(std::string_view text) {
  while (true) {
    const size_t found = output_.find(text, seen_);
    if (found != std::string::npos) {
      seen_ = found + text.size();
      return true;
    }
    pollfd ready{controller_, POLLIN, 0};
    char bytes[4096];
    if (poll(&ready, 1, kTimeoutMs) <= 0) return false;
    const ssize_t count = ::read(controller_, bytes, sizeof bytes);
    if (count <= 0) return false;
    output_.append(bytes, static_cast<size_t>(count));
  }
}

bool PseudoTerminal::prompts(std::string_view text) {
  if (!shows(text)) return false;
  for (int waited = 0; waited < kTimeoutMs; ++waited) {
    termios settings{};
    if (tcgetattr(controller_, &settings) != 0) return false;
    if ((settings.c_lflag & (ICANON | ISIG)) == 0) return true;
    poll(nullptr, 0, 1);
  }
  return false;
}

int PseudoTerminal::wait() {
  shows(std::string_view("\0", 1));  // reads to the end: programs write no such byte
  int status = 0;
  waitpid(process_, &status, 0);
  process_ = -1;
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace hearth::testing
