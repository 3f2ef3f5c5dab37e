// Ctrl-C as a question that work asks now and then. The second one ends the program at once.
#pragma once

namespace hearth {

/// While it lives, the first Ctrl-C only makes pressed() true.
class CtrlC {
 public:
  CtrlC();
  CtrlC(const CtrlC&) = delete;
  CtrlC& operator=(const CtrlC&) = delete;
  ~CtrlC();

  static bool pressed();
};

}  // namespace hearth
