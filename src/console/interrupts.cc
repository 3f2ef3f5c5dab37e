#include "console/interrupts.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <string_view>

#include "base/check.h"

namespace hearth {
namespace {

// A handler has no argument for its owner, hence the only globals of this module.
std::atomic<int> g_presses = 0;
std::atomic<int> g_terminal = -1;
std::atomic<bool> g_is_installed = false;
struct sigaction g_previous;

static_assert(std::atomic<int>::is_always_lock_free, "a signal handler must not lock");

/// Calls only what is allowed in a signal handler.
void handle(int signal) {
  if (++g_presses < 2) return;
  constexpr std::string_view kReset = "\x1b[0m\n";
  if (g_terminal >= 0 && write(g_terminal, kReset.data(), kReset.size()) < 0) {
    // The program ends anyway.
  }
  // Takes effect when the handler returns and the signal is let through again.
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

Interrupts::Interrupts(int terminal) {
  CHECK(!g_is_installed.exchange(true));
  g_presses = 0;
  g_terminal = terminal;
  struct sigaction action {};
  action.sa_handler = handle;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &g_previous);
}

Interrupts::~Interrupts() {
  sigaction(SIGINT, &g_previous, nullptr);
  g_is_installed = false;
}

void Interrupts::reset() { g_presses = 0; }

bool Interrupts::stop_requested() const { return g_presses > 0; }

bool Interrupts::pressed_at_prompt() { return ++g_presses >= 2; }

}  // namespace hearth
