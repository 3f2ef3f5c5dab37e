#include "app/ctrl_c.h"

#include <atomic>
#include <csignal>

namespace hearth {
namespace {

// A signal handler can reach nothing else.
std::atomic<bool> g_pressed = false;
static_assert(std::atomic<bool>::is_always_lock_free);

void on_signal(int) { g_pressed = true; }

}  // namespace

CtrlC::CtrlC() {
  g_pressed = false;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
}

CtrlC::~CtrlC() { std::signal(SIGINT, SIG_DFL); }

bool CtrlC::pressed() { return g_pressed; }

}  // namespace hearth
